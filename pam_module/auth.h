/* The auth phase: may this password be checked? */
#ifndef TMOUT_PAM_MODULE_AUTH_H
#define TMOUT_PAM_MODULE_AUTH_H

#include "lib/policy/module_args.h"

#include <security/pam_modules.h>

/*
 * PAM_IGNORE if it may: success would vouch for the user where a failing
 * `sufficient` follows. PAM_AUTH_ERR if not; anything else is an error that has
 * been logged, or the conversation's own. flags as in pam_sm_authenticate(3).
 */
int authenticate(pam_handle_t *pamh, int flags, const struct module_args *args);

#endif
