/*
 * tmoutctl attempts [USER]: the failed logins that count now, and the locks
 * that they made, for one user or for all who have any.
 */
#include "tools/tmoutctl/verbs/verbs.h"

#include "tools/tmoutctl/host/policy_view.h"
#include "tools/tmoutctl/host/user_attempts.h"
#include "tools/tmoutctl/print.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static int64_t longer(int64_t a_ms, int64_t b_ms)
{
    return a_ms > b_ms ? a_ms : b_ms;
}

static json_t *attempts_json(const char *user, const struct user_attempts *attempts)
{
    unsigned failures = 0, in_flight = 0;
    int64_t left_ms = attempts->damaged ? SETTING_FOREVER : 0;
    json_t *counts = json_array(), *answer;

    for (size_t i = 0; counts != NULL && i < attempts->count_size; i++) {
        const struct attempt_state *state = &attempts->count[i];
        char from[ORIGIN_TEXT_MAX];
        json_t *count = json_object();
        origin_format(&state->origin, from, sizeof from);
        json_object_set_new(count, "from", json_string(from));
        set_lock_state(count, state->failures, state->in_flight, state->lock_left_ms);
        json_array_append_new(counts, count);
        /* Beside the limit, which each of them has to itself. */
        failures = state->failures > failures ? state->failures : failures;
        in_flight += state->in_flight;
        left_ms = longer(left_ms, state->lock_left_ms);
    }
    answer =
        json_pack("{s:o, s:o, s:b, s:o}", "user", json_text(user), "max_attempts",
                  attempts->limited ? json_integer(attempts->limits.max_attempts) : json_null(),
                  "damaged", attempts->damaged, "counts", counts);
    if (answer != NULL)
        set_lock_state(answer, failures, in_flight, left_ms);
    return answer;
}

static void print_heading(void)
{
    printf("%-16s %-24s %-10s %s\n", "user", "from", "failed", "lock");
}

static void print_counts(const char *user, const struct user_attempts *attempts)
{
    if (attempts->damaged)
        printf("%-16s %-24s %-10s %s\n", user, "-", "?",
               "ledger damaged: passwords are refused until tmoutctl unlock");
    for (size_t i = 0; i < attempts->count_size; i++) {
        const struct attempt_state *state = &attempts->count[i];
        char from[ORIGIN_TEXT_MAX], failed[32], lock[96];
        origin_format(&state->origin, from, sizeof from);
        snprintf(failed, sizeof failed, "%u of %u", state->failures, attempts->limits.max_attempts);
        lock_state_format(state->lock_left_ms, lock, sizeof lock);
        printf("%-16s %-24s %-10s %s", user, from, failed, lock);
        if (state->in_flight > 0)
            printf(", %u being checked", state->in_flight);
        putchar('\n');
    }
}

/* One user's; the account may be one that NSS no longer knows. */
static int find_attempts(const struct tmoutctl_context *context, const struct policy_view *view,
                         const struct account *account, struct user_attempts *attempts)
{
    struct resolution resolution;

    if (policy_view_resolve(context, view, account, &resolution) != 0)
        return -1;
    return user_attempts_find(context, account->uid, &resolution, attempts);
}

static int show_one(const struct tmoutctl_context *context, const struct policy_view *view,
                    const char *user)
{
    struct account account;
    struct user_attempts attempts;
    int status = TMOUTCTL_FAILURE;

    if (find_account(user, &account) != 0)
        return status;
    if (find_attempts(context, view, &account, &attempts) != 0)
        goto out;
    if (context->json) {
        status = print_json(attempts_json(account.name, &attempts), TMOUTCTL_FINE);
    } else {
        if (!attempts.limited) {
            printf("%s has no limit (max_attempts = none)\n", account.name);
        } else if (attempts.count_size == 0 && !attempts.damaged) {
            printf("%s has no failed attempts that count, of %u\n", account.name,
                   attempts.limits.max_attempts);
        } else {
            print_heading();
            print_counts(account.name, &attempts);
        }
        status = finish(TMOUTCTL_FINE);
    }
    user_attempts_free(&attempts);

out:
    account_free(&account);
    return status;
}

/* The user to whom a file name belongs; false if it is no ledger's, or
 * nobody's any more. */
static bool account_of_file(const char *file, struct account *account)
{
    char *end = NULL;
    bool found = false;

    if (file[0] < '0' || file[0] > '9')
        return false;
    errno = 0;
    const unsigned long uid = strtoul(file, &end, 10);
    if (errno != 0 || *end != '\0' || uid > (uid_t)-1)
        return false;
    char *name = account_name_of((uid_t)uid);
    if (name != NULL)
        found = account_lookup(name, true, account) == ACCOUNT_FOUND;
    free(name);
    return found;
}

static int show_file(const struct tmoutctl_context *context, const struct policy_view *view,
                     const char *file, json_t *all, size_t *shown)
{
    struct user_attempts attempts;
    struct account account;
    int result;

    if (!account_of_file(file, &account))
        return 0;
    result = find_attempts(context, view, &account, &attempts);
    if (result == 0 && (attempts.count_size > 0 || attempts.damaged)) {
        if (all != NULL) {
            json_array_append_new(all, attempts_json(account.name, &attempts));
        } else {
            if (*shown == 0)
                print_heading();
            print_counts(account.name, &attempts);
        }
        ++*shown;
    }
    if (result == 0)
        user_attempts_free(&attempts);
    account_free(&account);
    return result;
}

static int show_all(const struct tmoutctl_context *context, const struct policy_view *view)
{
    char path[4096];
    struct dirent **entry = NULL;
    json_t *all = context->json ? json_array() : NULL;
    size_t shown = 0;
    int status = TMOUTCTL_FINE, count;

    snprintf(path, sizeof path, "%s/" LEDGER_DIRECTORY, context->state_dir);
    count = scandir(path, &entry, NULL, versionsort);
    if (count < 0 && errno != ENOENT) {
        report("%s: %s", path, strerror(errno));
        json_decref(all);
        return TMOUTCTL_FAILURE;
    }
    for (int i = 0; i < count; i++) {
        if (show_file(context, view, entry[i]->d_name, all, &shown) != 0)
            status = TMOUTCTL_FAILURE;
        free(entry[i]);
    }
    free(entry);
    if (context->json)
        return print_json(all, status);
    if (shown == 0)
        puts("nobody has failed attempts that count");
    return finish(status);
}

static int run_attempts(const struct tmoutctl_context *context,
                        const struct verb_arguments *arguments)
{
    struct policy_view view = {0};
    int status;

    if (!attempts_are_ours(context)) {
        report("must be run as root, even for your own account");
        return TMOUTCTL_FAILURE;
    }
    if (policy_view_find(context, &view) != 0)
        return TMOUTCTL_FAILURE;
    status = arguments->operand != NULL ? show_one(context, &view, arguments->operand)
                                        : show_all(context, &view);
    snapshot_close(&view.snapshot);
    return status;
}

const struct verb verb_attempts = {
    .name = "attempts",
    .usage = "[USER]",
    .summary = "list failed logins that count now, and locks",
    .help = "Lists the failed logins that count now and the locks that they caused, by origin:\n"
            "local, network, or an address where the policy counts by source. Without USER,\n"
            "those of every user who has any. Must be run as root.",
    .operand = "USER",
    .run = run_attempts,
};
