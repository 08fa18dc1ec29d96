/* How long a terminal has been idle: real input counts, and nothing else does. */
#include "tests/unit/check.h"

#include "lib/sessions/idle.h"

#include <inttypes.h>
#include <string.h>

/* The wall clock when the boot clock is 0: the start of one of the kernel's
 * intervals of eight seconds. */
#define WALL_ZERO_SEC INT64_C(1700000000)

enum { WINDOW_SEC = 8 };

#define SEC INT64_C(1000)

static struct timestamp at(int64_t boot_ms)
{
    return (struct timestamp){.boot_ms = boot_ms, .wall_ms = WALL_ZERO_SEC * 1000 + boot_ms};
}

/* A terminal's times, in seconds on the clock of the test. */
static struct stat times(int64_t atime, int64_t mtime, int64_t ctime)
{
    return (struct stat){.st_mode = S_IFCHR | 0620,
                         .st_uid = 1000,
                         .st_gid = 5,
                         .st_atim = {.tv_sec = WALL_ZERO_SEC + atime},
                         .st_mtim = {.tv_sec = WALL_ZERO_SEC + mtime},
                         .st_ctim = {.tv_sec = WALL_ZERO_SEC + ctime}};
}

static struct idle started_idle(const struct stat *st, int64_t opened_ms, int64_t now_ms)
{
    struct idle idle;

    const struct timestamp now = at(now_ms);
    idle_start(&idle, st, opened_ms, &now);
    return idle;
}

static struct idle_change look(struct idle *idle, const struct stat *st, bool any, int64_t now_ms)
{
    const struct timestamp now = at(now_ms);

    return idle_sample(idle, st, any, &now);
}

#define assert_active(idle, least_ms, most_ms)                                                     \
    do {                                                                                           \
        if ((idle).active_ms < (least_ms) || (idle).active_ms > (most_ms))                         \
            fail_msg("active at %" PRId64 " ms, not from %" PRId64 " to %" PRId64,                 \
                     (idle).active_ms, (int64_t)(least_ms), (int64_t)(most_ms));                   \
    } while (0)

#define assert_quiet(change)                                                                       \
    do {                                                                                           \
        assert_false((change).suspect);                                                            \
        assert_false((change).tampered);                                                           \
    } while (0)

/* --- the first sample ------------------------------------------------------ */

static void first_sample(void **state)
{
    static const struct {
        const char *what;
        int64_t atime_sec, opened_sec, now_sec;
        int64_t least_sec, most_sec;
    } cases[] = {
        {"read since", 100, 50, 200, 104, 104},
        {"at the begin of a window", 104, 50, 200, 112, 112},
        {"at the end of a window", 111, 50, 200, 112, 112},
        {"read before it was opened", 40, 50, 200, 50, 50},
        {"a time long ago", -1600000000, 50, 200, 50, 50},
        {"1970", -WALL_ZERO_SEC, 50, 200, 50, 50},
        {"before 1970", -WALL_ZERO_SEC - 86400, 50, 200, 50, 50},
        {"soon", 204, 50, 200, 50, 50},
        {"in a minute", 260, 50, 200, 50, 50},
        {"in 2040", 500000000, 50, 200, 50, 50},
        {"as far as it goes", INT64_MAX - WALL_ZERO_SEC, 50, 200, 50, 50},
        {"as long ago as it goes", INT64_MIN, 50, 200, 50, 50},
        {"right now", 200, 50, 200, 200, 208},
        {"in the window that is not over", 200, 50, 205, 205, 208},
        {"opened right now", 200, 200, 200, 200, 208},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct stat st = times(0, 0, 0);
        st.st_atim.tv_sec =
            cases[i].atime_sec == INT64_MIN ? INT64_MIN : WALL_ZERO_SEC + cases[i].atime_sec;
        const struct idle idle =
            started_idle(&st, cases[i].opened_sec * SEC, cases[i].now_sec * SEC);
        if (idle.active_ms < cases[i].least_sec * SEC || idle.active_ms > cases[i].most_sec * SEC)
            fail_msg("%s: active at %" PRId64 " ms", cases[i].what, idle.active_ms);
    }
}

