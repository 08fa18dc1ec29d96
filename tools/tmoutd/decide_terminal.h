/*
 * What to do about a terminal that is watched. Pure: the caller samples the
 * terminal, hands the sample in and carries the decision out.
 */
#ifndef TMOUT_TMOUTD_DECIDE_TERMINAL_H
#define TMOUT_TMOUTD_DECIDE_TERMINAL_H

#include "lib/sessions/idle.h"
#include "lib/sessions/watch_limits.h"

enum {
    NOTICE_SAMPLE_MS = 1000, /* how often, while the user may answer a notice */
    FAILED_HANGUPS_MAX = 2   /* of one terminal; after that its login is ended */
};

/* What is remembered of a terminal from one sample to the next. */
struct terminal_state {
    bool has_sample; /* idle is valid */
    struct idle idle;
    int64_t judged_active_ms; /* the last activity, at the last decision */
    int64_t suspect_until_ms; /* sampled often until then: ctime has changed */
    int64_t grace_end_ms;     /* no hang-up before; 0: no grace period since the last activity */
    unsigned failed_hangups;  /* since the last activity */
    int64_t noticed_end_ms;   /* the end that the last notice announced, or NEVER_MS */
    enum watch_reason noticed_reason;
    int unread_max; /* bytes seen waiting in the terminal since a program last read */
};

struct terminal_sample {
    struct stat st;
    bool notice_is_out; /* the terminal shows a notice, and unread is known */
    int unread;         /* bytes of input that no program has read yet */
    /* No hang-up before then: whoever looks at the terminal has stood still, and
     * gives the user time to show activity, and the notice time to be read. */
    int64_t not_before_ms;
    int64_t active_elsewhere_ms; /* when the user was last active where it counts here, too */
};

enum terminal_action {
    TERMINAL_KEEP,
    TERMINAL_WARN,     /* show a notice of what happens at end_ms */
    TERMINAL_HANG_UP,  /* hang-up: the caller says when to decide again */
    TERMINAL_END_LOGIN /* hang-ups do not help: end the whole login */
};

struct terminal_decision {
    enum terminal_action action;
    enum watch_reason reason;
    int64_t end_ms;
    int64_t next_ms;      /* take the next sample then, or NEVER_MS */
    bool tampered;        /* forged times were found: log it */
    bool withdraw_notice; /* the notice on the terminal has lost its meaning */
};

/* A terminal that has just been found. */
struct terminal_state terminal_state_new(void);

/* opened_ms: when its login began. All times are on the boot clock. */
struct terminal_decision terminal_decide(struct terminal_state *state,
                                         const struct user_limits *limits, int64_t opened_ms,
                                         const struct terminal_sample *sample,
                                         const struct timestamp *now);

/* Takes a sample without deciding anything. Returns the time of the last activity. */
int64_t terminal_sample_only(struct terminal_state *state, const struct user_limits *limits,
                             const struct stat *st, const struct timestamp *now);

/* The notice of this decision was shown; so many bytes were unread after it,
 * which are no answer to it. */
void terminal_note_notice(struct terminal_state *state, const struct terminal_decision *decision,
                          int unread);

#endif
