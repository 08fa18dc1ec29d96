/* Where a login comes from, as the application tells PAM: never taken from the
 * process's environment, which in su is the user's. */
#ifndef TMOUT_PAM_MODULE_LOGIN_ORIGIN_H
#define TMOUT_PAM_MODULE_LOGIN_ORIGIN_H

#include "lib/attempts/origin.h"
#include "lib/policy/module_args.h"

#include <security/pam_modules.h>
#include <stdbool.h>
#include <stddef.h>

/* Over SSH? */
bool login_is_ssh(pam_handle_t *pamh);

/* Room for what login_address() writes, with its NUL. */
enum { LOGIN_ADDRESS_MAX = 64 };

/*
 * What the application says of the remote side, made safe for the log: the
 * address in SSH_CONNECTION, PAM_RHOST, or "" for neither.
 */
void login_address(pam_handle_t *pamh, const struct module_args *args, char *text, size_t size);

struct login_origin {
    struct origin origin;            /* what attempts are counted by */
    char address[LOGIN_ADDRESS_MAX]; /* for the log: "local", the address, or "unknown" */
};

/*
 * Decides whether an attempt comes from the network or from the machine itself,
 * by the evidence (lib/attempts/local_login.h) or by origin= on the PAM line.
 */
void login_origin_find(pam_handle_t *pamh, const struct module_args *args,
                       struct login_origin *login);

#endif
