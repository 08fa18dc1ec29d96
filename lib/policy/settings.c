#include "lib/policy/settings.h"

#include "lib/policy/duration.h"
#include "lib/policy/number.h"
#include "lib/policy/sshd_values.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* A year. A longer limit is a typing error, and ksh's additional minute must not
 * overflow the shells' 32-bit arithmetic. */
#define LIMIT_MAX_SEC (365 * INT64_C(86400))

static const struct setting_word no_words[] = {{NULL, 0}};

static const struct setting_word word_none[] = {{"none", SETTING_NONE}, {NULL, 0}};

/* No notice counts as the shortest one, because the longest wins. */
static const struct setting_word word_no_notice[] = {{"none", 0}, {NULL, 0}};

static const struct setting_word words_activity[] = {
    {"input", ACTIVITY_INPUT}, {"any", ACTIVITY_ANY}, {NULL, 0}};

static const struct setting_word words_notty_activity[] = {
    {"any", NOTTY_ACTIVITY_ANY}, {"client", NOTTY_ACTIVITY_CLIENT}, {NULL, 0}};

static const struct setting_word words_leftovers[] = {
    {"keep", LEFTOVERS_KEEP}, {"watch", LEFTOVERS_WATCH}, {"end", LEFTOVERS_END}, {NULL, 0}};

static const struct setting_word word_forever[] = {{"forever", SETTING_FOREVER}, {NULL, 0}};

static const struct setting_word words_bool[] = {{"false", 0}, {"true", 1}, {"no", 0}, {"yes", 1},
                                                 {"off", 0},   {"on", 1},   {NULL, 0}};

static const struct setting_word words_sessions[] = {
    {"ssh", SESSIONS_SSH}, {"all", SESSIONS_ALL}, {NULL, 0}};

/* sshd_config has 0 for this; none is the policy's own word. */
static const struct setting_word words_zero_is_off[] = {
    {"0", SETTING_OFF}, {"none", SETTING_OFF}, {NULL, 0}};

/* 0 works as well, but `sshd -T` prints none. */
static const struct setting_word words_none_is_off[] = {
    {"none", SETTING_OFF}, {"0", SETTING_OFF}, {NULL, 0}};

static const char BEFORE_THE_USER_IS_KNOWN[] =
    "sshd has one value for all connections, because it applies before the user is known";

static const struct setting_word words_count_by[] = {
    {"user", COUNT_BY_USER}, {"source", COUNT_BY_SOURCE}, {NULL, 0}};

