#include "pam_module/session.h"

#include "lib/policy/bash_variables.h"
#include "pam_module/login_origin.h"
#include "pam_module/registration.h"
#include "pam_module/user_settings.h"

#include <inttypes.h>
#include <security/pam_ext.h>
#include <stdio.h>
#include <syslog.h>

static int put_environment(pam_handle_t *pamh, const char *assignment)
{
    if (pam_putenv(pamh, assignment) == PAM_SUCCESS)
        return 0;
    pam_syslog(pamh, LOG_ERR,
               "cannot set the limit in the environment: out of memory; see tmout-recovery(7)");
    return -1;
}

/* With these variables a user has bash skip /etc/profile, and pam_env lets them
 * set any in ~/.pam_environment. From the PAM environment they can be removed. */
static void drop_bash_switches(pam_handle_t *pamh)
{
    for (size_t i = 0; i < bash_variable_count; i++)
        if (bash_variables[i].skips_profile && pam_getenv(pamh, bash_variables[i].name) != NULL)
            pam_putenv(pamh, bash_variables[i].name);
}

/* The limit, in the form that the shells' scripts read. */
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

/*
 * The limit of a session that su or sudo started inside a login: its own or the
 * login's, whichever is stricter. Returns 1 with it in *resolution, 0 where
 * neither covers the session, -1 if that could not be found out (logged).
 */
static int tighten_inside_login(pam_handle_t *pamh, const struct module_args *args,
                                struct resolution *resolution)
{
    struct session_record login;
    struct user_settings outer;
    const int found = find_surrounding_login(pamh, args, &login);
    int result = -1;

    if (found <= 0)
        return found < 0 ? -1 : resolution_covers(resolution, login_is_ssh(pamh));
    if (user_settings_find_named(pamh, args, login.user, FOR_SESSION, &outer) ==
        USER_SETTINGS_FOUND) {
        const bool is_ssh = login.is_ssh || login_is_ssh(pamh);
        const bool by_itself = resolution_covers(resolution, is_ssh);
        const bool by_login = resolution_covers(&outer.resolution, is_ssh);
        if (by_login && by_itself)
            resolution_tighten(resolution, &outer.resolution);
        else if (by_login)
            *resolution = outer.resolution;
        result = by_itself || by_login;
    }
    return result;
}

/* PAM_SUCCESS if the limit was set, or the session has none. */
static int set_limit(pam_handle_t *pamh, const struct module_args *args, bool is_own_login,
                     struct user_settings *user)
{
    struct resolution *resolution = &user->resolution;
    int covered;

    if (user_settings_find(pamh, args, FOR_SESSION, user) != USER_SETTINGS_FOUND)
        return PAM_SESSION_ERR;
    if (is_own_login)
        covered = resolution_covers(resolution, login_is_ssh(pamh));
    else
        covered = tighten_inside_login(pamh, args, resolution);
    return covered == 0 || (covered > 0 && put_limit(pamh, resolution) == 0) ? PAM_SUCCESS
                                                                             : PAM_SESSION_ERR;
}

int session_open(pam_handle_t *pamh, const struct module_args *args)
{
    struct user_settings user;
    const bool is_own_login = is_login(pamh, args);
    const int result = set_limit(pamh, args, is_own_login, &user);
    const struct registered_limits limits = {
        .uid = user.policy != 0 ? user.uid : NO_UID,
        .policy = user.policy,
        .limits = &user.limits,
    };

    /* A PAM_TMOUT that the user sent must not pass for ours: shells treat an
     * empty one like none at all, and fall back. */
    if (result != PAM_SUCCESS)
        pam_putenv(pamh, "PAM_TMOUT=");
    /* Whatever the policy says now: a later one applies to this login, too. */
    if (is_own_login && register_login(pamh, args, &limits) != 0)
        return PAM_SESSION_ERR;
    return result;
}

void session_close(pam_handle_t *pamh, const struct module_args *args)
{
    if (is_login(pamh, args))
        unregister_login(args);
}
