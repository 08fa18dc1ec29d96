#include "lib/attempts/count.h"

#include <string.h>

static uint64_t bit(unsigned entry)
{
    return UINT64_C(1) << entry;
}

static unsigned count_bits(uint64_t bits)
{
    return (unsigned)__builtin_popcountll(bits);
}

unsigned count_failures(const struct attempt_count *count)
{
    return count_bits(count->failed);
}

unsigned count_in_flight(const struct attempt_count *count)
{
    return count_bits(count->in_flight);
}

unsigned count_free(const struct attempt_count *count, const struct attempt_limits *limits)
{
    const unsigned taken = count_bits(count->failed | count->in_flight);

    if (count->locked_ms != NOT_LOCKED || taken >= limits->max_attempts)
        return 0;
    return limits->max_attempts - taken;
}

int64_t count_lock_left_ms(const struct attempt_count *count, const struct attempt_limits *limits,
                           const struct timestamp *now)
{
    int64_t end_ms;

    if (count->locked_ms == NOT_LOCKED)
        return 0;
    if (limits->lock_ms == SETTING_FOREVER ||
        __builtin_add_overflow(clock_translate_ms(count->locked_ms, &count->written, now),
                               limits->lock_ms, &end_ms))
        return SETTING_FOREVER;
    return end_ms > now->boot_ms ? clock_elapsed_ms(now->boot_ms, end_ms) : 0;
}

void count_start(struct attempt_count *count, const struct timestamp *now)
{
    *count = (struct attempt_count){.locked_ms = NOT_LOCKED, .written = *now};
}

void count_reset(struct attempt_count *count)
{
    count->failed = 0;
    count->locked_ms = NOT_LOCKED;
}

unsigned count_forget(struct attempt_count *count, int64_t until_ms, const struct timestamp *now,
                      bool *was_locked)
{
    unsigned forgotten = 0;

    for (unsigned i = 0; i < ATTEMPTS_MAX; i++) {
        if ((count->failed & bit(i)) == 0 ||
            clock_translate_ms(count->at_ms[i], &count->written, now) > until_ms)
            continue;
        count->failed &= ~bit(i);
        forgotten++;
    }
    if (count->locked_ms != NOT_LOCKED &&
        (forgotten > 0 || clock_translate_ms(count->locked_ms, &count->written, now) <= until_ms)) {
        count->locked_ms = NOT_LOCKED;
        *was_locked = true;
    }
    return forgotten;
}

/* More than the processes that can hold a place in a ledger that was replaced. */
enum { CARRIED_GENERATIONS = 1 << 16 };

void count_carry(struct attempt_count *count)
{
    count->carried = count->in_flight;
    count->last_generation += CARRIED_GENERATIONS;
}

bool count_adopt(struct attempt_count *count, const struct count_slot *slot)
{
    if ((count->carried & bit(slot->entry)) == 0 ||
        count->generation[slot->entry] != slot->generation)
        return false;
    count->carried &= ~bit(slot->entry);
    return true;
}

/* The entry for one more failure: a free one, else that of the oldest failure
 * where that is older than at_ms, else none: ATTEMPTS_MAX. */
static unsigned entry_for_failure(const struct attempt_count *count, int64_t at_ms)
{
    const uint64_t taken = count->failed | count->in_flight;
    unsigned oldest = ATTEMPTS_MAX;

    if (~taken != 0)
        return (unsigned)__builtin_ctzll(~taken);
    for (unsigned i = 0; i < ATTEMPTS_MAX; i++) {
        if ((count->failed & bit(i)) == 0 || count->at_ms[i] >= at_ms)
            continue;
        oldest = i;
        at_ms = count->at_ms[i];
    }
    return oldest;
}

void count_merge(struct attempt_count *count, const struct attempt_count *other)
{
    for (unsigned i = 0; i < ATTEMPTS_MAX; i++) {
        if ((other->failed & bit(i)) == 0)
            continue;
        const unsigned entry = entry_for_failure(count, other->at_ms[i]);
        if (entry == ATTEMPTS_MAX)
            continue;
        count->failed |= bit(entry);
        count->at_ms[entry] = other->at_ms[i];
        count->generation[entry] = ++count->last_generation;
    }
    if (other->locked_ms > count->locked_ms)
        count->locked_ms = other->locked_ms;
}

uint64_t count_stale(const struct attempt_count *count, uint64_t alive, const struct timestamp *now)
{
    uint64_t stale = count->in_flight & ~(alive | count->carried);

    for (unsigned i = 0; i < ATTEMPTS_MAX; i++)
        if (clock_elapsed_ms(clock_translate_ms(count->at_ms[i], &count->written, now),
                             now->boot_ms) >= ATTEMPT_STALLED_MS)
            stale |= count->in_flight & bit(i);
    return stale;
}

