#include "lib/attempts/limits.h"

bool attempt_limits_find(const struct resolution *resolution, uid_t uid,
                         struct attempt_limits *limits)
{
    const struct resolved_setting *max = &resolution->setting[SETTING_MAX_ATTEMPTS];
    const int64_t lock_sec = resolution->setting[SETTING_LOCK_TIME].value;

    if (max->value == SETTING_NONE)
        return false;
    if (uid == 0 && !(max->from_rule && max->kind == RULE_USER))
        return false;
    *limits = (struct attempt_limits){
        .max_attempts = (unsigned)max->value,
        .window_ms = resolution->setting[SETTING_ATTEMPT_WINDOW].value * 1000,
        .lock_ms = lock_sec == SETTING_FOREVER ? SETTING_FOREVER : lock_sec * 1000,
        .by_source = resolution->setting[SETTING_COUNT_BY].value == COUNT_BY_SOURCE};
    return true;
}

void fleet_limits_find(const struct resolution *resolution, struct fleet_limits *limits)
{
    const int64_t attempts = resolution->setting[SETTING_FLEET_ATTEMPTS].value;

    *limits = (struct fleet_limits){
        .attempts = attempts == SETTING_NONE ? 0 : (unsigned)attempts,
        .fallback = (unsigned)resolution->setting[SETTING_FLEET_FALLBACK].value};
}
