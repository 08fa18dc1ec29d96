/*
 * tmoutctl show [USER]: the settings of the user's next login, and the rule
 * behind each, found by the code that decides at login. With --group, those of a
 * user who is in that group only and has no rule of their own.
 */
#include "tools/tmoutctl/verbs/verbs.h"

#include "tools/tmoutctl/host/policy_view.h"
#include "tools/tmoutctl/host/rehearsal.h"
#include "tools/tmoutctl/host/fleet_view.h"
#include "tools/tmoutctl/host/user_attempts.h"
#include "tools/tmoutctl/print.h"

#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The login that is asked about, and the attempts that count against it. */
struct login_view {
    bool local;
    const char *from;             /* --from ADDR, or NULL */
    bool limited;                 /* are attempts limited? */
    struct attempt_limits limits; /* then these are the limits */
    struct attempt_state attempts;
    unsigned other_locks;     /* on the user's logins from elsewhere: local ones, other addresses */
    struct failure note;      /* why attempts says nothing, else "" */
    struct failure rejecting; /* why every password is rejected, else "" */
    unsigned fleet_attempts;  /* on all hosts together; 0: not shared, or not shown */
    struct attempt_state fleet;
    struct failure fleet_note; /* why fleet says nothing, else "" */
};

/* A setting as it applies to this login. */
struct shown_setting {
    const struct resolved_setting *resolved;
    const char *exempt; /* why the policy's value does not apply, and "none" does; or NULL */
    char value[SETTING_TEXT_MAX];
};

/* The limits that logins do not have where the policy does not cover them. */
static bool needs_cover(enum setting_id id)
{
    return id == SETTING_TMOUT || id == SETTING_DISCONNECT || id == SETTING_DISCONNECT_NOTTY ||
           id == SETTING_MAX_SESSION;
}

/* So that no setting says something else than the lines above it. */
static struct shown_setting find_shown(const struct resolution *resolution,
                                       const struct login_view *login, enum setting_id id)
{
    struct shown_setting shown = {.resolved = &resolution->setting[id]};

    if (shown.resolved->value == SETTING_NONE)
        shown.exempt = NULL;
    else if (id == SETTING_MAX_ATTEMPTS && !login->limited)
        shown.exempt = "root is exempt unless a rule for user \"root\" sets it";
    else if (needs_cover(id) && !resolution_covers(resolution, !login->local))
        shown.exempt = "local logins are not covered (sessions = ssh)";
    if (shown.exempt != NULL)
        snprintf(shown.value, sizeof shown.value, "none");
    else
        resolution_format(resolution, id, shown.value, sizeof shown.value);
    return shown;
}

static void show_rule(const struct shown_setting *shown, char *text, size_t size)
{
    const struct resolved_setting *setting = shown->resolved;

    if (shown->exempt != NULL)
        snprintf(text, size, "%s", shown->exempt);
    else if (!setting->from_rule)
        snprintf(text, size, "built-in default");
    else if (setting->kind == RULE_DEFAULT)
        snprintf(text, size, "default");
    else
        snprintf(text, size, "%s \"%s\"", rule_kind_word(setting->kind), setting->name);
}

/* PAM_TMOUT's value, or "" where the policy does not cover such a login. */
static void show_limit(const struct resolution *resolution, bool local, char *text, size_t size)
{
    if (resolution_covers(resolution, !local))
        resolution_limit(resolution, text, size);
    else
        text[0] = '\0';
}

/* Without them, a user whose sudo says "locked" would be shown as not locked. */
static void find_other_locks(const struct tmoutctl_context *context, uid_t uid,
                             const struct resolution *resolution, struct login_view *login)
{
    struct user_attempts all;
    struct timestamp now;

    if (clock_now(&now, &login->note) != 0 ||
        user_attempts_find(context, uid, resolution, &now, &all, &login->note) != 0)
        return;
    for (size_t i = 0; i < all.count_size; i++)
        if (all.count[i].lock_left_ms != 0)
            login->other_locks++;
    if (login->attempts.lock_left_ms != 0)
        login->other_locks--;
    user_attempts_free(&all);
}

