/*
 * tmoutctl show USER: the settings his next login gets, and the rule behind
 * each, found with the code that decides at login.
 */
#include "tmoutctl.h"

#include "../../lib/host/account.h"
#include "../../lib/policy/resolve.h"
#include "findings.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* The policy that the next login will find. */
struct view {
    struct snapshot snapshot;
    const char *state; /* in force, pending, refused, unknown: for programs */
    char note[1200];   /* the same for people */
};

/* The snapshot of a policy that is not applied yet, in memory. */
static int compile_pending(const struct tmoutctl_context *context, struct view *view,
                           struct problems *problems)
{
    struct policy policy = {0};
    struct source_set sources = {0};
    unsigned char *image = NULL;
    size_t size = 0;
    char reason[256];
    int fd = -1, result = -1;

    if (policy_compile(context->config_path, geteuid(), &policy, &sources, problems) != 0)
        goto out;
    fd = memfd_create("tmout-policy", MFD_CLOEXEC);
    if (fd < 0 || snapshot_encode(SNAPSHOT_POLICY, &sources, &policy, "", 0, &image, &size) != 0 ||
        write(fd, image, size) != (ssize_t)size) {
        problem_add(problems, PROBLEM_FAILURE, context->config_path, 0, "cannot be compiled: %s",
                    strerror(errno));
        goto out;
    }
    if (snapshot_open_fd(fd, SNAPSHOT_POLICY, &view->snapshot, reason, sizeof reason) ==
        SNAPSHOT_OK) {
        fd = -1;
        result = 0;
    }

out:
    if (fd >= 0)
        close(fd);
    free(image);
    sources_free(&sources);
    policy_free(&policy);
    return result;
}

/* Which policy will the next login find? It applies an edit that is valid,
 * and keeps the old policy where the edit is not. Returns 0, or -1 after a
 * message. */
static int find_policy(const struct tmoutctl_context *context, struct view *view)
{
    struct problems problems = {0};
    struct view pending = {0};
    char reason[512], summary[1024], when[64] = "";
    int result = 0;
    const enum snapshot_status status = snapshot_open(
        context->state_dir, SNAPSHOT_POLICY, geteuid(), &view->snapshot, reason, sizeof reason);

    if (status == SNAPSHOT_OK) {
        format_time(view->snapshot.created_sec, when, sizeof when);
        view->state = "in force";
        snprintf(view->note, sizeof view->note, "in force since %s", when);
        if (snapshot_is_current(&view->snapshot, context->config_path))
            return 0;
    }
    if (compile_pending(context, &pending, &problems) == 0) {
        if (status == SNAPSHOT_OK)
            snapshot_close(&view->snapshot);
        view->snapshot = pending.snapshot;
        view->state = "pending";
        snprintf(view->note, sizeof view->note,
                 "%s; tmoutctl apply or the next login puts it in force",
                 status == SNAPSHOT_OK       ? "edited and valid"
                 : status == SNAPSHOT_ABSENT ? "valid, but not applied yet"
                                             : reason);
    } else if (status == SNAPSHOT_OK && problems.failures > 0) {
        summarize_problems(&problems, summary, sizeof summary);
        view->state = "unknown";
        snprintf(view->note, sizeof view->note, "the one of %s; it cannot be compared: %s", when,
                 summary);
    } else {
        summarize_problems(&problems, summary, sizeof summary);
        view->state = "refused";
        snprintf(view->note, sizeof view->note, "the one of %s; since then edited and refused: %s",
                 when, summary);
        if (status != SNAPSHOT_OK) {
            report("no policy is in force: %s", summary);
            result = -1;
        }
    }
    problems_free(&problems);
    return result;
}

static void rule_text(const struct resolved_setting *setting, char *text, size_t size)
{
    if (!setting->from_rule)
        snprintf(text, size, "built-in default");
    else if (setting->kind == RULE_DEFAULT)
        snprintf(text, size, "default");
    else
        snprintf(text, size, "%s \"%s\"", rule_kind_word(setting->kind), setting->name);
}

/* What the shell gets: PAM_TMOUT's value, or "" where it gets none. */
static void limit_text(const struct resolution *resolution, bool local, char *text, size_t size)
{
    if (local && resolution->setting[SETTING_SESSIONS].value != SESSIONS_ALL)
        text[0] = '\0';
    else
        resolution_limit(resolution, text, size);
}

