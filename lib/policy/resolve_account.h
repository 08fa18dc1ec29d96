/*
 * From an account to its settings: asks for the user's groups as far as the
 * policy's rules need them, and no further. Module, tmoutd, and tmoutctl all
 * decide with this.
 */
#ifndef TMOUT_POLICY_RESOLVE_ACCOUNT_H
#define TMOUT_POLICY_RESOLVE_ACCOUNT_H

#include "lib/host/account.h"
#include "lib/policy/resolve.h"

enum account_rules {
    ACCOUNT_RESOLVED,
    ACCOUNT_GROUPS_UNKNOWN, /* a name service failed: errno says why */
    ACCOUNT_POLICY_DAMAGED
};

/* The groups that a policy has rules for. Start with {0}, and keep it as long as
 * users are resolved by the same snapshot: then each group is asked for once. */
struct policy_groups {
    struct wanted_groups wanted; /* its id is the snapshot's body_checksum */
    bool found;
};

/* Asks for all of them at once, in advance, where many users are to be resolved. */
enum account_rules policy_groups_ask(const struct snapshot *snapshot, struct policy_groups *groups);

void policy_groups_free(struct policy_groups *groups);

/*
 * Fills in account->group, and the resolution, which points into the account and
 * must not outlive it, nor the account's next resolution. Asks nothing where the policy has no
 * group rules, and nothing that account or groups already know.
 */
enum account_rules resolve_account(const struct snapshot *snapshot, struct policy_groups *groups,
                                   struct account *account, struct resolution *resolution);

#endif
