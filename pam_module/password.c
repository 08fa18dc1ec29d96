#include "pam_module/password.h"

#include "pam_module/attempt.h"
#include "pam_module/limited_user.h"
#include "pam_module/pam_item.h"
#include "pam_module/rejection.h"

#include <security/pam_ext.h>

/* As many as pam_unix has. */
enum { NEW_PASSWORD_TRIES = 3 };

/* PAM_CHANGE_EXPIRED_AUTHTOK by itself proves nothing: `passwd -k` sets it, too. */
bool change_is_no_attempt(pam_handle_t *pamh, int flags)
{
    return caller_now().real == 0 ||
           (((unsigned)flags & PAM_CHANGE_EXPIRED_AUTHTOK) != 0 && attempt_has_succeeded(pamh));
}

static int admit_change(pam_handle_t *pamh, int flags, const struct module_args *args,
                        struct attempt_request *request)
{
    const char *password = NULL;
    int result;

    if (attempt_is_in_progress(pamh, request))
        return PAM_IGNORE;
    attempt_discard(pamh);
    request->was_asked = pam_item(pamh, PAM_OLDAUTHTOK) != NULL;
    if (!args->noprompt) {
        result = pam_get_authtok(pamh, PAM_OLDAUTHTOK, &password, NULL);
        if (result != PAM_SUCCESS)
            return result == PAM_CONV_AGAIN ? PAM_INCOMPLETE : result;
    }
    return attempt_or_rejection(pamh, flags, args, request);
}

/* For stacks whose next module takes the new password from the one before it. libpam
 * asks twice, and says so if the answers differ. */
static int ask_for_new_password(pam_handle_t *pamh)
{
    const char *password = NULL;
    int result = PAM_TRY_AGAIN;

    for (int tries = 0; tries < NEW_PASSWORD_TRIES && result == PAM_TRY_AGAIN; tries++)
        result = pam_get_authtok(pamh, PAM_AUTHTOK, &password, NULL);
    if (result == PAM_SUCCESS)
        return PAM_IGNORE;
    return result == PAM_CONV_AGAIN ? PAM_INCOMPLETE : PAM_AUTHTOK_ERR;
}

int change_password(pam_handle_t *pamh, int flags, const struct module_args *args)
{
    struct attempt_request request;

    /* libpam comes here only if all modules have accepted the current password in
     * the preliminary check. What the new one is, is not our business. */
    if (((unsigned)flags & PAM_UPDATE_AUTHTOK) != 0) {
        attempt_password_accepted(pamh);
        return args->new_password ? ask_for_new_password(pamh) : PAM_IGNORE;
    }
    if (change_is_no_attempt(pamh, flags))
        return PAM_IGNORE;
    const int result = limited_user_find(pamh, args, ATTEMPT_PASSWORD_CHANGE, &request);
    return result == PAM_SUCCESS ? admit_change(pamh, flags, args, &request) : result;
}
