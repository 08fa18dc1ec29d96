#include "tools/tmoutctl/host/policy_view.h"

#include "lib/policy/compile.h"
#include "lib/policy/snapshot_write.h"
#include "tools/tmoutctl/print.h"
#include "tools/tmoutctl/print_problems.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int policy_view_compiled(const struct source_set *sources, const struct policy *policy,
                         struct policy_view *view)
{
    unsigned char *image = NULL;
    size_t size = 0;
    struct failure failure = {""};
    int result = -1;
    const int fd = memfd_create("tmout-policy", MFD_CLOEXEC);

    if (fd >= 0 &&
        snapshot_encode(&(struct snapshot_content){SNAPSHOT_POLICY, sources, policy, "", 0}, &image,
                        &size) == 0 &&
        write(fd, image, size) == (ssize_t)size) {
        if (snapshot_open_fd(fd, SNAPSHOT_POLICY, &view->snapshot, &failure) == SNAPSHOT_OK)
            result = 0;
        else
            errno = EBADMSG;
    }
    const int saved = errno;
    if (fd >= 0 && result != 0)
        close(fd);
    free(image);
    errno = saved;
    return result;
}

/* The snapshot of a policy that is not applied yet, in memory. */
static int compile_pending(const struct tmoutctl_context *context, struct policy_view *view,
                           struct problems *problems)
{
    struct policy policy = {0};
    struct source_set sources = {0};
    int result = -1;

    if (policy_compile(context->config_path, geteuid(), &policy, &sources, problems) == 0) {
        result = policy_view_compiled(&sources, &policy, view);
        if (result != 0)
            problem_add(problems, PROBLEM_FAILURE, context->config_path, 0,
                        "cannot be compiled: %s", strerror(errno));
    }
    sources_free(&sources);
    policy_free(&policy);
    return result;
}

enum policy_state policy_state_decide(bool has_snapshot, bool is_current, bool files_valid,
                                      bool files_readable)
{
    if (has_snapshot && is_current)
        return POLICY_IN_FORCE;
    if (files_valid)
        return POLICY_PENDING;
    if (!has_snapshot)
        return POLICY_NONE;
    return files_readable ? POLICY_REJECTED : POLICY_UNKNOWN;
}

int policy_view_find(const struct tmoutctl_context *context, struct policy_view *view,
                     struct failure *failure)
{
    struct problems problems = {0};
    struct policy_view pending = {0};

    *view = (struct policy_view){0};
    const enum snapshot_status status = snapshot_open(context->state_dir, SNAPSHOT_POLICY,
                                                      geteuid(), &view->snapshot, &view->reason);
    view->has_applied = status == SNAPSHOT_OK;
    if (view->has_applied)
        view->applied_sec = view->snapshot.created_sec;
    const bool is_current =
        view->has_applied && snapshot_is_current(&view->snapshot, context->config_path);
    const bool files_valid = !is_current && compile_pending(context, &pending, &problems) == 0;
    view->state =
        policy_state_decide(view->has_applied, is_current, files_valid, problems.failures == 0);
    if (status == SNAPSHOT_ABSENT)
        view->reason = (struct failure){""};
    if (view->state == POLICY_PENDING) {
        if (view->has_applied)
            snapshot_close(&view->snapshot);
        view->snapshot = pending.snapshot;
    } else if (view->state != POLICY_IN_FORCE) {
        summarize_problems(&problems, view->reason.text, sizeof view->reason.text);
    }
    problems_free(&problems);
    if (view->state != POLICY_NONE)
        return 0;
    failure_set(failure, "%s: %s; see tmout-recovery(7)",
                status == SNAPSHOT_DENIED ? "cannot read the policy in force"
                                          : "no policy is in force",
                view->reason.text);
    return -1;
}

void policy_view_close(struct policy_view *view)
{
    snapshot_close(&view->snapshot);
    policy_groups_free(&view->groups);
}

const char *policy_state_word(enum policy_state state)
{
    switch (state) {
    case POLICY_IN_FORCE:
        return "in force";
    case POLICY_PENDING:
        return "pending";
    case POLICY_REJECTED:
        return "refused"; /* scripts know it by this word */
    case POLICY_NONE:
    case POLICY_UNKNOWN:
    default:
        return "unknown";
    }
}

void policy_view_describe(const struct policy_view *view, char *text, size_t size)
{
    static const char from_when[] = "it takes effect at the next login, or run tmoutctl apply";
    char when[64];

    format_time(view->applied_sec, when, sizeof when);
    switch (view->state) {
    case POLICY_IN_FORCE:
        snprintf(text, size, "in force since %s", when);
        break;
    case POLICY_PENDING:
        if (view->has_applied)
            snprintf(text, size, "edited since %s and valid; %s", when, from_when);
        else if (view->reason.text[0] == '\0')
            snprintf(text, size, "valid, but not applied yet; %s", from_when);
        else
            snprintf(text, size, "valid, but the applied one is unusable (%s); %s",
                     view->reason.text, from_when);
        break;
    case POLICY_REJECTED:
        snprintf(text, size, "applied %s (newer edit rejected: %s)", when, view->reason.text);
        break;
    case POLICY_UNKNOWN:
        snprintf(text, size, "applied %s (cannot be compared with its files: %s)", when,
                 view->reason.text);
        break;
    case POLICY_NONE:
    default:
        snprintf(text, size, "none in force: %s", view->reason.text);
    }
}

void policy_view_damaged(const struct tmoutctl_context *context, struct failure *failure)
{
    failure_set(failure, "%s/%s is damaged; run tmoutctl apply", context->state_dir,
                SNAPSHOT_POLICY_NAME);
}

int policy_view_resolve(const struct tmoutctl_context *context, struct policy_view *view,
                        struct account *account, struct resolution *resolution,
                        struct failure *failure)
{
    struct failure why = {""};

    switch (resolve_account(&view->snapshot, &view->groups, account, resolution)) {
    case ACCOUNT_RESOLVED:
        return 0;
    case ACCOUNT_GROUPS_UNKNOWN:
        account_groups_failure(account, errno, &why);
        failure_set(failure, "cannot look up the groups of user \"%s\": %s", account->name,
                    why.text);
        return -1;
    case ACCOUNT_POLICY_DAMAGED:
    default:
        policy_view_damaged(context, failure);
        return -1;
    }
}

int find_account(const char *user, struct account *account, struct failure *failure)
{
    switch (account_lookup(user, false, account)) {
    case ACCOUNT_FOUND:
        return 0;
    case ACCOUNT_UNKNOWN:
        failure_set(failure, "unknown user \"%s\"", user);
        return -1;
    case ACCOUNT_ERROR:
    default:
        failure_set(failure, "cannot look up user \"%s\": %s", user, account_strerror(errno));
        return -1;
    }
}

int find_own_account(struct account *account, struct failure *failure)
{
    const unsigned uid = geteuid();

    switch (account_lookup_uid(uid, account)) {
    case ACCOUNT_FOUND:
        return 0;
    case ACCOUNT_UNKNOWN:
        failure_set(failure, "you have no user name (uid %u)", uid);
        return -1;
    case ACCOUNT_ERROR:
    default:
        failure_set(failure, "cannot look up uid %u: %s", uid, account_strerror(errno));
        return -1;
    }
}
