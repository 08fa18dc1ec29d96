/*
 * What is to happen to a terminal or a login, and when to look at it again.
 * Pure: a function of what is known.
 */
#ifndef TMOUT_SESSIONS_SCHEDULE_H
#define TMOUT_SESSIONS_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>

/* No limit, and no next time. */
#define NEVER_MS INT64_MAX

struct watch_limits {
    int64_t idle_ms; /* or NEVER_MS */
    int64_t age_ms;  /* of the login, or NEVER_MS */
    int64_t warn_ms; /* 0: no notice */
};

enum watch_action {
    WATCH_NOTHING,
    WATCH_NOTICE, /* tell the person what is going to happen at end_ms */
    WATCH_END
};

enum watch_reason { REASON_IDLE, REASON_AGE };

struct watch_decision {
    enum watch_action action;
    enum watch_reason reason; /* of the end that comes first */
    int64_t end_ms;           /* when that is, or NEVER_MS */
    int64_t next_ms;          /* decide again then, or NEVER_MS */
};

/*
 * Times on the boot clock. noticed_end_ms is the end_ms that the last notice
 * named, or NEVER_MS: a notice is given once for each end that it announces,
 * and one that activity has put off by more than the notice itself is
 * announced anew. Where the notice would come before half the limit, it comes
 * there.
 */
struct watch_decision schedule(const struct watch_limits *limits, int64_t active_ms,
                               int64_t opened_ms, int64_t noticed_end_ms, int64_t now_ms);

#endif
