/* Does the limit reach the shells, and does nothing there undo it? */
#include "tools/tmoutctl/audit/areas.h"

#include "tools/tmoutctl/shells/files.h"
#include "tools/tmoutctl/shells/findings.h"
#include "tools/tmoutctl/shells/lines.h"
#include "tools/tmoutctl/shells/list.h"

#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct shell_facts {
    json_t *shells;   /* list_shells() */
    json_t *findings; /* list_shell_findings() */
};

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text != NULL ? text : "";
}

/* The script that gives a row's shell its limit. */
static const char *script_of(const json_t *row)
{
    return strcmp(text_of(row, "kind"), "tcsh") == 0 ? PROFILE_CSH : PROFILE_SH;
}

static void add_missing_limit(struct audit *audit, const json_t *row)
{
    const bool has_login = json_is_string(json_object_get(row, "login"));
    struct finding *finding = findings_add(&audit->findings, CHECK_SHELLS_HOOKS, AUDIT_FAIL,
                                           "this %s gets no limit from %s", text_of(row, "kind"),
                                           has_login ? "its rc file" : "the files of login shells");

    finding_set_place(finding, text_of(row, "shell"), 0);
    finding_set_fix(finding, "tmoutctl shells --install");
}

static void check_shells_hooks(struct audit *audit, const void *facts)
{
    const struct shell_facts *shell = facts;
    size_t i;
    const json_t *row;

    json_array_foreach (shell->shells, i, row) {
        const char *script = script_of(row);
        if (json_is_true(json_object_get(row, "ok")))
            continue;
        if (profile_script_is_ours(script))
            add_missing_limit(audit, row);
        else if (!findings_have(&audit->findings, CHECK_SHELLS_HOOKS, script, 0))
            finding_set_place(findings_add(&audit->findings, CHECK_SHELLS_HOOKS, AUDIT_FAIL,
                                           "is missing, or not pam_tmout's; reinstall pam_tmout"),
                              script, 0);
    }
}

/* The limit of users without a rule of their own. */
static int64_t default_limit(const struct audit *audit)
{
    const struct rule nothing = {.kind = RULE_DEFAULT};

    return rule_value(audit, &nothing, SETTING_TMOUT);
}

static bool is_in_minutes(const json_t *row)
{
    return strcmp(text_of(row, "unit"), "minutes") == 0;
}

/* Does a row set a limit larger than the policy's default, or one although the
 * policy has none? */
static bool is_larger(const struct audit *audit, const json_t *row)
{
    const json_t *value = json_object_get(row, "value");
    const int64_t limit_sec = default_limit(audit), unit_sec = is_in_minutes(row) ? 60 : 1;

    return json_is_integer(value) &&
           (limit_sec == SETTING_NONE || json_integer_value(value) > limit_sec / unit_sec);
}

/* Comments out the lines of a script that set the limit, if they do nothing
 * else. */
static void fix_script(struct finding *finding, const json_t *row)
{
    const char *file = text_of(row, "file");
    char *program = shell_lines_out(file, is_in_minutes(row)), word[PATH_MAX];

    shell_word(file, word, sizeof word);
    if (program == NULL)
        finding->list->out_of_memory = true;
    else if (program[0] != '\0')
        finding_set_fix(finding, "sed -i '%s' %s", program, word);
    else
        finding_set_fix(finding, "vi +%u %s", finding->line, word);
    free(program);
}

static void check_shells_others(struct audit *audit, const void *facts)
{
    const struct shell_facts *shell = facts;
    const int64_t limit_sec = default_limit(audit);
    char limit[SETTING_TEXT_MAX], than[SETTING_TEXT_MAX + 80];
    size_t i;
    const json_t *row;

    setting_format(&settings[SETTING_TMOUT], limit_sec, limit, sizeof limit);
    snprintf(than, sizeof than,
             limit_sec == SETTING_NONE ? "; the policy's default is %s"
                                       : "; it is larger than the policy's default (%s)",
             limit);
    json_array_foreach (shell->findings, i, row) {
        const bool conflict = json_is_true(json_object_get(row, "conflict"));
        const bool larger = !conflict && is_larger(audit, row);
        if (!conflict && !larger && !json_is_true(json_object_get(row, "readonly")))
            continue;
        struct finding *finding = findings_add(
            &audit->findings, CHECK_SHELLS_OTHERS, conflict ? AUDIT_FAIL : AUDIT_WARN, "%s: %s%s",
            text_of(row, "text"), text_of(row, "meaning"), larger ? than : "");
        finding_set_place(finding, text_of(row, "file"),
                          (unsigned)json_integer_value(json_object_get(row, "line")));
        fix_script(finding, row);
    }
}

/* May users log in with this shell? /etc/shells tells. */
static bool is_login_shell(const char *shell)
{
    bool found = false;

    setusershell();
    for (const char *listed; !found && (listed = getusershell()) != NULL;)
        found = strcmp(listed, shell) == 0;
    endusershell();
    return found;
}

