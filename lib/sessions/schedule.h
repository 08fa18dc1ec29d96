/*
 * When a terminal or a login is to be warned or ended, and when to decide
 * again. Pure: a function of its arguments. All times are milliseconds on the
 * boot clock.
 */
#ifndef TMOUT_SESSIONS_SCHEDULE_H
#define TMOUT_SESSIONS_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>

/* No limit, or no next time. */
#define NEVER_MS INT64_MAX

struct watch_limits {
    int64_t idle_ms; /* or NEVER_MS */
    int64_t age_ms;  /* of the login, or NEVER_MS */
    int64_t warn_ms; /* 0: no notice */
};

enum watch_action {
    WATCH_NOTHING,
    WATCH_NOTICE, /* warn the user of what happens at end_ms */
    WATCH_END
};

enum watch_reason { REASON_IDLE, REASON_AGE };

struct watch_decision {
    enum watch_action action;
    enum watch_reason reason; /* of the end that comes first */
    int64_t end_ms;           /* when that is, or NEVER_MS */
    int64_t next_ms;          /* decide again then, or NEVER_MS */
};

/* from_ms + by_ms; NEVER_MS if either is, or if the sum overflows. */
static inline int64_t later_ms(int64_t from_ms, int64_t by_ms)
{
    int64_t sum_ms;

    return from_ms == NEVER_MS || by_ms == NEVER_MS ||
                   __builtin_add_overflow(from_ms, by_ms, &sum_ms)
               ? NEVER_MS
               : sum_ms;
}

static inline int64_t earlier_ms(int64_t a_ms, int64_t b_ms)
{
    return a_ms < b_ms ? a_ms : b_ms;
}

/*
 * noticed_end_ms is the end_ms that the last notice announced, or NEVER_MS:
 * each end is announced once. If activity has moved the end, the new end gets
 * a notice of its own. The notice comes warn_ms before the end, but not
 * before half of the limit has passed.
 */
struct watch_decision schedule(const struct watch_limits *limits, int64_t active_ms,
                               int64_t opened_ms, int64_t noticed_end_ms, int64_t now_ms);

#endif
