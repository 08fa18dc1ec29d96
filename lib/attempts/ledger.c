#include "lib/attempts/ledger.h"

#include "lib/attempts/ledger_lock.h"
#include "lib/attempts/ledger_queue.h"
#include "lib/attempts/ledger_sources.h"
#include "lib/host/descriptor.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

static void fill_report(uint32_t number, const struct file_bank *bank,
                        const struct attempt_limits *limits, const struct timestamp *now,
                        struct attempt_report *report)
{
    report->failures = count_failures(&bank->count);
    report->in_flight = count_in_flight(&bank->count);
    report->lock_left_ms = count_lock_left_ms(&bank->count, limits, now);
    report->record = number;
    report->seen = bank_sequence(bank);
}

/* --- admission ------------------------------------------------------------------- */

/* When the ledger was opened. */
static bool was_locked(const struct ledger *ledger, uint32_t record)
{
    return (ledger->locked_records >> record & 1) != 0;
}

bool ledger_rejects(const struct ledger *ledger, struct file_bank *bank,
                    const struct origin *origin, const struct attempt_limits *limits,
                    const struct timestamp *now, struct attempt_report *report)
{
    struct count_changes changes = {0};

    if (bank->count.locked_ms == NOT_LOCKED || bank->count.in_flight != 0 ||
        was_locked(ledger, RECORD_HEADER) || sources_count(origin, limits))
        return false;
    count_bring_up_to_date(&bank->count, 0, limits, now, &changes);
    if (count_lock_left_ms(&bank->count, limits, now) <= 0)
        return false;
    *report = (struct attempt_report){.admission = REJECTED_LOCKED};
    fill_report(ledger_shared_record(origin), bank, limits, now, report);
    return true;
}

/* The penalty lock that a replaced ledger started with is cleared once it has
 * expired, so that raising lock_time later does not revive it. If the header's
 * lock is held just now, the next login clears it. */
static enum ledger_status clear_expired_seal(struct ledger *ledger, uint32_t locked_record,
                                             struct failure *failure)
{
    const bool other_lock = !ledger_same_lock(locked_record, RECORD_HEADER);
    struct file_bank header;

    if (other_lock && ledger_try_lock(ledger, RECORD_HEADER) != 0)
        return LEDGER_OK;
    enum ledger_status status = record_load(ledger, RECORD_HEADER, &header, failure);
    if (status == LEDGER_OK) {
        count_reset(&header.count);
        status = record_store(ledger, RECORD_HEADER, &header, failure);
    }
    if (other_lock)
        ledger_release(ledger, RECORD_HEADER);
    return status;
}

/* Whether the ledger is still sealed. It was when it was opened. */
static enum ledger_status check_seal(struct ledger *ledger, const struct attempt_limits *limits,
                                     const struct timestamp *now, struct attempt_report *report,
                                     struct failure *failure)
{
    struct file_bank header;
    const enum ledger_status status = record_load(ledger, RECORD_HEADER, &header, failure);

    if (status != LEDGER_OK || header.count.locked_ms == NOT_LOCKED)
        return status;
    const int64_t sealed_ms = count_lock_left_ms(&header.count, limits, now);
    if (sealed_ms <= 0)
        return clear_expired_seal(ledger, ledger_shared_record(&ledger->origin), failure);
    report->admission = REJECTED_LOCKED;
    report->failures = limits->max_attempts;
    report->lock_left_ms = sealed_ms;
    return LEDGER_OK;
}

/* Takes an entry for the attempt, if the count allows. */
static enum admission take_entry(struct ledger *ledger, struct source_record *on,
                                 const struct attempt_limits *limits,
                                 const struct timestamp *changed, const struct timestamp *now)
{
    struct attempt_count *count = &on->bank.count;
    struct count_slot entry;

    /* Admitted on a ledger that had been revoked; its copy contains the attempt. */
    if (ledger->slot.record == on->number && count_adopt(count, &ledger->slot.entry))
        return ADMITTED;
    const unsigned free_slots = count_free(count, limits);
    if (free_slots > 0 &&
        !queue_is_my_turn(ledger, on->number, &on->bank, free_slots, changed, now))
        return REJECTED_BUSY;
    const enum admission admission = count_admit(count, limits, now, &entry);
    if (admission == ADMITTED) {
        ledger->slot = (struct attempt_slot){.record = on->number, .entry = entry};
        on->bank.tag[entry.entry] = origin_tag(&ledger->origin);
    }
    return admission;
}

/* Admits it on this record. */
static enum ledger_status admit_on(struct ledger *ledger, struct source_record *on,
                                   const struct attempt_limits *limits, const struct timestamp *now,
                                   struct attempt_report *report, struct failure *failure)
{
    const struct timestamp changed = on->bank.count.written;
    enum ledger_status status = LEDGER_OK;