/* With `activity = any` a daemon that has just started must not consider a
 * terminal idle that has output: as with input, the times of the first sample are
 * believed. */
static void output_at_first_sample(void **state)
{
    const struct stat st = times(100, 5000, 10);
    struct idle idle = started_idle(&st, 50 * SEC, 5005 * SEC);

    (void)state;
    look(&idle, &st, true, 5005 * SEC);
    assert_active(idle, 5000 * SEC, 5013 * SEC);
    /* ... but not if only input counts */
    idle = started_idle(&st, 50 * SEC, 5005 * SEC);
    look(&idle, &st, false, 5005 * SEC);
    assert_active(idle, 104 * SEC, 104 * SEC);
    /* and not if they are in the future */
    const struct stat forged = times(100, 6000, 10);
    idle = started_idle(&forged, 50 * SEC, 5005 * SEC);
    look(&idle, &forged, true, 5005 * SEC);
    assert_active(idle, 104 * SEC, 104 * SEC);
}

/* --- input and output ------------------------------------------------------ */

static void a_read_counts(void **state)
{
    (void)state;
    for (int64_t read_sec = 200; read_sec < 216; read_sec++) {
        struct stat st = times(100, 100, 10);
        struct idle idle = started_idle(&st, 50 * SEC, 150 * SEC);
        st.st_atim.tv_sec = WALL_ZERO_SEC + read_sec;
        assert_quiet(look(&idle, &st, false, 400 * SEC));
        /* never before it happened, and less than a window later */
        assert_active(idle, read_sec * SEC + 999, (read_sec + WINDOW_SEC) * SEC);
        /* and another sample changes nothing */
        const int64_t active_ms = idle.active_ms;
        for (int64_t now = 400; now < 500; now++) {
            assert_quiet(look(&idle, &st, false, now * SEC));
            assert_true(idle.active_ms == active_ms);
        }
    }
}

static void nothing_happens(void **state)
{
    const struct stat st = times(100, 100, 10);
    struct idle idle = started_idle(&st, 50 * SEC, 150 * SEC);

    (void)state;
    for (int64_t now = 150; now < 1000000; now += 997) {
        assert_quiet(look(&idle, &st, true, now * SEC));
        assert_active(idle, 104 * SEC, 104 * SEC);
    }
}

/* Reads within eight seconds of an earlier one leave no trace: that one stands for
 * the whole interval, even if it was sampled at once. */
static void a_read_that_leaves_no_trace(void **state)
{
    struct stat st = times(100, 100, 10);
    struct idle idle = started_idle(&st, 50 * SEC, 150 * SEC);

    (void)state;
    st.st_atim.tv_sec = WALL_ZERO_SEC + 201; /* of 200 to 208 */
    look(&idle, &st, false, 202 * SEC);
    assert_active(idle, 201 * SEC, 208 * SEC);
    /* one more read at 207 */
    look(&idle, &st, false, 400 * SEC);
    assert_active(idle, 207 * SEC, 208 * SEC);

    /* the same if the first sample came right after the first read */
    st = times(201, 100, 10);
    idle = started_idle(&st, 50 * SEC, 202 * SEC);
    look(&idle, &st, false, 400 * SEC);
    assert_active(idle, 207 * SEC, 208 * SEC);
}

static void output_counts_if_asked_for(void **state)
{
    struct stat st = times(100, 100, 10);
    struct idle idle = started_idle(&st, 50 * SEC, 150 * SEC);

    (void)state;
    st.st_mtim.tv_sec = WALL_ZERO_SEC + 300;
    assert_quiet(look(&idle, &st, false, 400 * SEC));
    assert_active(idle, 104 * SEC, 104 * SEC);
    /* if the policy changes, the credit is not for a later time than the output */
    assert_quiet(look(&idle, &st, true, 401 * SEC));
    assert_active(idle, 104 * SEC, 308 * SEC);
    st.st_mtim.tv_sec = WALL_ZERO_SEC + 450;
    assert_quiet(look(&idle, &st, true, 500 * SEC));
    assert_active(idle, 450 * SEC, 458 * SEC);
    /* the later one of input and output counts */
    st.st_atim.tv_sec = WALL_ZERO_SEC + 550;
    st.st_mtim.tv_sec = WALL_ZERO_SEC + 520;
    look(&idle, &st, true, 600 * SEC);
    assert_active(idle, 550 * SEC, 558 * SEC);
    st.st_atim.tv_sec = WALL_ZERO_SEC + 620;
    st.st_mtim.tv_sec = WALL_ZERO_SEC + 650;
    look(&idle, &st, true, 700 * SEC);
    assert_active(idle, 650 * SEC, 658 * SEC);
}

