/* Whose password it is, and whether attempts at it are limited. */
#ifndef TMOUT_PAM_MODULE_LIMITED_USER_H
#define TMOUT_PAM_MODULE_LIMITED_USER_H

#include "lib/policy/module_args.h"
#include "pam_module/attempt_request.h"

#include <security/pam_modules.h>

/*
 * Fills *request for the handle's user; its name belongs to the handle. Returns
 * PAM_SUCCESS if the user's attempts are limited, and what the module returns
 * otherwise: PAM_IGNORE if they are not, or an error that has been logged, or
 * the conversation's own.
 */
int limited_user_find(pam_handle_t *pamh, const struct module_args *args,
                      enum attempt_purpose purpose, struct attempt_request *request);

/*
 * What the module returns if an error of ours, which has been logged, keeps it
 * from finding out whether a limit applies. PAM_IGNORE for those who have to be
 * able to fix it: root, and users whom the program that they have started asks
 * for their own password, such as sudo; but not where limits that the caller has
 * set may have caused the error. PAM_SERVICE_ERR for everybody else.
 */
int undecided(pam_handle_t *pamh);

#endif
