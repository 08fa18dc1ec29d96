#include "tools/tmoutctl/sshd/site.h"

#include "lib/policy/sshd_values.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

bool sshd_is_zero(const char *value)
{
    return strchr(value, '0') != NULL && value[strspn(value, "+-0smhdwSMHDW")] == '\0';
}

/* A policy has no signs and no leading zeros; sshd ignores them. */
static const char *site_value_plain(const char *text)
{
    if (sshd_is_zero(text))
        return "0";
    text += *text == '+';
    while (text[0] == '0' && isdigit((unsigned char)text[1]))
        text++;
    return text;
}

bool sshd_site_read(const struct sshd_line *line, struct sshd_site_value *site)
{
    const char *rest = line->arguments;

    if (!line->in_match || strcmp(line->file, SSHD_DROP_IN) == 0)
        return false;
    for (size_t i = 0; i < sshd_keyword_count; i++) {
        const struct sshd_keyword *keyword = &sshd_keywords[i];
        if (strcasecmp(line->keyword, keyword->keyword) != 0)
            continue;
        site->keyword = keyword;
        /* With an invalid value sshd does not start, which is reported elsewhere. */
        return settings[keyword->id].default_only == NULL &&
               sshd_next_word(&rest, site->text, sizeof site->text) &&
               setting_parse(&settings[keyword->id], site_value_plain(site->text), &site->value) ==
                   NULL;
    }
    return false;
}

bool setting_is_enough(const struct setting *setting, int64_t actual, int64_t asked)
{
    struct startups ours, theirs;

    if (actual == asked)
        return true;
    if (setting->type == SETTING_STARTUPS)
        return startups_unpack(actual, &ours) && startups_unpack(asked, &theirs) &&
               ours.start <= theirs.start && ours.rate >= theirs.rate && ours.full <= theirs.full;
    /* For settings that sshd has globally, the table knows no stricter value. */
    if (setting->default_only != NULL)
        return actual < asked;
    return setting_stricter(setting, actual, asked);
}

bool sshd_value_is_stricter(enum setting_id id, const char *printed, const char *written)
{
    const struct setting *setting = &settings[id];
    int64_t one, other;

    if (setting->type == SETTING_TEXT ||
        setting_parse(setting, site_value_plain(printed), &one) != NULL ||
        setting_parse(setting, site_value_plain(written), &other) != NULL)
        return false;
    return one != other && setting_is_enough(setting, one, other);
}
