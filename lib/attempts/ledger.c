#include "lib/attempts/ledger.h"

#include "lib/attempts/ledger_lock.h"
#include "lib/attempts/ledger_sources.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

static void fill_report(const struct ledger *ledger, uint32_t number,
                        const struct attempt_count *count, const struct attempt_limits *limits,
                        const struct timestamp *now, struct attempt_report *report)
{
    report->failures = count_failures(count);
    report->in_flight = count_in_flight(count);
    report->lock_left_ms = count_lock_left_ms(count, limits, now);
    report->record = number;
    report->seen = ledger_settled(ledger, number);
}

/* The penalty lock that a replaced ledger started with is cleared once it has
 * expired, so that raising lock_time later does not revive it. If the header's
 * lock is held just now, the next login clears it. */
static void clear_expired_seal(struct ledger *ledger, uint32_t locked_record,
                               struct file_bank *header)
{
    const bool other_lock = !ledger_same_lock(locked_record, RECORD_HEADER);

    if (other_lock && ledger_try_lock(ledger, RECORD_HEADER) != 0)
        return;
    if (record_load(ledger, RECORD_HEADER, header) == 0) {
        count_reset(&header->count);
        record_store(ledger, RECORD_HEADER, header);
    }
    if (other_lock)
        ledger_release(ledger, RECORD_HEADER);
}

/* The header, brought up to date. */
static enum ledger_status load_header(struct ledger *ledger, uint32_t locked_record,
                                      const struct attempt_limits *limits,
                                      const struct timestamp *now, struct file_bank *header,
                                      struct failure *failure)
{
    if (!ledger_is_current(ledger))
        return LEDGER_ABSENT;
    if (record_load(ledger, RECORD_HEADER, header) != 0)
        return LEDGER_DAMAGED;
    if (ledger_follow_size(ledger, header) != 0) {
        failure_set(failure, "cannot be mapped: %s", strerror(errno));
        return LEDGER_FAILED;
    }
    if (header->count.locked_ms != NOT_LOCKED &&
        count_lock_left_ms(&header->count, limits, now) == 0)
        clear_expired_seal(ledger, locked_record, header);
    return LEDGER_OK;
}

/* Admits it on this record, if the count allows. */
static enum ledger_status admit_on(struct ledger *ledger, uint32_t number,
                                   const struct attempt_limits *limits, const struct timestamp *now,
                                   struct attempt_report *report, struct failure *failure)
{
    struct file_bank bank;

    if (record_load(ledger, number, &bank) != 0)
        return LEDGER_DAMAGED;
    count_bring_up_to_date(&bank.count, ledger_live_attempts(ledger, number, &bank.count), limits,
                           now, &report->changes);
    ledger->slot.record = number;
    report->admission = count_admit(&bank.count, limits, now, &ledger->slot.entry);
    /* The attempt's own lock comes first: without it, it would look dead. */
    if (report->admission == ADMITTED && ledger_lock_attempt(ledger, &ledger->slot) != 0) {
        failure_set(failure, "cannot be locked: %s", strerror(errno));
        return LEDGER_FAILED;
    }
    /* Expiry need not be stored: it is recomputed at the next access. */
    if (report->admission == ADMITTED || report->changes.died > 0 || report->changes.locked ||
        report->changes.lock_expired)
        record_store(ledger, number, &bank);
    fill_report(ledger, number, &bank.count, limits, now, report);
    return LEDGER_OK;
}

/* Under the lock of the origin's records. */
static enum ledger_status admit_locked(struct ledger *ledger, const struct origin *origin,
                                       const struct attempt_limits *limits,
                                       const struct timestamp *now, struct attempt_report *report,
                                       struct failure *failure)
{
    struct file_bank header;
    uint32_t number;
    const enum ledger_status status =
        load_header(ledger, ledger_shared_record(origin), limits, now, &header, failure);

    if (status != LEDGER_OK)
        return status;
    const int64_t sealed_ms = count_lock_left_ms(&header.count, limits, now);
    if (sealed_ms > 0) {
        report->admission = REJECTED_LOCKED;
        report->failures = limits->max_attempts;
        report->lock_left_ms = sealed_ms;
        return LEDGER_OK;
    }
    if (ledger_find_record(ledger, origin, limits, now, &header, &number) != 0)
        return LEDGER_DAMAGED;
    return admit_on(ledger, number, limits, now, report, failure);
}

/* The ledger turned out to be damaged in use: the new one starts sealed. */
static enum ledger_status replace_sealed(const struct ledger *ledger, const struct timestamp *now,
                                         struct failure *failure)
{
    const struct ledger_place place = {.directory_fd = ledger->directory_fd, .uid = ledger->uid};
    struct stat st;