/* Only logins over the network are shared. */
static void find_fleet(const struct tmoutctl_context *context, const struct account *account,
                       const struct resolution *resolution, struct login_view *login)
{
    struct fleet_limits limits;
    struct fleet_counts counts;

    fleet_limits_find(resolution, &limits);
    login->fleet_attempts = login->local ? 0 : limits.attempts;
    if (login->fleet_attempts == 0 ||
        fleet_counts_find(context, account, resolution, &counts, &login->fleet_note) != 0)
        return;
    login->fleet = fleet_counts_worst(&counts);
    fleet_counts_free(&counts);
}

static void find_attempts(const struct tmoutctl_context *context, const struct account *account,
                          const struct resolution *resolution, struct login_view *login)
{
    const bool may_read = may_read_attempts(context);
    struct mac_ledgers labels;
    struct origin origin = {.kind = login->local ? ORIGIN_LOCAL : ORIGIN_NETWORK};

    login->limited = attempt_limits_find(resolution, account->uid, &login->limits);
    if (login->from != NULL)
        origin = origin_of_address(login->from);
    if (!login->limited)
        failure_set(&login->note, "not limited");
    else if (!may_read)
        failure_set(&login->note, "shown to root only");
    else if (login->limits.by_source && !login->local && login->from == NULL)
        failure_set(&login->note, "counted by address: use --from ADDR");
    else
        attempt_state_find(context, account->uid, &origin, &login->limits, &login->attempts,
                           &login->note);
    if (login->limited && may_read) {
        find_other_locks(context, account->uid, resolution, login);
        mac_ledgers_begin(&labels, &context->host, &mac_running_kernel, context->state_dir);
        find_rejecting(context, account->uid, true, &labels, &login->rejecting);
        find_fleet(context, account, resolution, login);
    }
}

static void show_fleet(const struct login_view *login)
{
    char lock[96];

    if (login->fleet_attempts == 0)
        return;
    if (login->fleet_note.text[0] != '\0') {
        printf("fleet    %s; see \"tmoutctl fleet\"\n", login->fleet_note.text);
        return;
    }
    lock_state_format(login->fleet.lock_left_ms, lock, sizeof lock);
    printf("fleet    %u of %u failed on all hosts%s, %s\n", login->fleet.failures,
           login->fleet_attempts, login->limits.by_source ? " from one address" : "", lock);
}

static void show_attempts(const char *user, const struct login_view *login)
{
    char lock[96];

    if (login->rejecting.text[0] != '\0')
        printf("attempts %s\n", login->rejecting.text);
    if (login->note.text[0] != '\0') {
        printf("attempts %s\n", login->note.text);
    } else {
        lock_state_format(login->attempts.lock_left_ms, lock, sizeof lock);
        printf("attempts %u of %u failed, %s\n", login->attempts.failures,
               login->limits.max_attempts, lock);
    }
    if (login->other_locks > 0)
        printf("         other locks: %u; see \"tmoutctl attempts %s\"\n", login->other_locks,
               user);
    show_fleet(login);
}

static json_t *fleet_login_json(const struct login_view *login)
{
    const char *note = login->fleet_note.text[0] != '\0' ? login->fleet_note.text : NULL;

    if (login->fleet_attempts == 0)
        return json_null();
    json_t *answer = json_pack("{s:i, s:o}", "fleet_attempts", (int)login->fleet_attempts, "note",
                               json_text_or_null(note));
    if (answer != NULL && note == NULL)
        set_lock_state(answer, login->fleet.failures, login->fleet.in_flight,
                       login->fleet.lock_left_ms);
    return answer;
}

static json_t *login_attempts_json(const struct login_view *login)
{
    json_t *answer = json_object();

    if (login->note.text[0] != '\0') {
        json_object_set_new(answer, "note", json_text(login->note.text));
    } else {
        json_object_set_new(answer, "max_attempts", json_integer(login->limits.max_attempts));
        set_lock_state(answer, login->attempts.failures, login->attempts.in_flight,
                       login->attempts.lock_left_ms);
    }
    json_object_set_new(answer, "other_locks", json_integer(login->other_locks));
    json_object_set_new(answer, "rejecting", rejecting_json(&login->rejecting));
    json_object_set_new(answer, "fleet", fleet_login_json(login));
    return answer;
}

