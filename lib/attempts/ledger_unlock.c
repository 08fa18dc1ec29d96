#include "lib/attempts/ledger_unlock.h"

#include "lib/attempts/ledger_lock.h"
#include "lib/attempts/ledger_queue.h"

#include <errno.h>
#include <limits.h>
#include <unistd.h>

/* An administrator who unlocks everything wants the user in: stopped processes must not prevent
 * that. Returns how many. */
static unsigned forget_stale(const struct ledger *ledger, uint32_t number,
                             const struct timestamp *now, struct attempt_count *count)
{
    const uint64_t stale = count_stale(count, ledger_live_attempts(ledger, number, count), now);

    count->in_flight &= ~stale;
    count->carried &= ~stale;
    return (unsigned)__builtin_popcountll(stale);
}

/* Under both locks. */
static enum ledger_status forget_in(const struct ledger *ledger, uint32_t number,
                                    const struct ledger_unlocking *unlocking,
                                    struct ledger_unlocked *unlocked, struct failure *failure)
{
    struct file_bank bank;
    bool was_locked = false;
    enum ledger_status status = record_load(ledger, number, &bank, failure);

    if (status != LEDGER_OK)
        return status;
    unsigned forgotten =
        count_forget(&bank.count, unlocking->until_ms, &unlocking->now, &was_locked);
    if (unlocking->until_ms == UNLOCK_ALL)
        forgotten += forget_stale(ledger, number, &unlocking->now, &bank.count);
    if (forgotten == 0 && !was_locked)
        return LEDGER_OK;
    status = record_store(ledger, number, &bank, failure);
    if (status != LEDGER_OK)
        return status;
    unlocked->failures += forgotten;
    unlocked->locked = unlocked->locked || was_locked;
    queue_wake(ledger, number, &bank, UINT_MAX);
    return LEDGER_OK;
}

/* LEDGER_REPLACED: a process does not release its lock, or has replaced the ledger
 * meanwhile; look again. Closing the file releases the locks. */
static enum ledger_status unlock_open(struct ledger *ledger, const struct ledger_place *place,
                                      const struct ledger_unlocking *unlocking,
                                      struct ledger_unlocked *unlocked, struct failure *failure)
{
    enum ledger_status status = LEDGER_OK;

    if (ledger_lock_all(ledger, failure) != 0)
        return errno == ETIMEDOUT || errno == ESTALE
                   ? ledger_carry_over(place, ledger->fd, ledger->record_count, &unlocking->now,
                                       failure)
                   : LEDGER_FAILED;
    unlocked->failures = 0;
    unlocked->locked = false;
    for (uint32_t i = 0; status == LEDGER_OK && i < ledger->record_count; i++)
        status = forget_in(ledger, i, unlocking, unlocked, failure);
    ledger_fence();
    return status == LEDGER_OK && !ledger_is_current(ledger) ? LEDGER_REPLACED : status;
}

/* LEDGER_REPLACED: it was, by this or another process; look again. */
static enum ledger_status replace(const struct ledger_place *place, const struct stat *st,
                                  const struct timestamp *now, struct ledger_unlocked *unlocked,
                                  struct failure *failure)
{
    unlocked->replaced = true;
    if (ledger_replace_damaged(place, st, false, now) == 0)
        return LEDGER_REPLACED;
    failure_append(failure, " and cannot be replaced: %s", failure_reason(errno));
    return LEDGER_FAILED;
}

/* Once: what is good is emptied, what is not may be replaced. */
static enum ledger_status unlock_once(const struct ledger_place *place,
                                      const struct ledger_unlocking *unlocking,
                                      struct ledger_unlocked *unlocked, struct failure *failure)
{
    struct ledger ledger;
    struct stat st;
    struct failure wrong = {""};
    enum ledger_status status = ledger_open_file(place, &unlocking->now, &ledger, &st, &wrong);

    if (status == LEDGER_OK) {
        ledger.directory_fd = place->directory_fd;
        status = unlock_open(&ledger, place, unlocking, unlocked, &wrong);
        ledger.directory_fd = -1;
        ledger_close(&ledger);
    }
    if (status == LEDGER_OK || status == LEDGER_ABSENT || status == LEDGER_REPLACED)
        return status;
    *failure = wrong;
    return status != LEDGER_FAILED && unlocking->until_ms == UNLOCK_ALL
               ? replace(place, &st, &unlocking->now, unlocked, failure)
               : LEDGER_FAILED;
}

enum ledger_status ledger_unlock(const struct ledger_unlocking *unlocking,
                                 struct ledger_unlocked *unlocked, struct failure *failure)
{
    struct ledger_place place = {.uid = unlocking->uid, .owner = unlocking->owner};
    enum ledger_status status = LEDGER_REPLACED;
    struct ledger_retry retry = {0};

    *unlocked = (struct ledger_unlocked){0};
    place.directory_fd =
        ledger_open_directory(unlocking->state_dir, unlocking->owner, false, failure);
    if (place.directory_fd < 0)
        return errno == ENOENT ? LEDGER_ABSENT : LEDGER_FAILED;
    while (status == LEDGER_REPLACED && ledger_may_retry(&retry))
        status = unlock_once(&place, unlocking, unlocked, failure);
    close(place.directory_fd);
    if (status != LEDGER_REPLACED)
        return status;
    failure_set(failure, "keeps being replaced by another process");
    return LEDGER_FAILED;
}
