#include "lib/policy/resolve.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Does a rule's value replace the one found so far? */
static bool beats(const struct setting *setting, enum rule_kind kind,
                  const struct rule_setting *offered, const struct resolved_setting *so_far)
{
    if (!so_far->from_rule || kind != so_far->kind)
        return !so_far->from_rule || kind > so_far->kind;
    if (offered->value != so_far->value)
        return setting_stricter(setting, offered->value, so_far->value);
    return offered->file != so_far->file ? offered->file < so_far->file
                                         : offered->line < so_far->line;
}

static int apply_rule(const struct snapshot *snapshot, enum rule_kind kind, const char *name,
                      struct resolution *resolution)
{
    struct snapshot_rule rule;
    const int found = snapshot_find(snapshot, kind, name, &rule);

    if (found <= 0)
        return found;
    for (size_t i = 0; i < SETTING_COUNT; i++) {
        const struct rule_setting *offered = &rule.setting[i];
        struct resolved_setting *so_far = &resolution->setting[i];
        if (!offered->set || !beats(&settings[i], kind, offered, so_far))
            continue;
        *so_far = (struct resolved_setting){.value = offered->value,
                                            .from_rule = true,
                                            .kind = kind,
                                            .name = name,
                                            .file = offered->file,
                                            .line = offered->line};
        if (settings[i].type == SETTING_TEXT)
            memcpy(resolution->text, rule.text, sizeof resolution->text);
    }
    return 0;
}

int resolve(const struct snapshot *snapshot, const char *user, const char *const *group,
            size_t group_count, struct resolution *resolution)
{
    resolution->text[0] = '\0';
    for (size_t i = 0; i < SETTING_COUNT; i++)
        resolution->setting[i] =
            (struct resolved_setting){.value = settings[i].default_value, .name = ""};

    if (apply_rule(snapshot, RULE_DEFAULT, "", resolution) != 0 ||
        apply_rule(snapshot, RULE_USER, user, resolution) != 0)
        return -1;
    for (size_t i = 0; i < group_count; i++)
        if (apply_rule(snapshot, RULE_GROUP, group[i], resolution) != 0)
            return -1;
    return 0;
}

void resolution_format(const struct resolution *resolution, enum setting_id id, char *text,
                       size_t size)
{
    const struct resolved_setting *setting = &resolution->setting[id];

    if (settings[id].type == SETTING_TEXT && setting->from_rule)
        snprintf(text, size, "%s", resolution->text);
    else
        setting_format(&settings[id], setting->value, text, size);
}

bool resolution_covers(const struct resolution *resolution, bool is_ssh)
{
    return is_ssh || resolution->setting[SETTING_SESSIONS].value == SESSIONS_ALL;
}

void resolution_tighten(struct resolution *resolution, const struct resolution *other)
{
    for (size_t i = 0; i < SETTING_COUNT; i++)
        if (setting_stricter(&settings[i], other->setting[i].value, resolution->setting[i].value))
            resolution->setting[i] = other->setting[i];
}

void resolution_limit(const struct resolution *resolution, char *text, size_t size)
{
    const int64_t idle_sec = resolution->setting[SETTING_TMOUT].value;

    if (idle_sec == SETTING_NONE)
        snprintf(text, size, "none");
    else
        snprintf(text, size, "%" PRId64 " %s", idle_sec,
                 resolution->setting[SETTING_ENFORCE].value ? "readonly" : "default");
}
