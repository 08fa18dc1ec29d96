/*
 * Admission and settlement of lib/attempts/count.c, for all counts with attempts in the
 * first four entries, all limits and times.
 */
#include "tests/model/cbmc/nondet.h"

#include "lib/attempts/count.h"

enum { USED = 4, ALL = (1 << USED) - 1 };

static unsigned how_many(uint64_t bits)
{
    unsigned number = 0;

    for (unsigned i = 0; i < USED + 1; i++)
        number += (unsigned)(bits >> i & 1);
    return number;
}

static struct timestamp any_time(void)
{
    struct timestamp time = {.boot_ms = nondet_i64(), .wall_ms = nondet_i64()};

    time.boot_id[0] = nondet_byte();
    assume(time.boot_ms >= 0);
    return time;
}

/* What holds of every count, whatever has been done to it. */
static bool is_sound(const struct attempt_count *count)
{
    return (count->failed & count->in_flight) == 0 && (count->carried & ~count->in_flight) == 0;
}

static struct attempt_count any_count(void)
{
    struct attempt_count count = {.failed = nondet_byte() & ALL,
                                  .in_flight = nondet_byte() & ALL,
                                  .carried = nondet_byte() & ALL,
                                  .locked_ms = nondet_i64(),
                                  .last_generation = nondet_u32(),
                                  .written = any_time()};

    for (unsigned i = 0; i < USED; i++) {
        count.at_ms[i] = nondet_i64();
        count.generation[i] = nondet_u32();
    }
    assume(is_sound(&count));
    return count;
}

static struct attempt_limits any_limits(void)
{
    const struct attempt_limits limits = {.max_attempts = 1 + nondet_byte() % USED,
                                          .window_ms = nondet_i64(),
                                          .lock_ms = nondet_i64(),
                                          .by_source = nondet_bool()};

    assume(limits.window_ms > 0 && limits.lock_ms > 0);
    return limits;
}

/* Never more than max_attempts entries are taken: the first half of the guarantee. */
static void check_admission(struct attempt_count *count, const struct attempt_limits *limits,
                            const struct timestamp *now)
{
    const struct attempt_count before = *count;
    struct count_slot slot = {0};

    switch (count_admit(count, limits, now, &slot)) {
    case ADMITTED:
        claim(slot.entry < ATTEMPTS_MAX);
        claim(((before.failed | before.in_flight) >> slot.entry & 1) == 0);
        claim(how_many(count->failed | count->in_flight) <= limits->max_attempts);
        claim((count->in_flight >> slot.entry & 1) == 1);
        claim(count->generation[slot.entry] == slot.generation);
        break;
    case REJECTED_LOCKED:
        claim(before.locked_ms != NOT_LOCKED);
        break;
    case REJECTED_BUSY:
        /* The second half: only where all of them might turn out to be wrong. */
        claim(how_many(before.failed | before.in_flight) >= limits->max_attempts);
        claim(before.in_flight != 0);
    }
    claim(is_sound(count));
    claim(count->failed == before.failed);
}

static void check_settlement(struct attempt_count *count, const struct attempt_limits *limits,
                             const struct timestamp *now)
{
    const struct attempt_count before = *count;
    const struct count_slot slot = {.entry = nondet_byte() % USED, .generation = nondet_u32()};
    const uint64_t entry = UINT64_C(1) << slot.entry;
    const bool success = nondet_bool();
    struct count_changes changes = {0};
    const bool settled = count_settle(count, &slot, success, limits, now, &changes);

    claim(is_sound(count));
    claim(settled ==
          ((before.in_flight & entry) != 0 && before.generation[slot.entry] == slot.generation));
    if (!settled)
        claim(count->failed == before.failed && count->in_flight == before.in_flight);
    else
        claim(count->in_flight == (before.in_flight & ~entry));
    if (settled && success)
        claim(count->failed == (before.locked_ms != NOT_LOCKED ? before.failed : 0));
    /* A failure stays, unless the lock that it caused has already expired. */
    if (settled && !success && !changes.lock_expired)
        claim(count->failed == (before.failed | entry));
    if (before.locked_ms != NOT_LOCKED)
        claim(count->locked_ms == before.locked_ms);
}

void prove_admission(void)
{
    struct attempt_count count = any_count();
    const struct attempt_limits limits = any_limits();
    const struct timestamp now = any_time();

    /* Callers bring it up to date first: then it is locked, or below the limit. */
    assume(count.locked_ms != NOT_LOCKED || how_many(count.failed) < limits.max_attempts);
    check_admission(&count, &limits, &now);
}

void prove_settlement(void)
{
    struct attempt_count count = any_count();
    const struct attempt_limits limits = any_limits();
    const struct timestamp now = any_time();

    check_settlement(&count, &limits, &now);
}
