/*
 * One count of attempts, at times that the test chooses: what is admitted, what
 * locks and for how long; and a comparison with a second, simpler
 * implementation over many random histories.
 */
#include "tests/unit/check.h"

#include "lib/attempts/count.h"

#include <inttypes.h>
#include <string.h>

enum { SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE };
#define ALL_ALIVE UINT64_MAX

/* A count with the policy and the clock that apply to it. */
struct scene {
    struct attempt_count count;
    struct attempt_limits limits;
    struct timestamp now;
    struct count_changes changes; /* of the last call */
};

/* Three failures within 15 minutes lock for ten. */
static void begin(struct scene *s)
{
    *s = (struct scene){
        .limits = {.max_attempts = 3, .window_ms = 15 * MINUTE, .lock_ms = 10 * MINUTE},
        .now = {.boot_id = {1}, .boot_ms = 5000, .wall_ms = 1000000000}};
    count_start(&s->count, &s->now);
}

static void pass(struct scene *s, int64_t ms)
{
    s->now.boot_ms += ms;
    s->now.wall_ms += ms;
}

static void look(struct scene *s, uint64_t alive)
{
    s->changes = (struct count_changes){0};
    count_bring_up_to_date(&s->count, alive, &s->limits, &s->now, &s->changes);
}

static enum admission ask(struct scene *s, unsigned *entry)
{
    struct count_slot slot = {.entry = *entry};

    look(s, ALL_ALIVE);
    const enum admission admission = count_admit(&s->count, &s->limits, &s->now, &slot);
    if (admission == ADMITTED)
        assert_int_equal(slot.generation, s->count.generation[slot.entry]);
    *entry = slot.entry;
    return admission;
}

static unsigned admit(struct scene *s)
{
    unsigned entry = 99;

    assert_int_equal(ask(s, &entry), ADMITTED);
    assert_true(entry < ATTEMPTS_MAX);
    return entry;
}

static bool settle(struct scene *s, unsigned entry, uint32_t generation,
                   enum attempt_outcome outcome)
{
    const struct count_slot slot = {entry, generation};

    look(s, ALL_ALIVE);
    return count_settle(&s->count, &slot, outcome, &s->limits, &s->now, &s->changes);
}

static void attempt(struct scene *s, bool success)
{
    const unsigned entry = admit(s);

    assert_true(settle(s, entry, s->count.generation[entry], success));
}

static void fail_times(struct scene *s, unsigned times)
{
    for (unsigned i = 0; i < times; i++)
        attempt(s, false);
}

static void assert_rejected(struct scene *s, enum admission expected)
{
    unsigned entry = 99;

    assert_int_equal(ask(s, &entry), expected);
    assert_int_equal(entry, 99);
}

static int64_t lock_left(const struct scene *s)
{
    return count_lock_left_ms(&s->count, &s->limits, &s->now);
}

/* --- sequential and concurrent attempts ------------------------------------ */

static void new_count_is_empty(void **state)
{
    struct scene s;

    (void)state;
    begin(&s);
    look(&s, 0);
    assert_int_equal(count_failures(&s.count), 0);
    assert_int_equal(count_in_flight(&s.count), 0);
    assert_int_equal(count_free(&s.count, &s.limits), 3);
    assert_int_equal(lock_left(&s), 0);
    assert_int_equal(s.changes.died + s.changes.locked + s.changes.lock_expired, 0);
}

/* For every value that a policy may have: that many attempts are admitted and
 * no more, each in an entry of its own; and one more after each success. */
static void admits_as_many_as_the_policy_allows(void **state)
{
    (void)state;
    for (unsigned max = 1; max <= ATTEMPTS_MAX; max++) {
        struct scene s;
        uint64_t seen = 0;

        begin(&s);
        s.limits.max_attempts = max;
        for (unsigned i = 0; i < max; i++) {
            assert_int_equal(count_free(&s.count, &s.limits), max - i);
            const unsigned entry = admit(&s);
            assert_int_equal(seen >> entry & 1, 0);
            seen |= UINT64_C(1) << entry;
        }
        assert_int_equal(count_in_flight(&s.count), max);
        assert_int_equal(count_free(&s.count, &s.limits), 0);
        assert_rejected(&s, REJECTED_BUSY);
        assert_true(settle(&s, max - 1, s.count.generation[max - 1], true));
        admit(&s);
        assert_rejected(&s, REJECTED_BUSY);
    }
}

/* Attempts in flight may all fail, so each failure leaves room for one less. */
static void failures_and_attempts_in_flight_share_the_limit(void **state)
{
    struct scene s;

    (void)state;
    begin(&s);
    attempt(&s, false);
    admit(&s);
    admit(&s);
    assert_rejected(&s, REJECTED_BUSY);
    assert_true(settle(&s, 1, s.count.generation[1], false));
    assert_rejected(&s, REJECTED_BUSY);
    assert_true(settle(&s, 2, s.count.generation[2], false));
    assert_rejected(&s, REJECTED_LOCKED);
}

static void last_failure_locks(void **state)
{
    (void)state;
    for (unsigned max = 1; max <= ATTEMPTS_MAX; max++) {
        struct scene s;

        begin(&s);
        s.limits.max_attempts = max;
        for (unsigned i = 1; i <= max; i++) {
            assert_int_equal(lock_left(&s), 0);
            attempt(&s, false);
            assert_int_equal(count_failures(&s.count), i);
            assert_int_equal(s.changes.locked, i == max);
        }
        assert_int_equal(lock_left(&s), 10 * MINUTE);
        assert_int_equal(count_free(&s.count, &s.limits), 0);
        assert_rejected(&s, REJECTED_LOCKED);
        assert_false(s.changes.locked); /* reported only once */
    }
}

/* A success frees its entry and clears the failures, but not the attempts in
 * flight. */
static void success_clears_failures(void **state)
{
    struct scene s;

    (void)state;
    begin(&s);
    s.limits.max_attempts = 5;
    fail_times(&s, 2);
    const unsigned other = admit(&s), right = admit(&s);
    assert_true(settle(&s, right, s.count.generation[right], true));
    assert_int_equal(count_failures(&s.count), 0);
    assert_int_equal(count_in_flight(&s.count), 1);
    assert_true(settle(&s, other, s.count.generation[other], false));
    assert_int_equal(count_failures(&s.count), 1);
    assert_int_equal(count_in_flight(&s.count), 0);
    fail_times(&s, 3);
    assert_int_equal(lock_left(&s), 0);
    fail_times(&s, 1);
    assert_int_equal(lock_left(&s), 10 * MINUTE);
}