static void seen_by_other_means(void **state)
{
    const struct stat st = times(100, 100, 10);
    struct idle idle = started_idle(&st, 50 * SEC, 150 * SEC);
    const struct timestamp now = at(700 * SEC);

    (void)state;
    idle_note_activity(&idle, &now);
    assert_active(idle, 700 * SEC, 700 * SEC);
    look(&idle, &st, true, 800 * SEC);
    assert_active(idle, 700 * SEC, 700 * SEC);
}

/* --- forged times ---------------------------------------------------------- */

static void forged_once(void **state)
{
    static const int64_t forged_sec[] = {
        -1600000000, 0, 101, 250, 305, 400, 100000, 500000000,
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(forged_sec); i++) {
        for (int any = 0; any < 2; any++) {
            struct stat st = times(100, 100, 10);
            struct idle idle = started_idle(&st, 50 * SEC, 150 * SEC);
            struct idle_change change;

            st.st_atim.tv_sec = st.st_mtim.tv_sec = WALL_ZERO_SEC + forged_sec[i];
            st.st_ctim.tv_sec = WALL_ZERO_SEC + 300;
            change = look(&idle, &st, any, 301 * SEC);
            assert_true(change.suspect);
            assert_true(change.tampered);
            assert_active(idle, 104 * SEC, 104 * SEC);
            /* nor once that future is the present */
            for (int64_t now = 302; now < 1000000; now += now < 600 ? 1 : 9973) {
                assert_quiet(look(&idle, &st, any, now * SEC));
                assert_active(idle, 104 * SEC, 104 * SEC);
            }
            /* a user who comes back is noticed */
            st.st_atim.tv_sec = WALL_ZERO_SEC + 1000100;
            assert_quiet(look(&idle, &st, any, 1000200 * SEC));
            assert_active(idle, 1000100 * SEC, 1000108 * SEC);
        }
    }
}

/* A time in the future that changed at equal ctime, which no kernel does. */
static void the_future_never_counts(void **state)
{
    struct stat st = times(100, 100, 10);
    struct idle idle = started_idle(&st, 50 * SEC, 150 * SEC);

    (void)state;
    st.st_atim.tv_sec = st.st_mtim.tv_sec = WALL_ZERO_SEC + 500;
    look(&idle, &st, true, 300 * SEC);
    assert_active(idle, 104 * SEC, 104 * SEC);
    look(&idle, &st, true, 600 * SEC);
    assert_active(idle, 104 * SEC, 104 * SEC);
}

static void touched_in_a_loop(void **state)
{
    static const int64_t pauses_ms[] = {1000, 7000, 8000, 29000, 30000};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(pauses_ms); i++) {
        struct stat st = times(100, 100, 10);
        struct idle idle = started_idle(&st, 50 * SEC, 150 * SEC);
        unsigned reported = 0;

        for (int64_t now_ms = 200 * SEC; now_ms < 20000 * SEC; now_ms += pauses_ms[i]) {
            st.st_atim.tv_sec = st.st_ctim.tv_sec = WALL_ZERO_SEC + now_ms / 1000;
            st.st_atim.tv_nsec = st.st_ctim.tv_nsec = (long)(now_ms % 1000) * 1000000 + 123;
            const struct idle_change change = look(&idle, &st, true, now_ms + 100);
            assert_true(change.suspect);
            reported += change.tampered;
            assert_active(idle, 104 * SEC, 104 * SEC);
        }
        assert_int_equal(reported, 1);
    }
}

