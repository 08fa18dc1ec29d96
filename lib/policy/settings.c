#include "settings.h"

#include "duration.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* A year. Beyond it a limit is a typing mistake, and ksh's additional
 * minute must not overflow the shells' 32-bit arithmetic. */
#define LONGEST_LIMIT_SEC (365 * INT64_C(86400))

static const struct setting_word no_words[] = {{NULL, 0}};

static const struct setting_word word_none[] = {{"none", SETTING_NONE}, {NULL, 0}};

/* No notice is the shortest one, for of notices the longest wins. */
static const struct setting_word word_no_notice[] = {{"none", 0}, {NULL, 0}};

static const struct setting_word words_activity[] = {
    {"input", ACTIVITY_INPUT}, {"any", ACTIVITY_ANY}, {NULL, 0}};

static const struct setting_word word_forever[] = {{"forever", SETTING_FOREVER}, {NULL, 0}};

static const struct setting_word words_bool[] = {{"false", 0}, {"true", 1}, {"no", 0}, {"yes", 1},
                                                 {"off", 0},   {"on", 1},   {NULL, 0}};

static const struct setting_word words_sessions[] = {
    {"ssh", SESSIONS_SSH}, {"all", SESSIONS_ALL}, {NULL, 0}};

static const struct setting_word words_count_by[] = {
    {"user", COUNT_BY_USER}, {"source", COUNT_BY_SOURCE}, {NULL, 0}};

const struct setting settings[SETTING_COUNT] = {
    [SETTING_TMOUT] = {.name = "tmout",
                       .type = SETTING_DURATION,
                       .min = 1,
                       .max = LONGEST_LIMIT_SEC,
                       .words = word_none,
                       .default_value = SETTING_NONE,
                       .strictest = STRICTEST_SMALLEST,
                       .values = "duration, none",
                       .help = "how long a shell may sit idle at its prompt"},
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
                        .help = "also put TMOUT into the environment; scripts that read from "
                                "slow commands may then lose data"},
    [SETTING_SESSIONS] = {.name = "sessions",
                          .type = SETTING_CHOICE,
                          .words = words_sessions,
                          .default_value = SESSIONS_SSH,
                          .strictest = STRICTEST_LARGEST,
                          .values = "ssh, all",
                          .help = "the logins that get the limit: those over SSH, or every one"},
    [SETTING_MAX_ATTEMPTS] = {.name = "max_attempts",
                              .type = SETTING_NUMBER,
                              .min = 1,
                              .max = MAX_ATTEMPTS_MOST,
                              .words = word_none,
                              .default_value = SETTING_NONE,
                              .strictest = STRICTEST_SMALLEST,
                              .values = "1 to 64, none",
                              .help = "so many failed logins lock the password; root has no limit "
                                      "unless a rule names user root"},
    [SETTING_ATTEMPT_WINDOW] = {.name = "attempt_window",
                                .type = SETTING_DURATION,
                                .min = 1,
                                .max = LONGEST_LIMIT_SEC,
                                .words = no_words,
                                .default_value = 15 * 60,
                                .strictest = STRICTEST_LARGEST,
                                .values = "duration",
                                .help = "failed logins that are older than this do not count"},
    [SETTING_LOCK_TIME] = {.name = "lock_time",
                           .type = SETTING_DURATION,
                           .min = 1,
                           .max = LONGEST_LIMIT_SEC,
                           .words = word_forever,
                           .default_value = 10 * 60,
                           .strictest = STRICTEST_LARGEST,
                           .values = "duration, forever",
                           .help = "how long the lock lasts; forever is until tmoutctl unlock"},
    [SETTING_COUNT_BY] = {.name = "count_by",
                          .type = SETTING_CHOICE,
                          .words = words_count_by,
                          .default_value = COUNT_BY_USER,
                          .strictest = STRICTEST_LARGEST,
                          .values = "user, source",
                          .help = "one count for all logins over the network, or one for each "
                                  "address that they come from"},
    [SETTING_DISCONNECT] = {.name = "disconnect",
                            .type = SETTING_DURATION,
                            .min = 1,
                            .max = LONGEST_LIMIT_SEC,
                            .words = word_none,
                            .default_value = SETTING_NONE,
                            .strictest = STRICTEST_SMALLEST,
                            .values = "duration, none",
                            .help = "tmoutd hangs up a terminal that was without input for so "
                                    "long, whatever runs in it"},
    [SETTING_DISCONNECT_NOTTY] = {.name = "disconnect_notty",
                                  .type = SETTING_DURATION,
                                  .min = 1,
                                  .max = LONGEST_LIMIT_SEC,
                                  .words = word_none,
                                  .default_value = SETTING_NONE,
                                  .strictest = STRICTEST_SMALLEST,
                                  .values = "duration, none",
                                  .help = "the same for a login without a terminal that moves no "
                                          "data"},
    [SETTING_ACTIVITY] = {.name = "activity",
                          .type = SETTING_CHOICE,
                          .words = words_activity,
                          .default_value = ACTIVITY_INPUT,
                          .strictest = STRICTEST_LARGEST,
                          .values = "input, any",
                          .help = "with any, output on the terminal counts as activity, too"},
    [SETTING_MAX_SESSION] = {.name = "max_session",
                             .type = SETTING_DURATION,
                             .min = 1,
                             .max = LONGEST_LIMIT_SEC,
                             .words = word_none,
                             .default_value = SETTING_NONE,
                             .strictest = STRICTEST_SMALLEST,
                             .values = "duration, none",
                             .help = "tmoutd ends a login of this age, busy or not"},
    [SETTING_WARN] = {.name = "warn",
                      .type = SETTING_DURATION,
                      .min = 1,
                      .max = LONGEST_LIMIT_SEC,
                      .words = word_no_notice,
                      .default_value = 60,
                      .strictest = STRICTEST_LARGEST,
                      .values = "duration, none",
                      .help = "how long before that a notice appears on the terminal"},
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
    return setting->type != SETTING_CHOICE && value >= setting->min && value <= setting->max;
}

