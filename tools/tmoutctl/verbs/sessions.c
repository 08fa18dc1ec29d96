/*
 * tmoutctl sessions: the logins that are registered, terminal by terminal,
 * how long each has been idle, and what will happen to it when. Found with
 * the code that tmoutd decides with.
 */
#include "tools/tmoutctl/verbs/verbs.h"

#include "lib/policy/duration.h"
#include "lib/sessions/idle.h"
#include "lib/sessions/login_processes.h"
#include "lib/sessions/watch_limits.h"
#include "lib/paths.h"
#include "tools/tmoutctl/host/policy_view.h"
#include "tools/tmoutctl/print.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct row {
    struct session_record login;
    char terminal[64]; /* "-": the login has none */
    int64_t idle_ms;   /* or NEVER_MS: not known */
    int64_t limit_ms, left_ms;
    const char *setting; /* that will end it, or NULL */
    char rule[320];
};

struct table {
    struct row *row;
    size_t count;
    struct timestamp now;
};

static int add_row(struct table *table, const struct row *row)
{
    struct row *grown = reallocarray(table->row, table->count + 1, sizeof *grown);

    if (grown == NULL) {
        report("out of memory");
        return -1;
    }
    table->row = grown;
    table->row[table->count++] = *row;
    return 0;
}

static void fill_end(struct row *row, const struct user_limits *limits, bool has_terminal,
                     int64_t active_ms, const struct timestamp *now)
{
    struct watch_limits watched = has_terminal ? limits->terminal : limits->notty;
    struct watch_decision decision;
    enum limit_rule rule = has_terminal ? RULE_OF_DISCONNECT : RULE_OF_NOTTY;

    if (active_ms == NEVER_MS) {
        /* Only tmoutd, which has seen it move data, knows when. */
        watched.idle_ms = NEVER_MS;
        active_ms = now->boot_ms;
    }
    decision = schedule(&watched, active_ms, row->login.since.boot_ms, NEVER_MS, now->boot_ms);
    row->limit_ms = row->left_ms = NEVER_MS;
    if (decision.end_ms == NEVER_MS)
        return;
    if (decision.reason == REASON_AGE)
        rule = RULE_OF_AGE;
    row->setting = rule == RULE_OF_AGE          ? "max_session"
                   : rule == RULE_OF_DISCONNECT ? "disconnect"
                                                : "disconnect_notty";
    row->limit_ms = rule == RULE_OF_AGE ? watched.age_ms : watched.idle_ms;
    row->left_ms = decision.end_ms > now->boot_ms ? decision.end_ms - now->boot_ms : 0;
    snprintf(row->rule, sizeof row->rule, "%s", limits->rule[rule]);
}

static int add_terminal(struct table *table, const struct session_record *login, unsigned index,
                        const struct user_limits *limits)
{
    struct row row = {.login = *login};
    struct idle idle;
    struct stat st;
    char path[64];

    terminal_path(login, index, path, sizeof path);
    if (stat(path, &st) != 0)
        return 0; /* just closed */
    idle_start(&idle, &st, login->since.boot_ms, &table->now);
    row.idle_ms = idle.active_ms < table->now.boot_ms ? table->now.boot_ms - idle.active_ms : 0;
    snprintf(row.terminal, sizeof row.terminal, "%s", path + strlen("/dev/"));
    fill_end(&row, limits, true, idle.active_ms, &table->now);
    return add_row(table, &row);
}

static int add_login(struct table *table, const struct session_record *login,
                     const struct user_limits *limits)
{
    unsigned index[LOGIN_TERMINALS_MAX];
    const int count = login_terminals(login, index);
    struct row row = {.login = *login, .terminal = "-", .idle_ms = NEVER_MS};

    if (count < 0 && (errno == ENOENT || errno == ESRCH))
        return 0; /* just ended */
    if (count < 0) {
        report("the terminals of process %d: %s", (int)login->pid, strerror(errno));
        return -1;
    }
    for (int i = 0; i < count; i++)
        if (add_terminal(table, login, index[i], limits) != 0)
            return -1;
    if (count > 0)
        return 0;
    fill_end(&row, limits, false, NEVER_MS, &table->now);
    return add_row(table, &row);
}

static int find_limits(const struct tmoutctl_context *context, const struct policy_view *view,
                       const struct session_record *login, struct user_limits *limits)
{
    struct resolution resolution;
    struct account account;
    struct failure failure = {""};
    int result;

    if (find_account(login->user, &account, &failure) != 0) {
        report("%s", failure.text);
        return -1;
    }
    result = policy_view_resolve(context, view, &account, &resolution, &failure);
    if (result != 0)
        report("%s", failure.text);
    else
        user_limits_find(&view->snapshot, &resolution, login->is_ssh, limits);
    account_free(&account);
    return result;
}

static int by_left(const void *left, const void *right)
{
    const struct row *a = left, *b = right;

    if (a->left_ms != b->left_ms)
        return a->left_ms < b->left_ms ? -1 : 1;
    return a->login.pid - b->login.pid;
}

