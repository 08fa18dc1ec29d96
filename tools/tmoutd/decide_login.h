/* When to end a login as a whole. Pure. All times are on the boot clock. */
#ifndef TMOUT_TMOUTD_DECIDE_LOGIN_H
#define TMOUT_TMOUTD_DECIDE_LOGIN_H

#include "lib/sessions/schedule.h"

enum {
    TRAFFIC_SAMPLES = 8,             /* within the time that a login may move no data */
    TRAFFIC_SAMPLE_MIN_MS = 500,     /* but not more often than this */
    TERMINALS_BEFORE_LOGIN_MS = 5000 /* the terminals of a login that is too old end first */
};

/* What a number of bytes counts. */
enum traffic_kind { TRAFFIC_KIND_NONE, TRAFFIC_KIND_ALL, TRAFFIC_KIND_CLIENT };

/* What is remembered of a login's traffic from one sample to the next. */
struct traffic_state {
    uint64_t bytes;
    int64_t moved_ms; /* when bytes were last seen to change, or the login lost its terminal */
    enum traffic_kind kind; /* of bytes */
};

struct traffic_sample {
    bool is_known;
    uint64_t bytes;        /* as login_traffic_mark() */
    bool is_withheld;      /* not known, because the login's own processes prevent it */
    int64_t not_before_ms; /* no end before then: as in struct terminal_sample */
};

struct login_decision {
    bool end;
    enum watch_reason reason;
    int64_t next_ms; /* decide again then, or NEVER_MS */
};

/* A login with terminals, which are judged one by one. Only its age is left: a
 * client could keep opening terminals forever. */
struct login_decision login_decide_age(const struct watch_limits *limits, int64_t since_ms,
                                       int64_t now_ms);

/* A login without a terminal. */
struct login_decision login_decide_traffic(struct traffic_state *state,
                                           const struct watch_limits *limits, int64_t since_ms,
                                           const struct traffic_sample *sample, int64_t now_ms);

#endif
