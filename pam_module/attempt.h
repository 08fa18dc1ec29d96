/*
 * One login attempt on a PAM handle, from its admission to its end.
 *
 * It ends when pam_authenticate() does: libpam then calls the handle's
 * PAM_FAIL_DELAY function with the final status, whatever the status and the
 * delay are, and during an attempt that function is ours. Ours calls the one
 * that the application had set, and restores it. No later phase would do: sshd
 * waits between authentication and account management, and a public key may
 * follow a wrong password on the same handle. pam_chauthtok() ends the same way.
 *
 * The conversation is ours for as long, too: a module behind our line that asks
 * for another password makes another attempt of it.
 */
#ifndef TMOUT_PAM_MODULE_ATTEMPT_H
#define TMOUT_PAM_MODULE_ATTEMPT_H

#include "lib/attempts/ledger.h"
#include "lib/policy/module_args.h"
#include "pam_module/attempt_request.h"

#include <security/pam_modules.h>

/* Is this attempt in progress on the handle already, because the stack contains
 * our line twice? To be asked before a prompt. */
bool attempt_is_in_progress(pam_handle_t *pamh, const struct attempt_request *request);

/* Forgets the last attempt on the handle. Was its end hidden from us, it counts
 * as failed. To be called before a prompt for the next one. */
void attempt_discard(pam_handle_t *pamh);

/*
 * Asks for an attempt, and waits while too many others are in flight. Returns
 * PAM_IGNORE if the password may be checked now, PAM_AUTH_ERR if not, with the
 * reason in *report, and PAM_SERVICE_ERR or PAM_BUF_ERR on an error. All but
 * PAM_IGNORE have been logged.
 */
int attempt_begin(pam_handle_t *pamh, const struct module_args *args,
                  const struct attempt_request *request, struct attempt_report *report);

/* At a password change: the modules behind our line have accepted the current
 * password. Settles the attempt, if there is one, as a success. */
void attempt_password_accepted(pam_handle_t *pamh);

/* Has the last attempt on this handle succeeded? */
bool attempt_has_succeeded(pam_handle_t *pamh);

#endif
