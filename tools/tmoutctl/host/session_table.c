#include "tools/tmoutctl/host/session_table.h"

#include "lib/host/array.h"
#include "lib/sessions/idle.h"
#include "lib/sessions/login_terminals.h"
#include "tools/tmoutctl/sessions/own.h"

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

/* A row of the terminal at path. */
static int add_terminal_row(struct session_table *table, const struct session_row *of_login,
                            const char *path, const struct user_limits *limits)
{
    struct session_row row = *of_login;
    struct idle idle;
    struct stat st;

    if (stat(path, &st) != 0)
        return 0; /* just closed */
    idle_start(&idle, &st, row.login.since.boot_ms, &table->now);
    row.idle_ms = idle.active_ms < table->now.boot_ms ? table->now.boot_ms - idle.active_ms : 0;
    snprintf(row.terminal, sizeof row.terminal, "%s", path + strlen("/dev/"));
    session_row_set_end(&row, limits, idle.active_ms, &table->now);
    return add_session_row(table, &row);
}

/* Returns 0, or -1 after a message. A login that cannot be read now has not ended:
 * it gets a row. */
static int add_login_rows(struct session_table *table, struct session_row *row,
                          const struct user_limits *limits)
{
    const struct session_record *login = &row->login;
    unsigned index[LOGIN_TERMINALS_MAX];
    const int count = login_terminals(login, index);
    int result = 0;

    if (count < 0 && process_has_ended(errno))
        return 0; /* just ended */
    if (count < 0) {
        report("cannot read the terminals of process %d: %s", (int)login->pid, strerror(errno));
        result = -1;
    }
    for (int i = 0; i < count; i++) {
        char path[64];
        terminal_path(login, index[i], path, sizeof path);
        if (add_terminal_row(table, row, path, limits) != 0)
            return -1;
    }
    if (count > 0)
        return 0;
    session_row_set_end(row, limits, NEVER_MS, &table->now);
    return add_session_row(table, row) == 0 ? result : -1;
}

/* Looks the user up. Returns 0, or -1 after a message. */
static int ask_limits(const struct tmoutctl_context *context, struct policy_view *view,
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
    if (result != 0) {
        report("%s", failure.text);
    } else if (!session_is_of(login->uid, account.uid, &failure)) {
        report("cannot look up user \"%s\": %s", login->user, failure.text);
        result = -1;
    } else {
        user_limits_find(&view->snapshot, &resolution, login->is_ssh, limits);
    }
    account_free(&account);
    return result;
}

/* The user that was looked up last; the logins come sorted by user. */
struct last_asked {
    char user[sizeof((struct session_record *)NULL)->user];
    uid_t uid;
    bool is_ssh;
    int result;
    struct user_limits limits;
};

static bool is_same_user(const struct last_asked *last, const struct session_record *login)
{
    return strcmp(last->user, login->user) == 0 && last->uid == login->uid &&
           last->is_ssh == login->is_ssh;
}

/* Returns 0, or -1 if the user could not be looked up, after a message. */
static int limits_of(const struct tmoutctl_context *context, struct policy_view *view,
                     struct session_row *row, struct last_asked *last, struct user_limits *limits)
{
    static const struct user_limits none = {.terminal = {NEVER_MS, NEVER_MS, 0},
                                            .notty = {NEVER_MS, NEVER_MS, 0}};
    const struct session_record *login = &row->login;

    row->limits_state = LIMITS_IN_FORCE;
    *limits = login->policy != 0 ? login->limits : none;
    if (login->policy != 0 && login->policy == snapshot_identity(&view->snapshot))
        return 0;
    if (!is_same_user(last, login)) {
        snprintf(last->user, sizeof last->user, "%s", login->user);
        last->uid = login->uid;
        last->is_ssh = login->is_ssh;
        last->result = ask_limits(context, view, login, &last->limits);
    }
    if (last->result == 0)
        *limits = last->limits;
    else
        row->limits_state = login->policy != 0 ? LIMITS_KNOWN_LAST : LIMITS_UNKNOWN;
    return last->result;
}

static int by_time_left(const void *left, const void *right)
{
    const struct session_row *a = left, *b = right;

    if (a->left_ms != b->left_ms)
        return a->left_ms < b->left_ms ? -1 : 1;
    return a->login.pid - b->login.pid;
}

