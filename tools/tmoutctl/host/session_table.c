#include "tools/tmoutctl/host/session_table.h"

#include "lib/host/array.h"
#include "lib/sessions/idle.h"
#include "lib/sessions/login_terminals.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Returns 0, or -1 after a message. */
static int add_session_row(struct session_table *table, const struct session_row *row)
{
    struct session_row *grown = array_grow(table->row, table->count, sizeof *grown);

    if (grown == NULL) {
        report("out of memory");
        return -1;
    }
    table->row = grown;
    table->row[table->count++] = *row;
    return 0;
}

void session_row_set_end(struct session_row *row, const struct user_limits *limits,
                         int64_t active_ms, const struct timestamp *now)
{
    const bool has_terminal = row->terminal[0] != '\0';
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

static int add_terminal_row(struct session_table *table, const struct session_record *login,
                            unsigned index, const struct user_limits *limits)
{
    struct session_row row = {.login = *login};
    struct idle idle;
    struct stat st;
    char path[64];

    terminal_path(login, index, path, sizeof path);
    if (stat(path, &st) != 0)
        return 0; /* just closed */
    idle_start(&idle, &st, login->since.boot_ms, &table->now);
    row.idle_ms = idle.active_ms < table->now.boot_ms ? table->now.boot_ms - idle.active_ms : 0;
    snprintf(row.terminal, sizeof row.terminal, "%s", path + strlen("/dev/"));
    session_row_set_end(&row, limits, idle.active_ms, &table->now);
    return add_session_row(table, &row);
}

static int add_login_rows(struct session_table *table, const struct session_record *login,
                          const struct user_limits *limits)
{
    unsigned index[LOGIN_TERMINALS_MAX];
    const int count = login_terminals(login, index);
    struct session_row row = {.login = *login, .idle_ms = NEVER_MS};

    if (count < 0 && (errno == ENOENT || errno == ESRCH))
        return 0; /* just ended */
    if (count < 0) {
        report("cannot read the terminals of process %d: %s", (int)login->pid, strerror(errno));
        return -1;
    }
    for (int i = 0; i < count; i++)
        if (add_terminal_row(table, login, index[i], limits) != 0)
            return -1;
    if (count > 0)
        return 0;
    session_row_set_end(&row, limits, NEVER_MS, &table->now);
    return add_session_row(table, &row);
}

/* Returns 0, or -1 after a message. */
static int limits_of(const struct tmoutctl_context *context, struct policy_view *view,
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

static int by_time_left(const void *left, const void *right)
{
    const struct session_row *a = left, *b = right;

    if (a->left_ms != b->left_ms)
        return a->left_ms < b->left_ms ? -1 : 1;
    return a->login.pid - b->login.pid;
}

int session_table_find(const struct tmoutctl_context *context, const char *directory,
                       struct policy_view *view, struct session_table *table)
{
    struct session_record login;
    struct user_limits limits;
    pid_t *pids = NULL;
    const ssize_t count = registry_list(directory, &pids);
    int result = count < 0 ? -1 : 0;

    if (count < 0)
        report("%s: %s", directory, strerror(errno));
    for (ssize_t i = 0; i < count; i++) {
        const enum registry_status found = registry_get(directory, geteuid(), pids[i], &login);
        if (found == REGISTRY_ABSENT || (found == REGISTRY_OK && !session_is_live(&login)))
            continue;
        if (found != REGISTRY_OK) {
            report("%s/%d: %s", directory, (int)pids[i],
                   found == REGISTRY_DAMAGED ? "is damaged; tmoutd rebuilds it" : strerror(errno));
            result = -1;
        } else if (limits_of(context, view, &login, &limits) != 0 ||
                   add_login_rows(table, &login, &limits) != 0) {
            result = -1;
        }
    }
    free(pids);
    if (table->count > 0)
        qsort(table->row, table->count, sizeof *table->row, by_time_left);
    return result;
}
