/*
 * How long a terminal has been idle, from the times that the kernel keeps for
 * it. Pure: the times and the clock arrive as arguments.
 *
 * The kernel moves a terminal's atime when a program reads input from it and
 * mtime when one writes output, in whole seconds and no more often than once
 * in eight. It never moves ctime by itself. The user owns the terminal and may
 * set both times to what he likes, but that moves ctime to the present. So a
 * time counts only where it moved between two looks at equal ctime, the first
 * of which was not in the very tick of that ctime.
 */
#ifndef TMOUT_SESSIONS_IDLE_H
#define TMOUT_SESSIONS_IDLE_H

#include "lib/host/clock.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

/*
 * A look that finds ctime moved cannot tell real input from forged, and gives
 * no credit. It is followed by looks at this pace for this time, so that who
 * changes the mode and types on is seen typing.
 */
enum { LOOK_AGAIN_MS = 1000, UNSURE_MS = 30 * 1000 };

struct idle {
    struct timespec atime, mtime, ctime; /* as last seen */
    mode_t mode;
    uid_t uid;
    gid_t gid;
    int64_t active_ms;       /* the last activity, on the boot clock; up to eight seconds
                                ahead, for so coarse is what the kernel notes */
    int64_t output_ms;       /* of output alone, whether it counts or not */
    struct timestamp looked; /* when that was */
    bool reported;           /* tampering is worth one line */
};

struct idle_change {
    bool look_again; /* after LOOK_AGAIN_MS */
    bool tampered;   /* for the first time */
};

/* A terminal that is seen for the first time. What its times say is believed
 * as far as it can be true: not the future, and not before opened_ms. */
void idle_start(struct idle *idle, const struct stat *st, int64_t opened_ms,
                const struct timestamp *now);

/* Another look. With any_activity output counts as well as input. */
struct idle_change idle_look(struct idle *idle, const struct stat *st, bool any_activity,
                             const struct timestamp *now);

/* What was written to the terminal just now was no activity of its user's. */
void idle_own_output(struct idle *idle, const struct stat *st);

/* The person was heard of in another way. */
void idle_note(struct idle *idle, const struct timestamp *now);

#endif
