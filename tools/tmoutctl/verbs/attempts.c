/*
 * tmoutctl attempts [USER]: the failed logins that count now, and the locks
 * that they caused, of one user or of all who have any.
 */
#include "tools/tmoutctl/verbs/verbs.h"

#include "tools/tmoutctl/host/ledger_holders.h"
#include "tools/tmoutctl/print.h"

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

    for (size_t i = 0; i < attempts->count_size; i++) {
        const struct attempt_state *state = &attempts->count[i];
        char from[ORIGIN_TEXT_MAX];
        json_t *count = json_object();
        origin_format(&state->origin, from, sizeof from);
        json_object_set_new(count, "from", json_text(from));
        set_lock_state(count, state->failures, state->in_flight, state->lock_left_ms);
        counts = json_add_row(counts, count);
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
    struct mac_ledgers labels;
    struct timestamp now;
    struct failure failure = {""};
    int status = TMOUTCTL_FAILURE;

    if (find_account(user, &account, &failure) != 0) {
        report("%s", failure.text);
        return status;
    }
    if (clock_now(&now, &failure) != 0 ||
        user_attempts_resolve(context, view, &account, &now, &attempts, &failure) != 0) {
        report("%s", failure.text);
        goto out;
    }
    if (attempts.limited) {
        mac_ledgers_begin(&labels, &context->host, &mac_running_kernel, context->state_dir);
        find_rejecting(context, account.uid, true, &labels, &attempts.rejecting);
    }
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
    const struct tmoutctl_context *context;
    json_t *all;     /* with --json; NULL: no memory */
    size_t shown;    /* users who have anything */
    bool incomplete; /* a ledger could not be read, after a message */
    struct mac_ledgers labels;
    /* One ledger could be written: those of thousands are then only opened. */
    bool writable;
};

static void list_user(void *context, const struct account *account, struct user_attempts *attempts,
                      const char *unread)
{
    struct attempts_list *list = context;

    if (unread != NULL) {
        report("%s", unread);
        list->incomplete = true;
        return;
    }
    if (attempts->fault.text[0] == '\0')
        find_wrong_label(list->context, account->uid, &list->labels, &attempts->fault);
    if (attempts->count_size == 0 && attempts->fault.text[0] == '\0')
        return;
    find_rejecting(list->context, account->uid, !list->writable, &list->labels,
                   &attempts->rejecting);
    list->writable = list->writable || !is_rejecting(attempts);
    if (list->context->json) {
        list->all = json_add_row(list->all, user_attempts_json(account->name, attempts));
    } else {
        if (list->shown == 0)
            print_heading();
        print_counts(account->name, attempts);
    }
    list->shown++;
}

static int list_all(const struct tmoutctl_context *context, struct policy_view *view)
{
    struct attempts_list list = {.context = context, .all = context->json ? json_array() : NULL};
    int status = TMOUTCTL_FINE;

    mac_ledgers_begin(&list.labels, &context->host, &mac_running_kernel, context->state_dir);
    if (ledger_holders_each(context, view, list_user, &list) != 0 || list.incomplete)
        status = TMOUTCTL_FAILURE;
    if (context->json)
        return print_json(list.all, status);
    if (list.shown == 0 && status == TMOUTCTL_FINE)
        puts("no user has failed logins that count");
    return finish(status);
}

/* Of all users, or of those without a ledger. */
static void report_rejecting(const struct tmoutctl_context *context)
{
    struct failure rejecting = {""};
    struct mac_ledgers labels;

    mac_ledgers_begin(&labels, &context->host, &mac_running_kernel, context->state_dir);
    find_rejecting(context, NOBODYS_UID, false, &labels, &rejecting);
    if (rejecting.text[0] != '\0')
        report("%s", rejecting.text);
}

static int run_attempts(const struct tmoutctl_context *context,
                        const struct verb_arguments *arguments)
{
    struct policy_view view;
    struct failure failure = {""};

    if (!may_read_attempts(context)) {
        return report_as(REPORT_PERMISSION, "must be run as root, even for your own account");
    }
    if (policy_view_find(context, &view, &failure) != 0)
        return report_as(REPORT_POLICY, "%s", failure.text);
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
    .json_version = 1,
    .run = run_attempts,
};