bool setting_stricter(const struct setting *setting, int64_t a, int64_t b)
{
    return setting->strictest == STRICTEST_SMALLEST ? a < b : a > b;
}

static const char *parse_duration(const struct setting *setting, const char *text, int64_t *value)
{
    int64_t seconds = 0;
    const char *wrong = duration_parse(text, &seconds);

    if (wrong != NULL)
        return wrong;
    if (seconds < setting->min)
        return "is too short: the least is 1s";
    if (seconds > setting->max)
        return "is too long: the most is 365d";
    *value = seconds;
    return NULL;
}

/* No sign, no leading zero: 010 means 8 to some readers. */
static const char *parse_number(const struct setting *setting, const char *text, int64_t *value)
{
    int64_t number = 0;

    for (const char *p = text; *p != '\0'; p++) {
        if (*p < '0' || *p > '9')
            return "is not a whole number";
        if (p > text && number == 0)
            return "begins with a zero, which could be read as octal: leave the zero out";
        if (__builtin_mul_overflow(number, 10, &number) ||
            __builtin_add_overflow(number, *p - '0', &number))
            return "is too large";
    }
    if (number < setting->min)
        return "is too small";
    if (number > setting->max)
        return "is too large";
    *value = number;
    return NULL;
}

const char *setting_parse(const struct setting *setting, const char *text, int64_t *value)
{
    for (const struct setting_word *w = setting->words; w->word != NULL; w++) {
        if (strcasecmp(w->word, text) != 0)
            continue;
        if (strcmp(w->word, text) != 0)
            return "must be written in small letters";
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
    case SETTING_CHOICE:
    default:
        return "is not one of the values it takes";
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
    if (setting->type == SETTING_NUMBER)
        snprintf(text, size, "%" PRId64, value);
    else
        duration_format(value, text, size);
}

/* How many letters must be inserted, deleted, replaced or swapped with
 * their neighbour to make b of a (optimal string alignment); words longer
 * than the table are as far away as it gets. */
static size_t edit_distance(const char *a, const char *b)
{
    enum { LONGEST = 40 };
    size_t row[LONGEST + 1][LONGEST + 1];
    size_t na = strlen(a), nb = strlen(b);

    if (na > LONGEST || nb > LONGEST)
        return LONGEST;
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
        size_t distance = edit_distance(word, candidates[i]);
        if (distance < least && distance <= 3) {
            least = distance;
            nearest = candidates[i];
        }
    }
    return nearest;
}
