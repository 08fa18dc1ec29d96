/*
 * tmoutctl attempts [USER]: the failed logins that count now, and the locks
 * that they caused, of one user or of all who have any.
 */
#include "tools/tmoutctl/verbs/verbs.h"

#include "tools/tmoutctl/host/policy_view.h"
#include "tools/tmoutctl/host/user_attempts.h"
#include "tools/tmoutctl/host/user_directory.h"
#include "tools/tmoutctl/print.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* The user as a whole: the worst of their origins. */
struct attempts_total {
    unsigned failures, in_flight;
    int64_t lock_left_ms;
};

static struct attempts_total total_of(const struct user_attempts *attempts)
{
    struct attempts_total total = {.lock_left_ms = attempts->damaged ? SETTING_FOREVER : 0};

    for (size_t i = 0; i < attempts->count_size; i++) {
        const struct attempt_state *state = &attempts->count[i];
        /* Each origin has the limit to itself, so failures do not add up. */
        if (state->failures > total.failures)
            total.failures = state->failures;
        if (state->lock_left_ms > total.lock_left_ms)
            total.lock_left_ms = state->lock_left_ms;
        total.in_flight += state->in_flight;
    }
    return total;
}

static json_t *user_attempts_json(const char *user, const struct user_attempts *attempts)
{
    const struct attempts_total total = total_of(attempts);
    json_t *counts = json_array(), *answer;

    for (size_t i = 0; counts != NULL && i < attempts->count_size; i++) {
        const struct attempt_state *state = &attempts->count[i];
        char from[ORIGIN_TEXT_MAX];
        json_t *count = json_object();
        origin_format(&state->origin, from, sizeof from);
        json_object_set_new(count, "from", json_string(from));
        set_lock_state(count, state->failures, state->in_flight, state->lock_left_ms);
        json_array_append_new(counts, count);
    }
    answer = json_pack(
        "{s:o, s:o, s:b, s:o, s:o}", "user", json_text(user), "max_attempts",
        attempts->limited ? json_integer(attempts->limits.max_attempts) : json_null(), "damaged",
        attempts->damaged, "rejecting", rejecting_json(&attempts->rejecting), "counts", counts);
    if (answer != NULL)
        set_lock_state(answer, total.failures, total.in_flight, total.lock_left_ms);
    return answer;
}

static bool is_rejecting(const struct user_attempts *attempts)
{
    return attempts->rejecting.text[0] != '\0';
}

static void print_heading(void)
{
    printf("%-16s %-24s %-10s %s\n", "user", "from", "failed", "lock");
}

static void print_counts(const char *user, const struct user_attempts *attempts)
{
    if (attempts->damaged)
        printf("%-16s %-24s %-10s %s\n", user, "-", "?",
               "ledger damaged: rejecting passwords; run tmoutctl unlock");
    if (is_rejecting(attempts))
        printf("%-16s %-24s %-10s %s\n", user, "-", "-", attempts->rejecting.text);
    for (size_t i = 0; i < attempts->count_size; i++) {
        const struct attempt_state *state = &attempts->count[i];
        char from[ORIGIN_TEXT_MAX], failed[32], lock[96];
        origin_format(&state->origin, from, sizeof from);
        snprintf(failed, sizeof failed, "%u of %u", state->failures, attempts->limits.max_attempts);
        lock_state_format(state->lock_left_ms, lock, sizeof lock);
        printf("%-16s %-24s %-10s %s", user, from, failed, lock);
        if (state->in_flight > 0)
            printf(", %u in progress", state->in_flight);
        putchar('\n');
    }
}

/* Returns 0, or -1 with the reason. */
static int find_attempts_of(const struct tmoutctl_context *context, struct policy_view *view,
                            struct account *account, const struct timestamp *now,
                            struct user_attempts *attempts, struct failure *failure)
{
    struct resolution resolution;

    if (policy_view_resolve(context, view, account, &resolution, failure) != 0)
        return -1;
    return user_attempts_find(context, account->uid, &resolution, now, attempts, failure);
}

static void print_one(const char *user, const struct user_attempts *attempts)
{
    if (!attempts->limited) {
        printf("%s has no limit (max_attempts = none)\n", user);
    } else if (attempts->count_size == 0 && !attempts->damaged && !is_rejecting(attempts)) {
        printf("%s has no failed logins (max_attempts = %u)\n", user,
               attempts->limits.max_attempts);
    } else {
        print_heading();
        print_counts(user, attempts);
    }
}

