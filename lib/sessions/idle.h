/*
 * How long a terminal has been idle, judged by the times that the kernel keeps
 * for it. Pure: the times and the clock are arguments.
 *
 * The kernel updates a terminal's atime when a program reads input from it,
 * and mtime when one writes output: in whole seconds, and at most once in
 * eight. It never updates ctime by itself. The user owns the terminal and can
 * set both times at will, but that moves ctime to the present. So a time is
 * trusted only if it changed between two samples of equal ctime, the first of
 * which was not taken in the same clock tick as that ctime.
 */
#ifndef TMOUT_SESSIONS_IDLE_H
#define TMOUT_SESSIONS_IDLE_H

#include "lib/host/clock.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

/*
 * A sample that finds ctime changed cannot tell real input from forged, and
 * gives no credit. The terminal is then suspect for SUSPECT_MS and sampled
 * every RESAMPLE_MS, so that a user who changes the mode and keeps typing is
 * seen typing.
 */
enum { RESAMPLE_MS = 1000, SUSPECT_MS = 30 * 1000 };

struct idle {
    struct timespec atime, mtime, ctime; /* as last sampled */
    mode_t mode;
    uid_t uid;
    gid_t gid;
    int64_t active_ms;        /* the last activity, on the boot clock; may be up to eight
                                 seconds in the future, which is the kernel's resolution */
    int64_t output_ms;        /* the last output, whether output counts as activity or not */
    struct timestamp sampled; /* when that was */
    bool reported;            /* tampering is logged once */
};

struct idle_change {
    bool suspect;  /* sample again after RESAMPLE_MS */
    bool tampered; /* forged times, for the first time */
};

/* The first sample of a terminal. Its times are believed as far as they can be
 * true: not in the future, and not before opened_ms. */
void idle_start(struct idle *idle, const struct stat *st, int64_t opened_ms,
                const struct timestamp *now);

/* Another sample. With any_activity output counts as well as input. */
struct idle_change idle_sample(struct idle *idle, const struct stat *st, bool any_activity,
                               const struct timestamp *now);

/* st is the terminal's after we wrote to it: our output is not the user's. */
void idle_own_output(struct idle *idle, const struct stat *st);

/* The user was seen to be there by other means. */
void idle_note_activity(struct idle *idle, const struct timestamp *now);

#endif
