/*
 * lib/attempts/count.c, for all counts with attempts in the first four entries, all
 * limits and times.
 */
#include "tests/model/cbmc/nondet.h"

#include "lib/attempts/count.h"

/* tests/soak/cbmc.t makes ATTEMPTS_MAX smaller for what would take hours otherwise. */
enum { USED = 4, ALL = (1 << USED) - 1, TIMES = 16 };
#define ENTRIES (UINT64_MAX >> (64 - ATTEMPTS_MAX))

static unsigned how_many(uint64_t bits)
{
    unsigned number = 0;

    for (unsigned i = 0; i < USED + 1; i++)
        number += (unsigned)(bits >> i & 1);
    return number;
}

/* Times of about half an hour, where all of them would take too long. */
static bool near;

static int64_t any_ms(void)
{
    return near ? (int64_t)(nondet_u32() >> 11) - (1 << 20) : nondet_i64();
}

static struct timestamp any_time(void)
{
    struct timestamp time = {.boot_ms = any_ms(), .wall_ms = any_ms()};

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
                                  .locked_ms = nondet_bool() ? any_ms() : NOT_LOCKED,
                                  .last_generation = nondet_u32(),
                                  .written = any_time()};

    for (unsigned i = 0; i < USED; i++) {
        count.at_ms[i] = any_ms();
        count.generation[i] = nondet_u32();
    }
    assume(is_sound(&count));
    return count;
}

