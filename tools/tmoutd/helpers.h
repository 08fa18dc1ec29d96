/*
 * Questions whose answer may never come, put to disposable helper processes.
 *
 * The main process must not wait for anything that a user controls: a file of
 * another process in /proc, a terminal, a name service. It asks instead. A
 * helper is a fork of a fork of the main process (helper_starter.h); it works
 * through a batch of questions and sends back an answer to each. Whoever asked is called when the
 * answer is there, or when it is clear that there will be none in time: then it is UNKNOWN, and the
 * helper is killed. It is never waited for, since it may be in a state in which not even SIGKILL
 * ends it.
 *
 * Each question is about somebody. Questions about different people share a
 * helper as long as all goes well. When one keeps others waiting for
 * HELPERS_HESITATION_MS, its helper is left with that question alone, and the others
 * go to another helper. If it takes HELPERS_SLOW_MS, or if all questions about somebody
 * have taken as much of late, they get helpers of their own, one at a time, for a
 * time that grows with each repetition, and those whose question has not been
 * answered wait only for their like; and while HELPERS_PINNED_MAX of their helpers
 * cannot be ended, their questions are UNKNOWN at once. So each person who blocks
 * helpers delays the questions about others once, by HELPERS_HESITATION_MS of one of
 * the HELPERS_RUNNING_MAX helpers. While a helper waits for a processor, none of these
 * times goes by.
 *
 * A question that may itself take long without any fault (a name service) is
 * patient: it shares a helper only with questions about the same. Those to a name
 * service, about the host, and about users have numbers of helpers of their own,
 * so that one kind does not wait for another: a name service that hangs does not
 * keep logins from being found, nor does what takes long to end.
 */
#ifndef TMOUT_TMOUTD_HELPERS_H
#define TMOUT_TMOUTD_HELPERS_H

#include "tools/tmoutd/answer.h"

#include <sys/types.h>
#include <systemd/sd-event.h>

enum {
    HELPERS_RUNNING_MAX = 4,  /* of each kind, but for these: */
    HELPERS_SUSPECT_MAX = 32, /* for SLOW_MS at most */
    HELPERS_APART_MAX = 24,
    HELPERS_BLOCKED_MAX = 32,   /* so that many users who block theirs keep nobody waiting */
    HELPERS_PATIENT_MAX = 16,   /* about users */
    HELPERS_PINNED_MAX = 2,     /* about the same */
    HELPERS_DEADLINE_MS = 3000, /* unless the question has another */
    HELPERS_SLOW_MS = 250,
    HELPERS_HESITATION_MS = 25
};

/* Runs in the main process, later than helpers_ask(). */
typedef void (*answer_function)(void *context, const struct answer *answer);

/* Whom a question is about: a key of its bounds. */
typedef uint64_t about_t;

static inline about_t about_user(uid_t uid)
{
    return uid;
}

/* A login whose user is not known. */
static inline about_t about_login(pid_t pid)
{
    return (about_t)1 << 32 | (uint32_t)pid;
}

/* The name service, as far as it answers questions about one user. */
static inline about_t about_name_service(uint32_t number)
{
    return (about_t)2 << 32 | number;
}

static inline bool is_about_name_service(about_t about)
{
    return about >> 32 == 2;
}

/* The host: only what no user can block. */
static inline about_t about_host(void)
{
    return (about_t)3 << 32;
}

static inline bool is_about_host(about_t about)
{
    return about == about_host();
}

struct question {
    about_t about;
    work_function work;
    prepare_function prepare; /* or NULL; takes nobody's time */
    unsigned powers;          /* that the work needs: enum power */
    const void *input;        /* copied; points to nothing younger than the helpers */
    size_t input_size;
    int fd; /* open in the helper as well, or -1; must stay open until the answer */
    bool is_patient;
    int64_t deadline_ms; /* from when a helper begins with it; 0: the usual one */
    answer_function done;
    void *context;
};

/* For tests. */
struct helpers_timing {
    int64_t deadline_ms, slow_ms, hesitation_ms; /* in the place of the above */
    int kill_signal;                             /* SIGKILL */
};

struct helpers;
struct inquiry; /* a question that was asked and not answered yet */

/* Helpers are run by this event loop, which must outlive them. timing is NULL
 * but for tests. NULL without memory. Without an event loop (NULL) there are no
 * helpers: helpers_answer_all() does their work, for unit tests. */
struct helpers *helpers_new(sd_event *event, const struct helpers_timing *timing);
void helpers_answer_all(struct helpers *helpers);

/* Kills the helpers and forgets the questions. NULL is allowed. */
void helpers_free(struct helpers *helpers);

/*
 * Asks. The result stands for the question until done() is called, and may be
 * used to take it back. NULL without memory: then done() is not called.
 */
struct inquiry *helpers_ask(struct helpers *helpers, const struct question *question);

/* done() will not be called. NULL is allowed. */
void helpers_take_back(struct inquiry *inquiry);

/* How many helpers run, and how many were given up but still exist. */
struct helpers_count {
    unsigned running, pinned;
};
struct helpers_count helpers_count(const struct helpers *helpers);

#endif