const struct setting settings[SETTING_COUNT] = {
    [SETTING_TMOUT] = {.name = "tmout",
                       .type = SETTING_DURATION,
                       .min = 1,
                       .max = LIMIT_MAX_SEC,
                       .words = word_none,
                       .default_value = SETTING_NONE,
                       .strictest = STRICTEST_SMALLEST,
                       .values = "duration, none",
                       .help = "how long a shell may be idle at its prompt"},
    [SETTING_ENFORCE] = {.name = "enforce",
                         .type = SETTING_CHOICE,
                         .words = words_bool,
                         .default_value = 0,
                         .strictest = STRICTEST_LARGEST,
                         .values = "true, false",
                         .help = "the user cannot change the limit in the shell"},
    [SETTING_EXPORT] = {.name = "export",
                        .type = SETTING_CHOICE,
                        .words = words_bool,
                        .default_value = 0,
                        .strictest = STRICTEST_LARGEST,
                        .values = "true, false",
                        .help = "also export TMOUT to the environment; scripts that read from "
                                "slow commands may then lose data"},
    [SETTING_SESSIONS] = {.name = "sessions",
                          .type = SETTING_CHOICE,
                          .words = words_sessions,
                          .default_value = SESSIONS_SSH,
                          .strictest = STRICTEST_LARGEST,
                          .values = "ssh, all",
                          .help = "which logins the settings apply to: those over SSH, or all"},
    [SETTING_MAX_ATTEMPTS] = {.name = "max_attempts",
                              .type = SETTING_NUMBER,
                              .min = 1,
                              .max = ATTEMPTS_MAX,
                              .words = word_none,
                              .default_value = SETTING_NONE,
                              .strictest = STRICTEST_SMALLEST,
                              .values = "1 to 64, none",
                              .help = "how many failed logins lock the account for passwords; root "
                                      "has no limit unless a rule names user root"},
    [SETTING_ATTEMPT_WINDOW] = {.name = "attempt_window",
                                .type = SETTING_DURATION,
                                .min = 1,
                                .max = LIMIT_MAX_SEC,
                                .words = no_words,
                                .default_value = 15 * 60,
                                .strictest = STRICTEST_LARGEST,
                                .values = "duration",
                                .help = "failed logins older than this do not count"},
    [SETTING_LOCK_TIME] = {.name = "lock_time",
                           .type = SETTING_DURATION,
                           .min = 1,
                           .max = LIMIT_MAX_SEC,
                           .words = word_forever,
                           .default_value = 10 * 60,
                           .strictest = STRICTEST_LARGEST,
                           .values = "duration, forever",
                           .help = "how long the lock lasts; forever means until tmoutctl unlock"},
    [SETTING_COUNT_BY] = {.name = "count_by",
                          .type = SETTING_CHOICE,
                          .words = words_count_by,
                          .default_value = COUNT_BY_USER,
                          .strictest = STRICTEST_LARGEST,
                          .values = "user, source",
                          .help = "one count for all logins over the network, or one for each "
                                  "remote address"},
    [SETTING_DISCONNECT] = {.name = "disconnect",
                            .type = SETTING_DURATION,
                            .min = 1,
                            .max = LIMIT_MAX_SEC,
                            .words = word_none,
                            .default_value = SETTING_NONE,
                            .strictest = STRICTEST_SMALLEST,
                            .values = "duration, none",
                            .help = "tmoutd hangs up a terminal that has had no input for this "
                                    "long, whatever runs in it"},
    [SETTING_DISCONNECT_NOTTY] = {.name = "disconnect_notty",
                                  .type = SETTING_DURATION,
                                  .min = 1,
                                  .max = LIMIT_MAX_SEC,
                                  .words = word_none,
                                  .default_value = SETTING_NONE,
                                  .strictest = STRICTEST_SMALLEST,
                                  .values = "duration, none",
                                  .help =
                                      "the same for a login without a terminal that transfers no "
                                      "data"},
    [SETTING_ACTIVITY] = {.name = "activity",
                          .type = SETTING_CHOICE,
                          .words = words_activity,
                          .default_value = ACTIVITY_INPUT,
                          .strictest = STRICTEST_LARGEST,
                          .values = "input, any",
                          .help = "with any, output to the terminal counts as activity as well"},
    [SETTING_MAX_SESSION] = {.name = "max_session",
                             .type = SETTING_DURATION,
                             .min = 1,
                             .max = LIMIT_MAX_SEC,
                             .words = word_none,
                             .default_value = SETTING_NONE,
                             .strictest = STRICTEST_SMALLEST,
                             .values = "duration, none",
                             .help = "tmoutd ends a login of this age, idle or not"},
    [SETTING_WARN] = {.name = "warn",
                      .type = SETTING_DURATION,
                      .min = 1,
                      .max = LIMIT_MAX_SEC,
                      .words = word_no_notice,
                      .default_value = 60,
                      .strictest = STRICTEST_LARGEST,
                      .values = "duration, none",
                      .help = "how long before a disconnect a notice appears on the terminal"},
    [SETTING_CLIENT_ALIVE_INTERVAL] = {.name = "client_alive_interval",
                                       .type = SETTING_DURATION,
                                       .min = 1,
                                       .max = INT_MAX,
                                       .words = words_zero_is_off,
                                       .default_value = SETTING_UNSET,
                                       .strictest = STRICTEST_SMALLEST,
                                       .values = "duration, 0 or none",
                                       .help = "after this long without data sshd checks whether "
                                               "the client still responds; 0: never"},
    [SETTING_CLIENT_ALIVE_COUNT_MAX] = {.name = "client_alive_count_max",
                                        .type = SETTING_NUMBER,
                                        .min = 1,
                                        .max = INT_MAX,
                                        .words = words_zero_is_off,
                                        .default_value = SETTING_UNSET,
                                        .strictest = STRICTEST_SMALLEST,
                                        .values = "number, 0 or none",
                                        .help = "after this many checks without a response sshd "
                                                "ends the connection; 0: never"},
    [SETTING_MAX_AUTH_TRIES] = {.name = "max_auth_tries",
                                .type = SETTING_NUMBER,
                                /* With 0 sshd accepts no method at all, not even a key:
                                 * nobody could log in. */
                                .min = 1,
                                .max = INT_MAX,
                                .words = no_words,
                                .default_value = SETTING_UNSET,
                                .strictest = STRICTEST_SMALLEST,
                                .values = "1 or more",
                                .help = "sshd disconnects after this many failures on one "
                                        "connection; each key that it does not accept is one"},
    [SETTING_MAX_SESSIONS] = {.name = "max_sessions",
                              .type = SETTING_NUMBER,
                              .min = 0,
                              .max = INT_MAX,
                              .words = no_words,
                              .default_value = SETTING_UNSET,
                              .strictest = STRICTEST_SMALLEST,
                              .values = "0 or more",
                              .help = "how many shells, commands and subsystems one connection "
                                      "may have at a time; 0 allows forwarding only"},
    [SETTING_UNUSED_CONNECTION_TIMEOUT] = {.name = "unused_connection_timeout",
                                           .type = SETTING_DURATION,
                                           .min = 1,
                                           .max = INT_MAX,
                                           .words = words_none_is_off,
                                           .default_value = SETTING_UNSET,
                                           .strictest = STRICTEST_SMALLEST,
                                           .values = "duration, none",
                                           .help = "sshd ends a connection that has had no open "
                                                   "channel for this long"},
    [SETTING_LOGIN_GRACE_TIME] = {.name = "login_grace_time",
                                  .type = SETTING_DURATION,
                                  .min = 1,
                                  .max = INT_MAX,
                                  .words = words_zero_is_off,
                                  .default_value = SETTING_UNSET,
                                  .default_only = BEFORE_THE_USER_IS_KNOWN,
                                  .values = "duration, 0 or none",
                                  .help = "sshd disconnects a client that has not logged in by "
                                          "then; 0: never"},
    [SETTING_MAX_STARTUPS] = {.name = "max_startups",
                              .type = SETTING_STARTUPS,
                              .words = no_words,
                              .default_value = SETTING_UNSET,
                              .default_only = BEFORE_THE_USER_IS_KNOWN,
                              .values = "number, start:rate:full",
                              .help = "connections that have not logged in yet: from start on sshd "
                                      "drops rate percent of new ones, from full on all of them"},
    [SETTING_CHANNEL_TIMEOUT] = {.name = "channel_timeout",
                                 .type = SETTING_TEXT,
                                 .min = 1,
                                 .max = SETTING_TEXT_MAX - 1,
                                 .words = no_words,
                                 .default_value = SETTING_UNSET,
                                 .default_only = "it has no effect in a Match block with most "
                                                 "versions of sshd",
                                 .values = "\"TYPE=INTERVAL ...\", none",
                                 .help =
                                     "sshd closes a channel of this type that has transferred no "
                                     "data for this long, as in \"session:shell=10m "
                                     "agent-connection=1h\""},
    [SETTING_NOTTY_ACTIVITY] = {.name = "notty_activity",
                                .type = SETTING_CHOICE,
                                .words = words_notty_activity,
                                .default_value = NOTTY_ACTIVITY_ANY,
                                .strictest = STRICTEST_LARGEST,
                                .values = "any, client",
                                .help = "with client, disconnect_notty counts only what the client "
                                        "sends, not what programs on the host do"},
    [SETTING_LEFTOVERS] = {.name = "leftovers",
                           .type = SETTING_CHOICE,
                           .words = words_leftovers,
                           .default_value = LEFTOVERS_KEEP,
                           .strictest = STRICTEST_LARGEST,
                           .values = "keep, watch, end",
                           .help = "what happens to the processes that a login leaves behind: "
                                   "nothing, the limits stay in force for them, or they are ended "
                                   "with the login"},
    [SETTING_FLEET_ATTEMPTS] = {.name = "fleet_attempts",
                                .type = SETTING_NUMBER,
                                .min = 1,
                                .max = ATTEMPTS_MAX,
                                .words = word_none,
                                .default_value = SETTING_NONE,
                                .strictest = STRICTEST_SMALLEST,
                                .values = "1 to 64, none",
                                .help = "how many failed logins over the network on all hosts "
                                        "together lock the account for passwords; requires "
                                        "max_attempts"},
    [SETTING_FLEET_FALLBACK] = {.name = "fleet_fallback",
                                .type = SETTING_NUMBER,
                                .min = 0,
                                .max = ATTEMPTS_MAX,
                                .words = no_words,
                                .default_value = 1,
                                .strictest = STRICTEST_SMALLEST,
                                .values = "0 to 64",
                                .help = "how many failed logins a host allows while it cannot "
                                        "reach the others; 0 rejects passwords over the network"},
};