    if (fstat(ledger->fd, &st) == 0 && ledger_replace(&place, &st, true, now) == 0)
        return LEDGER_DAMAGED;
    failure_append(failure, " and cannot be replaced: %s", strerror(errno));
    return LEDGER_FAILED;
}

enum ledger_status ledger_admit(struct ledger *ledger, const struct origin *origin,
                                const struct attempt_limits *limits, const struct timestamp *now,
                                struct attempt_report *report, struct failure *failure)
{
    const uint32_t shared = ledger_shared_record(origin);

    *report = (struct attempt_report){.admission = REJECTED_BUSY};
    if (ledger_lock(ledger, shared, failure) != 0)
        return LEDGER_FAILED;
    enum ledger_status status = admit_locked(ledger, origin, limits, now, report, failure);
    if (status == LEDGER_DAMAGED) {
        failure_set(failure, "is damaged");
        status = replace_sealed(ledger, now, failure);
    }
    ledger_release(ledger, shared);
    return status;
}

/* Under the lock of the attempt's record. */
static enum ledger_status settle_locked(struct ledger *ledger, bool success,
                                        const struct attempt_limits *limits,
                                        const struct timestamp *now, struct attempt_report *report)
{
    const struct attempt_slot *slot = &ledger->slot;
    struct file_bank bank;

    if (record_load(ledger, slot->record, &bank) != 0)
        return LEDGER_DAMAGED;
    /* Our own lock does not show as another process's. */
    const uint64_t alive =
        ledger_live_attempts(ledger, slot->record, &bank.count) | UINT64_C(1) << slot->entry.entry;
    count_bring_up_to_date(&bank.count, alive, limits, now, &report->changes);
    if (count_settle(&bank.count, &slot->entry, success, limits, now, &report->changes))
        report->admission = ADMITTED;
    record_store(ledger, slot->record, &bank);
    fill_report(ledger, slot->record, &bank.count, limits, now, report);
    if (bank.count.locked_ms != NOT_LOCKED)
        ledger_wake(ledger, slot->record, INT_MAX);
    else
        ledger_wake(ledger, slot->record, count_free(&bank.count, limits));
    return LEDGER_OK;
}

enum ledger_status ledger_settle(struct ledger *ledger, bool success,
                                 const struct attempt_limits *limits, const struct timestamp *now,
                                 struct attempt_report *report, struct failure *failure)
{
    const uint32_t record = ledger->slot.record;

    *report = (struct attempt_report){.admission = REJECTED_LOCKED};
    if (ledger_lock(ledger, record, failure) != 0)
        return LEDGER_FAILED;
    const enum ledger_status status = settle_locked(ledger, success, limits, now, report);
    if (status == LEDGER_DAMAGED)
        failure_set(failure, "is damaged");
    ledger_release(ledger, record);
    return status;
}

bool ledger_wait(const struct ledger *ledger, const struct attempt_report *report, int timeout_ms)
{
    return ledger_wait_settled(ledger, report->record, report->seen, timeout_ms);
}

int ledger_look(const struct ledger *ledger, uint32_t number, const struct attempt_limits *limits,
                const struct timestamp *now, struct attempt_state *state)
{
    struct count_changes changes = {0};
    struct file_bank header, bank;

    if (record_load(ledger, RECORD_HEADER, &header) != 0 || record_load(ledger, number, &bank) != 0)
        return -1;
    count_bring_up_to_date(&bank.count, ledger_live_attempts(ledger, number, &bank.count), limits,
                           now, &changes);
    *state = (struct attempt_state){.origin = bank.origin,
                                    .failures = count_failures(&bank.count),
                                    .in_flight = count_in_flight(&bank.count),
                                    .lock_left_ms = count_lock_left_ms(&bank.count, limits, now)};
    const int64_t sealed_ms = count_lock_left_ms(&header.count, limits, now);
    if (sealed_ms > 0 && sealed_ms >= state->lock_left_ms) {
        state->lock_left_ms = sealed_ms;
        state->failures = limits->max_attempts;
    }
    return bank.origin.kind != ORIGIN_NONE;
}

int ledger_look_at(const struct ledger *ledger, const struct origin *origin,
                   const struct attempt_limits *limits, const struct timestamp *now,
                   struct attempt_state *state)
{
    uint32_t number;

    /* RECORD_HEADER where nothing counts this origin yet: no attempts, but the
     * whole ledger may be sealed. */
    if (ledger_look_up_record(ledger, origin, limits, now, &number) != 0 ||
        ledger_look(ledger, number, limits, now, state) < 0)
        return -1;
    state->origin = *origin;
    return 0;
}
