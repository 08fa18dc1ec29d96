#include "pam_module/auth.h"

#include "pam_module/attempt.h"
#include "pam_module/limited_user.h"
#include "pam_module/login_origin.h"
#include "pam_module/rejection.h"

#include <security/pam_ext.h>

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
static bool is_no_guess(pam_handle_t *pamh, int flags, const struct module_args *args,
                        const char *password)
{
    if (args->caller.real != 0 || !login_is_ssh(pamh))
        return false;
    return is_fake_of_sshd(password) ||
           (password[0] == '\0' && ((unsigned)flags & PAM_DISALLOW_NULL_AUTHTOK) == 0);
}

static int admit_login(pam_handle_t *pamh, int flags, const struct module_args *args,
                       const struct attempt_request *request)
{
    const char *password = NULL;
    int result;

    if (attempt_is_in_progress(pamh, request))
        return PAM_IGNORE;
    attempt_discard(pamh);
    if (!args->noprompt) {
        /* First of all: a user thinking at the prompt must not hold a slot. */
        result = pam_get_authtok(pamh, PAM_AUTHTOK, &password, NULL);
        if (result != PAM_SUCCESS)
            return result == PAM_CONV_AGAIN ? PAM_INCOMPLETE : result;
        if (password != NULL && is_no_guess(pamh, flags, args, password)) {
            delay_rejection(pamh);
            return PAM_AUTH_ERR;
        }
    }
    return attempt_or_rejection(pamh, flags, args, request);
}

int authenticate(pam_handle_t *pamh, int flags, const struct module_args *args)
{
    struct attempt_request request;
    const int result = limited_user_find(pamh, args, ATTEMPT_LOGIN, &request);

    return result == PAM_SUCCESS ? admit_login(pamh, flags, args, &request) : result;
}
