/* Does the limit reach the shells, and does nothing there undo it? */
#include "tools/tmoutctl/audit/audit.h"

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

/* The script that a row's shell gets the limit from. */
static const char *script_of(const json_t *row)
{
    return strcmp(text_of(row, "kind"), "tcsh") == 0 ? PROFILE_CSH : PROFILE_SH;
}

static void check_hooks(struct audit *audit, const void *facts)
{
    const struct shell_facts *shell = facts;
    size_t i;
    const json_t *row;

    json_array_foreach (shell->shells, i, row) {
        const char *script = script_of(row);
        if (json_is_true(json_object_get(row, "ok")))
            continue;
        if (!profile_script_is_ours(script)) {
            if (!audit_has(audit, script, 0))
                audit_add(audit, AUDIT_FAIL, script, 0,
                          "is missing, or not pam_tmout's: install pam_tmout again");
            continue;
        }
        audit_add(audit, AUDIT_FAIL, text_of(row, "shell"), 0, "this %s gets no limit from %s",
                  text_of(row, "kind"),
                  json_is_string(json_object_get(row, "login")) ? "its rc file"
                                                                : "the files of login shells");
        audit_mend(audit, "tmoutctl shells --install");
    }
}

/* The limit that everybody has without a rule of his own. */
static int64_t default_limit(const struct audit *audit)
{
    const struct rule nothing = {.kind = RULE_DEFAULT};

    return rule_value(audit, &nothing, SETTING_TMOUT);
}

static bool is_in_minutes(const json_t *row)
{
    return strcmp(text_of(row, "unit"), "minutes") == 0;
}

/* Does a row set a limit that is larger than the policy's default, or that
 * nobody asked for? */
static bool is_larger(const struct audit *audit, const json_t *row)
{
    const json_t *value = json_object_get(row, "value");
    const int64_t limit_sec = default_limit(audit), unit_sec = is_in_minutes(row) ? 60 : 1;

    return json_is_integer(value) &&
           (limit_sec == SETTING_NONE || json_integer_value(value) > limit_sec / unit_sec);
}

/* Takes the lines of a script that set the limit out, if that is all they do. */
static void mend_script(struct audit *audit, const json_t *row)
{
    const char *file = text_of(row, "file");
    char *program = shell_lines_out(file, is_in_minutes(row)), word[PATH_MAX];

    shell_word(file, word, sizeof word);
    if (program == NULL)
        audit->out_of_memory = true;
    else if (program[0] != '\0')
        audit_mend(audit, "sed -i '%s' %s", program, word);
    else
        audit_mend(audit, "vi +%u %s", (unsigned)json_integer_value(json_object_get(row, "line")),
                   word);
    free(program);
}

static void check_others(struct audit *audit, const void *facts)
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
        audit_add(audit, conflict ? AUDIT_FAIL : AUDIT_WARN, text_of(row, "file"),
                  (unsigned)json_integer_value(json_object_get(row, "line")), "%s: %s%s",
                  text_of(row, "text"), text_of(row, "meaning"), larger ? than : "");
        mend_script(audit, row);
    }
}

/* May somebody log in with this shell? /etc/shells says. */
static bool is_login_shell(const char *shell)
{
    bool found = false;

    setusershell();
    for (const char *listed; !found && (listed = getusershell()) != NULL;)
        found = strcmp(listed, shell) == 0;
    endusershell();
    return found;
}

/* The user's rule for tmout, if he has a limit and nothing behind it. */
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

static void check_users(struct audit *audit, const void *facts)
{
    FILE *passwd = fopen("/etc/passwd", "re");

    (void)facts;
    if (passwd == NULL || !audit->has_view) {
        if (passwd != NULL)
            fclose(passwd);
        return;
    }
    for (struct passwd *user; (user = fgetpwent(passwd)) != NULL;) {
        /* An empty field is /bin/sh. */
        const char *shell = user->pw_shell[0] != '\0' ? user->pw_shell : "/bin/sh";
        struct resolution resolution;
        char path[PATH_MAX], name[PATH_MAX];
        if (shell_limit(shell) != NULL || !is_login_shell(shell) || access(shell, X_OK) != 0 ||
            !is_unprotected(audit, user->pw_name, &resolution))
            continue;
        const struct resolved_setting *limit = &resolution.setting[SETTING_TMOUT];
        policy_file(audit, limit->file, path, sizeof path);
        audit_add(audit, AUDIT_FAIL, path, limit->line,
                  "the limit of user \"%s\" has no effect: his shell %s has no timeout, and no "
                  "disconnect stands behind it",
                  user->pw_name, shell);
        audit_mend(audit, "usermod -s /bin/bash %s", shell_word(user->pw_name, name, sizeof name));
    }
    fclose(passwd);
}

/* A shell of /etc/shells without a timeout, which users may choose with chsh or
 * simply start; NULL: there is none. */
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

static void check_rules(struct audit *audit, const void *facts)
{
    char shell[PATH_MAX], path[PATH_MAX], title[RULE_TITLE_MAX];

    (void)facts;
    if (loose_shell(shell, sizeof shell) == NULL)
        return;
    for (size_t i = 0; i < audit->policy.count; i++) {
        const struct rule *rule = &audit->policy.rule[i];
        const struct rule_setting *limit = &rule->setting[SETTING_TMOUT];
        if (!limit->set || limit->value == SETTING_NONE ||
            rule_value(audit, rule, SETTING_DISCONNECT) != SETTING_NONE)
            continue;
        policy_file(audit, limit->file, path, sizeof path);
        audit_add(audit, AUDIT_WARN, path, limit->line,
                  "%s has tmout and no disconnect behind it, and shells like %s (/etc/shells) "
                  "have no timeout",
                  rule_title(rule, title, sizeof title), shell);
        char value[SETTING_TEXT_MAX], word[PATH_MAX];
        setting_format(&settings[SETTING_TMOUT], limit->value, value, sizeof value);
        audit_mend(audit,
                   "sed -i '%us/\\(tmout *= *[0-9a-z]*\\)/\\1   disconnect = %s/' %s && "
                   "tmoutctl apply",
                   limit->line, value, shell_word(path, word, sizeof word));
    }
}

static const struct audit_check checks[] = {
    {"shells-hooks", "every installed shell that has a timeout gets the limit", check_hooks},
    {"shells-others", "no other script fixes TMOUT or autologout, or makes it larger",
     check_others},
    {"shells-users", "nobody with a limit has a login shell that knows none", check_users},
    {"shells-rules", "tmoutd stands behind each limit, or every shell takes one", check_rules},
    {.id = NULL},
};

void audit_shells(struct audit *audit)
{
    struct shell_facts shell = {.shells = list_shells(), .findings = list_shell_findings()};

    if (shell.shells == NULL || shell.findings == NULL)
        audit->out_of_memory = true;
    else
        audit_run(audit, checks, &shell);
    json_decref(shell.shells);
    json_decref(shell.findings);
}
