#include "tools/tmoutctl/sshd/keywords.h"

#include "lib/policy/number.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* From the tables of servconf.c in the releases of OpenSSH. {0, 0}: every
 * version that can include a file (8.2) has it. */
const struct sshd_keyword sshd_keywords[] = {
    {SETTING_LOGIN_GRACE_TIME, "LoginGraceTime", {0, 0}},
    {SETTING_MAX_STARTUPS, "MaxStartups", {0, 0}},
    {SETTING_CHANNEL_TIMEOUT, "ChannelTimeout", {9, 2}},
    {SETTING_CLIENT_ALIVE_INTERVAL, "ClientAliveInterval", {0, 0}},
    {SETTING_CLIENT_ALIVE_COUNT_MAX, "ClientAliveCountMax", {0, 0}},
    {SETTING_MAX_AUTH_TRIES, "MaxAuthTries", {0, 0}},
    {SETTING_MAX_SESSIONS, "MaxSessions", {0, 0}},
    {SETTING_UNUSED_CONNECTION_TIMEOUT, "UnusedConnectionTimeout", {9, 2}},
};

const size_t sshd_keyword_count = sizeof sshd_keywords / sizeof sshd_keywords[0];

int sshd_version_parse(const char *text, struct sshd_version *version)
{
    int64_t major = 0, minor = 0, patch = 0;

    if (number_parse(&text, &major) != NULL || *text++ != '.' ||
        number_parse(&text, &minor) != NULL)
        return -1;
    if (*text == 'p') {
        text++;
        if (number_parse(&text, &patch) != NULL)
            return -1;
    }
    if (*text != '\0' || major > INT_MAX || minor > INT_MAX)
        return -1;
    *version = (struct sshd_version){(int)major, (int)minor};
    return 0;
}

bool sshd_version_before(const struct sshd_version *version, const struct sshd_version *other)
{
    return version->major != other->major ? version->major < other->major
                                          : version->minor < other->minor;
}

void sshd_value_format(enum setting_id id, int64_t value, const char *setting_text, char *text,
                       size_t size)
{
    if (settings[id].type == SETTING_TEXT)
        snprintf(text, size, "%s", setting_text);
    else if (value == SETTING_OFF)
        /* Never none: `UnusedConnectionTimeout none` makes sshd forget the value
         * of an earlier line, while with 0 the first line wins (servconf.c;
         * measured with 9.2). */
        snprintf(text, size, "0");
    else if (settings[id].type == SETTING_DURATION)
        snprintf(text, size, "%" PRId64, value);
    else
        setting_format(&settings[id], value, text, size);
}

bool sshd_value_is(enum setting_id id, int64_t value, const char *setting_text, const char *printed)
{
    char text[SETTING_TEXT_MAX];

    sshd_value_format(id, value, setting_text, text, sizeof text);
    if (printed == NULL) /* sshd 9.2 does not print `ChannelTimeout none` */
        return settings[id].type == SETTING_TEXT && strcmp(text, "none") == 0;
    if (value == SETTING_OFF && strcasecmp(printed, "none") == 0)
        return true;
    return strcmp(text, printed) == 0;
}
