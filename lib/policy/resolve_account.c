#include "lib/policy/resolve_account.h"

#include <errno.h>

static int want_group(void *context, const char *name, size_t length)
{
    return wanted_groups_add(context, name, length) == 0 ? 0 : ENOMEM;
}

void policy_groups_free(struct policy_groups *groups)
{
    wanted_groups_free(&groups->wanted);
    *groups = (struct policy_groups){0};
}

/* The names in the snapshot, unless they are there. */
static enum account_rules find_policy_groups(const struct snapshot *snapshot,
                                             struct policy_groups *groups)
{
    if (groups->found && groups->wanted.id == snapshot->body_checksum)
        return ACCOUNT_RESOLVED;
    policy_groups_free(groups);
    const int result = snapshot_each_group(snapshot, want_group, &groups->wanted);
    if (result == 0) {
        groups->wanted.id = snapshot->body_checksum;
        groups->found = true;
        return ACCOUNT_RESOLVED;
    }
    policy_groups_free(groups);
    errno = ENOMEM;
    return result > 0 ? ACCOUNT_GROUPS_UNKNOWN : ACCOUNT_POLICY_DAMAGED;
}

enum account_rules policy_groups_ask(const struct snapshot *snapshot, struct policy_groups *groups)
{
    const enum account_rules found = find_policy_groups(snapshot, groups);

    if (found == ACCOUNT_RESOLVED)
        wanted_groups_ask(&groups->wanted);
    return found;
}

/* Which groups the policy names is read only where somebody has to be asked for them. */
static enum account_rules find_groups(const struct snapshot *snapshot, struct policy_groups *groups,
                                      struct account *account)
{
    if (account_list_groups(account) != 0)
        return ACCOUNT_GROUPS_UNKNOWN;
    if (!account_knows_groups(account)) {
        const enum account_rules found = find_policy_groups(snapshot, groups);
        if (found != ACCOUNT_RESOLVED)
            return found;
    }
    return account_find_wanted_groups(account, &groups->wanted) == 0 ? ACCOUNT_RESOLVED
                                                                     : ACCOUNT_GROUPS_UNKNOWN;
}

enum account_rules resolve_account(const struct snapshot *snapshot, struct policy_groups *groups,
                                   struct account *account, struct resolution *resolution)
{
    if (snapshot->rule_count[RULE_GROUP] > 0) {
        const enum account_rules found = find_groups(snapshot, groups, account);
        if (found != ACCOUNT_RESOLVED)
            return found;
    }
    return resolve(snapshot, account->name, (const char *const *)account->group,
                   account->group_count, resolution) == 0
               ? ACCOUNT_RESOLVED
               : ACCOUNT_POLICY_DAMAGED;
}