static void sort_by_time_left(struct session_table *table)
{
    if (table->count > 0)
        qsort(table->row, table->count, sizeof *table->row, by_time_left);
}

static int by_user(const void *left, const void *right)
{
    const struct session_record *a = left, *b = right;
    const int names = strcmp(a->user, b->user);

    return names != 0 ? names : (int)a->is_ssh - (int)b->is_ssh;
}

/* Reads the record of a login that has not ended into *login. Returns 1, 0 if
 * there is none, or -1 after a message. */
static int read_login(const char *directory, pid_t pid, struct session_record *login)
{
    switch (registry_get(directory, geteuid(), pid, login)) {
    case REGISTRY_OK:
        return session_check_live(login) == 0 || !process_has_ended(errno);
    case REGISTRY_ABSENT:
        return 0;
    case REGISTRY_DAMAGED:
        report("%s/%d: is damaged; tmoutd rebuilds it", directory, (int)pid);
        return -1;
    case REGISTRY_NEWER:
        report("%s/%d: was written by a newer version of pam_tmout than this one, " TMOUT_VERSION,
               directory, (int)pid);
        return -1;
    default:
        report("%s/%d: %s", directory, (int)pid, strerror(errno));
        return -1;
    }
}

/* All that can be read, sorted by user. Returns how many were put into *logins,
 * which the caller frees. *result becomes -1 where some are missing, after a
 * message for each. */
static size_t read_logins(const char *directory, struct session_record **logins, int *result)
{
    pid_t *pids = NULL;
    size_t read_count = 0;
    const ssize_t count = registry_list(directory, geteuid(), &pids);

    *logins = NULL;
    if (count < 0)
        report("%s: %s", directory, strerror(errno));
    else if (count > 0 && (*logins = calloc((size_t)count, sizeof **logins)) == NULL)
        report("out of memory");
    *result = count < 0 || (count > 0 && *logins == NULL) ? -1 : 0;
    for (ssize_t i = 0; *logins != NULL && i < count; i++) {
        const int found = read_login(directory, pids[i], &(*logins)[read_count]);
        if (found > 0)
            read_count++;
        if (found < 0)
            *result = -1;
    }
    free(pids);
    if (read_count > 0)
        qsort(*logins, read_count, sizeof **logins, by_user);
    return read_count;
}

int session_table_find(const struct tmoutctl_context *context, const char *directory,
                       struct policy_view *view, struct session_table *table)
{
    struct session_record *logins;
    struct last_asked last = {.user = ""};
    struct user_limits limits;
    int result;
    const size_t count = read_logins(directory, &logins, &result);

    for (size_t i = 0; i < count; i++) {
        struct session_row row = {.login = logins[i], .idle_ms = NEVER_MS};
        if (limits_of(context, view, &row, &last, &limits) != 0)
            result = -1;
        if (add_login_rows(table, &row, &limits) != 0)
            result = -1;
    }
    free(logins);
    sort_by_time_left(table);
    return result;
}

int session_table_find_own(const struct tmoutctl_context *context, const char *directory,
                           struct account *account, struct policy_view *view,
                           struct session_table *table)
{
    struct resolution resolution;
    struct user_limits limits;
    struct failure failure = {""};
    struct own_login *own = NULL;
    ssize_t count = 0;
    int result = -1;

    if (policy_view_resolve(context, view, account, &resolution, &failure) != 0 ||
        (count = own_logins_find(directory, account->uid, &own, &failure)) < 0) {
        report("%s", failure.text);
        return -1;
    }
    for (ssize_t i = 0; i < count; i++) {
        struct session_row row = {.login = own[i].login, .is_own = true, .idle_ms = NEVER_MS};
        char path[80];
        snprintf(row.login.user, sizeof row.login.user, "%s", account->name);
        snprintf(row.login.service, sizeof row.login.service, "%s", row.login.is_ssh ? "sshd" : "");
        user_limits_find(&view->snapshot, &resolution, row.login.is_ssh, &limits);
        snprintf(path, sizeof path, "/dev/%s", own[i].terminal);
        if (own[i].terminal[0] == '\0')
            session_row_set_end(&row, &limits, NEVER_MS, &table->now);
        if (own[i].terminal[0] != '\0' ? add_terminal_row(table, &row, path, &limits) != 0
                                       : add_session_row(table, &row) != 0)
            goto out;
    }
    sort_by_time_left(table);
    result = 0;

out:
    free(own);
    return result;
}
