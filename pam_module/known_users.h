/*
 * What the name services have said on this PAM handle. A login checks a password
 * several times and opens a session afterwards; a directory server is asked once.
 */
#ifndef TMOUT_PAM_MODULE_KNOWN_USERS_H
#define TMOUT_PAM_MODULE_KNOWN_USERS_H

#include "lib/policy/resolve_account.h"

#include <security/pam_modules.h>

struct known_user {
    char *asked_name;       /* as the application or the registry has it */
    struct account account; /* until it is looked up, only its name, which is the asked one */
    enum { USER_NOT_ASKED, USER_FOUND, USER_UNKNOWN } state;
    struct policy_groups *groups;
    struct known_user *next;
};

/* The user by this name, known or not asked for yet. Belongs to the handle, as
 * long as it lives. NULL: out of memory, logged. */
struct known_user *known_user(pam_handle_t *pamh, const char *name);

/* Looks them up, unless that has been done. A failure is no answer: it is
 * returned as ACCOUNT_ERROR with errno, and the next call asks again. */
enum account_status known_user_look_up(struct known_user *user);

#endif
