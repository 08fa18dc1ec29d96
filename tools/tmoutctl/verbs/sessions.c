/*
 * tmoutctl sessions: the registered logins, terminal by terminal, how long
 * each has been idle, and which limit will end it when.
 */
#include "tools/tmoutctl/verbs/verbs.h"

#include "lib/host/descriptor.h"
#include "tools/tmoutctl/host/daemon.h"
#include "tools/tmoutctl/host/user_attempts.h"
#include "tools/tmoutctl/print.h"
#include "tools/tmoutctl/sessions/text.h"
#include "tools/tmoutctl/sessions/watch.h"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char no_tmoutd[] = "tmoutd is not running: nothing ends these logins";

static json_t *time_json(int64_t time_ms)
{
    return time_ms == NEVER_MS ? json_null() : json_integer(time_ms / 1000);
}

/* null where it is not known, or there is none. */
static json_t *known_json(const char *text)
{
    return json_text_or_null(text[0] != '\0' ? text : NULL);
}

static json_t *row_json(const struct session_row *row, const struct timestamp *now, bool enforced)
{
    static const char *const limits[] = {[LIMITS_IN_FORCE] = "in force",
                                         [LIMITS_KNOWN_LAST] = "known last",
                                         [LIMITS_UNKNOWN] = "unknown"};
    const bool ends = row->left_ms != NEVER_MS;
    const int64_t since_sec = row->login.since.wall_ms / 1000;
    const int64_t end_sec = ends ? (now->wall_ms + row->left_ms) / 1000 : 0;

    return json_pack(
        "{s:o, s:o, s:o, s:o, s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:i, s:o, s:s, s:b}",
        "user", json_text(row->login.user), "from", known_json(row->login.address), "service",
        known_json(row->login.service), "terminal", known_json(row->terminal), "since",
        (json_int_t)since_sec, "since_time", json_time(since_sec), "idle", time_json(row->idle_ms),
        "limit", time_json(row->limit_ms), "left", time_json(row->left_ms), "ends",
        ends ? json_integer(end_sec) : json_null(), "ends_time",
        ends ? json_time(end_sec) : json_null(), "setting", json_text_or_null(row->setting), "rule",
        json_text_or_null(row->setting != NULL ? row->rule : NULL), "pid", (int)row->login.pid,
        "found_by", row->is_own ? json_null() : json_text(login_source_name(row->login.source)),
        "limits", limits[row->limits_state], "enforced", enforced);
}

static json_t *table_json(const struct session_table *table, bool enforced)
{
    json_t *all = json_array();

    for (size_t i = 0; i < table->count; i++)
        all = json_add_row(all, row_json(&table->row[i], &table->now, enforced));
    return all;
}

static bool has_end(const struct session_table *table)
{
    for (size_t i = 0; i < table->count; i++)
        if (table->row[i].left_ms != NEVER_MS)
            return true;
    return false;
}

static void print_sessions(const struct session_table *table, bool is_own,
                           const struct session_layout *layout)
{
    if (table->count == 0)
        printf("%s%s", is_own ? "no logins of yours are registered" : "no logins are registered",
               layout->line_end);
    else
        print_session_table(table, layout);
}

/* What is listed, for whom. */
struct listing {
    const struct tmoutctl_context *context;
    char directory[PATH_MAX]; /* of the registry */
    bool is_own;              /* an ordinary user's own logins only */
};

/* An ordinary user who asks about themselves. */
static int find_own(const struct listing *listing, struct policy_view *view,
                    struct session_table *table)
{
    struct account account;
    struct failure failure = {""};

    if (find_own_account(&account, &failure) != 0) {
        report("%s", failure.text);
        return -1;
    }
    const int result =
        session_table_find_own(listing->context, listing->directory, &account, view, table);
    account_free(&account);
    return result;
}

/* What came of a search, after a message unless all is well. */
enum found { FOUND_ALL, FOUND_SOME, FOUND_NOTHING };

/* The caller frees table->row. */
static enum found find_sessions(const struct listing *listing, struct session_table *table)
{
    struct policy_view view = {0};
    struct failure failure = {""};
    int result;

