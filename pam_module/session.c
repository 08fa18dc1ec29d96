#include "session.h"

#include "../lib/host/account.h"
#include "../lib/policy/resolve.h"
#include "policy_in_force.h"

#include <errno.h>
#include <inttypes.h>
#include <security/pam_ext.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>

/*
 * Did the login come over SSH? SSH_CONNECTION in the PAM environment says so,
 * never the process's environment, which in su is the user's. But a pam_env
 * line with user_readenv that stands before ours lets a user remove it; sshd
 * also sets the terminal's name to "ssh", which only it can do.
 */
static bool is_ssh(pam_handle_t *pamh)
{
    const void *tty = NULL;

    if (pam_getenv(pamh, "SSH_CONNECTION") != NULL)
        return true;
    return pam_get_item(pamh, PAM_TTY, &tty) == PAM_SUCCESS && tty != NULL &&
           strcmp(tty, "ssh") == 0;
}

static int put_environment(pam_handle_t *pamh, const char *assignment)
{
    if (pam_putenv(pamh, assignment) == PAM_SUCCESS)
        return 0;
    pam_syslog(pamh, LOG_ERR, "cannot put the limit into the environment: out of memory");
    return -1;
}

/* bash skips /etc/profile where it finds these, and pam_env lets a user set
 * them in ~/.pam_environment. Those in the PAM environment can be taken out. */
static void drop_bash_switches(pam_handle_t *pamh)
{
    static const char *const name[] = {"POSIXLY_CORRECT", "SHELLOPTS", "BASHOPTS"};

    for (size_t i = 0; i < sizeof name / sizeof name[0]; i++)
        if (pam_getenv(pamh, name[i]) != NULL)
            pam_putenv(pamh, name[i]);
}

/* The limit in the forms that the shells' scripts read. */
static int put_limit(pam_handle_t *pamh, const struct resolution *resolution)
{
    const int64_t idle_sec = resolution->setting[SETTING_TMOUT].value;
    char limit[LIMIT_TEXT_MAX], assignment[LIMIT_TEXT_MAX + sizeof "PAM_TMOUT="];

    resolution_limit(resolution, limit, sizeof limit);
    snprintf(assignment, sizeof assignment, "PAM_TMOUT=%s", limit);
    if (put_environment(pamh, assignment) != 0)
        return -1;
    if (resolution->setting[SETTING_ENFORCE].value)
        drop_bash_switches(pamh);
    if (idle_sec == SETTING_NONE || !resolution->setting[SETTING_EXPORT].value)
        return 0;
    snprintf(assignment, sizeof assignment, "TMOUT=%" PRId64, idle_sec);
    return put_environment(pamh, assignment);
}

/* Who logs in, as far as the policy's rules want to know: his groups where
 * some rule names a group, his name as NSS spells it where some names a user.
 * For a policy that knows only defaults no name service is asked. */
static int look_up(pam_handle_t *pamh, const uint32_t *rule_count, struct account *account)
{
    const bool with_groups = rule_count[RULE_GROUP] > 0;
    const char *user = NULL;

    if (pam_get_user(pamh, &user, NULL) != PAM_SUCCESS || user == NULL || user[0] == '\0') {
        pam_syslog(pamh, LOG_ERR, "the application did not say who logs in");
        return -1;
    }
    if (!with_groups && rule_count[RULE_USER] == 0) {
        account->name = strdup(user);
        return account->name != NULL ? 0 : -1;
    }
    switch (account_lookup(user, with_groups, account)) {
    case ACCOUNT_FOUND:
        return 0;
    case ACCOUNT_UNKNOWN:
        pam_syslog(pamh, LOG_ERR, "no such user; no limit could be found for the session user=%s",
                   user);
        return -1;
    case ACCOUNT_ERROR:
    default:
        pam_syslog(pamh, LOG_ERR, "the user's groups cannot be looked up: %s user=%s",
                   strerror(errno), user);
        return -1;
    }
}

static void log_decision(pam_handle_t *pamh, const struct snapshot *snapshot, const char *user,
                         const struct resolution *resolution)
{
    const struct resolved_setting *tmout = &resolution->setting[SETTING_TMOUT];
    char value[SETTING_TEXT_MAX], path[256] = "-";

    setting_format(&settings[SETTING_TMOUT], tmout->value, value, sizeof value);
    if (tmout->from_rule)
        snapshot_source_path(snapshot, tmout->file, path, sizeof path);
    pam_syslog(pamh, LOG_DEBUG, "limit found user=%s tmout=%s rule=%s:%" PRIu32, user, value, path,
               tmout->line);
}

enum finding { FOUND, NOT_FOUND, DAMAGED };

/* The user's settings. NOT_FOUND has been logged, DAMAGED not. */
static enum finding find_settings(pam_handle_t *pamh, const struct module_args *args,
                                  struct resolution *resolution, bool *tried)
{
    struct snapshot snapshot;
    struct account account = {0};
    enum finding finding = NOT_FOUND;

    if (policy_in_force(pamh, args, &snapshot, tried) != 0)
        return NOT_FOUND;
    if (look_up(pamh, snapshot.rule_count, &account) != 0)
        goto out;
    finding = DAMAGED;
    if (resolve(&snapshot, account.name, (const char *const *)account.group, account.group_count,
                resolution) != 0)
        goto out;
    finding = FOUND;
    if (args->debug)
        log_decision(pamh, &snapshot, account.name, resolution);

out:
    account_free(&account);
    snapshot_close(&snapshot);
    return finding;
}

int session_open(pam_handle_t *pamh, const struct module_args *args)
{
    struct resolution resolution;
    bool tried = false;
    enum finding finding = find_settings(pamh, args, &resolution, &tried);

    if (finding == DAMAGED && policy_rebuild(pamh, args, &tried) == 0)
        finding = find_settings(pamh, args, &resolution, &tried);
    if (finding != FOUND)
        return PAM_SESSION_ERR;
    if (resolution.setting[SETTING_SESSIONS].value != SESSIONS_ALL && !is_ssh(pamh))
        return PAM_SUCCESS;
    return put_limit(pamh, &resolution) == 0 ? PAM_SUCCESS : PAM_SESSION_ERR;
}