/* The same within one second: only the nanoseconds of ctime differ. */
static void touched_within_a_second(void **state)
{
    struct stat st = times(100, 100, 300);
    struct idle idle = started_idle(&st, 50 * SEC, 300 * SEC);

    (void)state;
    st.st_atim.tv_sec = WALL_ZERO_SEC + 300;
    st.st_ctim.tv_nsec = 1;
    assert_true(look(&idle, &st, false, 300 * SEC + 500).suspect);
    assert_active(idle, 104 * SEC, 104 * SEC);
    /* even if ctime goes back, with the wall clock */
    st = times(310, 100, 200);
    assert_true(look(&idle, &st, false, 320 * SEC).suspect);
    assert_active(idle, 104 * SEC, 104 * SEC);
}

/* Far in the future from the first sample on, again and again: only ctime changes. */
static void ahead_at_first_sample(void **state)
{
    struct stat st = times(500000000, 100, 150);
    struct idle idle = started_idle(&st, 50 * SEC, 160 * SEC);

    (void)state;
    assert_quiet(look(&idle, &st, false, 170 * SEC));
    st.st_ctim.tv_sec = WALL_ZERO_SEC + 175;
    assert_true(look(&idle, &st, false, 180 * SEC).tampered);
    assert_active(idle, 50 * SEC, 50 * SEC);
}

/* A touch right after the sample of another one: both may have the same ctime,
 * since the clock that the kernel uses for it ticks about 100 times a second. */
static void forged_in_the_same_tick(void **state)
{
    struct stat st = times(100, 100, 10);
    struct idle idle = started_idle(&st, 50 * SEC, 150 * SEC);

    (void)state;
    for (int64_t now = 200; now < 2000; now += 100) {
        st.st_mode ^= 020;
        st.st_ctim.tv_sec = WALL_ZERO_SEC + now;
        assert_true(look(&idle, &st, false, now * SEC + 1).suspect);
        st.st_atim.tv_sec = WALL_ZERO_SEC + now;
        assert_true(look(&idle, &st, false, (now + 1) * SEC).suspect);
        assert_active(idle, 104 * SEC, 104 * SEC);
        assert_quiet(look(&idle, &st, false, (now + 2) * SEC));
        assert_active(idle, 104 * SEC, 104 * SEC);
    }
    /* a clock that is set back before the ctime changes nothing */
    st.st_ctim.tv_sec = WALL_ZERO_SEC + 5000;
    look(&idle, &st, false, 3000 * SEC);
    st.st_atim.tv_sec = WALL_ZERO_SEC + 3005;
    assert_quiet(look(&idle, &st, false, 3010 * SEC));
    assert_active(idle, 3005 * SEC, 3018 * SEC);
}

/* --- what an honest user does ---------------------------------------------- */

static void mode_and_owner(void **state)
{
    (void)state;
    for (int what = 0; what < 3; what++) {
        struct stat st = times(100, 100, 10);
        struct idle idle = started_idle(&st, 50 * SEC, 150 * SEC);
        struct idle_change change;

        for (int64_t now = 200; now < 2000; now += 100) {
            /* typed, read, and the mode changed */
            if (what != 1)
                st.st_mode ^= 020;
            if (what != 0)
                st.st_uid ^= 1;
            st.st_ctim.tv_sec = WALL_ZERO_SEC + now;
            st.st_atim.tv_sec = st.st_mtim.tv_sec = WALL_ZERO_SEC + now - 1;
            change = look(&idle, &st, false, now * SEC);
            assert_true(change.suspect);
            assert_false(change.tampered);
            /* what is read from now on counts again, once no second change can
             * have the same ctime */
            change = look(&idle, &st, false, now * SEC + RESAMPLE_MS);
            assert_true(change.suspect);
            assert_false(change.tampered);
            st.st_atim.tv_sec = WALL_ZERO_SEC + now + 20;
            assert_quiet(look(&idle, &st, false, now * SEC + SUSPECT_MS));
            assert_active(idle, (now + 20) * SEC, (now + 28) * SEC);
        }
    }
}

/* chmod(1) to hide a touch(1): no credit either. */
static void mode_and_times(void **state)
{
    struct stat st = times(100, 100, 10);
    struct idle idle = started_idle(&st, 50 * SEC, 150 * SEC);

    (void)state;
    for (int64_t now = 200; now < 20000; now += 29) {
        st.st_mode ^= 020;
        st.st_atim.tv_sec = st.st_ctim.tv_sec = WALL_ZERO_SEC + now;
        assert_true(look(&idle, &st, true, now * SEC).suspect);
        assert_active(idle, 104 * SEC, 104 * SEC);
    }
}

