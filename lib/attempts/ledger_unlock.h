/* Root's unlock: `tmoutctl unlock USER`, here or on another host of the fleet. */
#ifndef TMOUT_ATTEMPTS_LEDGER_UNLOCK_H
#define TMOUT_ATTEMPTS_LEDGER_UNLOCK_H

#include "lib/attempts/ledger_file.h"

/* Everything, whenever it failed. */
#define UNLOCK_ALL INT64_MAX

/* Where a user's ledger is, and what of it is to be forgotten. */
struct ledger_unlocking {
    const char *state_dir;
    uid_t uid, owner;
    struct timestamp now;
    int64_t until_ms; /* what failed by then, by the boot clock of now; or UNLOCK_ALL */
};

/* What was undone. */
struct ledger_unlocked {
    unsigned failures;
    bool locked;
    bool replaced; /* there is a new ledger; the failure says what was wrong with the old one */
};

/*
 * Forgets failures and locks, as count_forget() does; attempts in flight go on. Doing it again
 * changes nothing. A ledger whose lock another process does not release is replaced by a copy.
 *
 * With UNLOCK_ALL, attempts that have stalled are forgotten, too, and a ledger that is damaged,
 * or of a later version, is replaced by a new one. Else such a ledger is a failure: another host
 * cannot make this one throw evidence away, and the next login replaces it.
 *
 * Returns LEDGER_OK, LEDGER_ABSENT, or LEDGER_FAILED with the reason.
 */
enum ledger_status ledger_unlock(const struct ledger_unlocking *unlocking,
                                 struct ledger_unlocked *unlocked, struct failure *failure);

#endif