static void translate(struct attempt_count *count, const struct timestamp *now)
{
    if (memcmp(count->written.boot_id, now->boot_id, sizeof now->boot_id) == 0) {
        count->written = *now;
        return;
    }
    for (unsigned i = 0; i < ATTEMPTS_MAX; i++)
        count->at_ms[i] = clock_translate_ms(count->at_ms[i], &count->written, now);
    if (count->locked_ms != NOT_LOCKED)
        count->locked_ms = clock_translate_ms(count->locked_ms, &count->written, now);
    count->written = *now;
}

/* Attempts that nobody will settle any more become failures. */
static void fail_abandoned(struct attempt_count *count, uint64_t alive, const struct timestamp *now,
                           struct count_changes *changes)
{
    for (unsigned i = 0; i < ATTEMPTS_MAX; i++) {
        if ((count->in_flight & bit(i)) == 0)
            continue;
        if (((alive | count->carried) & bit(i)) != 0 &&
            clock_elapsed_ms(count->at_ms[i], now->boot_ms) < ATTEMPT_AGE_MAX_MS)
            continue;
        count->in_flight &= ~bit(i);
        count->carried &= ~bit(i);
        count->failed |= bit(i);
        changes->died++;
    }
}

/* Failures that were older than the window at this time. */
static void drop_old(struct attempt_count *count, const struct attempt_limits *limits,
                     int64_t at_ms)
{
    for (unsigned i = 0; i < ATTEMPTS_MAX; i++)
        if ((count->failed & bit(i)) != 0 &&
            clock_elapsed_ms(count->at_ms[i], at_ms) >= limits->window_ms)
            count->failed &= ~bit(i);
}

static int64_t latest_failure_ms(const struct attempt_count *count)
{
    int64_t latest_ms = INT64_MIN + 1;

    for (unsigned i = 0; i < ATTEMPTS_MAX; i++)
        if ((count->failed & bit(i)) != 0 && count->at_ms[i] > latest_ms)
            latest_ms = count->at_ms[i];
    return latest_ms;
}

static void expire_lock(struct attempt_count *count, const struct attempt_limits *limits,
                        const struct timestamp *now, struct count_changes *changes)
{
    if (count->locked_ms == NOT_LOCKED || count_lock_left_ms(count, limits, now) > 0)
        return;
    count_reset(count);
    changes->lock_expired = true;
}

/* The lock starts with the failure that reaches the limit, and not when some
 * process looks at the count: so it does not matter which one looks, and when. */
static void lock_at_limit(struct attempt_count *count, const struct attempt_limits *limits,
                          const struct timestamp *now, struct count_changes *changes)
{
    if (count->locked_ms != NOT_LOCKED || count_failures(count) < limits->max_attempts)
        return;
    count->locked_ms = latest_failure_ms(count);
    changes->locked = true;
    expire_lock(count, limits, now, changes);
}

void count_bring_up_to_date(struct attempt_count *count, uint64_t alive,
                            const struct attempt_limits *limits, const struct timestamp *now,
                            struct count_changes *changes)
{
    const unsigned died_before = changes->died;

    translate(count, now);
    fail_abandoned(count, alive, now, changes);
    expire_lock(count, limits, now, changes);
    if (count->locked_ms != NOT_LOCKED)
        return; /* the failures that caused the lock last as long as it */
    if (changes->died > died_before) {
        /* They failed in the past, when no process was there to lock it. */
        drop_old(count, limits, latest_failure_ms(count));
        lock_at_limit(count, limits, now, changes);
        if (count->locked_ms != NOT_LOCKED)
            return;
    }
    drop_old(count, limits, now->boot_ms);
    lock_at_limit(count, limits, now, changes);
}

enum admission count_admit(struct attempt_count *count, const struct attempt_limits *limits,
                           const struct timestamp *now, struct count_slot *slot)
{
    const uint64_t taken = count->failed | count->in_flight;

    if (count->locked_ms != NOT_LOCKED)
        return REJECTED_LOCKED;
    if (count_free(count, limits) == 0)
        return REJECTED_BUSY;
    slot->entry = (uint32_t)__builtin_ctzll(~taken);
    slot->generation = ++count->last_generation;
    count->in_flight |= bit(slot->entry);
    count->at_ms[slot->entry] = now->boot_ms;
    count->generation[slot->entry] = slot->generation;
    return ADMITTED;
}

bool count_settle(struct attempt_count *count, const struct count_slot *slot,
                  enum attempt_outcome outcome, const struct attempt_limits *limits,
                  const struct timestamp *now, struct count_changes *changes)
{
    const unsigned entry = slot->entry;

    if ((count->in_flight & bit(entry)) == 0 || count->generation[entry] != slot->generation)
        return false;
    count->in_flight &= ~bit(entry);
    count->carried &= ~bit(entry);
    if (outcome == ATTEMPT_SUCCEEDED && count->locked_ms == NOT_LOCKED)
        count->failed = 0;
    if (outcome != ATTEMPT_FAILED)
        return true;
    count->failed |= bit(entry);
    count->at_ms[entry] = now->boot_ms;
    lock_at_limit(count, limits, now, changes);
    return true;
}
