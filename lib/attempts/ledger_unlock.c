#include "lib/attempts/ledger_unlock.h"

#include "lib/attempts/ledger_lock.h"
#include "lib/attempts/ledger_queue.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

static uint64_t stale_attempts(const struct ledger *ledger, uint32_t number,
                               const struct attempt_count *count, const struct timestamp *now)
{
    return count_stale(count, ledger_live_attempts(ledger, number, count), now);
}

/* What there is to forget. */
static enum ledger_status sum_up(const struct ledger *ledger, const struct timestamp *now,
                                 struct ledger_unlocked *unlocked, struct failure *failure)
{
    struct file_bank bank;

    unlocked->failures = 0;
    unlocked->locked = false;
    for (uint32_t i = 0; i < ledger->record_count; i++) {
        const enum ledger_status status = record_load(ledger, i, &bank, failure);
        if (status != LEDGER_OK)
            return status;
        const uint64_t stale = stale_attempts(ledger, i, &bank.count, now);
        unlocked->failures += count_failures(&bank.count) + (unsigned)__builtin_popcountll(stale);
        unlocked->locked = unlocked->locked || bank.count.locked_ms != NOT_LOCKED;
    }
    return LEDGER_OK;
}

/* Under both locks. */
static enum ledger_status reset_all(const struct ledger *ledger, const struct timestamp *now,
                                    struct failure *failure)
{
    struct file_bank bank;

    for (uint32_t i = 0; i < ledger->record_count; i++) {
        enum ledger_status status = record_load(ledger, i, &bank, failure);
        if (status != LEDGER_OK)
            return status;
        const uint64_t stale = stale_attempts(ledger, i, &bank.count, now);
        count_reset(&bank.count);
        bank.count.in_flight &= ~stale;
        bank.count.carried &= ~stale;
        status = record_store(ledger, i, &bank, failure);
        if (status != LEDGER_OK)
            return status;
        queue_wake(ledger, i, &bank, UINT_MAX);
    }
    return LEDGER_OK;
}

/* LEDGER_REPLACED: a process does not release its lock, or has replaced the ledger
 * meanwhile; look again. */
static enum ledger_status unlock_open(struct ledger *ledger, const struct ledger_place *place,
                                      const struct timestamp *now, struct ledger_unlocked *unlocked,
                                      struct failure *failure)
{
    /* Closing the file releases the locks. */
    if (ledger_lock_all(ledger, failure) != 0)
        return errno == ETIMEDOUT || errno == ESTALE
                   ? ledger_carry_over(place, ledger->fd, ledger->record_count, now, failure)
                   : LEDGER_FAILED;
    enum ledger_status status = sum_up(ledger, now, unlocked, failure);
    if (status == LEDGER_OK)
        status = reset_all(ledger, now, failure);
    ledger_fence();
    return status == LEDGER_OK && !ledger_is_current(ledger) ? LEDGER_REPLACED : status;
}

/* One round: what is good is emptied, what is not is replaced. LEDGER_REPLACED: it
 * was, by this or another process; look again. */
static enum ledger_status unlock_or_replace(const struct ledger_place *place,
                                            const struct timestamp *now,
                                            struct ledger_unlocked *unlocked,
                                            struct failure *failure)
{
    struct ledger ledger;
    struct stat st;
    struct failure wrong = {""};
    enum ledger_status status = ledger_open_file(place, now, &ledger, &st, &wrong);

    if (status == LEDGER_OK) {
        ledger.directory_fd = place->directory_fd;
        status = unlock_open(&ledger, place, now, unlocked, &wrong);
        ledger.directory_fd = -1;
        ledger_close(&ledger);
    }
    if (status == LEDGER_OK || status == LEDGER_ABSENT || status == LEDGER_REPLACED)
        return status;
    *failure = wrong;
    if (status == LEDGER_FAILED)
        return status;
    unlocked->replaced = true;
    if (ledger_replace_damaged(place, &st, false, now) == 0)
        return LEDGER_REPLACED;
    failure_append(failure, " and cannot be replaced: %s", failure_reason(errno));
    return LEDGER_FAILED;
}