    count_bring_up_to_date(&on->bank.count,
                           ledger_live_attempts(ledger, on->number, &on->bank.count), limits, now,
                           &report->changes);
    report->admission = take_entry(ledger, on, limits, &changed, now);
    /* The attempt's own lock comes first: without it, it would look dead. */
    if (report->admission == ADMITTED && ledger_lock_attempt(ledger, &ledger->slot) != 0) {
        failure_set(failure, "cannot be locked: %s", failure_reason(errno));
        return LEDGER_FAILED;
    }
    /* Expiry need not be stored: it is recomputed at the next access. */
    if (on->assigned)
        status = sources_store(ledger, on, failure);
    else if (report->admission == ADMITTED || report->changes.died > 0 || report->changes.locked ||
             report->changes.lock_expired)
        status = record_store(ledger, on->number, &on->bank, failure);
    if (status != LEDGER_OK)
        return status;
    if (report->admission == REJECTED_BUSY)
        queue_join(ledger, on->number, now);
    else
        queue_leave(ledger);
    fill_report(on->number, &on->bank, limits, now, report);
    return LEDGER_OK;
}

/* The record for the attempt of a source. LEDGER_REPLACED: there is a new ledger, with
 * records for sources. */
static enum ledger_status find_record(struct ledger *ledger, const struct origin *origin,
                                      const struct attempt_limits *limits,
                                      const struct timestamp *now, struct source_record *on,
                                      struct failure *failure)
{
    if (ledger->record_count < RECORDS_WITH_SOURCES) {
        const enum ledger_status status = ledger_grow(ledger, RECORDS_WITH_SOURCES, now, failure);
        /* On a full disk all sources share one count: that is no less strict. */
        if (status == LEDGER_FAILED && ledger_is_current(ledger)) {
            on->number = RECORD_NETWORK;
            return LEDGER_OK;
        }
        return status;
    }
    return sources_find(ledger, origin, limits, now, on, failure);
}

/* Under the lock of the origin's records. */
static enum ledger_status admit_locked(struct ledger *ledger, const struct attempt_limits *limits,
                                       const struct timestamp *now, struct attempt_report *report,
                                       struct failure *failure)
{
    const struct origin *origin = &ledger->origin;
    struct source_record on; /* large; its index is for sources only */
    enum ledger_status status = LEDGER_OK;

    on.number = ledger_shared_record(origin);
    on.assigned = false;
    /* It is only ever sealed when it is created. */
    if (was_locked(ledger, RECORD_HEADER))
        status = check_seal(ledger, limits, now, report, failure);
    if (status != LEDGER_OK || report->admission == REJECTED_LOCKED)
        return status;
    if (sources_count(origin, limits))
        status = find_record(ledger, origin, limits, now, &on, failure);
    if (status == LEDGER_OK && on.number < RECORDS_WITHOUT_SOURCES)
        status = record_load(ledger, on.number, &on.bank, failure);
    return status == LEDGER_OK ? admit_on(ledger, &on, limits, now, report, failure) : status;
}

/* The ledger turned out to be damaged in use: the new one starts sealed. */
static enum ledger_status replace_sealed(const struct ledger *ledger, const struct timestamp *now,
                                         struct failure *failure)
{
    const struct ledger_place place = ledger_place_of(ledger);
    struct stat st;

    if (fd_stat(ledger->fd, &st) == 0 && ledger_replace_damaged(&place, &st, true, now) == 0)
        return LEDGER_DAMAGED;
    failure_append(failure, " and cannot be replaced: %s", failure_reason(errno));
    return LEDGER_FAILED;
}

/* Once, on the ledger that is open. LEDGER_REPLACED: it is not, or no longer, the
 * user's ledger, and nothing has been admitted. */
static enum ledger_status admit_once(struct ledger *ledger, const struct attempt_limits *limits,
                                     const struct timestamp *now, struct attempt_report *report,
                                     struct failure *failure)
{
    const uint32_t shared = ledger_shared_record(&ledger->origin);

    *report = (struct attempt_report){.admission = REJECTED_BUSY, .lock_stuck = report->lock_stuck};
    if (ledger_lock(ledger, shared, failure) != 0) {
        report->lock_stuck |= errno == ETIMEDOUT;
        return errno == ETIMEDOUT || errno == ESTALE ? LEDGER_REPLACED : LEDGER_FAILED;
    }
    enum ledger_status status = admit_locked(ledger, limits, now, report, failure);
    ledger_fence();
    if ((status == LEDGER_OK || status == LEDGER_DAMAGED) && !ledger_is_current(ledger))
        status = LEDGER_REPLACED;
    if (status == LEDGER_DAMAGED)
        status = replace_sealed(ledger, now, failure);
    ledger_release(ledger, shared);
    return status;
}

