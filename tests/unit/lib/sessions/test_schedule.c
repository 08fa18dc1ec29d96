/* When a notice is due and when the end is, also with a clock that is set only
 * to the times that the schedule returns. */
#include "tests/unit/check.h"

#include "lib/sessions/idle.h"
#include "lib/sessions/schedule.h"

#include <inttypes.h>

#define SEC INT64_C(1000)

static const char *text_of(const struct watch_decision *d)
{
    static char text[128];
    static const char *const action[] = {"nothing", "notice", "end"};

    snprintf(text, sizeof text, "%s for %s at %" PRId64 ", next %" PRId64, action[d->action],
             d->reason == REASON_AGE ? "age" : "idle", d->end_ms, d->next_ms);
    return text;
}

static void decisions(void **state)
{
    static const struct {
        const char *what;
        struct watch_limits limits;
        int64_t active_ms, opened_ms, noticed_ms, now_ms;
        struct watch_decision expected;
    } cases[] = {
        {"no limit",
         {NEVER_MS, NEVER_MS, 60000},
         0,
         0,
         NEVER_MS,
         INT64_MAX - 1,
         {WATCH_NOTHING, REASON_IDLE, NEVER_MS, NEVER_MS}},
        {"no limit, and opened before the clock",
         {NEVER_MS, NEVER_MS, 60000},
         -5000,
         -5000,
         NEVER_MS,
         INT64_MAX - 1,
         {WATCH_NOTHING, REASON_IDLE, NEVER_MS, NEVER_MS}},
        {"nothing is due",
         {600000, NEVER_MS, 60000},
         5000,
         0,
         NEVER_MS,
         5000,
         {WATCH_NOTHING, REASON_IDLE, 605000, 545000}},
        {"right before the notice",
         {600000, NEVER_MS, 60000},
         5000,
         0,
         NEVER_MS,
         544999,
         {WATCH_NOTHING, REASON_IDLE, 605000, 545000}},
        {"the notice",
         {600000, NEVER_MS, 60000},
         5000,
         0,
         NEVER_MS,
         545000,
         {WATCH_NOTICE, REASON_IDLE, 605000, 605000}},
        {"a late notice",
         {600000, NEVER_MS, 60000},
         5000,
         0,
         NEVER_MS,
         604999,
         {WATCH_NOTICE, REASON_IDLE, 605000, 605000}},
        {"noticed",
         {600000, NEVER_MS, 60000},
         5000,
         0,
         605000,
         545000,
         {WATCH_NOTHING, REASON_IDLE, 605000, 605000}},
        {"noticed, right before the end",
         {600000, NEVER_MS, 60000},
         5000,
         0,
         605000,
         604999,
         {WATCH_NOTHING, REASON_IDLE, 605000, 605000}},
        {"the end",
         {600000, NEVER_MS, 60000},
         5000,
         0,
         605000,
         605000,
         {WATCH_END, REASON_IDLE, 605000, NEVER_MS}},
        {"the end, late and without a notice",
         {600000, NEVER_MS, 60000},
         5000,
         0,
         NEVER_MS,
         900000,
         {WATCH_END, REASON_IDLE, 605000, NEVER_MS}},
        {"another end than was noticed",
         {600000, NEVER_MS, 60000},
         400000,
         0,
         605000,
         600000,
         {WATCH_NOTHING, REASON_IDLE, 1000000, 940000}},
        {"another end, and its notice",
         {600000, NEVER_MS, 60000},
         400000,
         0,
         605000,
         940000,
         {WATCH_NOTICE, REASON_IDLE, 1000000, 1000000}},
        {"no notice wanted",
         {600000, NEVER_MS, 0},
         0,
         0,
         NEVER_MS,
         599999,
         {WATCH_NOTHING, REASON_IDLE, 600000, 600000}},
        {"a notice of half the limit",
         {600000, NEVER_MS, 300000},
         0,
         0,
         NEVER_MS,
         299999,
         {WATCH_NOTHING, REASON_IDLE, 600000, 300000}},
        {"a notice longer than half the limit",
         {60000, NEVER_MS, 60000},
         0,
         0,
         NEVER_MS,
         29999,
         {WATCH_NOTHING, REASON_IDLE, 60000, 30000}},
        {"and due",
         {60000, NEVER_MS, 60000},
         0,
         0,
         NEVER_MS,
         30000,
         {WATCH_NOTICE, REASON_IDLE, 60000, 60000}},
        {"a notice of a year",
         {3000, NEVER_MS, 31536000000},
         0,
         0,
         NEVER_MS,
         1500,
         {WATCH_NOTICE, REASON_IDLE, 3000, 3000}},
        {"a limit of a second",
         {1000, NEVER_MS, 60000},
         0,
         0,
         NEVER_MS,
         499,
         {WATCH_NOTHING, REASON_IDLE, 1000, 500}},
        {"age alone, whatever the activity",
         {NEVER_MS, 600000, 60000},
         900000,
         100000,
         NEVER_MS,
         600000,
         {WATCH_NOTHING, REASON_AGE, 700000, 640000}},
        {"age alone, its end",
         {NEVER_MS, 600000, 60000},
         700000,
         100000,
         NEVER_MS,
         700000,
         {WATCH_END, REASON_AGE, 700000, NEVER_MS}},
        {"age comes first",
         {600000, 600000, 60000},
         100001,
         100000,
         NEVER_MS,
         640000,
         {WATCH_NOTICE, REASON_AGE, 700000, 700000}},
        {"idle comes first",
         {600000, 600000, 60000},
         100000,
         100001,
         NEVER_MS,
         640000,
         {WATCH_NOTICE, REASON_IDLE, 700000, 700000}},
        {"half of the age",
         {NEVER_MS, 60000, 60000},
         0,
         0,
         NEVER_MS,
         30000,
         {WATCH_NOTICE, REASON_AGE, 60000, 60000}},
        {"idle was noticed, age comes first now",
         {600000, 1000000, 60000},
         500000,
         0,
         900000,
         950000,
         {WATCH_NOTICE, REASON_AGE, 1000000, 1000000}},
        {"a sum beyond all numbers",
         {INT64_MAX - 10, NEVER_MS, 60000},
         11,
         0,
         NEVER_MS,
         100,
         {WATCH_NOTHING, REASON_IDLE, NEVER_MS, NEVER_MS}},
        {"two sums beyond all numbers",
         {INT64_MAX - 10, INT64_MAX - 10, 60000},
         INT64_MAX - 1,
         INT64_MAX - 1,
         NEVER_MS,
         INT64_MAX - 1,
         {WATCH_NOTHING, REASON_IDLE, NEVER_MS, NEVER_MS}},
        {"beyond all numbers, but for the age",
         {INT64_MAX - 10, 1000, 0},
         11,
         0,
         NEVER_MS,
         100,
         {WATCH_NOTHING, REASON_AGE, 1000, 1000}},
        {"active in what is to come",
         {600000, NEVER_MS, 60000},
         8000,
         0,
         NEVER_MS,
         0,
         {WATCH_NOTHING, REASON_IDLE, 608000, 548000}},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct watch_decision *e = &cases[i].expected;
        const struct watch_decision d =
            schedule(&cases[i].limits, cases[i].active_ms, cases[i].opened_ms, cases[i].noticed_ms,
                     cases[i].now_ms);
        if (d.action != e->action || d.end_ms != e->end_ms || d.next_ms != e->next_ms ||
            (d.end_ms != NEVER_MS && d.reason != e->reason)) {
            fprintf(stderr, "expected: %s\n", text_of(e));
            fail_msg("%s: %s", cases[i].what, text_of(&d));
        }
    }
}