    *table = (struct session_table){0};
    if (clock_now(&table->now, &failure) != 0) {
        report("%s", failure.text);
        return FOUND_NOTHING;
    }
    if (policy_view_find(listing->context, &view, &failure) != 0) {
        report_as(REPORT_POLICY, "%s", failure.text);
        return FOUND_NOTHING;
    }
    if (listing->is_own)
        result = find_own(listing, &view, table);
    else
        result = session_table_find(listing->context, listing->directory, &view, table);
    policy_view_close(&view);
    return result == 0 ? FOUND_ALL : listing->is_own ? FOUND_NOTHING : FOUND_SOME;
}

static int list_sessions(const struct listing *listing)
{
    const struct screen screen = screen_find();
    const struct session_layout layout = {
        .columns = screen.columns, .has_color = screen.has_color, .line_end = "\n"};
    const bool enforced = tmoutd_ends_logins_of(listing->context->state_dir);
    struct session_table table;
    const enum found found = find_sessions(listing, &table);
    int status = found == FOUND_ALL ? TMOUTCTL_FINE : TMOUTCTL_FAILURE;

    if (found != FOUND_NOTHING && listing->context->json) {
        status = print_json(table_json(&table, enforced), status);
    } else if (found != FOUND_NOTHING) {
        print_sessions(&table, listing->is_own, &layout);
        status = finish(status);
    }
    if (has_end(&table) && !enforced)
        report("%s", no_tmoutd);
    free(table.row);
    return status;
}

/* Sends messages nowhere. Returns a descriptor for unmute_errors(). */
static int mute_errors(void)
{
    const int saved = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
    const int nowhere = fd_above_stdio(open("/dev/null", O_WRONLY | O_CLOEXEC));

    if (saved >= 0 && nowhere >= 0)
        dup2(nowhere, STDERR_FILENO);
    if (nowhere >= 0)
        close(nowhere);
    return saved;
}

static void unmute_errors(int saved)
{
    if (saved < 0)
        return;
    dup2(saved, STDERR_FILENO);
    close(saved);
}

/* Messages would be in the way of the next list: one line says that there are any. Room
 * for such lines is left; and a terminal whose last column is not used breaks no lines. */
static void draw_sessions(const struct screen *screen, void *context)
{
    enum { ROOM_FOR_NOTES = 5 };
    const struct listing *listing = context;
    const unsigned rows = screen->rows;
    const struct session_layout layout = {.columns = screen->columns > 1 ? screen->columns - 1
                                                                         : screen->columns,
                                          .rows = rows == 0               ? 0
                                                  : rows > ROOM_FOR_NOTES ? rows - ROOM_FOR_NOTES
                                                                          : 1,
                                          .has_color = screen->has_color,
                                          .line_end = WATCH_LINE_END};
    struct session_table table;
    const int muted = mute_errors();
    const enum found found = find_sessions(listing, &table);

    unmute_errors(muted);
    reports_forget();
    if (found != FOUND_NOTHING)
        print_sessions(&table, listing->is_own, &layout);
    if (found != FOUND_ALL)
        fputs("not all could be read: tmoutctl sessions says why" WATCH_LINE_END, stdout);
    if (has_end(&table) && !tmoutd_ends_logins_of(listing->context->state_dir))
        printf("%s" WATCH_LINE_END, no_tmoutd);
    free(table.row);
}

enum { OPTION_WATCH };

static const struct verb_option options[] = {
    [OPTION_WATCH] = {"watch", NULL, "show the list until Ctrl-C, and keep it up to date", 0},
    {0},
};

static int run_sessions(const struct tmoutctl_context *context,
                        const struct verb_arguments *arguments)
{
    struct listing listing = {.context = context, .is_own = !may_read_attempts(context)};

    if (!registry_directory(context->state_dir, listing.directory, sizeof listing.directory)) {
        report("%s: path too long", context->state_dir);
        return TMOUTCTL_FAILURE;
    }
    if (arguments->option[OPTION_WATCH] == NULL)
        return list_sessions(&listing);
    if (context->json)
        return cli_usage_error(&verb_sessions, "options '--watch' and '--json' are mutually "
                                               "exclusive");
    return watch(draw_sessions, &listing);
}

const struct verb verb_sessions = {
    .name = "sessions",
    .usage = "[--watch]",
    .summary = "list logins: idle for how long, and what will end them when",
    .help = "Lists the registered logins, one line for each terminal: who, from where, idle\n"
            "for how long, and which limit will end it when, the earliest end first. On a\n"
            "narrow terminal some columns are left out. Ordinary users see their own logins.",
    .options = options,
    .json_version = 1,
    .run = run_sessions,
};
