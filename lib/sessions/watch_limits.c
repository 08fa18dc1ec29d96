#include "lib/sessions/watch_limits.h"

#include <inttypes.h>
#include <stdio.h>

static int64_t limit_ms(const struct resolution *resolution, enum setting_id id, bool covered)
{
    const int64_t value_sec = resolution->setting[id].value;

    return !covered || value_sec == SETTING_NONE ? NEVER_MS : value_sec * 1000;
}

static void rule_text(const struct snapshot *snapshot, const struct resolved_setting *setting,
                      char *text, size_t size)
{
    char path[256];

    if (!setting->from_rule) {
        snprintf(text, size, "-");
        return;
    }
    snapshot_source_path(snapshot, setting->file, path, sizeof path);
    snprintf(text, size, "%s:%" PRIu32, path, setting->line);
}

void user_limits_find(const struct snapshot *snapshot, const struct resolution *resolution,
                      bool is_ssh, struct user_limits *limits)
{
    static const enum setting_id id[] = {[RULE_OF_DISCONNECT] = SETTING_DISCONNECT,
                                         [RULE_OF_AGE] = SETTING_MAX_SESSION,
                                         [RULE_OF_NOTTY] = SETTING_DISCONNECT_NOTTY,
                                         [RULE_OF_LEFTOVERS] = SETTING_LEFTOVERS};
    const bool covered = resolution_covers(resolution, is_ssh);
    const int64_t age_ms = limit_ms(resolution, SETTING_MAX_SESSION, covered);
    const int64_t warn_ms = limit_ms(resolution, SETTING_WARN, true);

    limits->terminal =
        (struct watch_limits){limit_ms(resolution, SETTING_DISCONNECT, covered), age_ms, warn_ms};
    limits->notty =
        (struct watch_limits){limit_ms(resolution, SETTING_DISCONNECT_NOTTY, covered), age_ms, 0};
    limits->any_activity = resolution->setting[SETTING_ACTIVITY].value == ACTIVITY_ANY;
    limits->only_client =
        resolution->setting[SETTING_NOTTY_ACTIVITY].value == NOTTY_ACTIVITY_CLIENT;
    limits->leftovers =
        covered ? (enum leftovers)resolution->setting[SETTING_LEFTOVERS].value : LEFTOVERS_KEEP;
    for (size_t i = 0; i < sizeof id / sizeof id[0]; i++)
        rule_text(snapshot, &resolution->setting[id[i]], limits->rule[i], sizeof limits->rule[i]);
}

static bool are_looser(const struct watch_limits *these, const struct watch_limits *those)
{
    return these->idle_ms > those->idle_ms || these->age_ms > those->age_ms;
}

bool user_limits_are_looser(const struct user_limits *these, const struct user_limits *those)
{
    return are_looser(&these->terminal, &those->terminal) ||
           are_looser(&these->notty, &those->notty) ||
           (these->any_activity && !those->any_activity) ||
           (!these->only_client && those->only_client) || these->leftovers < those->leftovers;
}
