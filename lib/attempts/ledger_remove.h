/* Removing the ledgers of users who no longer exist. */
#ifndef TMOUT_ATTEMPTS_LEDGER_REMOVE_H
#define TMOUT_ATTEMPTS_LEDGER_REMOVE_H

#include "lib/attempts/ledger.h"

enum ledger_removal {
    LEDGER_REMOVED,
    LEDGER_IN_USE,        /* an attempt is in progress, or a lock holds: it was kept */
    LEDGER_REMOVAL_FAILED /* the failure says why */
};

/*
 * Removes a user's ledger, unless an attempt is in progress or a lock holds under
 * these limits. Failures that did not lead to a lock are forgotten. A process that
 * has the file open notices that it is gone, and starts over. One that is damaged is
 * replaced first, as by a login, and therefore locked.
 */
enum ledger_removal ledger_remove(const char *state_dir, uid_t uid, uid_t owner,
                                  const struct attempt_limits *limits, struct failure *failure);

/* Removes what processes left behind that were killed while they wrote a ledger. */
void ledger_remove_strays(const char *state_dir, uid_t owner);

#endif