enum ledger_status ledger_unlock(const char *state_dir, uid_t uid, uid_t owner,
                                 const struct timestamp *now, struct ledger_unlocked *unlocked,
                                 struct failure *failure)
{
    struct ledger_place place = {.uid = uid, .owner = owner};
    enum ledger_status status = LEDGER_REPLACED;
    struct ledger_retry retry = {0};

    *unlocked = (struct ledger_unlocked){0};
    place.directory_fd = ledger_open_directory(state_dir, owner, false, failure);
    if (place.directory_fd < 0)
        return errno == ENOENT ? LEDGER_ABSENT : LEDGER_FAILED;
    while (status == LEDGER_REPLACED && ledger_may_retry(&retry))
        status = unlock_or_replace(&place, now, unlocked, failure);
    close(place.directory_fd);
    if (status != LEDGER_REPLACED)
        return status;
    failure_set(failure, "keeps being replaced by another process");
    return LEDGER_FAILED;
}

/* --- up to a time ------------------------------------------------------------------------- */

/* Under both locks. */
static enum ledger_status forget_all(const struct ledger *ledger,
                                     const struct ledger_forgetting *forgetting,
                                     struct ledger_unlocked *unlocked, struct failure *failure)
{
    struct file_bank bank;

    *unlocked = (struct ledger_unlocked){0};
    for (uint32_t i = 0; i < ledger->record_count; i++) {
        bool was_locked = false;
        enum ledger_status status = record_load(ledger, i, &bank, failure);
        if (status != LEDGER_OK)
            return status;
        const unsigned forgotten =
            count_forget(&bank.count, forgetting->until_ms, &forgetting->now, &was_locked);
        if (forgotten == 0 && !was_locked)
            continue;
        status = record_store(ledger, i, &bank, failure);
        if (status != LEDGER_OK)
            return status;
        unlocked->failures += forgotten;
        unlocked->locked = unlocked->locked || was_locked;
        queue_wake(ledger, i, &bank, UINT_MAX);
    }
    return LEDGER_OK;
}

/* Once. LEDGER_REPLACED as in unlock_open(). */
static enum ledger_status forget_once(const struct ledger_place *place,
                                      const struct ledger_forgetting *forgetting,
                                      struct ledger_unlocked *unlocked, struct failure *failure)
{
    struct ledger ledger;
    struct stat st;
    enum ledger_status status = ledger_open_file(place, &forgetting->now, &ledger, &st, failure);

    if (status != LEDGER_OK)
        return status;
    ledger.directory_fd = place->directory_fd;
    if (ledger_lock_all(&ledger, failure) == 0) {
        status = forget_all(&ledger, forgetting, unlocked, failure);
        ledger_fence();
        if (status == LEDGER_OK && !ledger_is_current(&ledger))
            status = LEDGER_REPLACED;
    } else {
        status = errno == ETIMEDOUT || errno == ESTALE
                     ? ledger_carry_over(place, ledger.fd, ledger.record_count, &forgetting->now,
                                         failure)
                     : LEDGER_FAILED;
    }
    ledger.directory_fd = -1;
    ledger_close(&ledger);
    return status;
}

enum ledger_status ledger_forget(const struct ledger_forgetting *forgetting,
                                 struct ledger_unlocked *unlocked, struct failure *failure)
{
    struct ledger_place place = {.uid = forgetting->uid, .owner = forgetting->owner};
    enum ledger_status status = LEDGER_REPLACED;
    struct ledger_retry retry = {0};

    *unlocked = (struct ledger_unlocked){0};
    place.directory_fd =
        ledger_open_directory(forgetting->state_dir, forgetting->owner, false, failure);
    if (place.directory_fd < 0)
        return errno == ENOENT ? LEDGER_ABSENT : LEDGER_FAILED;
    while (status == LEDGER_REPLACED && ledger_may_retry(&retry))
        status = forget_once(&place, forgetting, unlocked, failure);
    close(place.directory_fd);
    if (status == LEDGER_REPLACED)
        failure_set(failure, "keeps being replaced by another process");
    return status == LEDGER_OK || status == LEDGER_ABSENT ? status : LEDGER_FAILED;
}