/* Is there a line in a policy file that gives it? */
static bool has_place(const struct shown_setting *shown)
{
    return shown->resolved->from_rule && shown->exempt == NULL;
}

/* One line a setting: name, value, the rule behind it, and where that is. A
 * long value shifts only its own line. */
static void show_settings(const struct policy_view *view, const struct resolution *resolution,
                          const struct login_view *login)
{
    int name_width = 0;

    for (size_t i = 0; i < SETTING_COUNT; i++)
        if ((int)strlen(settings[i].name) > name_width)
            name_width = (int)strlen(settings[i].name);
    for (size_t i = 0; i < SETTING_COUNT; i++) {
        const struct shown_setting shown = find_shown(resolution, login, (enum setting_id)i);
        char rule[RULE_NAME_MAX + 32], path[512];
        show_rule(&shown, rule, sizeof rule);
        printf("%-*s %-9s %s", name_width, settings[i].name, shown.value, rule);
        if (has_place(&shown)) {
            snapshot_source_path(&view->snapshot, shown.resolved->file, path, sizeof path);
            printf("  %s:%u", path, shown.resolved->line);
        }
        putchar('\n');
    }
}

/* account->name: NULL where it stands for whoever is in the group. */
static int show_text(const struct account *account, const struct policy_view *view,
                     const struct resolution *resolution, const struct login_view *login)
{
    char limit[LIMIT_TEXT_MAX], policy[POLICY_VIEW_TEXT_MAX];

    show_limit(resolution, login->local, limit, sizeof limit);
    policy_view_describe(view, policy, sizeof policy);
    if (account->name != NULL)
        printf("user     %s\n", account->name);
    printf("groups  ");
    for (size_t i = 0; i < account->group_count; i++)
        printf(" %s%s", account->group[i], i + 1 < account->group_count ? "," : "");
    printf("\npolicy   %s\nlogin    %s: ", policy, login->local ? "local" : "over SSH");
    if (limit[0] != '\0')
        printf("PAM_TMOUT=\"%s\"\n", limit);
    else
        printf("not covered (sessions = ssh)\n");
    show_attempts(account->name, login);
    putchar('\n');
    show_settings(view, resolution, login);
    return finish(TMOUTCTL_FINE);
}

/* null for no limit, and for a setting that is not set. */
static json_t *number_json(int64_t value)
{
    if (value == SETTING_NONE || value == SETTING_UNSET)
        return json_null();
    return json_integer(value == SETTING_OFF ? 0 : value);
}

static json_t *setting_json(const struct policy_view *view, const struct resolution *resolution,
                            const struct login_view *login, enum setting_id id)
{
    const struct shown_setting shown = find_shown(resolution, login, id);
    const int64_t number = shown.exempt != NULL ? SETTING_NONE : shown.resolved->value;
    char rule[RULE_NAME_MAX + 32], path[4096];
    json_t *entry;

    show_rule(&shown, rule, sizeof rule);
    snapshot_source_path(&view->snapshot, shown.resolved->file, path, sizeof path);
    entry = json_pack("{s:o, s:o, s:o, s:o}", "value", json_text(shown.value), "rule",
                      json_text(rule), "file", json_text_or_null(has_place(&shown) ? path : NULL),
                      "line", has_place(&shown) ? json_integer(shown.resolved->line) : json_null());
    if (entry != NULL && settings[id].type == SETTING_DURATION)
        json_object_set_new(entry, "seconds", number_json(number));
    if (entry != NULL && settings[id].type == SETTING_NUMBER)
        json_object_set_new(entry, "number", number_json(number));
    return entry;
}