/* Returns TMOUTCTL_FINE, or TMOUTCTL_FAILURE where something is left out. */
static int collect(const struct tmoutctl_context *context, const char *directory,
                   const struct policy_view *view, struct table *table)
{
    struct session_record login;
    struct user_limits limits;
    pid_t *pids = NULL;
    const ssize_t count = registry_list(directory, &pids);
    int status = count < 0 ? TMOUTCTL_FAILURE : TMOUTCTL_FINE;

    if (count < 0)
        report("%s: %s", directory, strerror(errno));
    for (ssize_t i = 0; i < count; i++) {
        const enum registry_status found = registry_get(directory, geteuid(), pids[i], &login);
        if (found == REGISTRY_ABSENT || (found == REGISTRY_OK && !session_is_live(&login)))
            continue;
        if (found != REGISTRY_OK) {
            report("%s/%d: %s", directory, (int)pids[i],
                   found == REGISTRY_DAMAGED ? "is damaged; tmoutd mends it" : strerror(errno));
            status = TMOUTCTL_FAILURE;
        } else if (find_limits(context, view, &login, &limits) != 0 ||
                   add_login(table, &login, &limits) != 0) {
            status = TMOUTCTL_FAILURE;
        }
    }
    free(pids);
    if (table->count > 0)
        qsort(table->row, table->count, sizeof *table->row, by_left);
    return status;
}

static void time_text(int64_t time_ms, char *text, size_t size)
{
    if (time_ms == NEVER_MS)
        snprintf(text, size, "-");
    else
        duration_format(time_ms / 1000, text, size);
}

static void print_row(const struct row *row)
{
    char since[64], idle[64], limit[64], left[64];

    format_time(row->login.since.wall_ms / 1000, since, sizeof since);
    time_text(row->idle_ms, idle, sizeof idle);
    time_text(row->limit_ms, limit, sizeof limit);
    time_text(row->left_ms, left, sizeof left);
    printf("%-12s %-20s %-8s %-8s %-19s %8s %8s %8s  %s\n", row->login.user, row->login.address,
           row->login.service, row->terminal, since, idle, limit, left,
           row->setting != NULL ? row->setting : "-");
}

static json_t *time_json(int64_t time_ms)
{
    return time_ms == NEVER_MS ? json_null() : json_integer(time_ms / 1000);
}

static json_t *row_json(const struct row *row)
{
    return json_pack("{s:o, s:o, s:o, s:o, s:I, s:o, s:o, s:o, s:o, s:o, s:i}", "user",
                     json_text(row->login.user), "from", json_text(row->login.address), "service",
                     json_text(row->login.service), "terminal",
                     row->terminal[0] == '-' ? json_null() : json_text(row->terminal), "since",
                     (json_int_t)(row->login.since.wall_ms / 1000), "idle", time_json(row->idle_ms),
                     "limit", time_json(row->limit_ms), "left", time_json(row->left_ms), "setting",
                     row->setting != NULL ? json_string(row->setting) : json_null(), "rule",
                     row->setting != NULL ? json_text(row->rule) : json_null(), "pid",
                     (int)row->login.pid);
}

static int print_table(const struct tmoutctl_context *context, const struct table *table,
                       int status)
{
    json_t *all;

    if (context->json) {
        all = json_array();
        for (size_t i = 0; all != NULL && i < table->count; i++)
            json_array_append_new(all, row_json(&table->row[i]));
        return print_json(all, status);
    }
    if (table->count == 0) {
        puts("no login is registered");
    } else {
        printf("%-12s %-20s %-8s %-8s %-19s %8s %8s %8s  %s\n", "user", "from", "service",
               "terminal", "since", "idle", "limit", "left", "then");
        for (size_t i = 0; i < table->count; i++)
            print_row(&table->row[i]);
    }
    return finish(status);
}

static int run_sessions(const struct tmoutctl_context *context,
                        const struct verb_arguments *arguments)
{
    struct policy_view view = {0};
    struct table table = {0};
    struct failure failure = {""};
    char directory[PATH_MAX];
    int status;

    (void)arguments;
    if (geteuid() != 0 && strcmp(context->state_dir, TMOUT_STATE_DIR) == 0) {
        report("must be run as root");
        return TMOUTCTL_FAILURE;
    }
    if (!registry_directory(context->state_dir, directory, sizeof directory)) {
        report("--state: the path is too long");
        return TMOUTCTL_FAILURE;
    }
    if (clock_now(&table.now, &failure) != 0) {
        report("%s", failure.text);
        return TMOUTCTL_FAILURE;
    }
    if (policy_view_find(context, &view, &failure) != 0) {
        report("%s", failure.text);
        return TMOUTCTL_FAILURE;
    }
    status = collect(context, directory, &view, &table);
    status = print_table(context, &table, status);
    snapshot_close(&view.snapshot);
    free(table.row);
    return status;
}

const struct verb verb_sessions = {
    .name = "sessions",
    .usage = "",
    .summary = "list logins: idle for how long, and what will end them when",
    .help = "Lists the registered logins, one line for each terminal: who, from where, idle for\n"
            "how long, and which limit will end it when; what ends first comes first. Must be\n"
            "run as root.",
    .run = run_sessions,
};
