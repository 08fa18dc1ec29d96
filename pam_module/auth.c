#include "pam_module/auth.h"

#include "lib/policy/duration.h"
#include "pam_module/attempt.h"
#include "pam_module/user_settings.h"

#include <errno.h>
#include <security/pam_ext.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

/* What pam_unix asks for after a wrong password: a refusal must not be
 * quicker, or it would tell strangers that the user exists. */
enum { REFUSAL_DELAY_US = 2 * 1000 * 1000 };

/* A screen locker, say, runs as its user and cannot read root's state. */
static int without_root(pam_handle_t *pamh, const char *user, const struct module_args *args)
{
    struct account account;
    int result = PAM_AUTHINFO_UNAVAIL;

    if (account_lookup(user, false, &account) != ACCOUNT_FOUND)
        return result;
    if (account.uid == geteuid())
        result = PAM_IGNORE;
    if (args->debug)
        pam_syslog(pamh, LOG_DEBUG, "attempts are not counted without root user=%s", user);
    account_free(&account);
    return result;
}

/* For users whom sshd will not let in whatever the password, it hands PAM
 * this, again and again up to the length of what was typed. */
static bool is_fake_of_sshd(const char *password)
{
    static const char fake[] = "\b\n\r\177INCORRECT";
    size_t i;

    for (i = 0; password[i] != '\0'; i++)
        if (password[i] != fake[i % (sizeof fake - 1)])
            return false;
    return i > 0;
}

/*
 * What reaches us over SSH without anybody having guessed: sshd's fake, and
 * the empty password that every client tries first where sshd permits one.
 * It costs nothing, and goes no further: a module behind us might ask again.
 */
static bool is_no_guess(pam_handle_t *pamh, int flags, const char *password)
{
    if (getuid() != 0 || !login_is_ssh(pamh))
        return false;
    return is_fake_of_sshd(password) ||
           (password[0] == '\0' && ((unsigned)flags & PAM_DISALLOW_NULL_AUTHTOK) == 0);
}

/* To people at the machine; to remote ones only if the administrator wants:
 * it tells strangers which users exist. */
static void tell_why(pam_handle_t *pamh, int flags, const struct module_args *args,
                     const struct attempt_request *request, const struct attempt_report *report)
{
    char left[64];

    if (((unsigned)flags & PAM_SILENT) != 0 ||
        (request->login.origin.kind != ORIGIN_LOCAL && !args->tell))
        return;
    if (report->admission == REJECTED_BUSY) {
        pam_error(pamh, "Too many logins of this user are being checked. Try again later.");
    } else if (report->lock_left_ms == SETTING_FOREVER) {
        pam_error(pamh, "Locked after %u failed logins, until an administrator unlocks it.",
                  report->failures);
    } else {
        duration_format((report->lock_left_ms + 999) / 1000, left, sizeof left);
        pam_error(pamh, "Locked after %u failed logins. Try again in %s.", report->failures, left);
    }
}

static int admit(pam_handle_t *pamh, int flags, const struct module_args *args,
                 const struct attempt_request *request)
{
    struct attempt_report report = {0};
    const char *password = NULL;
    int result;

    if (attempt_is_under_way(pamh, request->user))
        return PAM_IGNORE;
    if (!args->noprompt) {
        /* Before anything is taken: who thinks at the prompt holds nothing. */
        result = pam_get_authtok(pamh, PAM_AUTHTOK, &password, NULL);
        if (result != PAM_SUCCESS)
            return result == PAM_CONV_AGAIN ? PAM_INCOMPLETE : result;
        if (password != NULL && is_no_guess(pamh, flags, password)) {
            pam_fail_delay(pamh, REFUSAL_DELAY_US);
            return PAM_AUTH_ERR;
        }
    }
    result = attempt_begin(pamh, args, request, &report);
    if (result == PAM_IGNORE)
        return result;
    pam_fail_delay(pamh, REFUSAL_DELAY_US);
    if (result == PAM_AUTH_ERR)
        tell_why(pamh, flags, args, request, &report);
    return result;
}

int authenticate(pam_handle_t *pamh, int flags, const struct module_args *args)
{
    struct attempt_request request = {0};
    struct user_settings user;
    const char *name = NULL;
    int result;

    /* May ask for it, and the answer may be none. */
    result = pam_get_user(pamh, &name, NULL);
    if (result != PAM_SUCCESS)
        return result == PAM_CONV_AGAIN ? PAM_INCOMPLETE : result;
    if (geteuid() != 0)
        return without_root(pamh, name, args);
    switch (user_settings_find(pamh, args, FOR_ATTEMPTS, &user)) {
    case USER_SETTINGS_FOUND:
        request.user = user.account.name;
        request.uid = user.account.uid;
        log_name(request.user, request.log_name, sizeof request.log_name);
        login_origin_find(pamh, &request.login);
        result = attempt_limits_find(&user.resolution, user.account.uid, &request.limits)
                     ? admit(pamh, flags, args, &request)
                     : PAM_IGNORE;
        break;
    case USER_SETTINGS_UNKNOWN_USER:
        result = PAM_IGNORE; /* leaves no state; the next module will say so */
        break;
    default:
        /* Somebody has to be able to mend it. */
        result = user.account.name != NULL && user.account.uid == 0 ? PAM_IGNORE : PAM_SERVICE_ERR;
    }
    user_settings_free(&user);
    return result;
}