/* Only the attempt that currently owns the entry can settle it, and only once. */
/* Its entry can be taken again; what has failed stays failed, for as long as before. */
static void withdrawal_charges_and_clears_nothing(void **state)
{
    struct scene s;

    (void)state;
    begin(&s);
    attempt(&s, false);
    pass(&s, 14 * MINUTE);
    const unsigned entry = admit(&s), other = admit(&s);
    assert_rejected(&s, REJECTED_BUSY);
    assert_true(settle(&s, entry, s.count.generation[entry], ATTEMPT_WITHDRAWN));
    assert_int_equal(count_failures(&s.count), 1);
    assert_int_equal(count_in_flight(&s.count), 1);
    assert_int_equal(count_free(&s.count, &s.limits), 1);
    assert_false(settle(&s, entry, s.count.generation[entry], ATTEMPT_FAILED));
    assert_true(settle(&s, other, s.count.generation[other], ATTEMPT_WITHDRAWN));
    for (int i = 0; i < 100; i++) {
        const unsigned again = admit(&s);
        assert_true(settle(&s, again, s.count.generation[again], ATTEMPT_WITHDRAWN));
    }
    assert_int_equal(count_failures(&s.count), 1);
    assert_int_equal(s.changes.locked, false);
    pass(&s, MINUTE);
    look(&s, 0);
    assert_int_equal(count_failures(&s.count), 0);
}

static void withdrawal_under_a_lock_changes_nothing_else(void **state)
{
    struct scene s;

    (void)state;
    begin(&s);
    const unsigned entry = admit(&s);
    fail_times(&s, 2);
    s.limits.max_attempts = 2;
    look(&s, ALL_ALIVE);
    assert_int_equal(lock_left(&s), 10 * MINUTE);
    pass(&s, MINUTE);
    assert_true(settle(&s, entry, s.count.generation[entry], ATTEMPT_WITHDRAWN));
    assert_int_equal(lock_left(&s), 9 * MINUTE);
    assert_int_equal(count_failures(&s.count), 2);
    assert_int_equal(count_in_flight(&s.count), 0);
}

/* Nobody can tell whether a process that had died or stopped had asked already. */
static void withdrawal_is_too_late_for_a_failure(void **state)
{
    struct scene s;

    (void)state;
    begin(&s);
    const unsigned entry = admit(&s);
    pass(&s, ATTEMPT_AGE_MAX_MS);
    assert_false(settle(&s, entry, s.count.generation[entry], ATTEMPT_WITHDRAWN));
    assert_int_equal(count_failures(&s.count), 1);
}

static void ignores_a_stale_generation(void **state)
{
    struct scene s;

    (void)state;
    begin(&s);
    const unsigned first = admit(&s);
    const uint32_t old = s.count.generation[first];
    assert_true(settle(&s, first, old, true));
    assert_false(settle(&s, first, old, true));
    assert_false(settle(&s, first, old, false));
    assert_int_equal(count_failures(&s.count), 0);

    const unsigned again = admit(&s);
    assert_int_equal(again, first); /* otherwise the test proves nothing */
    assert_int_not_equal(s.count.generation[again], old);
    assert_false(settle(&s, again, old, true));
    assert_false(settle(&s, again, old, false));
    assert_int_equal(count_in_flight(&s.count), 1);
    assert_int_equal(count_failures(&s.count), 0);
    assert_true(settle(&s, again, s.count.generation[again], false));
    assert_false(settle(&s, again, s.count.generation[again], true));
    assert_int_equal(count_failures(&s.count), 1);
}

static void generations_are_not_reused(void **state)
{
    struct scene s;
    uint32_t last = 0;

    (void)state;
    begin(&s);
    for (unsigned i = 0; i < 1000; i++) {
        const unsigned entry = admit(&s);
        assert_true(s.count.generation[entry] > last);
        last = s.count.generation[entry];
        assert_true(settle(&s, entry, last, true));
        if (i % 100 == 0)
            count_reset(&s.count);
    }
}

/* --- time ------------------------------------------------------------------ */

static void failures_expire_after_the_window(void **state)
{
    struct scene s;

    (void)state;
    begin(&s);
    attempt(&s, false);
    pass(&s, 10 * MINUTE);
    attempt(&s, false);
    pass(&s, 5 * MINUTE - 1);
    look(&s, ALL_ALIVE);
    assert_int_equal(count_failures(&s.count), 2);
    pass(&s, 1);
    look(&s, ALL_ALIVE);
    assert_int_equal(count_failures(&s.count), 1); /* 15 minutes old: no longer counts */
    attempt(&s, false);
    assert_int_equal(lock_left(&s), 0);
    pass(&s, 10 * MINUTE);
    look(&s, ALL_ALIVE);
    assert_int_equal(count_failures(&s.count), 1);
    fail_times(&s, 2);
    assert_int_equal(lock_left(&s), 10 * MINUTE);
}

/* A failure counts from the end of the check, not from its beginning. */
static void slow_check_counts_from_its_end(void **state)
{
    struct scene s;

    (void)state;
    begin(&s);
    const unsigned slow_one = admit(&s);
    pass(&s, MINUTE);
    assert_true(settle(&s, slow_one, s.count.generation[slow_one], false));
    pass(&s, 15 * MINUTE - 1);
    look(&s, ALL_ALIVE);
    assert_int_equal(count_failures(&s.count), 1);
    pass(&s, 1);
    look(&s, ALL_ALIVE);
    assert_int_equal(count_failures(&s.count), 0);
}

static void lock_expires(void **state)
{
    struct scene s;

    (void)state;
    begin(&s);
    fail_times(&s, 2);
    pass(&s, MINUTE);
    attempt(&s, false);
    pass(&s, 10 * MINUTE - 1);
    assert_rejected(&s, REJECTED_LOCKED);
    assert_int_equal(lock_left(&s), 1);
    assert_int_equal(count_failures(&s.count),
                     3); /* all failures that caused the lock, while it lasts */
    pass(&s, 1);
    assert_int_equal(lock_left(&s), 0);
    look(&s, ALL_ALIVE);
    assert_true(s.changes.lock_expired);
    assert_int_equal(count_failures(&s.count), 0); /* although they are younger than the window */
    fail_times(&s, 2);
    assert_int_equal(lock_left(&s), 0);
    attempt(&s, false);
    assert_int_equal(lock_left(&s), 10 * MINUTE);
}

