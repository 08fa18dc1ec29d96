#include "tools/tmoutd/policy.h"

#include "lib/policy/resolve_account.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

bool policy_open(const char *state_dir, struct snapshot *snapshot, struct failure *failure)
{
    return snapshot_open(state_dir, SNAPSHOT_POLICY, geteuid(), snapshot, failure) == SNAPSHOT_OK;
}

bool policy_limits(const struct snapshot *snapshot, const struct session_record *login, uid_t *uid,
                   struct user_limits *limits, struct failure *failure)
{
    const char *user = login->user;
    struct resolution resolution;
    struct account account;
    struct policy_groups groups = {0};
    bool found = false;
    const enum account_status status = account_lookup(user, false, &account);

    if (status != ACCOUNT_FOUND) {
        failure_set(failure, "cannot look up user: %s",
                    status == ACCOUNT_UNKNOWN ? "no such user" : strerror(errno));
        return false;
    }
    *uid = account.uid;
    switch (resolve_account(snapshot, &groups, &account, &resolution)) {
    case ACCOUNT_RESOLVED:
        user_limits_find(snapshot, &resolution, login->is_ssh, limits);
        found = true;
        break;
    case ACCOUNT_GROUPS_UNKNOWN:
        failure_set(failure, "cannot look up user: %s", strerror(errno));
        break;
    case ACCOUNT_POLICY_DAMAGED:
    default:
        failure_set(failure, "the policy in force is damaged; run tmoutctl apply");
    }
    policy_groups_free(&groups);
    account_free(&account);
    return found;
}
