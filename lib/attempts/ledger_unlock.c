#include "lib/attempts/ledger_unlock.h"

#include "lib/attempts/ledger_lock.h"
#include "lib/attempts/ledger_sources.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

static enum ledger_status damaged(struct failure *failure)
{
    failure_set(failure, "is damaged");
    return LEDGER_DAMAGED;
}

static uint64_t stale_attempts(const struct ledger *ledger, uint32_t number,
                               const struct attempt_count *count, const struct timestamp *now)
{
    return count_stale(count, ledger_live_attempts(ledger, number, count), now);
}

/* What there is to forget. Takes no lock, for that may be what is wrong. */
static enum ledger_status sum_up(const struct ledger *ledger, const struct timestamp *now,
                                 struct ledger_unlocked *unlocked, struct failure *failure)
{
    struct file_bank bank;

    for (uint32_t i = 0; i < ledger->record_count; i++) {
        if (record_load(ledger, i, &bank) != 0)
            return damaged(failure);
        const uint64_t stale = stale_attempts(ledger, i, &bank.count, now);
        unlocked->failures += count_failures(&bank.count) + (unsigned)__builtin_popcountll(stale);
        unlocked->locked = unlocked->locked || bank.count.locked_ms != NOT_LOCKED;
    }
    return LEDGER_OK;
}

/* Under both locks. */
static enum ledger_status reset_all(struct ledger *ledger, const struct timestamp *now,
                                    struct failure *failure)
{
    struct file_bank bank;

    for (uint32_t i = 0; i < ledger->record_count; i++) {
        if (record_load(ledger, i, &bank) != 0)
            return damaged(failure);
        count_reset(&bank.count);
        bank.count.in_flight &= ~stale_attempts(ledger, i, &bank.count, now);
        record_store(ledger, i, &bank);
        ledger_wake(ledger, i, INT_MAX);
    }
    return LEDGER_OK;
}

/* LEDGER_DAMAGED: it has to be replaced instead. */
static enum ledger_status reset_under_locks(struct ledger *ledger, const struct timestamp *now,
                                            struct failure *failure)
{
    struct file_bank header;

    /* Closing the file releases the locks. */
    if (ledger_lock(ledger, RECORD_LOCAL, failure) != 0 ||
        ledger_lock(ledger, RECORD_NETWORK, failure) != 0)
        return LEDGER_DAMAGED;
    if (record_load(ledger, RECORD_HEADER, &header) != 0 ||
        ledger_follow_size(ledger, &header) != 0)
        return damaged(failure);
    return reset_all(ledger, now, failure);
}

/* One round: what is good is emptied, what is not is replaced. LEDGER_DAMAGED:
 * it was replaced, by this or another process; look again. */
static enum ledger_status unlock_or_replace(const struct ledger_place *place,
                                            const struct timestamp *now,
                                            struct ledger_unlocked *unlocked,
                                            struct failure *failure)
{
    struct ledger ledger;
    struct stat st;
    struct failure wrong = {""};
    enum ledger_status status = ledger_open_file(place, true, &ledger, &st, &wrong);

    if (status == LEDGER_OK)
        status = sum_up(&ledger, now, unlocked, &wrong);
    if (status == LEDGER_OK)
        status = reset_under_locks(&ledger, now, &wrong);
    ledger_close(&ledger);
    if (status != LEDGER_OK && status != LEDGER_ABSENT)
        *failure = wrong;
    if (status != LEDGER_DAMAGED)
        return status;
    unlocked->replaced = true;
    if (ledger_replace(place, &st, false, now) == 0)
        return LEDGER_DAMAGED;
    failure_append(failure, " and cannot be replaced: %s", strerror(errno));
    return LEDGER_FAILED;
}

enum ledger_status ledger_unlock(const char *state_dir, uid_t uid, uid_t owner,
                                 const struct timestamp *now, struct ledger_unlocked *unlocked,
                                 struct failure *failure)
{
    struct ledger_place place = {.uid = uid, .owner = owner};
    enum ledger_status status = LEDGER_DAMAGED;

    *unlocked = (struct ledger_unlocked){0};
    place.directory_fd = ledger_open_directory(state_dir, owner, false, failure);
    if (place.directory_fd < 0)
        return errno == ENOENT ? LEDGER_ABSENT : LEDGER_FAILED;
    for (int i = 0; i < LEDGER_OPEN_TRIES && status == LEDGER_DAMAGED; i++)
        status = unlock_or_replace(&place, now, unlocked, failure);
    close(place.directory_fd);
    return status == LEDGER_DAMAGED ? LEDGER_FAILED : status;
}
