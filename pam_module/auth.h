/* The auth phase: may this password be checked? */
#ifndef TMOUT_PAM_MODULE_AUTH_H
#define TMOUT_PAM_MODULE_AUTH_H

#include "lib/policy/module_args.h"

#include <security/pam_modules.h>

/*
 * PAM_IGNORE where it may, for the line vouches for nobody; PAM_AUTH_ERR
 * where it may not; anything else is an error that has been logged, or the
 * conversation's own. Flags as those of pam_sm_authenticate(3).
 */
int authenticate(pam_handle_t *pamh, int flags, const struct module_args *args);

#endif
