/* The password phase: may the current password be checked? */
#ifndef TMOUT_PAM_MODULE_PASSWORD_H
#define TMOUT_PAM_MODULE_PASSWORD_H

#include "lib/policy/module_args.h"

#include <security/pam_modules.h>
#include <stdbool.h>

/*
 * Is nothing guessed here: at changes by root, who is not asked for the current
 * password, and at changes during a login, whose password was just accepted?
 * flags as in pam_sm_chauthtok(3).
 */
bool change_is_no_attempt(pam_handle_t *pamh, int flags);

/* As authenticate(), for the password that a user wants to change. */
int change_password(pam_handle_t *pamh, int flags, const struct module_args *args);

#endif