/* The failures that caused a lock do not expire while it lasts. */
static void lock_can_outlast_the_window(void **state)
{
    struct scene s;

    (void)state;
    begin(&s);
    s.limits.lock_ms = 1000 * MINUTE;
    fail_times(&s, 3);
    for (int i = 0; i < 999; i++) {
        pass(&s, MINUTE);
        assert_rejected(&s, REJECTED_LOCKED);
        assert_int_equal(lock_left(&s), (999 - i) * MINUTE);
    }
    pass(&s, MINUTE);
    admit(&s);
    assert_int_equal(count_failures(&s.count), 0);
}

/* Rejected attempts neither count nor extend the lock. */
static void rejections_do_not_count(void **state)
{
    struct scene s;

    (void)state;
    begin(&s);
    fail_times(&s, 3);
    for (int i = 1; i < 600; i++) {
        pass(&s, SECOND);
        assert_rejected(&s, REJECTED_LOCKED);
        assert_int_equal(count_failures(&s.count), 3);
        assert_int_equal(lock_left(&s), 10 * MINUTE - i * SECOND);
    }
    pass(&s, SECOND);
    for (int i = 0; i < 3; i++)
        admit(&s);
    for (int i = 0; i < 10; i++)
        assert_rejected(&s, REJECTED_BUSY);
    assert_int_equal(count_failures(&s.count), 0);
    assert_int_equal(count_in_flight(&s.count), 3);
}

static void lock_forever(void **state)
{
    struct scene s;

    (void)state;
    begin(&s);
    s.limits.lock_ms = SETTING_FOREVER;
    fail_times(&s, 3);
    for (int64_t ms = 1; ms < INT64_MAX / 4000000; ms *= 16) {
        pass(&s, ms);
        assert_rejected(&s, REJECTED_LOCKED);
        assert_true(lock_left(&s) == SETTING_FOREVER);
    }
    count_reset(&s.count);
    assert_int_equal(lock_left(&s), 0);
    admit(&s);
}

/* What an administrator has unlocked elsewhere is forgotten up to then, and no more: neither
 * once more nor by an older time. */
static void failures_are_forgotten_up_to_a_time(void **state)
{
    struct scene s;
    bool was_locked = false;

    (void)state;
    begin(&s);
    fail_times(&s, 2);
    const int64_t unlocked_ms = s.now.boot_ms;
    pass(&s, SECOND);
    fail_times(&s, 1); /* and so the user is locked, although two were forgotten before it */
    assert_rejected(&s, REJECTED_LOCKED);
    assert_int_equal(count_forget(&s.count, unlocked_ms - 1, &s.now, &was_locked), 0);
    assert_false(was_locked);
    assert_rejected(&s, REJECTED_LOCKED);
    assert_int_equal(count_forget(&s.count, unlocked_ms, &s.now, &was_locked), 2);
    assert_true(was_locked);
    look(&s, ALL_ALIVE);
    assert_int_equal(count_failures(&s.count), 1);
    fail_times(&s, 2);
    assert_rejected(&s, REJECTED_LOCKED);
    was_locked = false;
    assert_int_equal(count_forget(&s.count, unlocked_ms, &s.now, &was_locked), 0);
    assert_false(was_locked);
    assert_rejected(&s, REJECTED_LOCKED);
}

/* Those that remain are enough for a lock: it begins again with the last of them. */
static void failures_that_remain_lock(void **state)
{
    struct scene s;
    bool was_locked = false;

    (void)state;
    begin(&s);
    fail_times(&s, 1);
    s.limits.max_attempts = 4;
    const int64_t unlocked_ms = s.now.boot_ms;
    pass(&s, SECOND);
    fail_times(&s, 3);
    const int64_t left_ms = lock_left(&s);
    s.limits.max_attempts = 3;
    assert_int_equal(count_forget(&s.count, unlocked_ms, &s.now, &was_locked), 1);
    look(&s, ALL_ALIVE);
    assert_true(lock_left(&s) == left_ms);
}

/* After a reboot the times in the count are of another clock. */
static void failures_are_forgotten_across_a_reboot(void **state)
{
    struct scene s;
    bool was_locked = false;

    (void)state;
    begin(&s);
    pass(&s, MINUTE);
    fail_times(&s, 3);
    s.now.boot_id[0]++;
    s.now.wall_ms += 30 * SECOND;
    s.now.boot_ms = 10 * SECOND;
    assert_int_equal(count_forget(&s.count, s.now.boot_ms - 31 * SECOND, &s.now, &was_locked), 0);
    assert_false(was_locked);
    assert_int_equal(count_forget(&s.count, s.now.boot_ms - 30 * SECOND, &s.now, &was_locked), 3);
    assert_true(was_locked);
}

/* lock_time and attempt_window at their maximum and minimum. */
static void extreme_times(void **state)
{
    struct scene s;

    (void)state;
    begin(&s);
    s.limits.lock_ms = settings[SETTING_LOCK_TIME].max * 1000;
    fail_times(&s, 3);
    pass(&s, s.limits.lock_ms - 1);
    assert_rejected(&s, REJECTED_LOCKED);
    pass(&s, 1);
    admit(&s);

    begin(&s);
    s.limits.lock_ms = SECOND;
    s.limits.window_ms = SECOND;
    fail_times(&s, 2);
    pass(&s, SECOND);
    fail_times(&s, 2);
    assert_int_equal(lock_left(&s), 0);
    attempt(&s, false);
    assert_int_equal(lock_left(&s), SECOND);
    pass(&s, SECOND);
    admit(&s);
}

/* --- abandoned attempts ---------------------------------------------------- */

static void dead_process_counts_as_failure(void **state)
{
    struct scene s;

    (void)state;
    begin(&s);
    const unsigned a = admit(&s), b = admit(&s);
    const uint32_t generation = s.count.generation[a];
    look(&s, UINT64_C(1) << b);
    assert_int_equal(s.changes.died, 1);
    assert_int_equal(count_failures(&s.count), 1);
    assert_int_equal(count_in_flight(&s.count), 1);
    look(&s, UINT64_C(1) << b);
    assert_int_equal(s.changes.died, 0); /* reported only once */
    /* and it remains a failure, whatever is reported later */
    assert_false(settle(&s, a, generation, true));
    assert_int_equal(count_failures(&s.count), 1);
    assert_int_equal(count_in_flight(&s.count), 1);
}

