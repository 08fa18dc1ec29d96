/* The session phase: puts the user's limit into the PAM environment. */
#ifndef TMOUT_PAM_MODULE_SESSION_H
#define TMOUT_PAM_MODULE_SESSION_H

#include "lib/policy/module_args.h"

#include <security/pam_modules.h>

/*
 * Puts PAM_TMOUT ("900 readonly", "900 default" or "none"), and TMOUT where the
 * policy says so, into the PAM environment, or nothing where the policy does not
 * cover this kind of login; and registers a login. Returns PAM_SUCCESS, or
 * PAM_SESSION_ERR after one log line.
 */
int session_open(pam_handle_t *pamh, const struct module_args *args);

/* Removes the login from the registry. */
void session_close(pam_handle_t *pamh, const struct module_args *args);

#endif
