/*
 * tmoutctl sessions: the registered logins, terminal by terminal, how long
 * each has been idle, and which limit will end it when.
 */
#include "tools/tmoutctl/verbs/verbs.h"

#include "lib/paths.h"
#include "lib/policy/duration.h"
#include "tools/tmoutctl/host/session_table.h"
#include "tools/tmoutctl/print.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void time_text(int64_t time_ms, char *text, size_t size)
{
    if (time_ms == NEVER_MS)
        snprintf(text, size, "-");
    else
        duration_format(time_ms / 1000, text, size);
}

/* What will end it, and how sure that is. */
static void then_text(const struct session_row *row, char *text, size_t size)
{
    static const char *const notes[] = {[LIMITS_IN_FORCE] = "",
                                        [LIMITS_KNOWN_LAST] = " (known last)",
                                        [LIMITS_UNKNOWN] = "unknown"};
    const bool is_unknown = row->limits_state == LIMITS_UNKNOWN;

    snprintf(text, size, "%s%s",
             row->setting != NULL ? row->setting
             : is_unknown         ? ""
                                  : "-",
             notes[row->limits_state]);
}

static void print_row(const struct session_row *row)
{
    char since[64], idle[64], limit[64], left[64], then[64];

    then_text(row, then, sizeof then);

    format_time(row->login.since.wall_ms / 1000, since, sizeof since);
    time_text(row->idle_ms, idle, sizeof idle);
    time_text(row->limit_ms, limit, sizeof limit);
    time_text(row->left_ms, left, sizeof left);
    printf("%-12s %-20s %-8s %-8s %-19s %8s %8s %8s  %-16s  %s\n", row->login.user,
           row->login.address, row->login.service, row->terminal[0] != '\0' ? row->terminal : "-",
           since, idle, limit, left, then, login_source_name(row->login.source));
}

static json_t *time_json(int64_t time_ms)
{
    return time_ms == NEVER_MS ? json_null() : json_integer(time_ms / 1000);
}

static json_t *row_json(const struct session_row *row)
{
    static const char *const limits[] = {[LIMITS_IN_FORCE] = "in force",
                                         [LIMITS_KNOWN_LAST] = "known last",
                                         [LIMITS_UNKNOWN] = "unknown"};

    return json_pack("{s:o, s:o, s:o, s:o, s:I, s:o, s:o, s:o, s:o, s:o, s:i, s:s, s:s}", "user",
                     json_text(row->login.user), "from", json_text(row->login.address), "service",
                     json_text(row->login.service), "terminal",
                     row->terminal[0] == '\0' ? json_null() : json_text(row->terminal), "since",
                     (json_int_t)(row->login.since.wall_ms / 1000), "idle", time_json(row->idle_ms),
                     "limit", time_json(row->limit_ms), "left", time_json(row->left_ms), "setting",
                     row->setting != NULL ? json_string(row->setting) : json_null(), "rule",
                     row->setting != NULL ? json_text(row->rule) : json_null(), "pid",
                     (int)row->login.pid, "found_by", login_source_name(row->login.source),
                     "limits", limits[row->limits_state]);
}

static int print_sessions(const struct tmoutctl_context *context, const struct session_table *table,
                          int status)
{
    if (context->json) {
        json_t *all = json_array();
        for (size_t i = 0; all != NULL && i < table->count; i++)
            json_array_append_new(all, row_json(&table->row[i]));
        return print_json(all, status);
    }
    if (table->count == 0) {
        puts("no logins are registered");
    } else {
        printf("%-12s %-20s %-8s %-8s %-19s %8s %8s %8s  %-16s  %s\n", "user", "from", "service",
               "terminal", "since", "idle", "limit", "left", "then", "found by");
        for (size_t i = 0; i < table->count; i++)
            print_row(&table->row[i]);
    }
    return finish(status);
}

static int run_sessions(const struct tmoutctl_context *context,
                        const struct verb_arguments *arguments)
{
    struct policy_view view = {0};
    struct session_table table = {0};
    struct failure failure = {""};
    char directory[PATH_MAX];

    (void)arguments;
    if (geteuid() != 0 && strcmp(context->state_dir, TMOUT_STATE_DIR) == 0) {
        report("must be run as root");
        return TMOUTCTL_FAILURE;
    }
    if (!registry_directory(context->state_dir, directory, sizeof directory)) {
        report("%s: path too long", context->state_dir);
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
    const bool complete = session_table_find(context, directory, &view, &table) == 0;
    const int status = print_sessions(context, &table, complete ? TMOUTCTL_FINE : TMOUTCTL_FAILURE);
    policy_view_close(&view);
    free(table.row);
    return status;
}

const struct verb verb_sessions = {
    .name = "sessions",
    .usage = "",
    .summary = "list logins: idle for how long, and what will end them when",
    .help = "Lists the registered logins, one line for each terminal: who, from where, idle\n"
            "for how long, and which limit will end it when, the earliest end first. Must\n"
            "be run as root.",
    .run = run_sessions,
};
