/* Root's unlock: `tmoutctl unlock USER`. */
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

#endif