const struct setting *setting_find(const char *name)
{
    for (size_t i = 0; i < SETTING_COUNT; i++)
        if (strcmp(settings[i].name, name) == 0)
            return &settings[i];
    return NULL;
}

bool setting_value_valid(const struct setting *setting, int64_t value)
{
    for (const struct setting_word *w = setting->words; w->word != NULL; w++)
        if (w->value == value)
            return true;
    if (setting->type == SETTING_STARTUPS)
        return startups_unpack(value, &(struct startups){0});
    return setting->type != SETTING_CHOICE && value >= setting->min && value <= setting->max;
}

bool setting_stricter(const struct setting *setting, int64_t a, int64_t b)
{
    if (setting->default_only != NULL)
        return false;
    return setting->strictest == STRICTEST_SMALLEST ? a < b : a > b;
}

static const char *parse_duration(const struct setting *setting, const char *text, int64_t *value)
{
    int64_t seconds = 0;
    const char *wrong = duration_parse(text, &seconds);

    if (wrong != NULL)
        return wrong;
    if (seconds < setting->min)
        return "is too short: the minimum is 1s";
    if (seconds > setting->max)
        return setting->max == LIMIT_MAX_SEC ? "is too long: the maximum is 365d"
                                             : "is too long: the maximum is 2147483647s";
    *value = seconds;
    return NULL;
}