/* --- any numbers ---------------------------------------------------- */

static uint64_t seed;

static uint64_t any_number(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

static int64_t below(int64_t most)
{
    return (int64_t)(any_number() % (uint64_t)most);
}

/* Small and large ones, and those at the limits. */
static int64_t any_time(void)
{
    static const int64_t edge[] = {0, 1, 2, 1000, INT64_MAX - 1, INT64_MAX / 2};

    switch (below(4)) {
    case 0:
        return below(20);
    case 1:
        return below(2000 * SEC);
    case 2:
        return below(INT64_MAX - 1);
    default:
        return edge[below(COUNT_OF(edge))];
    }
}

static int64_t any_limit(void)
{
    return below(4) == 0 ? NEVER_MS : 1 + any_time() / 2;
}

static int64_t sum(int64_t from_ms, int64_t by_ms)
{
    int64_t end_ms;

    if (by_ms == NEVER_MS || __builtin_add_overflow(from_ms, by_ms, &end_ms))
        return NEVER_MS;
    return end_ms;
}

/* What the header promises, computed independently. */
static void any_numbers(void **state)
{
    const uint64_t count = is_slow() ? 20000 : 1000000;

    (void)state;
    seed = 88172645463325252;
    for (uint64_t round = 0; round < count; round++) {
        const struct watch_limits limits = {any_limit(), any_limit(),
                                            below(4) == 0 ? 0 : any_time()};
        const int64_t active_ms = any_time(), opened_ms = any_time(), now_ms = any_time();
        const int64_t idle_end = sum(active_ms, limits.idle_ms);
        const int64_t age_end = sum(opened_ms, limits.age_ms);
        const int64_t end = idle_end < age_end ? idle_end : age_end;
        const bool by_age = age_end < idle_end;
        const int64_t half_ms = (by_age ? limits.age_ms : limits.idle_ms) / 2;
        const int64_t due = end - (limits.warn_ms < half_ms ? limits.warn_ms : half_ms);
        const int64_t noticed_ms = below(3) == 0 ? end : any_time();
        const struct watch_decision d = schedule(&limits, active_ms, opened_ms, noticed_ms, now_ms);

        assert_true(d.end_ms == end);
        if (end == NEVER_MS) {
            assert_int_equal(d.action, WATCH_NOTHING);
            assert_true(d.next_ms == NEVER_MS);
            continue;
        }
        assert_int_equal(d.reason, by_age ? REASON_AGE : REASON_IDLE);
        if (now_ms >= end) {
            assert_int_equal(d.action, WATCH_END);
            assert_true(d.next_ms == NEVER_MS);
            continue;
        }
        assert_true(d.next_ms > now_ms);
        assert_true(d.next_ms <= d.end_ms);
        if (limits.warn_ms == 0 || noticed_ms == d.end_ms) {
            assert_int_equal(d.action, WATCH_NOTHING);
            assert_true(d.next_ms == d.end_ms);
        } else if (now_ms >= due) {
            assert_int_equal(d.action, WATCH_NOTICE);
            assert_true(d.next_ms == d.end_ms);
            /* once */
            const struct watch_decision again =
                schedule(&limits, active_ms, opened_ms, d.end_ms, now_ms);
            assert_int_equal(again.action, WATCH_NOTHING);
            assert_true(again.end_ms == d.end_ms);
            assert_true(again.next_ms == d.end_ms);
        } else {
            assert_int_equal(d.action, WATCH_NOTHING);
            assert_true(d.next_ms == (int64_t)due);
        }
    }
}

/* --- a clock that follows the schedule ---------------------------------------- */

enum { WINDOW_MS = 8000 };

/* A user at a terminal, the times that the kernel keeps, and the daemon. */
struct simulation {
    struct watch_limits limits;
    struct idle idle;
    int64_t wall_zero_ms, now_ms, opened_ms;
    int64_t atime_sec;
    int64_t read_ms, next_read_ms; /* the last real read, and the next one */
    int64_t longest_pause_ms;
    int64_t noticed_end_ms,
        noticed_ms; /* the end that the last notice announced, and when it was shown */
    unsigned looks;
};

static void reads_until_now(struct simulation *s)
{
    for (; s->next_read_ms <= s->now_ms; s->next_read_ms += 1 + below(s->longest_pause_ms)) {
        const int64_t sec = (s->wall_zero_ms + s->next_read_ms) / 1000;
        /* If it had been idle that long, it would have been ended before. */
        if (s->limits.idle_ms != NEVER_MS &&
            s->next_read_ms - s->read_ms > s->limits.idle_ms + WINDOW_MS)
            fail_msg("idle for %" PRId64 " of %" PRId64 " ms and not ended",
                     s->next_read_ms - s->read_ms, s->limits.idle_ms);
        s->read_ms = s->next_read_ms;
        if (((sec ^ s->atime_sec) & ~INT64_C(7)) != 0)
            s->atime_sec = sec;
    }
}

static struct watch_decision look(struct simulation *s)
{
    const struct timestamp now = {.boot_ms = s->now_ms, .wall_ms = s->wall_zero_ms + s->now_ms};

    reads_until_now(s);
    const struct stat seen = {.st_mode = S_IFCHR | 0620, .st_atim = {.tv_sec = s->atime_sec}};
    if (s->looks++ == 0)
        idle_start(&s->idle, &seen, s->opened_ms, &now);
    else
        idle_sample(&s->idle, &seen, false, &now);
    return schedule(&s->limits, s->idle.active_ms, s->opened_ms, s->noticed_end_ms, s->now_ms);
}

static void note_notice(struct simulation *s, const struct watch_decision *d)
{
    assert_true(s->limits.warn_ms > 0);
    assert_true(d->end_ms != s->noticed_end_ms);
    assert_true(s->now_ms < d->end_ms);
    s->noticed_end_ms = d->end_ms;
    s->noticed_ms = s->now_ms;
}

/* Ended in time, and warned in time. */
static void check_end(const struct simulation *s, const struct watch_decision *d)
{
    const int64_t idle_ms = s->now_ms - s->read_ms;
    const int64_t limit_ms = d->reason == REASON_AGE ? s->limits.age_ms : s->limits.idle_ms;

    if (d->reason == REASON_AGE) {
        assert_true(s->now_ms == s->opened_ms + s->limits.age_ms);
    } else if (idle_ms < limit_ms || idle_ms > limit_ms + WINDOW_MS) {
        fail_msg("ended after %" PRId64 " of %" PRId64 " ms", idle_ms, limit_ms);
    }
    if (s->limits.warn_ms > 0 && limit_ms >= 2) {
        assert_true(s->noticed_end_ms == d->end_ms);
        assert_true(s->noticed_ms < s->now_ms);
    }
}

static void simulate(struct simulation *s)
{
    for (;;) {
        const struct watch_decision d = look(s);
        if (d.action == WATCH_NOTICE)
            note_notice(s, &d);
        if (d.action == WATCH_END) {
            check_end(s, &d);
            return;
        }
        if (d.next_ms <= s->now_ms || d.next_ms == NEVER_MS)
            fail_msg("at %" PRId64 ": %s", s->now_ms, text_of(&d));
        s->now_ms = d.next_ms;
    }
}

static void simulation_begin(struct simulation *s)
{
    static const int64_t limits_ms[] = {1 * SEC,  2 * SEC,   5 * SEC,   8 * SEC,  9 * SEC,
                                        30 * SEC, 120 * SEC, 600 * SEC, 900 * SEC};
    static const int64_t warn_ms[] = {0, 1 * SEC, 5 * SEC, 60 * SEC, 600 * SEC};
    const int64_t idle_ms = limits_ms[below(COUNT_OF(limits_ms))];

    *s = (struct simulation){.limits = {idle_ms, NEVER_MS, warn_ms[below(COUNT_OF(warn_ms))]}};
    s->wall_zero_ms = INT64_C(1700000000000) + below(100000);
    s->now_ms = s->opened_ms = s->read_ms = below(100000);
    s->atime_sec = (s->wall_zero_ms + s->now_ms) / 1000;
    /* Sometimes longer than the limit. */
    s->longest_pause_ms = idle_ms + idle_ms / 8 + below(idle_ms);
    s->next_read_ms = s->now_ms + 1 + below(s->longest_pause_ms);
    s->noticed_end_ms = NEVER_MS;
}

/* Without any other sample: ended within the limit and eight seconds. */
static void ended_in_time(void **state)
{
    const uint64_t count = is_slow() ? 200 : 50000;

    (void)state;
    for (uint64_t round = 1; round <= count; round++) {
        struct simulation s;
        seed = round * UINT64_C(0x9e3779b97f4a7c15);
        simulation_begin(&s);
        simulate(&s);
    }
}

/* No login outlasts max_session. */
static void ended_by_age(void **state)
{
    const uint64_t count = is_slow() ? 100 : 10000;

    (void)state;
    for (uint64_t round = 1; round <= count; round++) {
        struct simulation s;
        seed = round * UINT64_C(0x9e3779b97f4a7c15);
        simulation_begin(&s);
        s.limits.age_ms = s.limits.idle_ms / 2 + below(20 * s.limits.idle_ms);
        if (below(2) == 0) {
            s.longest_pause_ms = s.limits.idle_ms / 2;
            s.next_read_ms = s.now_ms + below(s.longest_pause_ms);
        }
        if (below(4) == 0)
            s.limits.idle_ms = NEVER_MS;
        simulate(&s);
    }
}

/* A terminal without input is sampled three times: at first, for the notice, and
 * for the end. */
static void few_samples(void **state)
{
    struct simulation s = {.limits = {900 * SEC, NEVER_MS, 60 * SEC},
                           .wall_zero_ms = INT64_C(1700000000000),
                           .next_read_ms = INT64_MAX,
                           .noticed_end_ms = NEVER_MS};

    (void)state;
    s.atime_sec = s.wall_zero_ms / 1000;
    simulate(&s);
    assert_int_equal(s.looks, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decisions),     cmocka_unit_test(any_numbers),
        cmocka_unit_test(ended_in_time), cmocka_unit_test(ended_by_age),
        cmocka_unit_test(few_samples),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
