#include "lib/policy/sshd_values.h"

#include "lib/policy/duration.h"
#include "lib/policy/number.h"
#include "lib/policy/settings.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

/* --- MaxStartups --------------------------------------------------------- */

/* start, rate and full in one number of 63 bits. */
enum { COUNT_BITS = 28, RATE_BITS = 7 };

#define COUNT_MAX ((INT64_C(1) << COUNT_BITS) - 1)
#define RATE_MAX  INT64_C(100)

/* sshd's own rate if none is given. */
#define RATE_DEFAULT INT64_C(30)

static struct startups unpacked(int64_t value)
{
    return (struct startups){.start = value >> (RATE_BITS + COUNT_BITS),
                             .rate = (value >> COUNT_BITS) & ((1 << RATE_BITS) - 1),
                             .full = value & COUNT_MAX};
}

static const char *startups_check(const struct startups *startups)
{
    if (startups->start < 1)
        return "would let nobody in: the first number must be at least 1";
    if (startups->start > COUNT_MAX || startups->full > COUNT_MAX)
        return "is too large: the maximum is 268435455";
    if (startups->rate < 1 || startups->rate > RATE_MAX)
        return "has a rate that is not between 1 and 100 percent";
    if (startups->start > startups->full)
        return "has a start that is larger than full";
    return NULL;
}

const char *startups_parse(const char *text, int64_t *value)
{
    struct startups startups = {.rate = RATE_DEFAULT};
    const char *at = text;
    const char *wrong = number_parse(&at, &startups.start);

    if (wrong != NULL)
        return wrong;
    startups.full = startups.start;
    if (*at == ':') {
        at++;
        wrong = number_parse(&at, &startups.rate);
        if (wrong == NULL && *at++ != ':')
            return "is neither a number nor start:rate:full";
        if (wrong == NULL)
            wrong = number_parse(&at, &startups.full);
        if (wrong != NULL)
            return wrong;
    }
    if (*at != '\0')
        return "is neither a number nor start:rate:full";
    wrong = startups_check(&startups);
    if (wrong == NULL)
        *value = startups.start << (RATE_BITS + COUNT_BITS) | startups.rate << COUNT_BITS |
                 startups.full;
    return wrong;
}

bool startups_unpack(int64_t value, struct startups *startups)
{
    if (value < 0)
        return false;
    *startups = unpacked(value);
    return startups_check(startups) == NULL;
}

void startups_format(int64_t value, char *text, size_t size)
{
    const struct startups startups = unpacked(value);

    snprintf(text, size, "%" PRId64 ":%" PRId64 ":%" PRId64, startups.start, startups.rate,
             startups.full);
}

/* --- ChannelTimeout ------------------------------------------------------ */

/*
 * The types that sshd gives to channels while they carry data, from
 * channels.c, serverloop.c and session.c of OpenSSH. What ends in a colon is
 * followed by a name.
 */
static const char *const channel_types[] = {"agent-connection", "direct-streamlocal@openssh.com",
                                            "direct-tcpip",     "forwarded-streamlocal@openssh.com",
                                            "forwarded-tcpip",  "session:command",
                                            "session:shell",    "session:subsystem:",
                                            "tun-connection",   "x11-connection"};

enum { TYPE_COUNT = sizeof channel_types / sizeof channel_types[0] };

/* All channels together; no pattern matches it, it must be spelled out. */
static const char TYPE_GLOBAL[] = "global";

enum { PATTERN_MAX = SETTING_TEXT_MAX - 1 };

/* A star may match nothing: the place after it is reached along with it. */
static void skip_stars(const char *pattern, size_t size, bool *at)
{
    for (size_t i = 0; i < size; i++)
        if (at[i] && pattern[i] == '*')
            at[i + 1] = true;
}

/*
 * Can the pattern, of * and ? and literal characters, match this type? Reads the
 * type once, and keeps all the places that the pattern can have reached.
 */
static bool matches_type(const char *pattern, size_t size, const char *type)
{
    const size_t type_size = strlen(type);
    bool at[PATTERN_MAX + 1] = {true};

    skip_stars(pattern, size, at);
    for (const char *c = type; *c != '\0'; c++) {
        bool next[PATTERN_MAX + 1] = {false};
        for (size_t i = 0; i < size; i++) {
            if (!at[i])
                continue;
            if (pattern[i] == '*')
                next[i] = true;
            else if (pattern[i] == '?' || pattern[i] == *c)
                next[i + 1] = true;
        }
        skip_stars(pattern, size, next);
        memcpy(at, next, sizeof at);
    }
    if (type[type_size - 1] != ':')
        return at[size];
    /* Whatever is left of the pattern matches some name. */
    for (size_t i = 0; i < size; i++)
        if (at[i])
            return true;
    return false;
}

static const char *type_check(const char *type, size_t size)
{
    if (size == 0)
        return "has an interval without a channel type before the =";
    if (size == sizeof TYPE_GLOBAL - 1 && memcmp(type, TYPE_GLOBAL, size) == 0)
        return NULL;
    for (size_t i = 0; i < TYPE_COUNT; i++)
        if (matches_type(type, size, channel_types[i]))
            return NULL;
    if (size == strlen("session") && memcmp(type, "session", size) == 0)
        return "has the type session, which sshd accepts but which matches nothing: use "
               "session:shell, session:command, session:subsystem:NAME, or session:* for all three";
    return "has a type that matches no channel of sshd: use session:shell, session:command, "
           "session:subsystem:NAME, x11-connection, agent-connection, direct-tcpip, "
           "forwarded-tcpip, or another one of sshd_config(5)";
}

/* One TYPE=INTERVAL, of size characters. */
static const char *pair_check(const char *pair, size_t size)
{
    char interval[PATTERN_MAX + 1];
    const char *equal = memchr(pair, '=', size);
    int64_t seconds = 0;

    if (size == strlen("none") && memcmp(pair, "none", size) == 0)
        return "combines none with other values: use none alone";
    if (equal == NULL)
        return "has a part that is not TYPE=INTERVAL, as in session:shell=10m";
    const size_t type_size = (size_t)(equal - pair);
    const char *wrong = type_check(pair, type_size);
    if (wrong != NULL)
        return wrong;
    snprintf(interval, sizeof interval, "%.*s", (int)(size - type_size - 1), equal + 1);
    if (duration_parse(interval, &seconds) != NULL)
        return "has an interval that is not a duration: use seconds (600) or units (10m, 1h30m), "
               "or 0 for no limit";
    if (seconds > INT_MAX)
        return "has an interval that is too long for sshd: the maximum is 2147483647s";
    return NULL;
}

const char *channel_timeout_check(const char *text)
{
    /* Those that have no special meaning to sshd's line parser, wherever they are. */
    static const char literal[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                  ":@._+-*?= ";

    if (text[0] == '\0')
        return "is empty";
    if (strspn(text, literal) != strlen(text))
        return "has a character that is not allowed in channel types and intervals";
    if (strlen(text) > PATTERN_MAX)
        return "is too long: the maximum is 200 characters";
    if (strcmp(text, "none") == 0)
        return NULL;
    for (const char *pair = text;; pair++) {
        const size_t size = strcspn(pair, " ");
        if (size == 0)
            return "has an extra space: use single spaces between pairs, and no others";
        const char *wrong = pair_check(pair, size);
        if (wrong != NULL)
            return wrong;
        pair += size;
        if (*pair == '\0')
            return NULL;
    }
}
