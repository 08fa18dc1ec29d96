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

/* The snapshot of a policy that is not applied yet, in memory. */
static int compile_pending(const struct tmoutctl_context *context, struct policy_view *view,
                           struct problems *problems)
{
    struct policy policy = {0};
    struct source_set sources = {0};
    unsigned char *image = NULL;
    size_t size = 0;
    struct failure failure = {""};
    int fd = -1, result = -1;

    if (policy_compile(context->config_path, geteuid(), &policy, &sources, problems) != 0)
        goto out;
    fd = memfd_create("tmout-policy", MFD_CLOEXEC);
    if (fd < 0 || snapshot_encode(SNAPSHOT_POLICY, &sources, &policy, "", 0, &image, &size) != 0 ||
        write(fd, image, size) != (ssize_t)size) {
        problem_add(problems, PROBLEM_FAILURE, context->config_path, 0, "cannot be compiled: %s",
                    strerror(errno));
        goto out;
    }
    if (snapshot_open_fd(fd, SNAPSHOT_POLICY, &view->snapshot, &failure) == SNAPSHOT_OK) {
        fd = -1;
        result = 0;
    }

out:
    if (fd >= 0)
        close(fd);
    free(image);
    sources_free(&sources);
    policy_free(&policy);
    return result;
}

int policy_view_find(const struct tmoutctl_context *context, struct policy_view *view)
{
    struct problems problems = {0};
    struct policy_view pending = {0};
    char summary[1024], when[64] = "";
    struct failure failure = {""};
    int result = 0;
    const enum snapshot_status status =
        snapshot_open(context->state_dir, SNAPSHOT_POLICY, geteuid(), &view->snapshot, &failure);

    if (status == SNAPSHOT_OK) {
        format_time(view->snapshot.created_sec, when, sizeof when);
        view->state = "in force";
        snprintf(view->note, sizeof view->note, "in force since %s", when);
        if (snapshot_is_current(&view->snapshot, context->config_path))
            return 0;
    }
    if (compile_pending(context, &pending, &problems) == 0) {
        if (status == SNAPSHOT_OK)
            snapshot_close(&view->snapshot);
        view->snapshot = pending.snapshot;
        view->state = "pending";
        snprintf(view->note, sizeof view->note,
                 "%s; tmoutctl apply or the next login puts it in force",
                 status == SNAPSHOT_OK       ? "edited and valid"
                 : status == SNAPSHOT_ABSENT ? "valid, but not applied yet"
                                             : failure.text);
    } else if (status == SNAPSHOT_OK && problems.failures > 0) {
        summarize_problems(&problems, summary, sizeof summary);
        view->state = "unknown";
        snprintf(view->note, sizeof view->note, "the one of %s; it cannot be compared: %s", when,
                 summary);
    } else {
        summarize_problems(&problems, summary, sizeof summary);
        view->state = "refused";
        snprintf(view->note, sizeof view->note, "the one of %s; since then edited and refused: %s",
                 when, summary);
        if (status != SNAPSHOT_OK) {
            report("no policy is in force: %s", summary);
            result = -1;
        }
    }
    problems_free(&problems);
    return result;
}

int policy_view_resolve(const struct tmoutctl_context *context, const struct policy_view *view,
                        const struct account *account, struct resolution *resolution)
{
    if (resolve(&view->snapshot, account->name, (const char *const *)account->group,
                account->group_count, resolution) == 0)
        return 0;
    report("%s/%s is damaged; run tmoutctl apply", context->state_dir, SNAPSHOT_POLICY_NAME);
    return -1;
}

int find_account(const char *user, struct account *account)
{
    switch (account_lookup(user, true, account)) {
    case ACCOUNT_FOUND:
        return 0;
    case ACCOUNT_UNKNOWN:
        report("there is no user \"%s\"", user);
        return -1;
    case ACCOUNT_ERROR:
    default:
        report("%s cannot be looked up: %s", user, strerror(errno));
        return -1;
    }
}