/* Only ctime has changed, as by chmod(1) to the same mode. */
static void only_the_ctime(void **state)
{
    struct stat st = times(100, 100, 10);
    struct idle idle = started_idle(&st, 50 * SEC, 150 * SEC);

    (void)state;
    st.st_ctim.tv_sec++;
    const struct idle_change change = look(&idle, &st, false, 200 * SEC);
    assert_true(change.suspect);
    assert_false(change.tampered);
    assert_active(idle, 104 * SEC, 104 * SEC);
    /* later forging is still reported */
    st.st_ctim.tv_sec++;
    st.st_atim.tv_nsec++;
    assert_true(look(&idle, &st, false, 300 * SEC).tampered);
}

/* --- the wall clock is set -------------------------------------------------- */

static struct timestamp stepped(int64_t boot_ms, int64_t by_ms)
{
    struct timestamp now = at(boot_ms);

    now.wall_ms += by_ms;
    return now;
}

/* An idle user gains nothing from it. */
static void a_clock_step_is_not_activity(void **state)
{
    static const int64_t steps_ms[] = {-86400 * SEC, -3600 * SEC, -1 * SEC,
                                       1 * SEC,      3600 * SEC,  86400 * SEC};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(steps_ms); i++) {
        const struct stat st = times(100, 100, 10);
        struct idle idle = started_idle(&st, 50 * SEC, 150 * SEC);
        for (int64_t now_sec = 200; now_sec < 5000; now_sec += 100) {
            const struct timestamp now = stepped(now_sec * SEC, steps_ms[i]);
            assert_quiet(idle_sample(&idle, &st, true, &now));
            assert_active(idle, 104 * SEC, 104 * SEC);
        }
    }
}

/* A read after it is noticed, whatever the time was before. When exactly it was
 * between the two samples is not known. */
static void a_read_after_a_clock_step(void **state)
{
    static const int64_t steps_sec[] = {-86400, -3600, -8, 8, 3600, 86400};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(steps_sec); i++) {
        struct stat st = times(100, 100, 10);
        struct idle idle = started_idle(&st, 50 * SEC, 150 * SEC);
        st.st_atim.tv_sec = WALL_ZERO_SEC + 300 + steps_sec[i];
        const struct timestamp now = stepped(400 * SEC, steps_sec[i] * SEC);
        assert_quiet(idle_sample(&idle, &st, false, &now));
        assert_active(idle, 300 * SEC, 408 * SEC);
    }
}

/* A read before the clock was set forward looks older than it is. But it changed
 * the time since the last sample, and so came after that. */
static void a_read_before_a_clock_step_forward(void **state)
{
    struct stat st = times(100, 100, 10);
    struct idle idle = started_idle(&st, 50 * SEC, 150 * SEC);

    (void)state;
    look(&idle, &st, false, 290 * SEC);
    st.st_atim.tv_sec = WALL_ZERO_SEC + 300;
    const struct timestamp now = stepped(310 * SEC, 3600 * SEC);
    assert_quiet(idle_sample(&idle, &st, false, &now));
    assert_active(idle, 300 * SEC, 318 * SEC);
}

/* --- random walks ------------------------------------------------------------ */

static uint64_t seed;

