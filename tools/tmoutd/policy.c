#include "policy.h"

#include "../../lib/host/account.h"
#include "log.h"

#include <errno.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

bool policy_open(const char *state_dir, struct snapshot *snapshot)
{
    char reason[512];

    if (snapshot_open(state_dir, SNAPSHOT_POLICY, geteuid(), snapshot, reason, sizeof reason) ==
        SNAPSHOT_OK)
        return true;
    log_line(LOG_ERR, "no policy is in force: %s; run tmoutctl apply", reason);
    return false;
}

bool policy_limits(const struct snapshot *snapshot, const struct session_record *login,
                   struct user_limits *limits)
{
    const char *user = login->user;
    struct resolution resolution;
    struct account account;
    bool found = false;

    if (account_lookup(user, snapshot->rule_count[RULE_GROUP] > 0, &account) != ACCOUNT_FOUND) {
        log_line(LOG_ERR, "the user cannot be looked up: %s user=%s", strerror(errno), user);
        return false;
    }
    if (resolve(snapshot, account.name, (const char *const *)account.group, account.group_count,
                &resolution) == 0) {
        user_limits_find(snapshot, &resolution, login->is_ssh, limits);
        found = true;
    } else {
        log_line(LOG_ERR, "the policy in force is damaged; run tmoutctl apply user=%s", user);
    }
    account_free(&account);
    return found;
}