static void dead_processes_lock(void **state)
{
    struct scene s;

    (void)state;
    begin(&s);
    for (int i = 0; i < 3; i++)
        admit(&s);
    look(&s, 0);
    assert_int_equal(s.changes.died, 3);
    assert_true(s.changes.locked);
    assert_rejected(&s, REJECTED_LOCKED);
}

/* Attempts that died unnoticed lock the user from the time when they began, no
 * matter who finds them and when. */
static void lock_by_dead_processes_begins_when_they_began(void **state)
{
    struct scene s;

    (void)state;
    begin(&s);
    for (int i = 0; i < 3; i++)
        admit(&s);
    pass(&s, 4 * MINUTE);
    look(&s, 0);
    assert_true(s.changes.locked);
    assert_int_equal(lock_left(&s), 6 * MINUTE);

    begin(&s);
    for (int i = 0; i < 3; i++)
        admit(&s);
    pass(&s, 10 * MINUTE);
    look(&s, 0);
    assert_int_equal(lock_left(&s), 0); /* the lock began and expired unnoticed */
    assert_true(s.changes.lock_expired);
    assert_int_equal(count_failures(&s.count), 0);
}

/* The same if the window is over before someone looks, but the lock is not. */
static void lock_by_dead_processes_with_a_short_window(void **state)
{
    struct scene s;

    (void)state;
    begin(&s);
    s.limits.window_ms = MINUTE;
    for (int i = 0; i < 3; i++)
        admit(&s);
    pass(&s, 4 * MINUTE);
    look(&s, 0);
    assert_int_equal(lock_left(&s), 6 * MINUTE);
    assert_rejected(&s, REJECTED_LOCKED);
}

/* The user may have stopped the process: from this age on the attempt is a
 * failure for good. */
static void slow_attempt_counts_as_failure(void **state)
{
    struct scene s;

    (void)state;
    begin(&s);
    const unsigned entry = admit(&s);
    const uint32_t generation = s.count.generation[entry];
    pass(&s, ATTEMPT_AGE_MAX_MS - 1);
    look(&s, ALL_ALIVE);
    assert_int_equal(count_in_flight(&s.count), 1);
    assert_int_equal(s.changes.died, 0);
    pass(&s, 1);
    look(&s, ALL_ALIVE);
    assert_int_equal(count_in_flight(&s.count), 0);
    assert_int_equal(count_failures(&s.count), 1);
    assert_int_equal(s.changes.died, 1);
    assert_false(settle(&s, entry, generation, true));
    assert_int_equal(count_failures(&s.count), 1);
}

/* Expired at the very moment in which it reports success. */
static void success_is_too_late_at_the_maximum_age(void **state)
{
    for (int late = 0; late <= 1; late++) {
        struct scene s;

        (void)state;
        begin(&s);
        attempt(&s, false);
        const unsigned entry = admit(&s);
        pass(&s, ATTEMPT_AGE_MAX_MS - 1 + late);
        assert_int_equal(settle(&s, entry, s.count.generation[entry], true), late == 0);
        assert_int_equal(count_failures(&s.count), late == 0 ? 0 : 2);
    }
}

/* --- a changed policy ------------------------------------------------------ */

static void lower_limit_applies_to_failures_and_attempts_in_flight(void **state)
{
    struct scene s;

    (void)state;
    begin(&s);
    s.limits.max_attempts = 5;
    fail_times(&s, 2);
    const unsigned one = admit(&s), two = admit(&s);
    s.limits.max_attempts = 3;
    assert_rejected(&s, REJECTED_BUSY);
    assert_int_equal(count_free(&s.count, &s.limits), 0);
    assert_true(settle(&s, one, s.count.generation[one], false));
    assert_true(s.changes.locked);
    /* an attempt in flight continues; its failure does not restart the lock */
    pass(&s, MINUTE);
    assert_true(settle(&s, two, s.count.generation[two], false));
    assert_int_equal(lock_left(&s), 9 * MINUTE);
    pass(&s, 9 * MINUTE);
    admit(&s);
    assert_int_equal(count_failures(&s.count), 0);
}

/* Failures that were too few for the old limit reach the new one. */
static void lower_limit_locks(void **state)
{
    struct scene s;

    (void)state;
    begin(&s);
    fail_times(&s, 2);
    pass(&s, MINUTE);
    s.limits.max_attempts = 2;
    assert_rejected(&s, REJECTED_LOCKED);
    assert_true(s.changes.locked);
    assert_int_equal(lock_left(&s), 9 * MINUTE); /* since the failure that reached the limit */
}

static void higher_limit_keeps_a_lock(void **state)
{
    struct scene s;

    (void)state;
    begin(&s);
    fail_times(&s, 2);
    s.limits.max_attempts = 5;
    fail_times(&s, 2);
    assert_int_equal(lock_left(&s), 0);
    attempt(&s, false);
    assert_int_equal(lock_left(&s), 10 * MINUTE);

    /* a lock persists, even if the new limit would not have caused it */
    s.limits.max_attempts = 64;
    assert_rejected(&s, REJECTED_LOCKED);
    pass(&s, 10 * MINUTE);
    admit(&s);
}

static void changed_lock_time_applies_to_a_running_lock(void **state)
{
    struct scene s;

    (void)state;
    begin(&s);
    fail_times(&s, 3);
    pass(&s, MINUTE);
    s.limits.lock_ms = SETTING_FOREVER;
    assert_true(lock_left(&s) == SETTING_FOREVER);
    s.limits.lock_ms = 2 * MINUTE;
    assert_int_equal(lock_left(&s), MINUTE);
    s.limits.lock_ms = SECOND;
    assert_int_equal(lock_left(&s), 0);
    admit(&s);
    /* an expired lock does not come back */
    s.limits.lock_ms = SETTING_FOREVER;
    look(&s, ALL_ALIVE);
    assert_int_equal(lock_left(&s), 0);
}

static void changed_window_applies_to_old_failures(void **state)
{
    struct scene s;

    (void)state;
    begin(&s);
    fail_times(&s, 2);
    pass(&s, 14 * MINUTE);
    s.limits.window_ms = 60 * MINUTE;
    pass(&s, 14 * MINUTE);
    look(&s, ALL_ALIVE);
    assert_int_equal(count_failures(&s.count), 2);
    s.limits.window_ms = 28 * MINUTE;
    look(&s, ALL_ALIVE);
    assert_int_equal(count_failures(&s.count), 0);
}

