/* Where a login comes from, as the application tells PAM: never taken from the
 * process's environment, which in su is the user's. */
#ifndef TMOUT_PAM_MODULE_LOGIN_ORIGIN_H
#define TMOUT_PAM_MODULE_LOGIN_ORIGIN_H

#include "lib/attempts/origin.h"

#include <security/pam_modules.h>
#include <stdbool.h>
#include <stddef.h>

/* Over SSH? */
bool login_is_ssh(pam_handle_t *pamh);

struct login_origin {
    struct origin origin; /* what attempts are counted by */
    char address[64];     /* for the log: "local", or what the application gave */
};

/*
 * Finds out whether it comes from the network or from the machine itself. A
 * program that an ordinary user has started, such as su, is always local.
 */
void login_origin_find(pam_handle_t *pamh, struct login_origin *login);

#endif
