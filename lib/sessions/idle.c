#include "lib/sessions/idle.h"

/* The kernel updates a time at most once in so many seconds. */
enum { GRANULARITY_SEC = 8 };

static bool same_time(const struct timespec *a, const struct timespec *b)
{
    return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

/* The latest moment at which the activity behind this time can have happened:
 * the end of the eight seconds in which later activity leaves no trace, even
 * if that is still to come. */
static int64_t latest_ms(const struct timespec *time, const struct timestamp *now)
{
    const int64_t end_ms = (((int64_t)time->tv_sec | (GRANULARITY_SEC - 1)) + 1) * 1000;
    const int64_t max_ms = GRANULARITY_SEC * 1000;
    const int64_t ahead_ms = end_ms - now->wall_ms;

    return now->boot_ms + (ahead_ms < max_ms ? ahead_ms : max_ms);
}

static bool is_future(const struct timespec *time, const struct timestamp *now)
{
    return (int64_t)time->tv_sec > now->wall_ms / 1000 + 1;
}

static void remember(struct idle *idle, const struct stat *st, const struct timestamp *now)
{
    idle->atime = st->st_atim;
    idle->mtime = st->st_mtim;
    idle->ctime = st->st_ctim;
    idle->mode = st->st_mode;
    idle->uid = st->st_uid;
    idle->gid = st->st_gid;
    idle->sampled = *now;
}

/* A time that was not seen to change, as far as it can be true. */
static int64_t believed_ms(const struct timespec *time, int64_t opened_ms,
                           const struct timestamp *now)
{
    if (time->tv_sec < 0 || is_future(time, now) || latest_ms(time, now) < opened_ms)
        return opened_ms;
    return latest_ms(time, now);
}

void idle_start(struct idle *idle, const struct stat *st, int64_t opened_ms,
                const struct timestamp *now)
{
    *idle = (struct idle){.active_ms = believed_ms(&st->st_atim, opened_ms, now),
                          .output_ms = believed_ms(&st->st_mtim, opened_ms, now)};
    remember(idle, st, now);
}

void idle_note_activity(struct idle *idle, const struct timestamp *now)
{
    idle->active_ms = now->boot_ms;
}

void idle_own_output(struct idle *idle, const struct stat *st)
{
    idle->mtime = st->st_mtim;
}

/*
 * Was the last sample taken so soon after the change of ctime that it saw that
 * another change, after the sample, would have got the same ctime? The clock
 * that the kernel uses here ticks 100 times a second or more.
 */
static bool could_hide_a_touch(const struct idle *idle)
{
    enum { TICKS_MS = 50 };
    const int64_t ctime_ms =
        (int64_t)idle->ctime.tv_sec * 1000 + idle->ctime.tv_nsec / (1000 * 1000);
    const int64_t after_ms = idle->sampled.wall_ms - ctime_ms;

    /* A ctime in the future dates from before the clock was set back. */
    return after_ms > -TICKS_MS && after_ms < TICKS_MS;
}

/* Was the wall clock set since the last sample? */
static bool was_stepped(const struct idle *idle, const struct timestamp *now)
{
    const int64_t by_ms =
        (now->wall_ms - now->boot_ms) - (idle->sampled.wall_ms - idle->sampled.boot_ms);

    return by_ms > 1000 || by_ms < -1000;
}

/* Gives credit for a time that the kernel has updated. */
static void credit(const struct idle *idle, const struct timespec *before,
                   const struct timespec *after, const struct timestamp *now, int64_t *active_ms)
{
    if (same_time(before, after) || after->tv_sec < 0 || is_future(after, now))
        return;
    const int64_t at_ms = was_stepped(idle, now) ? now->boot_ms : latest_ms(after, now);
    if (at_ms > *active_ms)
        *active_ms = at_ms;
}

/* A change that the kernel does not make: it sets whole seconds, and never goes
 * back. */
static bool is_forged(const struct timespec *before, const struct timespec *after,
                      const struct timestamp *now)
{
    if (same_time(before, after))
        return false;
    return after->tv_nsec != 0 || after->tv_sec < before->tv_sec || is_future(after, now);
}

/* Whether a change of ctime comes from forged times. mesg(1), chmod(1) and
 * chgrp(1) change more than times, and everybody may use them. */
static bool was_forged(const struct idle *idle, const struct stat *st, const struct timestamp *now)
{
    if (idle->mode != st->st_mode || idle->uid != st->st_uid || idle->gid != st->st_gid)
        return false;
    /* Times look wrong, too, after the clock was set. */
    if (was_stepped(idle, now))
        return false;
    /* Also if it was there at the first sample and is set to the same value again. */
    if (is_future(&st->st_atim, now) || is_future(&st->st_mtim, now))
        return true;
    if (is_forged(&idle->atime, &st->st_atim, now) || is_forged(&idle->mtime, &st->st_mtim, now))
        return true;
    /* If the user had just typed chmod, atime would be recent: an older atime that
     * changed was set. */
    return !same_time(&idle->atime, &st->st_atim) &&
           (int64_t)st->st_ctim.tv_sec - st->st_atim.tv_sec > 2 * GRANULARITY_SEC;
}

struct idle_change idle_sample(struct idle *idle, const struct stat *st, bool any_activity,
                               const struct timestamp *now)
{
    struct idle_change change = {0};
    bool forged = false;

    if (!same_time(&idle->ctime, &st->st_ctim)) {
        change.suspect = true;
        forged = was_forged(idle, st, now);
    } else if (could_hide_a_touch(idle)) {
        change.suspect = true;
    } else {
        credit(idle, &idle->atime, &st->st_atim, now, &idle->active_ms);
        credit(idle, &idle->mtime, &st->st_mtim, now, &idle->output_ms);
    }
    if (any_activity && idle->output_ms > idle->active_ms)
        idle->active_ms = idle->output_ms;
    change.tampered = forged && !idle->reported;
    idle->reported = idle->reported || forged;
    remember(idle, st, now);
    return change;
}