enum ledger_status ledger_admit(struct ledger *ledger, const struct origin *origin,
                                const struct attempt_limits *limits, const struct timestamp *now,
                                struct attempt_report *report, struct failure *failure)
{
    struct ledger_retry retry = {0};

    ledger->origin = *origin;
    report->lock_stuck = false;
    while (ledger_may_retry(&retry)) {
        enum ledger_status status = admit_once(ledger, limits, now, report, failure);
        if (status != LEDGER_REPLACED)
            return status;
        status = ledger_renew(ledger, now, failure);
        if (status != LEDGER_OK)
            return status;
    }
    failure_set(failure, "keeps being replaced by another process");
    return LEDGER_FAILED;
}

/* --- settlement ------------------------------------------------------------------ */

/* The failures on the attempt's record that its success does not make good: those
 * of other sources, with which it shares the record. */
static uint64_t failures_of_others(const struct ledger *ledger, const struct file_bank *bank,
                                   const struct attempt_limits *limits)
{
    if (!sources_count(&ledger->origin, limits) ||
        memcmp(&bank->origin, &ledger->origin, sizeof bank->origin) == 0)
        return 0;
    return bank->count.failed & ~sources_entries(bank, &ledger->origin);
}

/* Was the settlement already in the ledger that this one is a copy of? Then the
 * attempt is no longer in flight, and not a failure unless that was its outcome. */
static bool was_copied(const struct file_bank *bank, const struct count_slot *slot,
                       enum attempt_outcome outcome)
{
    const uint64_t entry = UINT64_C(1) << slot->entry;
    const bool failed = (bank->count.failed & entry) != 0 &&
                        bank->count.generation[slot->entry] == slot->generation;

    return !(failed && outcome != ATTEMPT_FAILED);
}

/* What is known about an attempt's end. */
struct settlement {
    enum attempt_outcome outcome;
    bool copied; /* this is not the first ledger that it is written to */
};

/* Settles the attempt in its record. Returns whether it had not been given up. */
static bool settle_entry(const struct ledger *ledger, const struct settlement *end,
                         const struct attempt_limits *limits, const struct timestamp *now,
                         struct file_bank *bank, struct count_changes *changes)
{
    const struct count_slot *entry = &ledger->slot.entry;
    const uint64_t kept =
        end->outcome == ATTEMPT_SUCCEEDED ? failures_of_others(ledger, bank, limits) : 0;
    const bool settled = count_settle(&bank->count, entry, end->outcome, limits, now, changes) ||
                         (end->copied && was_copied(bank, entry, end->outcome));

    if (settled && bank->count.locked_ms == NOT_LOCKED)
        bank->count.failed |= kept;
    return settled;
}

/* Under the lock of the attempt's record. */
static enum ledger_status settle_locked(struct ledger *ledger, const struct settlement *end,
                                        const struct attempt_limits *limits,
                                        const struct timestamp *now, struct attempt_report *report,
                                        struct failure *failure)
{
    const struct attempt_slot *slot = &ledger->slot;
    struct file_bank bank;
    enum ledger_status status = record_load(ledger, slot->record, &bank, failure);

    if (status != LEDGER_OK)
        return status;
    /* Our own lock does not show as another process's: do not ask for it. */
    const uint64_t own = UINT64_C(1) << slot->entry.entry, in_flight = bank.count.in_flight;
    bank.count.in_flight &= ~own;
    const uint64_t alive = ledger_live_attempts(ledger, slot->record, &bank.count) | own;
    bank.count.in_flight = in_flight;
    count_bring_up_to_date(&bank.count, alive, limits, now, &report->changes);
    if (settle_entry(ledger, end, limits, now, &bank, &report->changes))
        report->admission = ADMITTED;
    status = record_store(ledger, slot->record, &bank, failure);
    if (status != LEDGER_OK)
        return status;
    fill_report(slot->record, &bank, limits, now, report);
    queue_wake(ledger, slot->record, &bank,
               bank.count.locked_ms != NOT_LOCKED ? UINT_MAX : count_free(&bank.count, limits));
    return LEDGER_OK;
}

/* A source that has logged in keeps a record. If that fails, it only stays where it
 * is. */
static void remember_source(const struct ledger *ledger, const struct attempt_limits *limits,
                            const struct timestamp *now)
{
    struct failure ignored = {""};

    if (sources_count(&ledger->origin, limits) && ledger->record_count == RECORDS_WITH_SOURCES)
        (void)sources_succeeded(ledger, &ledger->origin, limits, now, &ignored);
}

/* Once, on the ledger that is open. LEDGER_REPLACED: it is not, or no longer, the
 * user's ledger. */
static enum ledger_status settle_once(struct ledger *ledger, const struct settlement *end,
                                      const struct attempt_limits *limits,
                                      const struct timestamp *now, struct attempt_report *report,
                                      struct failure *failure)
{
    const uint32_t record = ledger->slot.record;

