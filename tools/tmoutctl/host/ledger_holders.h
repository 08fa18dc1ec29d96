/* All users who have a ledger, and their failed logins. */
#ifndef TMOUT_TMOUTCTL_HOST_LEDGER_HOLDERS_H
#define TMOUT_TMOUTCTL_HOST_LEDGER_HOLDERS_H

#include "tools/tmoutctl/host/policy_view.h"
#include "tools/tmoutctl/host/user_attempts.h"

/* account, to which groups may be added, and attempts are valid during the call only; attempts is
 * complete but for what find_rejecting() would find: that tries the user's ledger. If the ledger
 * cannot be read, it only has its fault; unread is the message about that, else NULL. */
typedef void ledger_holder_function(void *context, struct account *account,
                                    struct user_attempts *attempts, const char *unread);

/*
 * Calls a function for each user who has a ledger, in the order of their uids, and
 * asks the name service for all of them at once. Returns 0, or -1 where something but
 * a ledger could not be read, after a message; the others are visited all the same.
 */
int ledger_holders_each(const struct tmoutctl_context *context, struct policy_view *view,
                        ledger_holder_function *function, void *function_context);

/* Reads the counts of a user whose limits are to be looked up first. Returns as
 * user_attempts_find() does; without a fault, the limits could not be looked up. */
int user_attempts_resolve(const struct tmoutctl_context *context, struct policy_view *view,
                          struct account *account, const struct timestamp *now,
                          struct user_attempts *attempts, struct failure *failure);

#endif