static uint64_t any_number(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

/* From 0 to max - 1. */
static int64_t below(int64_t most)
{
    return (int64_t)(any_number() % (uint64_t)most);
}

/* One of the two times of a terminal as the kernel keeps it, and the real reads
 * (or writes) behind it. */
struct traced {
    struct timespec time;
    bool pending;    /* a real trace since the last sample */
    bool credited;   /* time is a real trace that was sampled at equal ctime */
    int64_t real_ms; /* the last real one since the last sample, or -1 */
};

struct walk {
    struct traced input, output;
    struct timespec ctime;
    mode_t mode;
    bool touched, forged; /* since the last sample */
    bool blurred;         /* that sample was in about the same tick as a touch */
    bool any;
    int64_t wall_zero_ms; /* any second and millisecond */
    int64_t now_ms, opened_ms;
    int64_t low_ms, high_ms; /* the bounds of the last activity */
};

static int64_t wall_ms(const struct walk *walk)
{
    return walk->wall_zero_ms + walk->now_ms;
}

/* The end of the kernel's interval that this moment is in. */
static int64_t window_end_ms(const struct walk *walk, int64_t boot_ms)
{
    const int64_t sec = (walk->wall_zero_ms + boot_ms) / 1000;

    return ((sec | (WINDOW_SEC - 1)) + 1) * 1000 - walk->wall_zero_ms;
}

/* The kernel's tty_update_time(). */
static void happens(struct walk *walk, struct traced *traced)
{
    const int64_t sec = wall_ms(walk) / 1000;

    traced->real_ms = walk->now_ms;
    if (((sec ^ (int64_t)traced->time.tv_sec) & ~INT64_C(7)) == 0)
        return;
    traced->time = (struct timespec){.tv_sec = sec};
    traced->pending = true;
    traced->credited = false;
}

/* The clock that the kernel uses for this ticks every ten milliseconds. */
static void touch(struct walk *walk)
{
    const int64_t tick_ms = wall_ms(walk) / 10 * 10;

    walk->ctime.tv_sec = tick_ms / 1000;
    walk->ctime.tv_nsec = (long)(tick_ms % 1000) * 1000000;
    walk->touched = true;
}

/* Would another touch now be distinguishable from the last one? */
static bool look_is_blurred(const struct walk *walk)
{
    const int64_t ctime_ms = (int64_t)walk->ctime.tv_sec * 1000 + walk->ctime.tv_nsec / 1000000;

    return wall_ms(walk) - ctime_ms < 50;
}

static void forge(struct walk *walk, struct traced *traced)
{
    static const int64_t away_sec[] = {0, 1, 7, 8, 30, 600, 86400, 500000000};
    const int64_t away = away_sec[below(COUNT_OF(away_sec))];

    touch(walk);
    walk->forged = true;
    traced->time.tv_sec = wall_ms(walk) / 1000 + (below(2) != 0 ? away : -away);
    traced->time.tv_nsec = below(2) != 0 ? 0 : (long)below(1000000000);
    traced->pending = traced->credited = false;
    traced->real_ms = -1;
}

/* mesg(1), chmod(1). */
static void change_mode(struct walk *walk)
{
    touch(walk);
    walk->mode = S_IFCHR | ((walk->mode + 1) & 0777);
}

/* What a sample must make of this one of the times. */
static void settle(struct walk *walk, struct traced *traced, bool counts)
{
    if (!walk->touched && !walk->blurred && traced->real_ms >= 0 &&
        (traced->pending || traced->credited)) {
        traced->credited = true;
        if (counts && traced->real_ms > walk->low_ms)
            walk->low_ms = traced->real_ms;
        if (counts && window_end_ms(walk, traced->real_ms) > walk->high_ms)
            walk->high_ms = window_end_ms(walk, traced->real_ms);
    }
    traced->pending = false;
    traced->real_ms = -1;
}

static struct stat shown(const struct walk *walk)
{
    return (struct stat){.st_mode = walk->mode,
                         .st_uid = 1000,
                         .st_atim = walk->input.time,
                         .st_mtim = walk->output.time,
                         .st_ctim = walk->ctime};
}

static struct timestamp moment_of(const struct walk *walk)
{
    return (struct timestamp){.boot_ms = walk->now_ms, .wall_ms = wall_ms(walk)};
}

static void walk_begin(struct walk *walk, struct idle *idle, bool any)
{
    *walk = (struct walk){.mode = S_IFCHR | 0620, .any = any};
    walk->wall_zero_ms = WALL_ZERO_SEC * 1000 + below(100000);
    walk->now_ms = walk->opened_ms = 100000 + below(100000);
    walk->input.time.tv_sec = walk->output.time.tv_sec = walk->ctime.tv_sec = wall_ms(walk) / 1000;
    walk->input.real_ms = walk->output.real_ms = -1;
    walk->input.credited = walk->output.credited = true;
    walk->low_ms = walk->now_ms;
    walk->high_ms = window_end_ms(walk, walk->now_ms);
    const struct stat st = shown(walk);
    const struct timestamp now = moment_of(walk);
    idle_start(idle, &st, walk->opened_ms, &now);
    walk->blurred = look_is_blurred(walk);
}

/* A sample, compared with what it must yield. Returns whether it was reported as
 * tampering. */
static bool walk_look(struct walk *walk, struct idle *idle)
{
    const struct stat st = shown(walk);
    const struct timestamp now = moment_of(walk);
    const struct idle_change change = idle_sample(idle, &st, walk->any, &now);

    assert_int_equal(change.suspect, walk->touched || walk->blurred);
    if (change.tampered)
        assert_true(walk->forged);
    settle(walk, &walk->input, true);
    settle(walk, &walk->output, walk->any);
    walk->touched = walk->forged = false;
    walk->blurred = look_is_blurred(walk);
    assert_active(*idle, walk->low_ms, walk->high_ms);
    return change.tampered;
}

/* Milliseconds, seconds or minutes, equally often. */
static int64_t some_while_ms(void)
{
    static const int64_t most_ms[] = {10, 1000, 8000, 60000, 600000};

    return below(most_ms[below(COUNT_OF(most_ms))]);
}

static void walk_randomly(bool forger, bool any)
{
    struct idle idle;
    struct walk walk;
    unsigned reported = 0;

    walk_begin(&walk, &idle, any);
    for (int step = 0; step < 300; step++) {
        walk.now_ms += some_while_ms();
        switch (below(forger ? 8 : 7)) {
        case 0:
        case 1:
            happens(&walk, &walk.input);
            break;
        case 2:
            happens(&walk, &walk.output);
            break;
        case 3:
            change_mode(&walk);
            break;
        case 7:
            forge(&walk, below(2) != 0 ? &walk.input : &walk.output);
            break;
        default:
            reported += walk_look(&walk, &idle);
        }
    }
    walk_look(&walk, &idle);
    assert_true(reported <= forger);
}

static void walks(bool forger, bool any)
{
    const uint64_t count = is_slow() ? 20 : 3000;

    for (uint64_t round = 1; round <= count; round++) {
        seed = round * UINT64_C(0x9e3779b97f4a7c15);
        walk_randomly(forger, any);
    }
}

/* Users are never judged more idle than they are, as far as that can be known:
 * what was read between two samples at equal ctime counts, exactly. Nor less idle,
 * but for the rest of an interval of eight seconds. */
static void an_honest_user(void **state)
{
    (void)state;
    walks(false, false);
}

static void an_honest_user_and_output(void **state)
{
    (void)state;
    walks(false, true);
}

/* Never less idle than since the last real read that could be seen. */
static void a_forger(void **state)
{
    (void)state;
    walks(true, false);
}

static void a_forger_and_output(void **state)
{
    (void)state;
    walks(true, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_sample),
        cmocka_unit_test(output_at_first_sample),
        cmocka_unit_test(a_read_counts),
        cmocka_unit_test(nothing_happens),
        cmocka_unit_test(a_read_that_leaves_no_trace),
        cmocka_unit_test(output_counts_if_asked_for),
        cmocka_unit_test(seen_by_other_means),
        cmocka_unit_test(forged_once),
        cmocka_unit_test(the_future_never_counts),
        cmocka_unit_test(touched_in_a_loop),
        cmocka_unit_test(touched_within_a_second),
        cmocka_unit_test(ahead_at_first_sample),
        cmocka_unit_test(forged_in_the_same_tick),
        cmocka_unit_test(mode_and_owner),
        cmocka_unit_test(mode_and_times),
        cmocka_unit_test(only_the_ctime),
        cmocka_unit_test(a_clock_step_is_not_activity),
        cmocka_unit_test(a_read_after_a_clock_step),
        cmocka_unit_test(a_read_before_a_clock_step_forward),
        cmocka_unit_test(an_honest_user),
        cmocka_unit_test(an_honest_user_and_output),
        cmocka_unit_test(a_forger),
        cmocka_unit_test(a_forger_and_output),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