static const char *parse_number(const struct setting *setting, const char *text, int64_t *value)
{
    int64_t number = 0;
    const char *end = text;
    const char *wrong = number_parse(&end, &number);

    if (wrong != NULL)
        return wrong;
    if (*end != '\0')
        return "is not a whole number";
    if (number < setting->min)
        return "is too small";
    if (number > setting->max)
        return "is too large";
    *value = number;
    return NULL;
}

static const char *parse_text(const char *text, int64_t *value)
{
    const char *wrong = channel_timeout_check(text);

    if (wrong == NULL)
        *value = (int64_t)strlen(text);
    return wrong;
}

const char *setting_parse(const struct setting *setting, const char *text, int64_t *value)
{
    for (const struct setting_word *w = setting->words; w->word != NULL; w++) {
        if (strcasecmp(w->word, text) != 0)
            continue;
        if (strcmp(w->word, text) != 0)
            return "must be lower case";
        *value = w->value;
        return NULL;
    }
    if (text[0] == '\0')
        return "is empty";
    switch (setting->type) {
    case SETTING_DURATION:
        return parse_duration(setting, text, value);
    case SETTING_NUMBER:
        return parse_number(setting, text, value);
    case SETTING_STARTUPS:
        return startups_parse(text, value);
    case SETTING_TEXT:
        return parse_text(text, value);
    case SETTING_CHOICE:
    default:
        return "is not an allowed value";
    }
}

void setting_format(const struct setting *setting, int64_t value, char *text, size_t size)
{
    for (const struct setting_word *w = setting->words; w->word != NULL; w++) {
        if (w->value == value) {
            snprintf(text, size, "%s", w->word);
            return;
        }
    }
    if (value == SETTING_UNSET)
        snprintf(text, size, "unset");
    else if (setting->type == SETTING_NUMBER)
        snprintf(text, size, "%" PRId64, value);
    else if (setting->type == SETTING_STARTUPS)
        startups_format(value, text, size);
    else if (setting->type == SETTING_TEXT)
        snprintf(text, size, "set");
    else
        duration_format(value, text, size);
}

/* How many letters must be inserted, deleted, replaced or swapped with a
 * neighbour to turn a into b (optimal string alignment). Words longer than the
 * table have the largest distance. */
static size_t edit_distance(const char *a, const char *b)
{
    enum { WORD_MAX = 40 };
    size_t row[WORD_MAX + 1][WORD_MAX + 1];
    size_t na = strlen(a), nb = strlen(b);

    if (na > WORD_MAX || nb > WORD_MAX)
        return WORD_MAX;
    for (size_t i = 0; i <= na; i++)
        row[i][0] = i;
    for (size_t j = 0; j <= nb; j++)
        row[0][j] = j;
    for (size_t i = 1; i <= na; i++) {
        for (size_t j = 1; j <= nb; j++) {
            size_t best = row[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
            if (row[i - 1][j] + 1 < best)
                best = row[i - 1][j] + 1;
            if (row[i][j - 1] + 1 < best)
                best = row[i][j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                row[i - 2][j - 2] + 1 < best)
                best = row[i - 2][j - 2] + 1;
            row[i][j] = best;
        }
    }
    return row[na][nb];
}

const char *nearest_word(const char *word, const char *const *candidates, size_t count)
{
    const char *nearest = NULL;
    size_t least = strlen(word) / 2 + 1;

    for (size_t i = 0; i < count; i++) {
        if (strcasecmp(word, candidates[i]) == 0)
            return candidates[i];
        const size_t length = strlen(word), other = strlen(candidates[i]);
        if (length > other + 3 || other > length + 3)
            continue; /* cheaper than to find the distance */
        const size_t distance = edit_distance(word, candidates[i]);
        if (distance < least && distance <= 3) {
            least = distance;
            nearest = candidates[i];
        }
    }
    return nearest;
}
