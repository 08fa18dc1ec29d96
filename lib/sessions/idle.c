#include "idle.h"

/* A read in the same eight seconds as an earlier one leaves no trace. */
enum { GRANULARITY_SEC = 8 };

static bool same_time(const struct timespec *a, const struct timespec *b)
{
    return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

/* The latest moment at which what moved this time can have happened. */
static int64_t latest_ms(const struct timespec *time, const struct moment *now)
{
    const int64_t end_sec = ((int64_t)time->tv_sec | (GRANULARITY_SEC - 1)) + 1;
    const int64_t ago_ms = now->wall_ms - end_sec * 1000;

    return ago_ms > 0 ? now->boot_ms - ago_ms : now->boot_ms;
}

static bool is_future(const struct timespec *time, const struct moment *now)
{
    return (int64_t)time->tv_sec > now->wall_ms / 1000 + 1;
}

static void remember(struct idle *idle, const struct stat *st)
{
    idle->atime = st->st_atim;
    idle->mtime = st->st_mtim;
    idle->ctime = st->st_ctim;
    idle->mode = st->st_mode;
    idle->uid = st->st_uid;
}

void idle_start(struct idle *idle, const struct stat *st, int64_t opened_ms,
                const struct moment *now)
{
    *idle = (struct idle){.active_ms = opened_ms};
    remember(idle, st);
    if (!is_future(&st->st_atim, now) && latest_ms(&st->st_atim, now) > opened_ms)
        idle->active_ms = latest_ms(&st->st_atim, now);
}

void idle_note(struct idle *idle, const struct moment *now)
{
    idle->active_ms = now->boot_ms;
}

/* Activity that this time shows, if it moved by itself. */
static void credit(struct idle *idle, const struct timespec *before, const struct timespec *after,
                   const struct moment *now)
{
    if (same_time(before, after) || is_future(after, now))
        return;
    const int64_t at_ms = latest_ms(after, now);
    if (at_ms > idle->active_ms)
        idle->active_ms = at_ms;
}

struct idle_change idle_look(struct idle *idle, const struct stat *st, bool any_activity,
                             const struct moment *now)
{
    struct idle_change change = {0};

    if (same_time(&idle->ctime, &st->st_ctim)) {
        credit(idle, &idle->atime, &st->st_atim, now);
        if (any_activity)
            credit(idle, &idle->mtime, &st->st_mtim, now);
    } else {
        /* mesg(1) and chmod(1) change more than times, and are anybody's
         * right. */
        const bool honest = idle->mode != st->st_mode || idle->uid != st->st_uid;
        const bool moved =
            !same_time(&idle->atime, &st->st_atim) || !same_time(&idle->mtime, &st->st_mtim);
        change.look_again = true;
        change.tampered = !honest && moved && !idle->reported;
        idle->reported = idle->reported || change.tampered;
    }
    remember(idle, st);
    return change;
}
