#include "tools/tmoutd/policy.h"

#include "lib/host/account.h"
#include "tools/tmoutd/log.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

bool policy_open(const char *state_dir, struct snapshot *snapshot)
{
    static bool was_open = true; /* what goes on is worth one line */
    struct failure failure = {""};
    const bool is_open =
        snapshot_open(state_dir, SNAPSHOT_POLICY, geteuid(), snapshot, &failure) == SNAPSHOT_OK;

    if (!is_open && was_open)
        log_line(LOG_ERR, "no policy is in force: %s; run tmoutctl apply", failure.text);
    was_open = is_open;
    return is_open;
}

bool policy_limits(const struct snapshot *snapshot, const struct session_record *login, uid_t *uid,
                   struct user_limits *limits, struct failure *failure)
{
    const char *user = login->user;
    struct resolution resolution;
    struct account account;
    bool found = false;
    const enum account_status status =
        account_lookup(user, snapshot->rule_count[RULE_GROUP] > 0, &account);

    if (status != ACCOUNT_FOUND) {
        failure_set(failure, "the user cannot be looked up: %s",
                    status == ACCOUNT_UNKNOWN ? "there is none of this name" : strerror(errno));
        return false;
    }
    *uid = account.uid;
    if (resolve(snapshot, account.name, (const char *const *)account.group, account.group_count,
                &resolution) == 0) {
        user_limits_find(snapshot, &resolution, login->is_ssh, limits);
        found = true;
    } else {
        failure_set(failure, "the policy in force is damaged; run tmoutctl apply");
    }
    account_free(&account);
    return found;
}
