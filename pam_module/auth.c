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

/* What pam_unix asks for after a wrong password: a rejection must not be
 * quicker, or it would reveal that the user exists. */
enum { REJECTION_DELAY_US = 2 * 1000 * 1000 };

/* A screen locker, for example, runs as its user and cannot read root's state. */
static int without_root(pam_handle_t *pamh, const char *user, const struct module_args *args)
{
    struct account account;
    int result = PAM_AUTHINFO_UNAVAIL;

    if (account_lookup(user, false, &account) != ACCOUNT_FOUND)
        return result;
    if (account.uid == geteuid())
        result = PAM_IGNORE;
    if (args->debug)
        pam_syslog(pamh, LOG_DEBUG, "not running as root: not counting attempts user=%s", user);
    account_free(&account);
    return result;
}

/* For users whom sshd rejects whatever the password is, it passes this to PAM,
 * repeated up to the length of what was typed. */
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
 * What arrives over SSH and is no guess: sshd's fake password, and the empty one
 * that every client tries first where sshd permits it. It is not counted, and it
 * is rejected here: a later module might prompt again.
 */
static bool is_no_guess(pam_handle_t *pamh, int flags, const char *password)
{
    if (getuid() != 0 || !login_is_ssh(pamh))
        return false;
    return is_fake_of_sshd(password) ||
           (password[0] == '\0' && ((unsigned)flags & PAM_DISALLOW_NULL_AUTHTOK) == 0);
}

/* Tells local users why; remote ones only if the administrator wants that, for
 * it reveals which users exist. */
static void tell_why(pam_handle_t *pamh, int flags, const struct module_args *args,
                     const struct attempt_request *request, const struct attempt_report *report)
{
    char left[64];

    if (((unsigned)flags & PAM_SILENT) != 0 ||
        (request->login.origin.kind != ORIGIN_LOCAL && !args->tell))
        return;
    if (report->admission == REJECTED_BUSY) {
        pam_error(pamh, "Too many login attempts in progress for this account. Try again later.");
    } else if (report->lock_left_ms == SETTING_FOREVER) {
        pam_error(pamh, "Account locked after %u failed logins. Contact your administrator.",
                  report->failures);
    } else {
        duration_format((report->lock_left_ms + 999) / 1000, left, sizeof left);
        pam_error(pamh, "Account locked after %u failed logins. Try again in %s.", report->failures,
                  left);
    }
}

static int admit(pam_handle_t *pamh, int flags, const struct module_args *args,
                 const struct attempt_request *request)
{
    struct attempt_report report = {0};
    const char *password = NULL;
    int result;

    if (attempt_is_in_progress(pamh, request->user))
        return PAM_IGNORE;
    if (!args->noprompt) {
        /* First of all: a user thinking at the prompt must not hold a slot. */
        result = pam_get_authtok(pamh, PAM_AUTHTOK, &password, NULL);
        if (result != PAM_SUCCESS)
            return result == PAM_CONV_AGAIN ? PAM_INCOMPLETE : result;
        if (password != NULL && is_no_guess(pamh, flags, password)) {
            pam_fail_delay(pamh, REJECTION_DELAY_US);
            return PAM_AUTH_ERR;
        }
    }
    result = attempt_begin(pamh, args, request, &report);
    if (result == PAM_IGNORE)
        return result;
    pam_fail_delay(pamh, REJECTION_DELAY_US);
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

    /* May prompt for it, and get no answer. */
    result = pam_get_user(pamh, &name, NULL);
    if (result != PAM_SUCCESS)
        return result == PAM_CONV_AGAIN ? PAM_INCOMPLETE : result;
    if (geteuid() != 0)
        return without_root(pamh, name, args);
    switch (user_settings_find(pamh, args, FOR_ATTEMPTS, &user)) {
    case USER_SETTINGS_FOUND:
        request.user = user.account->name;
        request.uid = user.account->uid;
        log_name(request.user, request.log_name, sizeof request.log_name);
        login_origin_find(pamh, args, &request.login);
        result = attempt_limits_find(&user.resolution, request.uid, &request.limits)
                     ? admit(pamh, flags, args, &request)
                     : PAM_IGNORE;
        break;
    case USER_SETTINGS_UNKNOWN_USER:
        result = PAM_IGNORE; /* no state for unknown users; the next module rejects them */
        break;
    default:
        /* Let root in, so that someone can fix it. */
        result = user.account != NULL && user.account->uid == 0 ? PAM_IGNORE : PAM_SERVICE_ERR;
    }
    return result;
}
