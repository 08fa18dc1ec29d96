/*
 * tmoutctl attempts [--fleet] [USER]: the failed logins that count now, and the locks
 * that they caused, of one user or of all who have any; with --fleet, in the store that
 * the hosts of a fleet share.
 */
#include "tools/tmoutctl/verbs/verbs.h"

#include "tools/tmoutctl/host/fleet_view.h"
#include "tools/tmoutctl/host/ledger_holders.h"
#include "tools/tmoutctl/print.h"

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

/* Of a ledger that cannot be read. */
static json_t *unread_json(const char *user, struct user_attempts *attempts, const char *rejecting)
{
    failure_set(&attempts->rejecting, "%s", rejecting);
    return user_attempts_json(user, attempts);
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
    if (clock_now(&now, &failure) != 0) {
        report("%s", failure.text);
        goto out;
    }
    if (user_attempts_resolve(context, view, &account, &now, &attempts, &failure) != 0) {
        report("%s", failure.text);
        if (context->json && attempts.fault.text[0] != '\0')
            status = print_json(unread_json(account.name, &attempts, failure.text), status);
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

static void list_user(void *context, struct account *account, struct user_attempts *attempts,
                      const char *unread)
{
    struct attempts_list *list = context;

    if (unread != NULL) {
        report("%s", unread);
        list->incomplete = true;
        if (list->context->json)
            list->all = json_add_row(list->all, unread_json(account->name, attempts, unread));
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

/* --- of the fleet ------------------------------------------------------------------------ */

static json_t *hosts_json(const struct fleet_count *count)
{
    char hosts[FLEET_COUNT_HOSTS_MAX], *rest = NULL;
    json_t *names = json_array();

    snprintf(hosts, sizeof hosts, "%s", count->hosts);
    for (char *host = strtok_r(hosts, " ", &rest); host != NULL; host = strtok_r(NULL, " ", &rest))
        names = json_add_row(names, json_text(host));
    return names;
}

static json_t *fleet_counts_json(const char *user, const struct fleet_counts *counts)
{
    const struct attempt_state worst = fleet_counts_worst(counts);
    json_t *rows = json_array(), *answer;

    for (size_t i = 0; i < counts->size; i++) {
        const struct fleet_count *count = &counts->count[i];
        char from[ORIGIN_TEXT_MAX];
        fleet_count_from(count, from, sizeof from);
        json_t *row = json_pack("{s:o, s:o}", "from", json_text(from), "hosts", hosts_json(count));
        if (row != NULL)
            set_lock_state(row, count->failures, count->in_flight, count->lock_left_ms);
        rows = json_add_row(rows, row);
    }
    answer = json_pack("{s:o, s:o, s:o, s:b, s:n, s:o}", "user", json_text(user), "max_attempts",
                       counts->max_attempts > 0 ? json_integer(counts->max_attempts) : json_null(),
                       "fleet_attempts",
                       counts->shared ? json_integer(counts->fleet_attempts) : json_null(),
                       "damaged", counts->penalty_ms != 0, "rejecting", "counts", rows);
    if (answer != NULL)
        set_lock_state(answer, worst.failures, worst.in_flight, worst.lock_left_ms);
    return answer;
}

static void print_fleet_heading(void)
{
    printf("%-16s %-24s %-10s %-24s %s\n", "user", "from", "failed", "lock", "hosts");
}

static void print_fleet_counts(const char *user, const struct fleet_counts *counts)
{
    char from[ORIGIN_TEXT_MAX], failed[32], lock[96];

    if (counts->penalty_ms != 0) {
        lock_state_format(counts->penalty_ms, lock, sizeof lock);
        printf("%-16s %-24s %-10s %-24s %s\n", user, "-", "?", lock,
               "the store's record was damaged; run tmoutctl unlock");
    }
    for (size_t i = 0; i < counts->size; i++) {
        const struct fleet_count *count = &counts->count[i];
        fleet_count_from(count, from, sizeof from);
        snprintf(failed, sizeof failed, "%u of %u", count->failures, counts->fleet_attempts);
        lock_state_format(count->lock_left_ms, lock, sizeof lock);
        printf("%-16s %-24s %-10s %-24s %s", user, from, failed, lock, count->hosts);
        if (count->in_flight > 0)
            printf(", %u in progress", count->in_flight);
        putchar('\n');
    }
}

static void print_fleet_user(const char *user, const struct fleet_counts *counts)
{
    if (!counts->shared) {
        printf("%s shares no login attempts (fleet_attempts = none)\n", user);
    } else if (counts->size == 0 && counts->penalty_ms == 0) {
        printf("%s has no failed logins in the fleet (fleet_attempts = %u)\n", user,
               counts->fleet_attempts);
    } else {
        print_fleet_heading();
        print_fleet_counts(user, counts);
    }
}

/* As fleet_counts_find(), for a user whose settings are to be looked up first. */
static int find_fleet_counts(const struct tmoutctl_context *context, struct policy_view *view,
                             struct account *account, struct fleet_counts *counts,
                             struct failure *failure)
{
    struct resolution resolution;

    if (policy_view_resolve(context, view, account, &resolution, failure) != 0)
        return -1;
    return fleet_counts_find(context, account, &resolution, counts, failure);
}

static int fleet_one(const struct tmoutctl_context *context, struct policy_view *view,
                     const char *user)
{
    struct account account;
    struct fleet_counts counts;
    struct failure failure = {""};
    int status = TMOUTCTL_FAILURE;

    if (find_account(user, &account, &failure) != 0) {
        report("%s", failure.text);
        return status;
    }
    if (find_fleet_counts(context, view, &account, &counts, &failure) != 0) {
        report("%s", failure.text);
    } else if (context->json) {
        status = print_json(fleet_counts_json(account.name, &counts), TMOUTCTL_FINE);
        fleet_counts_free(&counts);
    } else {
        print_fleet_user(account.name, &counts);
        fleet_counts_free(&counts);
        status = finish(TMOUTCTL_FINE);
    }
    account_free(&account);
    return status;
}

struct fleet_list {
    const struct tmoutctl_context *context;
    struct policy_view *view;
    json_t *all;           /* with --json; NULL: no memory */
    size_t shown;          /* users who have anything */
    struct failure failed; /* why the fleet could not be asked, once */
};

static void list_fleet_user(void *context, struct account *account, struct user_attempts *attempts,
                            const char *unread)
{
    struct fleet_list *list = context;
    struct fleet_counts counts;

    (void)attempts;
    (void)unread;
    if (list->failed.text[0] != '\0' ||
        find_fleet_counts(list->context, list->view, account, &counts, &list->failed) != 0)
        return;
    const bool has_any = counts.size > 0 || counts.penalty_ms != 0;
    if (has_any && list->context->json)
        list->all = json_add_row(list->all, fleet_counts_json(account->name, &counts));
    else if (has_any && list->shown == 0)
        print_fleet_heading();
    if (has_any && !list->context->json)
        print_fleet_counts(account->name, &counts);
    list->shown += has_any;
    fleet_counts_free(&counts);
}

/* Of those who have a ledger on this host: the store tells nobody whom it knows. */
static int fleet_all(const struct tmoutctl_context *context, struct policy_view *view)
{
    struct fleet_list list = {
        .context = context, .view = view, .all = context->json ? json_array() : NULL};
    int status = TMOUTCTL_FINE;

    if (ledger_holders_each(context, view, list_fleet_user, &list) != 0)
        status = TMOUTCTL_FAILURE;
    if (list.failed.text[0] != '\0') {
        report("%s", list.failed.text);
        status = TMOUTCTL_FAILURE;
    }
    if (context->json)
        return print_json(list.all, status);
    if (list.shown == 0 && status == TMOUTCTL_FINE)
        puts("no user with a ledger on this host has failed logins in the fleet");
    return finish(status);
}

/* --- the command ------------------------------------------------------------------------- */

enum { OPTION_FLEET };

static const struct verb_option options[] = {
    [OPTION_FLEET] = {"fleet", NULL, "as counted on all hosts of the fleet together", 0},
    {0},
};

static int list_attempts(const struct tmoutctl_context *context, struct policy_view *view,
                         const char *user)
{
    if (user == NULL)
        report_rejecting(context);
    return user != NULL ? list_one(context, view, user) : list_all(context, view);
}

static int run_attempts(const struct tmoutctl_context *context,
                        const struct verb_arguments *arguments)
{
    const char *user = arguments->operand;
    struct policy_view view;
    struct failure failure = {""};
    int status;

    if (!may_read_attempts(context)) {
        return report_as(REPORT_PERMISSION, "must be run as root, even for your own account");
    }
    if (policy_view_find(context, &view, &failure) != 0)
        return report_as(REPORT_POLICY, "%s", failure.text);
    if (arguments->option[OPTION_FLEET] == NULL)
        status = list_attempts(context, &view, user);
    else
        status = user != NULL ? fleet_one(context, &view, user) : fleet_all(context, &view);
    policy_view_close(&view);
    return status;
}

const struct verb verb_attempts = {
    .name = "attempts",
    .usage = "[--fleet] [USER]",
    .summary = "list failed logins that count now, and locks",
    .help = "Lists the failed logins that count now and the locks that they caused, by\n"
            "origin: local, network, or an address where the policy counts by source.\n"
            "Without USER, lists every user who has any. With --fleet, lists what all hosts\n"
            "together have counted, of USER or of those with a ledger on this host. Must be\n"
            "run as root.",
    .operand = "USER",
    .options = options,
    .json_version = 1,
    .run = run_attempts,
};