static json_t *show_json(const struct account *account, const struct policy_view *view,
                         const struct resolution *resolution, const struct login_view *login)
{
    char limit[LIMIT_TEXT_MAX], policy[POLICY_VIEW_TEXT_MAX];
    json_t *groups = json_array(), *all = json_object();

    show_limit(resolution, login->local, limit, sizeof limit);
    policy_view_describe(view, policy, sizeof policy);
    for (size_t i = 0; i < account->group_count; i++)
        groups = json_add_row(groups, json_text(account->group[i]));
    for (size_t i = 0; all != NULL && i < SETTING_COUNT; i++)
        json_object_set_new(all, settings[i].name,
                            setting_json(view, resolution, login, (enum setting_id)i));
    return json_pack("{s:o, s:o, s:{s:s, s:o, s:o, s:o}, s:s, s:o, s:o, s:o}", "user",
                     json_text_or_null(account->name), "groups", groups, "policy", "state",
                     policy_state_word(view->state), "note", json_text(policy), "since",
                     view->has_applied ? json_integer(view->applied_sec) : json_null(),
                     "since_time", view->has_applied ? json_time(view->applied_sec) : json_null(),
                     "login", login->local ? "local" : "ssh", "pam_tmout",
                     json_text_or_null(limit[0] != '\0' ? limit : NULL), "attempts",
                     login_attempts_json(login), "settings", all);
}

static int print_shown(const struct tmoutctl_context *context, const struct account *account,
                       const struct policy_view *view, const struct resolution *resolution,
                       const struct login_view *login)
{
    return context->json ? print_json(show_json(account, view, resolution, login), TMOUTCTL_FINE)
                         : show_text(account, view, resolution, login);
}

/* The names of all groups, also of those that decide nothing. */
static int find_all_groups(const char *user, struct account *listed, struct failure *failure)
{
    if (account_lookup(user, true, listed) == ACCOUNT_FOUND)
        return 0;
    failure_set(failure, "cannot look up the groups of user \"%s\": %s", user, strerror(errno));
    return -1;
}

/* What show_user() asks the name service, where it may hang. */
struct show_names {
    const struct tmoutctl_context *context;
    const char *user;
};

static void rehearse_show(void *context)
{
    const struct show_names *names = context;
    struct account account = {0}, listed = {0};
    struct policy_view view = {0};
    struct resolution resolution;
    struct failure failure = {""};

    if (find_account(names->user, &account, &failure) == 0 &&
        policy_view_find(names->context, &view, &failure) == 0) {
        (void)policy_view_resolve(names->context, &view, &account, &resolution, &failure);
        (void)find_all_groups(names->user, &listed, &failure);
        policy_view_close(&view);
    }
    account_free(&listed);
    account_free(&account);
}

static int show_user(const struct tmoutctl_context *context, const char *user,
                     struct login_view *login)
{
    struct account account = {0}, listed = {0};
    struct policy_view view = {0};
    struct resolution resolution;
    struct show_names names = {context, user};
    struct failure failure = {""};
    int status = TMOUTCTL_FAILURE;

    if (rehearse_names(rehearse_show, &names, 0, &failure) != 0) {
        report("user \"%s\" could not be asked for: %s", user, failure.text);
        return status;
    }
    if (find_account(user, &account, &failure) != 0) {
        report("%s", failure.text);
        return status;
    }
    if (policy_view_find(context, &view, &failure) != 0) {
        report_as(REPORT_POLICY, "%s", failure.text);
        goto out;
    }
    if (policy_view_resolve(context, &view, &account, &resolution, &failure) != 0 ||
        find_all_groups(user, &listed, &failure) != 0) {
        report("%s", failure.text);
    } else {
        find_attempts(context, &account, &resolution, login);
        status = print_shown(context, &listed, &view, &resolution, login);
    }
    policy_view_close(&view);

out:
    account_free(&listed);
    account_free(&account);
    return status;
}

struct own_name {
    struct account account;
    struct failure failure;
    int result;
};

static void ask_own_name(void *context)
{
    struct own_name *own = context;

    own->result = find_own_account(&own->account, &own->failure);
}

/* Whoever runs this asks about themselves. */
static int show_oneself(const struct tmoutctl_context *context, struct login_view *login)
{
    struct own_name own = {.result = -1};

    if (rehearse_names(ask_own_name, &own, 0, &own.failure) != 0) {
        report("you could not be asked for: %s", own.failure.text);
        return TMOUTCTL_FAILURE;
    }
    ask_own_name(&own);
    if (own.result != 0) {
        report("%s", own.failure.text);
        return TMOUTCTL_FAILURE;
    }
    const int status = show_user(context, own.account.name, login);
    account_free(&own.account);
    return status;
}

