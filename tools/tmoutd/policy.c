#include "tools/tmoutd/policy.h"

#include "lib/policy/resolve_account.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static void find_limits(const struct snapshot *snapshot, const struct policy_question *question,
                        struct policy_answer *found)
{
    struct resolution resolution;
    struct account account;
    struct policy_groups groups = {0};
    struct failure why = {""};
    const enum account_status status = account_lookup(question->user, false, &account);

    if (status != ACCOUNT_FOUND) {
        failure_set(&found->failure, "cannot look up user: %s",
                    status == ACCOUNT_UNKNOWN ? "no such user" : account_strerror(errno));
        return;
    }
    found->uid = account.uid;
    switch (resolve_account(snapshot, &groups, &account, &resolution)) {
    case ACCOUNT_RESOLVED:
        user_limits_find(snapshot, &resolution, question->is_ssh, &found->limits);
        found->identity = snapshot_identity(snapshot);
        found->has_limits = true;
        break;
    case ACCOUNT_GROUPS_UNKNOWN:
        account_groups_failure(&account, errno, &why);
        failure_set(&found->failure, "cannot look up user: %s", why.text);
        break;
    case ACCOUNT_POLICY_DAMAGED:
    default:
        failure_set(&found->failure, "the policy in force is damaged; run tmoutctl apply");
    }
    policy_groups_free(&groups);
    account_free(&account);
}

void policy_look_up(const void *input, int fd, struct answer *answer)
{
    const struct policy_question *question = input;
    struct policy_answer found = {0};
    struct snapshot snapshot;

    (void)fd;
    found.has_policy = snapshot_open(question->state_dir, SNAPSHOT_POLICY, geteuid(), &snapshot,
                                     &found.failure) == SNAPSHOT_OK;
    if (found.has_policy) {
        find_limits(&snapshot, question, &found);
        snapshot_close(&snapshot);
    }
    answer_put(answer, &found, sizeof found);
}
