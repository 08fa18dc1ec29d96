#include "pam_module/password.h"

#include "pam_module/attempt.h"
#include "pam_module/limited_user.h"
#include "pam_module/pam_item.h"
#include "pam_module/rejection.h"

#include <security/pam_ext.h>

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

int change_password(pam_handle_t *pamh, int flags, const struct module_args *args)
{
    struct attempt_request request;

    /* libpam comes here only if all modules have accepted the current password in
     * the preliminary check. The new one is not our business. */
    if (((unsigned)flags & PAM_UPDATE_AUTHTOK) != 0) {
        attempt_password_accepted(pamh);
        return PAM_IGNORE;
    }
    if (change_is_no_attempt(pamh, flags))
        return PAM_IGNORE;
    const int result = limited_user_find(pamh, args, ATTEMPT_PASSWORD_CHANGE, &request);
    return result == PAM_SUCCESS ? admit_change(pamh, flags, args, &request) : result;
}
