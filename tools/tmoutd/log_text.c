#include "tools/tmoutd/log_text.h"

#include "lib/policy/duration.h"

#include <syslog.h>

static const char *setting_of(enum limit_rule rule)
{
    switch (rule) {
    case RULE_OF_DISCONNECT:
        return "disconnect";
    case RULE_OF_AGE:
        return "max_session";
    case RULE_OF_LEFTOVERS:
        return "leftovers";
    case RULE_OF_NOTTY:
    default:
        return "disconnect_notty";
    }
}

static int64_t limit_of(enum limit_rule rule, const struct user_limits *limits)
{
    switch (rule) {
    case RULE_OF_DISCONNECT:
        return limits->terminal.idle_ms;
    case RULE_OF_AGE:
        return limits->terminal.age_ms;
    case RULE_OF_NOTTY:
    default:
        return limits->notty.idle_ms;
    }
}

void log_text_disconnect(const struct disconnect *disconnect, const struct user_limits *limits,
                         struct log_entry *entry)
{
    const struct session_record *login = disconnect->login;
    const bool is_age = disconnect->reason == REASON_AGE;
    const enum limit_rule rule = is_age ? RULE_OF_AGE : disconnect->idle_rule;
    char idle[64], limit[64];

    duration_format(disconnect->idle_ms > 0 ? disconnect->idle_ms / 1000 : 0, idle, sizeof idle);
    duration_format(limit_of(rule, limits) / 1000, limit, sizeof limit);
    log_entry_begin(entry, LOG_EVENT_DISCONNECTED, LOG_NOTICE, "disconnected, %s",
                    is_age ? "the login has reached its maximum age" : "idle for too long");
    log_entry_add(entry, "user", "%s", login->user);
    log_entry_add(entry, "address", "%s", login->address);
    log_entry_add(entry, "service", "%s", login->service);
    log_entry_add(entry, "terminal", "%s", disconnect->terminal);
    log_entry_add(entry, "idle", "%s", idle);
    log_entry_add(entry, "limit", "%s", limit);
    log_entry_add(entry, "setting", "%s", setting_of(rule));
    log_entry_add(entry, "rule", "%s", limits->rule[rule]);
}
