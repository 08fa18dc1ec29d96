/* Root's unlock: `tmoutctl unlock USER`, here or on another host of the fleet. */
#ifndef TMOUT_ATTEMPTS_LEDGER_UNLOCK_H
#define TMOUT_ATTEMPTS_LEDGER_UNLOCK_H

#include "lib/attempts/ledger_file.h"

/* What was undone. */
struct ledger_unlocked {
    unsigned failures;
    bool locked;
    bool replaced; /* there is a new ledger; the failure says what was wrong with the old one */
};

/*
 * Forgets all failures and locks; attempts in flight go on, unless they have
 * stalled. A ledger that is damaged, or of a later version, is replaced by a new
 * one; one whose lock another process does not release, by a copy. Returns
 * LEDGER_OK, LEDGER_ABSENT, or LEDGER_FAILED with the reason.
 */
enum ledger_status ledger_unlock(const char *state_dir, uid_t uid, uid_t owner,
                                 const struct timestamp *now, struct ledger_unlocked *unlocked,
                                 struct failure *failure);

/* Where a user's ledger is, and the time. */
struct ledger_forgetting {
    const char *state_dir;
    uid_t uid, owner;
    struct timestamp now;
    int64_t until_ms; /* by the boot clock of now */
};

/*
 * Forgets only what failed at until_ms or before, as count_forget() does, and the penalty lock
 * of a damaged ledger that was replaced by then; attempts in flight go on. Doing it again
 * changes nothing. Returns LEDGER_OK, LEDGER_ABSENT, or LEDGER_FAILED with the reason: also
 * where the ledger is damaged, for the next login to replace.
 */
enum ledger_status ledger_forget(const struct ledger_forgetting *forgetting,
                                 struct ledger_unlocked *unlocked, struct failure *failure);

#endif
