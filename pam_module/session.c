#include "session.h"

#include "login_origin.h"
#include "user_settings.h"

#include <inttypes.h>
#include <security/pam_ext.h>
#include <stdio.h>
#include <syslog.h>

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

int session_open(pam_handle_t *pamh, const struct module_args *args)
{
    struct user_settings user;
    const struct resolution *resolution = &user.resolution;
    int result = PAM_SESSION_ERR;

    if (user_settings_find(pamh, args, FOR_SESSION, &user) != USER_SETTINGS_FOUND)
        goto out;
    result = PAM_SUCCESS;
    if (resolution->setting[SETTING_SESSIONS].value != SESSIONS_ALL && !login_is_ssh(pamh))
        goto out;
    if (put_limit(pamh, resolution) != 0)
        result = PAM_SESSION_ERR;

out:
    user_settings_free(&user);
    return result;
}
