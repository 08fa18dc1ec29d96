/*
 * One login attempt on a PAM handle, from its admission to its end.
 *
 * It ends when pam_authenticate() does: libpam then calls the handle's
 * PAM_FAIL_DELAY function with the final status, whatever the status and the
 * delay are, and during an attempt that function is ours. Ours calls the one
 * that the application had set, and restores it. No later phase would do: sshd
 * waits between authentication and account management, and a public key may
 * follow a wrong password on the same handle.
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

/* Is an attempt of this user in progress on the handle, because the stack
 * contains our line twice? */
bool attempt_is_in_progress(pam_handle_t *pamh, const char *user);

/*
 * Asks for an attempt, and waits while too many others are in flight. Returns
 * PAM_IGNORE if the password may be checked now, PAM_AUTH_ERR if not, with the
 * reason in *report, and PAM_SERVICE_ERR or PAM_BUF_ERR on an error. All but
 * PAM_IGNORE have been logged.
 */
int attempt_begin(pam_handle_t *pamh, const struct module_args *args,
                  const struct attempt_request *request, struct attempt_report *report);

#endif