static int list_one(const struct tmoutctl_context *context, struct policy_view *view,
                    const char *user)
{
    struct account account;
    struct user_attempts attempts;
    struct timestamp now;
    struct failure failure = {""};
    int status = TMOUTCTL_FAILURE;

    if (find_account(user, &account, &failure) != 0) {
        report("%s", failure.text);
        return status;
    }
    if (clock_now(&now, &failure) != 0 ||
        find_attempts_of(context, view, &account, &now, &attempts, &failure) != 0) {
        report("%s", failure.text);
        goto out;
    }
    if (attempts.limited)
        find_rejecting(context, account.uid, &attempts.rejecting);
    if (context->json) {
        status = print_json(user_attempts_json(account.name, &attempts), TMOUTCTL_FINE);
    } else {
        print_one(account.name, &attempts);
        status = finish(TMOUTCTL_FINE);
    }
    user_attempts_free(&attempts);

out:
    account_free(&account);
    return status;
}

/* What is listed of all users. */
struct attempts_list {
    struct user_directory users;
    struct timestamp now;
    json_t *all;  /* NULL: text is printed */
    size_t shown; /* users who have anything */
    size_t unknown;
    const struct directory_user *first_unknown; /* because a name service failed */
};

/* Adds a user to the list. Returns 0, or -1 after a message. */
static int list_user(const struct tmoutctl_context *context, struct policy_view *view,
                     struct directory_user *user, struct attempts_list *list)
{
    struct user_attempts attempts;
    struct failure failure = {""};

    if (find_attempts_of(context, view, &user->account, &list->now, &attempts, &failure) != 0) {
        report("%s", failure.text);
        return -1;
    }
    if (attempts.count_size > 0 || attempts.damaged) {
        find_rejecting(context, user->account.uid, &attempts.rejecting);
        if (list->all != NULL) {
            json_array_append_new(list->all, user_attempts_json(user->account.name, &attempts));
        } else {
            if (list->shown == 0)
                print_heading();
            print_counts(user->account.name, &attempts);
        }
        list->shown++;
    }
    user_attempts_free(&attempts);
    return 0;
}

static int list_users(const struct tmoutctl_context *context, struct policy_view *view,
                      struct attempts_list *list)
{
    int result = 0;

    for (size_t i = 0; i < list->users.count; i++) {
        struct directory_user *user = &list->users.user[i];
        if (user->status == ACCOUNT_FOUND && list_user(context, view, user, list) != 0)
            result = -1;
        if (user->status != ACCOUNT_ERROR)
            continue;
        if (list->unknown++ == 0)
            list->first_unknown = user;
    }
    if (list->unknown == 0)
        return result;
    report("cannot look up %zu users who have a ledger, uid %u among them: %s", list->unknown,
           (unsigned)list->first_unknown->account.uid, strerror(list->first_unknown->error));
    return -1;
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
        (!by_group || (user_directory_find_groups(users) == 0 &&
                       policy_groups_ask(&view->snapshot, &view->groups) == ACCOUNT_RESOLVED)))
        result = 0;
    else
        report("cannot look up the users who have a ledger: %s", strerror(errno));
    free(uid);
    return result;
}

static int list_all(const struct tmoutctl_context *context, struct policy_view *view)
{
    struct attempts_list list = {.all = NULL};
    struct failure failure = {""};
    int status = TMOUTCTL_FAILURE;

    if (clock_now(&list.now, &failure) != 0) {
        report("%s", failure.text);
        return status;
    }
    if (find_users(context, view, &list.users) != 0)
        goto out;
    if (context->json)
        list.all = json_array();
    status = list_users(context, view, &list) == 0 ? TMOUTCTL_FINE : TMOUTCTL_FAILURE;
    if (context->json) {
        status = print_json(list.all, status);
    } else {
        if (list.shown == 0)
            puts("no user has failed logins that count");
        status = finish(status);
    }

out:
    user_directory_free(&list.users);
    return status;
}

/* Of all users, or of those without a ledger. */
static void report_rejecting(const struct tmoutctl_context *context)
{
    struct failure rejecting = {""};

    find_rejecting(context, NOBODYS_UID, &rejecting);
    if (rejecting.text[0] != '\0')
        report("%s", rejecting.text);
}

static int run_attempts(const struct tmoutctl_context *context,
                        const struct verb_arguments *arguments)
{
    struct policy_view view;
    struct failure failure = {""};

    if (!may_read_attempts(context)) {
        report("must be run as root, even for your own account");
        return TMOUTCTL_FAILURE;
    }
    if (policy_view_find(context, &view, &failure) != 0) {
        report("%s", failure.text);
        return TMOUTCTL_FAILURE;
    }
    if (arguments->operand == NULL)
        report_rejecting(context);
    const int status = arguments->operand != NULL ? list_one(context, &view, arguments->operand)
                                                  : list_all(context, &view);
    policy_view_close(&view);
    return status;
}

const struct verb verb_attempts = {
    .name = "attempts",
    .usage = "[USER]",
    .summary = "list failed logins that count now, and locks",
    .help = "Lists the failed logins that count now and the locks that they caused, by\n"
            "origin: local, network, or an address where the policy counts by source.\n"
            "Without USER, lists every user who has any. Must be run as root.",
    .operand = "USER",
    .run = run_attempts,
};