/* Root's unlock. Attempts in flight continue, and can still fail. */
static void unlock_clears_failures_and_lock(void **state)
{
    struct scene s;

    (void)state;
    begin(&s);
    s.limits.max_attempts = 4;
    const unsigned entry = admit(&s);
    fail_times(&s, 2);
    count_reset(&s.count);
    assert_int_equal(count_failures(&s.count), 0);
    assert_int_equal(count_in_flight(&s.count), 1);
    assert_true(settle(&s, entry, s.count.generation[entry], false));
    assert_int_equal(count_failures(&s.count), 1);
    fail_times(&s, 3);
    assert_rejected(&s, REJECTED_LOCKED);
    count_reset(&s.count);
    assert_int_equal(lock_left(&s), 0);
    assert_int_equal(count_failures(&s.count), 0);
    for (int i = 0; i < 4; i++)
        admit(&s);
}

/* --- across a reboot ------------------------------------------------------- */

/* Simulates another boot that has been up for up_ms; the wall clock has moved
 * by wall_ms. */
static void reboot(struct scene *s, int64_t up_ms, int64_t wall_ms)
{
    s->now.boot_id[0]++;
    s->now.boot_ms = up_ms;
    s->now.wall_ms += wall_ms;
}

static void lock_survives_a_reboot(void **state)
{
    static const struct {
        int64_t up_ms, wall_ms, left_ms;
    } cases[] = {
        {20 * SECOND, 3 * MINUTE, 7 * MINUTE},
        {20 * SECOND, 10 * MINUTE - 1, 1},
        {20 * SECOND, 10 * MINUTE, 0},
        {20 * SECOND, INT64_C(1000000) * MINUTE, 0},
        /* stepped back: at least the uptime has passed */
        {20 * SECOND, -3 * MINUTE, 10 * MINUTE - 20 * SECOND},
        {20 * SECOND, INT64_C(-1000000) * MINUTE, 10 * MINUTE - 20 * SECOND},
        {20 * SECOND, 19 * SECOND, 10 * MINUTE - 20 * SECOND},
        {10 * MINUTE, -3 * MINUTE, 0},
        {0, 0, 10 * MINUTE},
        {0, -1, 10 * MINUTE},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct scene s;

        begin(&s);
        fail_times(&s, 3);
        reboot(&s, cases[i].up_ms, cases[i].wall_ms);
        assert_int_equal(lock_left(&s), cases[i].left_ms); /* for a caller that only looks */
        look(&s, 0);
        assert_int_equal(lock_left(&s), cases[i].left_ms);
        assert_int_equal(s.changes.lock_expired, cases[i].left_ms == 0);
        if (cases[i].left_ms == 0)
            continue;
        pass(&s, cases[i].left_ms - 1);
        assert_rejected(&s, REJECTED_LOCKED);
        pass(&s, 1);
        admit(&s);
    }
}

static void lock_forever_survives_reboots(void **state)
{
    struct scene s;

    (void)state;
    begin(&s);
    s.limits.lock_ms = SETTING_FOREVER;
    fail_times(&s, 3);
    for (int i = 0; i < 100; i++) {
        reboot(&s, i * SECOND, (i % 3 - 1) * INT64_C(100000) * MINUTE);
        assert_true(lock_left(&s) == SETTING_FOREVER);
        assert_rejected(&s, REJECTED_LOCKED);
        assert_true(lock_left(&s) == SETTING_FOREVER);
    }
}

/* The clock is set back at every boot, but each boot's uptime has passed. */
static void lock_expires_across_many_reboots(void **state)
{
    struct scene s;

    (void)state;
    begin(&s);
    fail_times(&s, 3);
    for (int i = 1; i < 10; i++) {
        reboot(&s, MINUTE, -MINUTE);
        assert_rejected(&s, REJECTED_LOCKED);
        assert_int_equal(lock_left(&s), (10 - i) * MINUTE);
    }
    reboot(&s, MINUTE, -MINUTE);
    admit(&s);
}

static void failures_expire_across_a_reboot(void **state)
{
    struct scene s;

    (void)state;
    begin(&s);
    attempt(&s, false);
    pass(&s, 5 * MINUTE);
    attempt(&s, false);
    reboot(&s, 20 * SECOND, 10 * MINUTE - 1);
    look(&s, 0);
    assert_int_equal(count_failures(&s.count), 2);
    pass(&s, 1);
    look(&s, 0);
    assert_int_equal(count_failures(&s.count), 1);
    reboot(&s, 20 * SECOND, -INT64_C(50000) * MINUTE);
    look(&s, 0);
    assert_int_equal(count_failures(&s.count), 1);
    fail_times(&s, 2);
    assert_int_equal(lock_left(&s), 10 * MINUTE);
}

/* Attempts of an earlier boot cannot have been settled. */
static void attempts_in_flight_become_failures_at_a_reboot(void **state)
{
    struct scene s;

    (void)state;
    begin(&s);
    attempt(&s, false);
    admit(&s);
    reboot(&s, 20 * SECOND, MINUTE);
    look(&s, 0);
    assert_int_equal(s.changes.died, 1);
    assert_int_equal(count_failures(&s.count), 2);
    assert_int_equal(count_in_flight(&s.count), 0);
}

/* --- random histories ------------------------------------------------------ */

/* The simplest possible count: a list of everything that has happened. */
enum fate { FLYING, FAILED, FORGOTTEN };

struct event {
    enum fate fate;
    bool alive;
    int64_t at_ms; /* by the model's own clock, which never jumps */
    unsigned entry;
    uint32_t generation;
};

enum { EVENTS_MAX = 400 };

struct model {
    struct event event[EVENTS_MAX];
    unsigned events;
    int64_t now_ms, locked_ms;
    bool locked;
};

struct walk {
    struct scene scene;
    struct model model;
    uint64_t random;
    bool deaths; /* otherwise every attempt is settled before it is too old */
    unsigned locks, busy, died, successes, withdrawn;
};

static unsigned roll(struct walk *w, unsigned sides)
{
    w->random = w->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned)(w->random >> 33) % sides;
}

static unsigned model_count(const struct model *m, enum fate fate)
{
    unsigned n = 0;

    for (unsigned i = 0; i < m->events; i++)
        n += m->event[i].fate == fate;
    return n;
}

static void model_forget(struct model *m)
{
    for (unsigned i = 0; i < m->events; i++)
        if (m->event[i].fate == FAILED)
            m->event[i].fate = FORGOTTEN;
}