/* Does the user have tmout but no disconnect? If so, *found has the rule. */
static bool is_unprotected(const struct audit *audit, const char *user, struct resolution *found)
{
    struct account account;
    bool unprotected = false;

    if (account_lookup(user, true, &account) != ACCOUNT_FOUND)
        return false;
    if (resolve(&audit->view.snapshot, account.name, (const char *const *)account.group,
                account.group_count, found) == 0)
        unprotected = found->setting[SETTING_TMOUT].value != SETTING_NONE &&
                      found->setting[SETTING_DISCONNECT].value == SETTING_NONE;
    account_free(&account);
    return unprotected;
}

static void check_user(struct audit *audit, const struct passwd *user)
{
    /* An empty field means /bin/sh. */
    const char *shell = user->pw_shell[0] != '\0' ? user->pw_shell : "/bin/sh";
    struct resolution resolution;
    char path[PATH_MAX], name[PATH_MAX];

    if (shell_limit(shell) != NULL || !is_login_shell(shell) || access(shell, X_OK) != 0 ||
        !is_unprotected(audit, user->pw_name, &resolution))
        return;
    const struct resolved_setting *limit = &resolution.setting[SETTING_TMOUT];
    struct finding *finding =
        findings_add(&audit->findings, CHECK_SHELLS_USERS, AUDIT_FAIL,
                     "the limit of user \"%s\" has no effect: the login shell %s has no timeout, "
                     "and no disconnect backs the limit",
                     user->pw_name, shell);
    finding_set_place(finding, policy_file(audit, limit->file, path, sizeof path), limit->line);
    finding_set_fix(finding, "usermod -s /bin/bash %s",
                    shell_word(user->pw_name, name, sizeof name));
}

static void check_shells_users(struct audit *audit, const void *facts)
{
    char path[PATH_MAX];

    (void)facts;
    if (!audit->has_view || host_path(audit->host, "/etc/passwd", path, sizeof path) != 0)
        return;
    FILE *passwd = fopen(path, "re");
    if (passwd == NULL)
        return;
    for (struct passwd *user; (user = fgetpwent(passwd)) != NULL;)
        check_user(audit, user);
    fclose(passwd);
}

/* A shell of /etc/shells without a timeout, which users may choose with chsh or
 * simply start; NULL if there is none. */
static const char *loose_shell(char *text, size_t size)
{
    const char *found = NULL;

    setusershell();
    for (const char *shell; found == NULL && (shell = getusershell()) != NULL;) {
        if (access(shell, X_OK) != 0 || shell_limit(shell) != NULL)
            continue;
        snprintf(text, size, "%s", shell);
        found = text;
    }
    endusershell();
    return found;
}

static void check_shells_rules(struct audit *audit, const void *facts)
{
    char shell[PATH_MAX], path[PATH_MAX], title[RULE_TITLE_MAX];
    char value[SETTING_TEXT_MAX], word[PATH_MAX];

    (void)facts;
    if (loose_shell(shell, sizeof shell) == NULL)
        return;
    for (size_t i = 0; i < audit->policy.count; i++) {
        const struct rule *rule = &audit->policy.rule[i];
        const struct rule_setting *limit = &rule->setting[SETTING_TMOUT];
        if (!limit->set || limit->value == SETTING_NONE ||
            rule_value(audit, rule, SETTING_DISCONNECT) != SETTING_NONE)
            continue;
        struct finding *finding =
            findings_add(&audit->findings, CHECK_SHELLS_RULES, AUDIT_WARN,
                         "%s has tmout but no disconnect, and shells like %s (/etc/shells) have "
                         "no timeout",
                         rule_title(rule, title, sizeof title), shell);
        policy_file(audit, limit->file, path, sizeof path);
        finding_set_place(finding, path, limit->line);
        setting_format(&settings[SETTING_TMOUT], limit->value, value, sizeof value);
        finding_set_fix(finding,
                        "sed -i '%us/\\(tmout *= *[0-9a-z]*\\)/\\1   disconnect = %s/' %s && "
                        "tmoutctl apply",
                        limit->line, value, shell_word(path, word, sizeof word));
    }
}

static const struct audit_step shells_steps[] = {
    {CHECK_SHELLS_HOOKS, check_shells_hooks},
    {CHECK_SHELLS_OTHERS, check_shells_others},
    {CHECK_SHELLS_USERS, check_shells_users},
    {CHECK_SHELLS_RULES, check_shells_rules},
};

void audit_shells(struct audit *audit)
{
    struct shell_facts shell = {.shells = list_shells(), .findings = list_shell_findings()};

    if (shell.shells == NULL || shell.findings == NULL)
        audit->findings.out_of_memory = true;
    else
        audit_run(audit, shells_steps, sizeof shells_steps / sizeof *shells_steps, &shell);
    json_decref(shell.shells);
    json_decref(shell.findings);
}