    *report = (struct attempt_report){.admission = REJECTED_LOCKED};
    if (ledger_lock(ledger, record, failure) != 0)
        return errno == ETIMEDOUT || errno == ESTALE ? LEDGER_REPLACED : LEDGER_FAILED;
    const enum ledger_status status = settle_locked(ledger, end, limits, now, report, failure);
    if (status == LEDGER_OK && end->outcome == ATTEMPT_SUCCEEDED && report->admission == ADMITTED)
        remember_source(ledger, limits, now);
    ledger_fence();
    const bool current = ledger_is_current(ledger);
    ledger_release(ledger, record);
    return status != LEDGER_FAILED && !current ? LEDGER_REPLACED : status;
}

enum ledger_status ledger_settle(struct ledger *ledger, enum attempt_outcome outcome,
                                 const struct attempt_limits *limits, const struct timestamp *now,
                                 struct attempt_report *report, struct failure *failure)
{
    struct settlement end = {.outcome = outcome};
    struct ledger_retry retry = {0};

    for (; ledger_may_retry(&retry); end.copied = true) {
        const enum ledger_status status = settle_once(ledger, &end, limits, now, report, failure);
        if (status != LEDGER_REPLACED)
            return status;
        switch (ledger_renew(ledger, now, failure)) {
        case LEDGER_OK:
            break;
        case LEDGER_ABSENT:
            return LEDGER_OK; /* root has removed the ledger: there is nothing to count */
        case LEDGER_DAMAGED:
            return LEDGER_DAMAGED;
        default:
            return LEDGER_FAILED;
        }
    }
    failure_set(failure, "keeps being replaced by another process");
    return LEDGER_FAILED;
}

void ledger_show_progress(struct ledger *ledger)
{
    const uint32_t record = ledger->slot.record;
    struct failure ignored = {""};
    struct file_bank bank;

    if (ledger_lock(ledger, record, &ignored) != 0)
        return;
    /* When the count was last changed stays as it is: waiters whose processes are stopped
     * must not keep their turn for longer. */
    if (record_load(ledger, record, &bank, &ignored) == LEDGER_OK)
        (void)record_store(ledger, record, &bank, &ignored);
    ledger_release(ledger, record);
}

/* --- waiting and looking ----------------------------------------------------------- */

bool ledger_wait(const struct ledger *ledger, const struct attempt_report *report, int timeout_ms)
{
    return queue_wait(ledger, report->record, report->seen, timeout_ms);
}

/* Fills *state from a record's count and the ledger's seal. */
static int look_at_bank(const struct ledger *ledger, uint32_t number, struct file_bank *bank,
                        const struct attempt_limits *limits, const struct timestamp *now,
                        struct attempt_state *state)
{
    struct count_changes changes = {0};
    struct failure ignored = {""};
    struct file_bank header;

    if (record_load(ledger, RECORD_HEADER, &header, &ignored) != LEDGER_OK)
        return -1;
    count_bring_up_to_date(&bank->count, ledger_live_attempts(ledger, number, &bank->count), limits,
                           now, &changes);
    *state = (struct attempt_state){.origin = bank->origin,
                                    .failures = count_failures(&bank->count),
                                    .in_flight = count_in_flight(&bank->count),
                                    .lock_left_ms = count_lock_left_ms(&bank->count, limits, now)};
    const int64_t sealed_ms = count_lock_left_ms(&header.count, limits, now);
    if (sealed_ms > 0 && sealed_ms >= state->lock_left_ms) {
        state->lock_left_ms = sealed_ms;
        state->failures = limits->max_attempts;
    }
    return bank->origin.kind != ORIGIN_NONE;
}

int ledger_look(const struct ledger *ledger, uint32_t number, const struct attempt_limits *limits,
                const struct timestamp *now, struct attempt_state *state)
{
    struct failure ignored = {""};
    struct file_bank bank;

    if (record_load(ledger, number, &bank, &ignored) != LEDGER_OK)
        return -1;
    return look_at_bank(ledger, number, &bank, limits, now, state);
}

int ledger_look_at(const struct ledger *ledger, const struct origin *origin,
                   const struct attempt_limits *limits, const struct timestamp *now,
                   struct attempt_state *state)
{
    struct source_record found;
    struct failure ignored = {""};
    enum ledger_status status;

    found.number = ledger_shared_record(origin);
    if (sources_count(origin, limits) && ledger->record_count == RECORDS_WITH_SOURCES)
        status = sources_find(ledger, origin, limits, now, &found, &ignored);
    else
        status = record_load(ledger, found.number, &found.bank, &ignored);
    if (status != LEDGER_OK ||
        look_at_bank(ledger, found.number, &found.bank, limits, now, state) < 0)
        return -1;
    state->origin = *origin;
    return 0;
}