static struct attempt_limits any_limits(void)
{
    const struct attempt_limits limits = {.max_attempts = 1 + nondet_byte() % USED,
                                          .window_ms = any_ms(),
                                          .lock_ms = nondet_bool() ? any_ms() : SETTING_FOREVER,
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
    const enum attempt_outcome outcome = nondet_byte() % 3;
    struct count_changes changes = {0};
    const bool settled = count_settle(count, &slot, outcome, limits, now, &changes);

    claim(is_sound(count));
    claim(settled ==
          ((before.in_flight & entry) != 0 && before.generation[slot.entry] == slot.generation));
    if (!settled)
        claim(count->failed == before.failed && count->in_flight == before.in_flight);
    else
        claim(count->in_flight == (before.in_flight & ~entry));
    if (settled && outcome == ATTEMPT_SUCCEEDED)
        claim(count->failed == (before.locked_ms != NOT_LOCKED ? before.failed : 0));
    if (settled && outcome == ATTEMPT_WITHDRAWN)
        claim(count->failed == before.failed && count->locked_ms == before.locked_ms);
    /* A failure stays, unless the lock that it caused has already expired. */
    if (settled && outcome == ATTEMPT_FAILED && !changes.lock_expired)
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

/* --- up to date --------------------------------------------------------------------- */

static bool same_state(const struct attempt_count *one, const struct attempt_count *other)
{
    return one->failed == other->failed && one->in_flight == other->in_flight &&
           one->carried == other->carried && one->locked_ms == other->locked_ms;
}

/* Who is still in flight, and who is not any more. */
static void check_attempts(const struct attempt_count *before, const struct attempt_count *after,
                           uint64_t alive, const struct timestamp *now)
{
    for (unsigned i = 0; i < USED; i++) {
        const bool was = (before->in_flight >> i & 1) == 1, is = (after->in_flight >> i & 1) == 1;
        const bool has_process = ((alive | before->carried) >> i & 1) == 1;
        const bool young = clock_elapsed_ms(after->at_ms[i], now->boot_ms) < ATTEMPT_AGE_MAX_MS;

        claim(is == (was && has_process && young));
    }
    claim((after->carried & ~before->carried) == 0);
    /* Nothing but an attempt becomes a failure. */
    claim((after->failed & ~(before->failed | before->in_flight)) == 0);
}

/* Whatever the times are. */
void prove_far_times(void)
{
    struct attempt_count count = any_count();
    const struct attempt_limits limits = any_limits();
    const struct timestamp now = any_time();
    struct count_changes changes = {0};

    count_bring_up_to_date(&count, nondet_u64(), &limits, &now, &changes);
    claim(is_sound(&count));
    claim(count.locked_ms != NOT_LOCKED || how_many(count.failed) < limits.max_attempts);
}

void prove_up_to_date(void)
{
    near = true;
    struct attempt_count count = any_count();
    const struct attempt_limits limits = any_limits();
    const struct timestamp now = any_time();
    const struct attempt_count before = count;
    const uint64_t alive = nondet_u64();
    struct count_changes changes = {0}, none = {0};

    count_bring_up_to_date(&count, alive, &limits, &now, &changes);
    claim(is_sound(&count));
    check_attempts(&before, &count, alive, &now);
    claim(changes.died == how_many(before.in_flight) - how_many(count.in_flight));
    /* What admission relies on. */
    claim(count.locked_ms != NOT_LOCKED || how_many(count.failed) < limits.max_attempts);
    /* A lock stays until it has expired, and so do its failures. */
    if (before.locked_ms != NOT_LOCKED && !changes.lock_expired)
        claim(count.locked_ms != NOT_LOCKED && (before.failed & ~count.failed) == 0);
    if (before.locked_ms == NOT_LOCKED && count.locked_ms != NOT_LOCKED)
        claim(changes.locked);
    /* Who is looking, and how often, does not matter. */
    const struct attempt_count once = count;
    count_bring_up_to_date(&count, alive, &limits, &now, &none);
    claim(same_state(&count, &once) && none.died == 0 && !none.locked && !none.lock_expired);
}

/* Without a lock, only failures as old as the window are forgotten. */
void prove_window(void)
{
    struct attempt_count count = any_count();
    const struct attempt_limits limits = any_limits();
    const struct timestamp now = any_time();
    const struct attempt_count before = count;
    const unsigned entry = nondet_byte() % USED;
    struct count_changes changes = {0};

    assume(before.locked_ms == NOT_LOCKED && before.in_flight == 0);
    assume((before.failed >> entry & 1) == 1);
    count_bring_up_to_date(&count, 0, &limits, &now, &changes);
    if (changes.lock_expired || count.locked_ms != NOT_LOCKED)
        return;
    claim((count.failed >> entry & 1) ==
          (clock_elapsed_ms(count.at_ms[entry], now.boot_ms) < limits.window_ms));
}

/* --- other ledgers ------------------------------------------------------------------- */

void prove_carrying(void)
{
    struct attempt_count count = any_count();
    const struct attempt_limits limits = any_limits();
    const struct timestamp now = any_time();
    const struct attempt_count before = count;
    /* What a frozen process may still hold of the ledger that stays behind. */
    const struct count_slot late = {.entry = nondet_byte() % USED,
                                    .generation =
                                        before.last_generation + 1 + nondet_u32() % (1U << 16)};
    struct count_slot slot = {0};

    for (unsigned i = 0; i < USED; i++)
        assume(before.last_generation - before.generation[i] < UINT32_C(1) << 31);
    count_carry(&count);
    claim(is_sound(&count));
    claim(count.carried == before.in_flight && count.in_flight == before.in_flight);
    claim(count.failed == before.failed && count.locked_ms == before.locked_ms);
    if (count_admit(&count, &limits, &now, &slot) == ADMITTED)
        claim(slot.generation != late.generation);
    claim(!count_adopt(&count, &late));
}

void prove_adoption(void)
{
    struct attempt_count count = any_count();
    const struct attempt_count before = count;
    const struct count_slot slot = {.entry = nondet_byte() % USED, .generation = nondet_u32()};
    const uint64_t entry = UINT64_C(1) << slot.entry;
    const bool adopted = count_adopt(&count, &slot);

    claim(adopted ==
          ((before.carried & entry) != 0 && before.generation[slot.entry] == slot.generation));
    claim(count.carried == (adopted ? before.carried & ~entry : before.carried));
    claim(count.in_flight == before.in_flight && count.failed == before.failed);
    claim(is_sound(&count));
    claim(!count_adopt(&count, &slot));
}

void prove_staleness(void)
{
    near = true;
    const struct attempt_count count = any_count();
    const struct timestamp now = any_time();
    const uint64_t alive = nondet_u64();
    const uint64_t stale = count_stale(&count, alive, &now);
    const unsigned entry = nondet_byte() % USED;
    const bool old = clock_elapsed_ms(clock_translate_ms(count.at_ms[entry], &count.written, &now),
                                      now.boot_ms) >= ATTEMPT_STALLED_MS;

    claim((stale & ~count.in_flight) == 0);
    if ((count.in_flight >> entry & 1) == 1)
        claim((stale >> entry & 1) == (old || ((alive | count.carried) >> entry & 1) == 0));
}

/* --- one count added to another ------------------------------------------------------ */

/* How many failures are later than a time. */
static unsigned later_than(const struct attempt_count *count, int64_t at_ms)
{
    unsigned number = 0;

    for (unsigned i = 0; i < ATTEMPTS_MAX; i++)
        number += (count->failed >> i & 1) == 1 && count->at_ms[i] > at_ms;
    return number;
}

static unsigned smaller(unsigned one, unsigned other)
{
    return one < other ? one : other;
}

/* With as many entries as may be in use here, so that there may be no room. */
void prove_merge(void)
{
    near = true;
    struct attempt_count count = any_count(), other = any_count();
    const int64_t at_ms = nondet_byte() % TIMES;

    /* Only which of them is later matters. */
    for (unsigned i = 0; i < USED; i++) {
        count.at_ms[i] = nondet_byte() % TIMES;
        other.at_ms[i] = nondet_byte() % TIMES;
    }
    count.failed |= ~ENTRIES;
    other.in_flight = other.carried = 0;
    const struct attempt_count before = count;
    const unsigned room = ATTEMPTS_MAX - how_many(before.in_flight);
    count_merge(&count, &other);
    claim(is_sound(&count));
    claim(count.in_flight == before.in_flight && count.carried == before.carried);
    claim((before.failed & ~count.failed) == 0);
    /* The latest ones: whatever the time, of those after it none is missing. */
    claim(later_than(&count, -1) ==
          smaller(room, later_than(&before, -1) + later_than(&other, -1)));
    claim(later_than(&count, at_ms) ==
          smaller(room, later_than(&before, at_ms) + later_than(&other, at_ms)));
    claim(count.locked_ms ==
          (other.locked_ms > before.locked_ms ? other.locked_ms : before.locked_ms));
}
