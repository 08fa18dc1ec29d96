#include "tools/tmoutctl/status/metrics.h"

#include <inttypes.h>
#include <stdio.h>

static void print_head(const char *name, const char *help)
{
    printf("# HELP %s %s\n# TYPE %s gauge\n", name, help, name);
}

static void print_gauge(const char *name, const char *help, int64_t value)
{
    print_head(name, help);
    printf("%s %" PRId64 "\n", name, value);
}

static void print_findings(const struct status_facts *facts)
{
    static const char *const status[] = {
        [AUDIT_PASS] = "pass", [AUDIT_NOTE] = "note", [AUDIT_WARN] = "warn", [AUDIT_FAIL] = "fail"};

    print_head("tmout_audit_findings", "Findings of tmoutctl audit.");
    for (size_t i = 0; i < sizeof status / sizeof *status; i++)
        printf("tmout_audit_findings{status=\"%s\"} %zu\n", status[i], facts->found[i]);
}

void status_print_metrics(const struct status_facts *facts)
{
    const enum policy_state state = status_policy_state(facts);
    const struct policy_view *view = &facts->audit.view;

    print_gauge("tmout_policy_in_force", "Whether a policy is in force.", view->has_applied);
    print_gauge("tmout_policy_rejected", "Whether an edit of the policy is invalid.",
                state == POLICY_REJECTED || (state == POLICY_NONE && !view->has_applied));
    if (view->has_applied)
        print_gauge("tmout_policy_applied_timestamp_seconds",
                    "When the policy in force was applied.", view->applied_sec);
    print_gauge("tmout_daemon_running", "Whether tmoutd is running.",
                facts->audit.tmoutd_is_running);
    if (!facts->incomplete) {
        print_gauge("tmout_logins", "Logins that are registered.", (int64_t)facts->logins);
        print_gauge("tmout_locked_users", "Users who are locked after failed logins.",
                    (int64_t)facts->locked);
    }
    if (facts->next != NULL)
        print_gauge("tmout_next_end_seconds", "Until the next login is ended, if it stays idle.",
                    facts->next->left_ms / 1000);
    print_gauge("tmout_passwords_rejected", "Whether passwords are rejected without a check.",
                facts->rejecting.text[0] != '\0');
    print_findings(facts);
    puts("# EOF");
}
