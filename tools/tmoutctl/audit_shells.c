/* Does the limit reach the shells, and does nothing there undo it? */
#include "audit.h"

#include "shell_files.h"
#include "shell_findings.h"
#include "shell_list.h"

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

static void check_others(struct audit *audit, const void *facts)
{
    const struct shell_facts *shell = facts;
    char word[PATH_MAX];
    size_t i;
    const json_t *row;

    json_array_foreach (shell->findings, i, row) {
        const bool conflict = json_is_true(json_object_get(row, "conflict"));
        const char *file = text_of(row, "file");
        if (!conflict && !json_is_true(json_object_get(row, "readonly")))
            continue;
        audit_add(audit, conflict ? AUDIT_FAIL : AUDIT_WARN, file,
                  (unsigned)json_integer_value(json_object_get(row, "line")), "%s: %s",
                  text_of(row, "text"), text_of(row, "meaning"));
        /* `:` keeps a branch that has no other command valid. */
        audit_mend(audit,
                   "sed -i -E '/^[[:space:]]*((readonly|export|declare|typeset|set|unset)"
                   "[[:space:]].*)?(TMOUT|autologout)([^A-Za-z_]|$)/s/^/: # /' %s",
                   shell_word(file, word, sizeof word));
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
    char shell[PATH_MAX], path[PATH_MAX], title[RULE_NAME_MAX + 32];

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
    {"shells-others", "no other script fixes TMOUT or autologout", check_others},
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