static int64_t model_left(const struct model *m, const struct attempt_limits *limits)
{
    if (!m->locked)
        return 0;
    if (limits->lock_ms == SETTING_FOREVER)
        return SETTING_FOREVER;
    const int64_t left_ms = m->locked_ms + limits->lock_ms - m->now_ms;
    return left_ms > 0 ? left_ms : 0;
}

static void model_end_lock(struct model *m, const struct attempt_limits *limits)
{
    if (!m->locked || model_left(m, limits) > 0)
        return;
    m->locked = false;
    model_forget(m);
}

static void model_begin_lock(struct model *m, const struct attempt_limits *limits)
{
    if (m->locked || model_count(m, FAILED) < limits->max_attempts)
        return;
    m->locked_ms = INT64_MIN;
    for (unsigned i = 0; i < m->events; i++)
        if (m->event[i].fate == FAILED && m->event[i].at_ms > m->locked_ms)
            m->locked_ms = m->event[i].at_ms;
    m->locked = true;
    model_end_lock(m, limits);
}

static void model_look(struct model *m, const struct attempt_limits *limits)
{
    for (unsigned i = 0; i < m->events; i++) {
        struct event *event = &m->event[i];
        if (event->fate == FLYING &&
            (!event->alive || m->now_ms - event->at_ms >= ATTEMPT_AGE_MAX_MS))
            event->fate = FAILED;
    }
    model_end_lock(m, limits);
    for (unsigned i = 0; i < m->events && !m->locked; i++)
        if (m->event[i].fate == FAILED && m->now_ms - m->event[i].at_ms >= limits->window_ms)
            m->event[i].fate = FORGOTTEN;
    model_begin_lock(m, limits);
}

static enum admission model_admit(struct model *m, const struct attempt_limits *limits)
{
    if (m->locked)
        return REJECTED_LOCKED;
    return model_count(m, FAILED) + model_count(m, FLYING) < limits->max_attempts ? ADMITTED
                                                                                  : REJECTED_BUSY;
}

static bool model_settle(struct model *m, struct event *event, enum attempt_outcome outcome,
                         const struct attempt_limits *limits)
{
    if (event->fate != FLYING)
        return false;
    event->fate = outcome == ATTEMPT_FAILED ? FAILED : FORGOTTEN;
    event->at_ms = m->now_ms;
    if (outcome == ATTEMPT_SUCCEEDED && !m->locked)
        model_forget(m);
    model_begin_lock(m, limits);
    return true;
}

static uint64_t alive_in(const struct model *m)
{
    uint64_t alive = 0;

    for (unsigned i = 0; i < m->events; i++)
        if (m->event[i].fate == FLYING && m->event[i].alive)
            alive |= UINT64_C(1) << m->event[i].entry;
    return alive;
}

static void look_at_both(struct walk *w)
{
    look(&w->scene, alive_in(&w->model));
    w->died += w->scene.changes.died;
    model_look(&w->model, &w->scene.limits);
}

/* Admits the same attempt in both. The count chooses the entry as it likes. */
static void walk_admit(struct walk *w)
{
    struct scene *s = &w->scene;
    struct model *m = &w->model;
    struct count_slot slot = {.entry = 99};

    if (m->events == EVENTS_MAX)
        return;
    const enum admission expected = model_admit(m, &s->limits);
    assert_int_equal(count_admit(&s->count, &s->limits, &s->now, &slot), expected);
    w->busy += expected == REJECTED_BUSY;
    if (expected != ADMITTED)
        return;
    for (unsigned i = 0; i < m->events; i++)
        assert_false(m->event[i].fate == FLYING && m->event[i].entry == slot.entry);
    m->event[m->events++] = (struct event){.fate = FLYING,
                                           .alive = true,
                                           .at_ms = m->now_ms,
                                           .entry = slot.entry,
                                           .generation = slot.generation};
    /* the guarantee, whatever the policy was before */
    assert_true(count_failures(&s->count) + count_in_flight(&s->count) <= s->limits.max_attempts);
}

/* One of so many ends in success, and as many are withdrawn. */
static void walk_settle(struct walk *w, struct event *event, unsigned one_of)
{
    const unsigned rolled = roll(w, one_of);
    const enum attempt_outcome outcome = rolled == 0   ? ATTEMPT_SUCCEEDED
                                         : rolled == 1 ? ATTEMPT_WITHDRAWN
                                                       : ATTEMPT_FAILED;
    struct scene *s = &w->scene;
    const struct count_slot slot = {event->entry, event->generation};
    const bool settled = count_settle(&s->count, &slot, outcome, &s->limits, &s->now, &s->changes);

    assert_int_equal(settled, model_settle(&w->model, event, outcome, &s->limits));
    w->successes += settled && outcome == ATTEMPT_SUCCEEDED;
    w->withdrawn += settled && outcome == ATTEMPT_WITHDRAWN;
}

/* Settles any attempt there ever was, including some that are settled already. */
static void walk_settle_any(struct walk *w)
{
    if (w->model.events > 0)
        walk_settle(w, &w->model.event[roll(w, w->model.events)], 8);
}

static void walk_settle_all(struct walk *w)
{
    for (unsigned i = 0; i < w->model.events; i++)
        if (w->model.event[i].fate == FLYING)
            walk_settle(w, &w->model.event[i], 12);
}

static void walk_die(struct walk *w)
{
    const unsigned first = w->model.events > 0 ? roll(w, w->model.events) : 0;

    for (unsigned i = first; i < w->model.events; i++)
        if (w->model.event[i].fate == FLYING)
            w->model.event[i].alive = roll(w, 2) != 0;
}

static void walk_pass(struct walk *w)
{
    static const int64_t step_ms[] = {0,           1,          400,         5 * SECOND,
                                      20 * SECOND, 2 * MINUTE, 11 * MINUTE, 40 * MINUTE};
    const int64_t ms = step_ms[roll(w, COUNT_OF(step_ms))];

    if (!w->deaths)
        walk_settle_all(w);
    pass(&w->scene, ms);
    w->model.now_ms += ms;
}

/* The time that passes is what the clocks show. */
static void walk_reboot(struct walk *w)
{
    const int64_t up_ms = roll(w, 60) * SECOND;
    const int64_t wall_ms = (int64_t)roll(w, 400) * SECOND - 200 * SECOND;

    for (unsigned i = 0; i < w->model.events; i++)
        w->model.event[i].alive = false;
    reboot(&w->scene, up_ms, wall_ms);
    w->model.now_ms += wall_ms > up_ms ? wall_ms : up_ms;
}

