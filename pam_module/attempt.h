/*
 * One login attempt on a PAM handle, from its admission to its end.
 *
 * The end is that of pam_authenticate(): libpam then calls the handle's
 * PAM_FAIL_DELAY function with the final status, whatever it is and however
 * long the delay, and for the time of an attempt that function is ours. The
 * one that the application had set is called by ours, and put back. Nothing
 * later can tell: sshd waits between authentication and account management,
 * and a key may follow a wrong password on the same handle.
 */
#ifndef TMOUT_PAM_MODULE_ATTEMPT_H
#define TMOUT_PAM_MODULE_ATTEMPT_H

#include "lib/attempts/ledger.h"
#include "pam_module/log_name.h"
#include "pam_module/login_origin.h"
#include "lib/policy/module_args.h"

#include <security/pam_modules.h>

struct attempt_request {
    const char *user;
    char log_name[LOG_NAME_MAX];
    uid_t uid;
    struct attempt_limits limits;
    struct login_origin login;
};

/* Is an attempt of this user under way on the handle, because the stack has
 * a second line of ours? */
bool attempt_is_under_way(pam_handle_t *pamh, const char *user);

/*
 * Has an attempt admitted, waiting where others are in flight. Returns
 * PAM_IGNORE if the password may be checked now, PAM_AUTH_ERR if not, with
 * *report saying why, and PAM_SERVICE_ERR if it cannot be told. All but the
 * first have been logged.
 */
int attempt_begin(pam_handle_t *pamh, const struct module_args *args,
                  const struct attempt_request *request, struct attempt_report *report);

#endif
