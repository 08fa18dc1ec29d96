#include "tools/tmoutctl/host/ledger_holders.h"

#include "tools/tmoutctl/host/user_directory.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int user_attempts_resolve(const struct tmoutctl_context *context, struct policy_view *view,
                          struct account *account, const struct timestamp *now,
                          struct user_attempts *attempts, struct failure *failure)
{
    struct resolution resolution;

    *attempts = (struct user_attempts){0};
    if (policy_view_resolve(context, view, account, &resolution, failure) != 0)
        return -1;
    return user_attempts_find(context, account->uid, &resolution, now, attempts, failure);
}

/* Looks up all users who have a ledger. Returns 0, or -1 after a message. */
static int find_users(const struct tmoutctl_context *context, struct policy_view *view,
                      struct user_directory *users)
{
    struct failure failure = {""};
    uid_t *uid = NULL;
    const ssize_t count = ledger_users(context->state_dir, &uid, &failure);
    const bool by_group = view->snapshot.rule_count[RULE_GROUP] > 0;
    int result = -1;

    if (count < 0) {
        report("%s", failure.text);
        return -1;
    }
    if (user_directory_find(uid, (size_t)count, users) == 0 &&
        (!by_group || (policy_groups_ask(&view->snapshot, &view->groups) == ACCOUNT_RESOLVED &&
                       user_directory_find_groups(users, &view->groups.wanted) == 0)))
        result = 0;
    else
        report("cannot look up the users who have a ledger: %s", strerror(errno));
    free(uid);
    return result;
}

/* What is done with each user. */
struct visit {
    const struct tmoutctl_context *context;
    struct policy_view *view;
    struct timestamp now;
    ledger_holder_function *function;
    void *function_context;
};

/* Returns 0, or -1 after a message. */
static int visit_user(const struct visit *visit, struct account *account)
{
    struct user_attempts attempts;
    struct failure failure = {""};

    const bool is_read = user_attempts_resolve(visit->context, visit->view, account, &visit->now,
                                               &attempts, &failure) == 0;
    if (!is_read && attempts.fault.text[0] == '\0') {
        report("%s", failure.text);
        return -1;
    }
    visit->function(visit->function_context, account, &attempts, is_read ? NULL : failure.text);
    user_attempts_free(&attempts);
    return 0;
}

static int visit_users(const struct visit *visit, struct user_directory *users)
{
    const struct directory_user *first_unknown = NULL; /* because a name service failed */
    size_t unknown = 0;
    int result = 0;

    for (size_t i = 0; i < users->count; i++) {
        struct directory_user *user = &users->user[i];
        if (user->status == ACCOUNT_FOUND && visit_user(visit, &user->account) != 0)
            result = -1;
        if (user->status == ACCOUNT_ERROR && unknown++ == 0)
            first_unknown = user;
    }
    if (first_unknown == NULL)
        return result;
    report("cannot look up %zu users who have a ledger, uid %u among them: %s", unknown,
           (unsigned)first_unknown->account.uid, strerror(first_unknown->error));
    return -1;
}

int ledger_holders_each(const struct tmoutctl_context *context, struct policy_view *view,
                        ledger_holder_function *function, void *function_context)
{
    struct visit visit = {.context = context,
                          .view = view,
                          .function = function,
                          .function_context = function_context};
    struct user_directory users = {0};
    struct failure failure = {""};
    int result = -1;

    if (clock_now(&visit.now, &failure) != 0)
        report("%s", failure.text);
    else if (find_users(context, view, &users) == 0)
        result = visit_users(&visit, &users);
    user_directory_free(&users);
    return result;
}