static void walk_policy(struct walk *w)
{
    static const int64_t lock[] = {SECOND, MINUTE, 10 * MINUTE, 100 * MINUTE, SETTING_FOREVER};
    static const unsigned max[] = {1, 2, 3, 5, 8, 63, 64};

    w->scene.limits.max_attempts = max[roll(w, COUNT_OF(max))];
    w->scene.limits.lock_ms = lock[roll(w, COUNT_OF(lock))];
}

static void walk_step(struct walk *w)
{
    const unsigned what = roll(w, 100);

    if (what < 45)
        walk_admit(w);
    else if (what < 75)
        walk_settle_any(w);
    else if (what < 90)
        walk_pass(w);
    else if (what < 95 && w->deaths)
        walk_die(w);
    else if (what < 97 && w->deaths)
        walk_reboot(w);
    else if (what == 98)
        walk_policy(w);
    else if (what == 99 && roll(w, 3) == 0) {
        count_reset(&w->scene.count);
        model_forget(&w->model);
        w->model.locked = false;
    }
}

static void compare(const struct walk *w)
{
    const struct scene *s = &w->scene;
    const struct model *m = &w->model;

    assert_int_equal(count_failures(&s->count), model_count(m, FAILED));
    assert_int_equal(count_in_flight(&s->count), model_count(m, FLYING));
    assert_int_equal(s->count.failed & s->count.in_flight, 0);
    assert_int_equal(lock_left(s), model_left(m, &s->limits));
    if (m->locked)
        assert_int_equal(count_free(&s->count, &s->limits), 0);
    else if (model_count(m, FAILED) + model_count(m, FLYING) <= s->limits.max_attempts)
        assert_int_equal(count_free(&s->count, &s->limits),
                         s->limits.max_attempts - model_count(m, FAILED) - model_count(m, FLYING));
}

static void walk_once(struct walk *w, uint64_t seed, bool deaths, unsigned steps)
{
    static const int64_t window[] = {SECOND, MINUTE, 15 * MINUTE, 600 * MINUTE};

    begin(&w->scene);
    w->model.events = 0;
    w->model.locked = false;
    w->model.now_ms = 0;
    w->random = seed * 2 + deaths;
    w->deaths = deaths;
    /* If attempts die unnoticed, the count decides when they become failures:
     * then the window is so long that it does not matter. */
    w->scene.limits.window_ms =
        deaths ? INT64_C(365) * 1440 * MINUTE : window[roll(w, COUNT_OF(window))];
    walk_policy(w);
    for (unsigned step = 0; step < steps; step++) {
        const bool was_locked = w->model.locked;
        look_at_both(w);
        walk_step(w);
        look_at_both(w);
        compare(w);
        w->locks += w->model.locked && !was_locked;
    }
}

/* The count and the list agree at every step of every history. */
static void random_histories(void **state)
{
    static struct walk w;
    const uint64_t seeds = is_slow() ? 20 : 1000;

    (void)state;
    for (uint64_t seed = 1; seed <= seeds; seed++) {
        walk_once(&w, seed, false, 500);
        walk_once(&w, seed, true, 500);
    }
    /* otherwise the histories have shown nothing */
    assert_true(w.locks > seeds);
    assert_true(w.busy > seeds);
    assert_true(w.died > seeds);
    assert_true(w.successes > seeds);
    assert_true(w.withdrawn > seeds);
}

/* Times that only a corrupt ledger contains, across a reboot and within a boot. */
static void survives_absurd_times(void **state)
{
    static const int64_t times[] = {INT64_MIN + 1, INT64_MIN / 2, INT64_MAX / 2, INT64_MAX};
    const struct timestamp now = {.boot_id = {2}, .boot_ms = HOUR, .wall_ms = HOUR};

    (void)state;
    for (size_t t = 0; t < COUNT_OF(times); t++) {
        for (unsigned char boot = 1; boot <= 2; boot++) {
            struct scene s = {.limits = {.max_attempts = 3, .window_ms = MINUTE, .lock_ms = MINUTE},
                              .now = now};
            count_start(&s.count, &now);
            s.count.written.boot_id[0] = boot;
            s.count.failed = 1;
            s.count.in_flight = 2;
            s.count.at_ms[0] = s.count.at_ms[1] = times[t];
            assert_int_equal(count_stale(&s.count, ALL_ALIVE, &now), times[t] < 0 ? 2 : 0);
            look(&s, ALL_ALIVE);
            /* the distant past is over; the future counts */
            assert_int_equal(count_in_flight(&s.count), times[t] < 0 ? 0 : 1);
            assert_int_equal(count_failures(&s.count), times[t] < 0 ? 0 : 1);
            /* the same for a lock */
            s.count.locked_ms = times[t];
            s.count.written.boot_id[0] = boot;
            const int64_t left_ms = count_lock_left_ms(&s.count, &s.limits, &now);
            assert_true(times[t] < 0 ? left_ms == 0 : left_ms == SETTING_FOREVER || left_ms > HOUR);
        }
    }
}

/* --- moving to another ledger ---------------------------------------------------- */

/* Only the age tells that an attempt has died whose lock stayed behind. */
static void carried_attempts_live_until_they_are_too_old(void **state)
{
    struct scene s;

    (void)state;
    begin(&s);
    admit(&s);
    count_carry(&s.count);
    pass(&s, ATTEMPT_AGE_MAX_MS - 1);
    look(&s, 0);
    assert_int_equal(count_in_flight(&s.count), 1);
    assert_int_equal(count_stale(&s.count, 0, &s.now), 1); /* but it has stalled */
    pass(&s, 1);
    look(&s, 0);
    assert_int_equal(s.changes.died, 1);
    assert_int_equal(count_failures(&s.count), 1);
    assert_int_equal(s.count.carried, 0);
}

/* An attempt that came along is settled as usual, and a later one in its entry is no
 * longer carried. */
static void carried_attempts_are_settled(void **state)
{
    struct scene s;

    (void)state;
    for (int success = 0; success <= 1; success++) {
        begin(&s);
        const unsigned entry = admit(&s);
        count_carry(&s.count);
        assert_true(settle(&s, entry, s.count.generation[entry],
                           success ? ATTEMPT_SUCCEEDED : ATTEMPT_FAILED));
        assert_int_equal(count_failures(&s.count), !success);
        assert_int_equal(s.count.carried, 0);
        admit(&s);
        look(&s, 0);
        assert_int_equal(s.changes.died, 1);
    }
}

