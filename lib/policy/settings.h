/*
 * The settings of a policy: one table, one row per setting. Parsing, bounds,
 * merging, `tmoutctl show` and the manual page's table all follow from it; to
 * add a setting, add a row.
 */
#ifndef TMOUT_POLICY_SETTINGS_H
#define TMOUT_POLICY_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Written into snapshots as numbers: append only, never reorder. */
enum setting_id {
    SETTING_TMOUT = 0,
    SETTING_ENFORCE = 1,
    SETTING_EXPORT = 2,
    SETTING_SESSIONS = 3,
    SETTING_MAX_ATTEMPTS = 4,
    SETTING_ATTEMPT_WINDOW = 5,
    SETTING_LOCK_TIME = 6,
    SETTING_COUNT_BY = 7,
    SETTING_DISCONNECT = 8,
    SETTING_DISCONNECT_NOTTY = 9,
    SETTING_ACTIVITY = 10,
    SETTING_MAX_SESSION = 11,
    SETTING_WARN = 12,
    SETTING_CLIENT_ALIVE_INTERVAL = 13,
    SETTING_CLIENT_ALIVE_COUNT_MAX = 14,
    SETTING_MAX_AUTH_TRIES = 15,
    SETTING_MAX_SESSIONS = 16,
    SETTING_UNUSED_CONNECTION_TIMEOUT = 17,
    SETTING_LOGIN_GRACE_TIME = 18,
    SETTING_MAX_STARTUPS = 19,
    SETTING_CHANNEL_TIMEOUT = 20,
    SETTING_NOTTY_ACTIVITY = 21,
    SETTING_LEFTOVERS = 22,
    SETTING_FLEET_ATTEMPTS = 23,
    SETTING_FLEET_FALLBACK = 24,
    SETTING_COUNT
};

/* A limit that is switched off: larger than every duration, so that "the
 * shortest wins" needs no exception for it. */
#define SETTING_NONE INT64_MAX

/* An unlimited time, for settings where the longest wins. */
#define SETTING_FOREVER INT64_MAX

/* Not set, so that sshd's own configuration applies: the default of sshd's
 * settings. No policy can set it, and it is looser than any value. */
#define SETTING_UNSET INT64_MAX

/* sshd's 0 or none, which switches one of its limits off: looser than any
 * limit, but set all the same. */
#define SETTING_OFF (INT64_MAX - 1)

enum { SESSIONS_SSH = 0, SESSIONS_ALL = 1 };
enum { COUNT_BY_SOURCE = 0, COUNT_BY_USER = 1 };
enum { ACTIVITY_ANY = 0, ACTIVITY_INPUT = 1 };
enum { NOTTY_ACTIVITY_ANY = 0, NOTTY_ACTIVITY_CLIENT = 1 };
enum leftovers { LEFTOVERS_KEEP = 0, LEFTOVERS_WATCH = 1, LEFTOVERS_END = 2 };

/* The largest max_attempts; a ledger has room for as many. */
enum { ATTEMPTS_MAX = 64 };

enum setting_type {
    SETTING_DURATION, /* seconds */
    SETTING_NUMBER,
    SETTING_CHOICE,   /* one of words[] */
    SETTING_STARTUPS, /* start:rate:full, packed; sshd_values.h */
    SETTING_TEXT      /* the value is the text's length; the text is kept separately */
};

enum setting_strictest { STRICTEST_SMALLEST, STRICTEST_LARGEST };

/* A word that means a value. If several words mean the same value, the first one
 * is printed. */
struct setting_word {
    const char *word;
    int64_t value;
};

struct setting {
    const char *name;
    enum setting_type type;
    int64_t min, max;                 /* of a duration, number or text's length, both allowed */
    const struct setting_word *words; /* ends with word == NULL */
    int64_t default_value;
    enum setting_strictest strictest; /* which of two groups' values wins */
    const char *default_only;         /* why groups and users cannot have it; NULL: they can */
    const char *values;               /* for people: what may be written */
    const char *help;
};

extern const struct setting settings[SETTING_COUNT];

/* The longest text that setting_format() makes, or that is the value of a
 * SETTING_TEXT, with its NUL. */
#define SETTING_TEXT_MAX 201

/* The row called name, or NULL. */
const struct setting *setting_find(const char *name);

/* Can a policy set this value? Checks what is read from disk. The default, which
 * applies without a rule, can be another one: SETTING_UNSET. */
bool setting_value_valid(const struct setting *setting, int64_t value);

/* Is a stricter than b? Never of equal values, nor of settings that only the
 * default section can have. */
bool setting_stricter(const struct setting *setting, int64_t a, int64_t b);

/*
 * Reads text to its last character into *value. Returns NULL, or what is
 * wrong as a static sentence fragment; *value is then untouched.
 */
const char *setting_parse(const struct setting *setting, const char *text, int64_t *value);

/* Writes value as a policy would have it; size >= SETTING_TEXT_MAX. Of a
 * SETTING_TEXT the text itself is not known here: see resolution_format(). */
void setting_format(const struct setting *setting, int64_t value, char *text, size_t size);

/* The one of candidates[count] that was probably meant by word, or NULL if none
 * is similar. */
const char *nearest_word(const char *word, const char *const *candidates, size_t count);

#endif