static void ask_group(void *context)
{
    struct group entry;
    char *buffer = NULL;

    (void)account_lookup_group(*(const char **)context, &entry, &buffer);
    free(buffer);
}

/* The group's name as NSS has it, which rules match: to be freed. NULL with the reason. */
static char *find_group(const char *name, struct failure *failure)
{
    struct group entry;
    char *buffer = NULL, *found = NULL;
    struct failure why = {""};

    if (rehearse_names(ask_group, &name, 0, &why) != 0) {
        failure_set(failure, "group \"%s\" could not be asked for: %s", name, why.text);
        return NULL;
    }
    switch (account_lookup_group(name, &entry, &buffer)) {
    case ACCOUNT_FOUND:
        found = strdup(entry.gr_name);
        if (found == NULL)
            failure_set(failure, "out of memory");
        break;
    case ACCOUNT_UNKNOWN:
        failure_set(failure, "unknown group \"%s\"", name);
        break;
    case ACCOUNT_ERROR:
    default:
        failure_set(failure, "cannot look up group \"%s\": %s", name, account_strerror(errno));
    }
    free(buffer);
    return found;
}

static int show_group(const struct tmoutctl_context *context, const char *name,
                      struct login_view *login)
{
    struct failure failure = {""};
    char *group = find_group(name, &failure);
    const struct account member = {.group = &group, .group_count = 1};
    const char *const names[] = {group};
    struct policy_view view = {0};
    struct resolution resolution;
    int status = TMOUTCTL_FAILURE;

    if (group == NULL) {
        report("%s", failure.text);
        return status;
    }
    if (policy_view_find(context, &view, &failure) != 0) {
        report_as(REPORT_POLICY, "%s", failure.text);
        goto out;
    }
    if (resolve(&view.snapshot, "", names, 1, &resolution) != 0) {
        policy_view_damaged(context, &failure);
        report("%s", failure.text);
    } else {
        login->limited = attempt_limits_find(&resolution, NOBODYS_UID, &login->limits);
        failure_set(&login->note, "counted for each user");
        status = print_shown(context, &member, &view, &resolution, login);
    }
    policy_view_close(&view);

out:
    free(group);
    return status;
}

enum { OPTION_FROM, OPTION_GROUP, OPTION_LOCAL };

static const struct verb_option options[] = {
    [OPTION_FROM] = {"from", "ADDR", "a login over SSH from this IP address", 1},
    [OPTION_GROUP] = {"group", "GROUP", "a login of somebody who is in this group only", 0},
    [OPTION_LOCAL] = {"local", NULL, "a local login, not one over SSH", 1},
    {0},
};

static int run_show(const struct tmoutctl_context *context, const struct verb_arguments *arguments)
{
    struct login_view login = {
        .local = arguments->option[OPTION_LOCAL] != NULL,
        .from = arguments->option[OPTION_FROM],
    };

    if (login.from != NULL && origin_of_address(login.from).kind == ORIGIN_NETWORK)
        return cli_usage_error(&verb_show, "invalid argument '%s' for '--from': not an IP address",
                               login.from);
    if (arguments->option[OPTION_GROUP] != NULL &&
        (arguments->operand != NULL || login.from != NULL))
        return cli_usage_error(&verb_show, "--group stands for a user, and for no address");
    if (arguments->option[OPTION_GROUP] != NULL)
        return show_group(context, arguments->option[OPTION_GROUP], &login);
    return arguments->operand != NULL ? show_user(context, arguments->operand, &login)
                                      : show_oneself(context, &login);
}

const struct verb verb_show = {
    .name = "show",
    .usage = "[USER | --group GROUP] [--from ADDR] [--local]",
    .summary = "show a user's settings, and the rule behind each",
    .help = "Shows the settings that the user's next login over SSH gets, or their next\n"
            "local one, each with the rule that gave it, and for root their login attempts.\n"
            "Without USER, shows your own. --group shows those of somebody who is in that\n"
            "group only and has no rule of their own.\n"
            "--from names the address where the policy counts attempts by source.",
    .operand = "USER",
    .options = options,
    .json_version = 1,
    .run = run_show,
};