static void print_text(const struct account *account, const struct view *view,
                       const struct resolution *resolution, bool local)
{
    char limit[LIMIT_TEXT_MAX];

    limit_text(resolution, local, limit, sizeof limit);
    printf("user     %s\ngroups  ", account->name);
    for (size_t i = 0; i < account->group_count; i++)
        printf(" %s%s", account->group[i], i + 1 < account->group_count ? "," : "");
    printf("\npolicy   %s\nlogin    %s: ", view->note, local ? "local" : "over SSH");
    if (limit[0] != '\0')
        printf("PAM_TMOUT=\"%s\"\n\n", limit);
    else
        printf("not covered (sessions = ssh)\n\n");
    for (size_t i = 0; i < SETTING_COUNT; i++) {
        const struct resolved_setting *setting = &resolution->setting[i];
        char value[SETTING_TEXT_MAX], rule[RULE_NAME_MAX + 32], path[512];
        setting_format(&settings[i], setting->value, value, sizeof value);
        rule_text(setting, rule, sizeof rule);
        snapshot_source_path(&view->snapshot, setting->file, path, sizeof path);
        printf("%-8s %-10s %s", settings[i].name, value, rule);
        if (setting->from_rule)
            printf("  %s:%u", path, setting->line);
        putchar('\n');
    }
}

static json_t *setting_json(const struct view *view, size_t id,
                            const struct resolved_setting *setting)
{
    char value[SETTING_TEXT_MAX], rule[RULE_NAME_MAX + 32], path[4096];
    json_t *entry;

    setting_format(&settings[id], setting->value, value, sizeof value);
    rule_text(setting, rule, sizeof rule);
    snapshot_source_path(&view->snapshot, setting->file, path, sizeof path);
    entry = json_pack("{s:s, s:o, s:o, s:o}", "value", value, "rule", json_text(rule), "file",
                      setting->from_rule ? json_text(path) : json_null(), "line",
                      setting->from_rule ? json_integer(setting->line) : json_null());
    if (entry != NULL && settings[id].type == SETTING_DURATION)
        json_object_set_new(entry, "seconds",
                            setting->value == SETTING_NONE ? json_null()
                                                           : json_integer(setting->value));
    return entry;
}

static json_t *answer_json(const struct account *account, const struct view *view,
                           const struct resolution *resolution, bool local)
{
    char limit[LIMIT_TEXT_MAX];
    json_t *groups = json_array(), *all = json_object();

    limit_text(resolution, local, limit, sizeof limit);
    for (size_t i = 0; groups != NULL && i < account->group_count; i++)
        json_array_append_new(groups, json_text(account->group[i]));
    for (size_t i = 0; all != NULL && i < SETTING_COUNT; i++)
        json_object_set_new(all, settings[i].name, setting_json(view, i, &resolution->setting[i]));
    return json_pack("{s:o, s:o, s:{s:s, s:o}, s:s, s:o, s:o}", "user", json_text(account->name),
                     "groups", groups, "policy", "state", view->state, "note",
                     json_text(view->note), "login", local ? "local" : "ssh", "pam_tmout",
                     limit[0] != '\0' ? json_string(limit) : json_null(), "settings", all);
}

static int show(const struct tmoutctl_context *context, const char *user, bool local)
{
    struct account account = {0};
    struct view view = {0};
    struct resolution resolution;
    int status = TMOUTCTL_FAILURE;

    switch (account_lookup(user, true, &account)) {
    case ACCOUNT_FOUND:
        break;
    case ACCOUNT_UNKNOWN:
        report("there is no user \"%s\"", user);
        return TMOUTCTL_FAILURE;
    case ACCOUNT_ERROR:
    default:
        report("%s cannot be looked up: %s", user, strerror(errno));
        return TMOUTCTL_FAILURE;
    }
    if (find_policy(context, &view) != 0)
        goto out;
    if (resolve(&view.snapshot, account.name, (const char *const *)account.group,
                account.group_count, &resolution) != 0) {
        report("%s/%s is damaged; run tmoutctl apply", context->state_dir, SNAPSHOT_POLICY_NAME);
    } else if (context->json) {
        status = print_json(answer_json(&account, &view, &resolution, local), TMOUTCTL_FINE);
    } else {
        print_text(&account, &view, &resolution, local);
        status = finish(TMOUTCTL_FINE);
    }
    snapshot_close(&view.snapshot);

out:
    account_free(&account);
    return status;
}

int verb_show(const struct tmoutctl_context *context, int argc, char **argv)
{
    const char *user = NULL;
    bool local = false;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--local") == 0) {
            local = true;
        } else if (argv[i][0] == '-' || user != NULL) {
            report("show does not understand \"%s\"; the call is: tmoutctl show USER [--local]",
                   argv[i]);
            return TMOUTCTL_FAILURE;
        } else {
            user = argv[i];
        }
    }
    if (user == NULL) {
        report("show needs a user: tmoutctl show USER [--local]");
        return TMOUTCTL_FAILURE;
    }
    return show(context, user, local);
}