static void only_its_own_process_adopts_an_attempt(void **state)
{
    struct scene s;

    (void)state;
    begin(&s);
    const unsigned entry = admit(&s);
    struct count_slot slot = {entry, s.count.generation[entry]};
    assert_false(count_adopt(&s.count, &slot)); /* not carried */
    count_carry(&s.count);
    slot.generation++;
    assert_false(count_adopt(&s.count, &slot));
    slot.generation--;
    assert_true(count_adopt(&s.count, &slot));
    assert_false(count_adopt(&s.count, &slot));
    look(&s, 0); /* now its lock tells that it has died */
    assert_int_equal(s.changes.died, 1);
}

/* A process is frozen while it admits its attempt, and the ledger is copied twice
 * meanwhile: what is in flight in the copy is another attempt. */
static void an_admission_left_behind_is_in_no_copy(void **state)
{
    struct scene old, s;

    (void)state;
    begin(&old);
    s = old;
    const unsigned entry = admit(&old);
    const struct count_slot left_behind = {entry, old.count.generation[entry]};
    count_carry(&s.count);
    assert_int_equal(admit(&s), entry);
    count_carry(&s.count);
    assert_false(count_adopt(&s.count, &left_behind));
    assert_false(settle(&s, entry, left_behind.generation, true));
    assert_int_equal(count_in_flight(&s.count), 1);
}

static void merging_adds_failures_and_locks(void **state)
{
    struct scene s, other;

    (void)state;
    begin(&s);
    fail_times(&s, 1);
    admit(&s);
    begin(&other);
    fail_times(&other, 2);
    count_merge(&s.count, &other.count);
    assert_int_equal(count_failures(&s.count), 3);
    assert_int_equal(count_in_flight(&s.count), 1);
    assert_int_equal(s.count.failed & s.count.in_flight, 0);
    look(&s, ALL_ALIVE);
    assert_true(s.changes.locked);

    begin(&s);
    begin(&other);
    fail_times(&other, 3);
    count_merge(&s.count, &other.count);
    assert_int_equal(s.count.locked_ms, other.count.locked_ms);
    count_merge(&other.count, &s.count); /* the same lock, and no earlier one */
    assert_int_equal(s.count.locked_ms, other.count.locked_ms);
}

/* Where there is no room, the latest failures stay, and what is in flight. */
static void merging_keeps_the_latest_failures(void **state)
{
    struct scene s, other;

    (void)state;
    begin(&s);
    s.limits.max_attempts = ATTEMPTS_MAX;
    other = s;
    fail_times(&s, ATTEMPTS_MAX - 2);
    admit(&s);
    pass(&other, MINUTE);
    fail_times(&other, 5);
    count_merge(&s.count, &other.count);
    assert_int_equal(count_failures(&s.count), ATTEMPTS_MAX - 1);
    assert_int_equal(count_in_flight(&s.count), 1);
    unsigned late = 0;
    for (unsigned i = 0; i < ATTEMPTS_MAX; i++)
        late += (s.count.failed >> i & 1) != 0 && s.count.at_ms[i] == 5000 + MINUTE;
    assert_int_equal(late, 5);
    begin(&other); /* older than all that it would replace */
    other.now.boot_ms -= MINUTE;
    fail_times(&other, 2);
    const struct attempt_count before = s.count;
    count_merge(&s.count, &other.count);
    assert_int_equal(s.count.failed, before.failed);
    assert_memory_equal(s.count.at_ms, before.at_ms, sizeof before.at_ms);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(new_count_is_empty),
        cmocka_unit_test(carried_attempts_live_until_they_are_too_old),
        cmocka_unit_test(carried_attempts_are_settled),
        cmocka_unit_test(only_its_own_process_adopts_an_attempt),
        cmocka_unit_test(an_admission_left_behind_is_in_no_copy),
        cmocka_unit_test(merging_adds_failures_and_locks),
        cmocka_unit_test(merging_keeps_the_latest_failures),
        cmocka_unit_test(admits_as_many_as_the_policy_allows),
        cmocka_unit_test(failures_and_attempts_in_flight_share_the_limit),
        cmocka_unit_test(last_failure_locks),
        cmocka_unit_test(success_clears_failures),
        cmocka_unit_test(withdrawal_charges_and_clears_nothing),
        cmocka_unit_test(withdrawal_under_a_lock_changes_nothing_else),
        cmocka_unit_test(withdrawal_is_too_late_for_a_failure),
        cmocka_unit_test(ignores_a_stale_generation),
        cmocka_unit_test(generations_are_not_reused),
        cmocka_unit_test(failures_expire_after_the_window),
        cmocka_unit_test(slow_check_counts_from_its_end),
        cmocka_unit_test(lock_expires),
        cmocka_unit_test(lock_can_outlast_the_window),
        cmocka_unit_test(rejections_do_not_count),
        cmocka_unit_test(lock_forever),
        cmocka_unit_test(extreme_times),
        cmocka_unit_test(dead_process_counts_as_failure),
        cmocka_unit_test(dead_processes_lock),
        cmocka_unit_test(lock_by_dead_processes_begins_when_they_began),
        cmocka_unit_test(lock_by_dead_processes_with_a_short_window),
        cmocka_unit_test(slow_attempt_counts_as_failure),
        cmocka_unit_test(success_is_too_late_at_the_maximum_age),
        cmocka_unit_test(lower_limit_applies_to_failures_and_attempts_in_flight),
        cmocka_unit_test(lower_limit_locks),
        cmocka_unit_test(higher_limit_keeps_a_lock),
        cmocka_unit_test(changed_lock_time_applies_to_a_running_lock),
        cmocka_unit_test(changed_window_applies_to_old_failures),
        cmocka_unit_test(unlock_clears_failures_and_lock),
        cmocka_unit_test(lock_survives_a_reboot),
        cmocka_unit_test(lock_forever_survives_reboots),
        cmocka_unit_test(lock_expires_across_many_reboots),
        cmocka_unit_test(failures_expire_across_a_reboot),
        cmocka_unit_test(failures_are_forgotten_up_to_a_time),
        cmocka_unit_test(failures_that_remain_lock),
        cmocka_unit_test(failures_are_forgotten_across_a_reboot),
        cmocka_unit_test(attempts_in_flight_become_failures_at_a_reboot),
        cmocka_unit_test(survives_absurd_times),
        cmocka_unit_test(random_histories),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
