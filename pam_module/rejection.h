/* What the application and the user get to see of a rejection. */
#ifndef TMOUT_PAM_MODULE_REJECTION_H
#define TMOUT_PAM_MODULE_REJECTION_H

#include "lib/policy/module_args.h"
#include "pam_module/attempt_request.h"

#include <security/pam_modules.h>

/* It takes as long as a wrong password does. */
void delay_rejection(pam_handle_t *pamh);

/*
 * Asks for an attempt, and returns what attempt_begin() does. A rejection is
 * delayed. Local users are told why; remote ones only if the administrator wants
 * that, for it reveals which users exist. flags as in pam_sm_authenticate(3).
 */
int attempt_or_rejection(pam_handle_t *pamh, int flags, const struct module_args *args,
                         const struct attempt_request *request);

#endif
