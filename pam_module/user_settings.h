/* Which user logs in, and which settings the policy gives them. */
#ifndef TMOUT_PAM_MODULE_USER_SETTINGS_H
#define TMOUT_PAM_MODULE_USER_SETTINGS_H

#include "lib/policy/module_args.h"
#include "lib/policy/resolve.h"
#include "lib/sessions/watch_limits.h"
#include "pam_module/known_users.h"

#include <security/pam_modules.h>

/* What has to be known about the user. A session under a policy of defaults alone
 * asks no name service; attempts need the uid, and root's need no groups. */
enum user_purpose { FOR_SESSION, FOR_ATTEMPTS };

struct user_settings {
    const struct account *account; /* belongs to the handle; NULL: not known */
    struct resolution resolution;  /* points into account */
    uid_t uid;                     /* or NO_UID: not asked for */
    uint64_t policy;               /* snapshot_identity() of where it was found */
    struct user_limits limits;     /* what tmoutd is to enforce; FOR_SESSION only */
};

enum user_settings_status {
    USER_SETTINGS_FOUND,
    USER_SETTINGS_UNKNOWN_USER, /* logged for a session only: strangers try many */
    USER_SETTINGS_FAILED        /* logged; account is set if the user is known */
};

enum user_settings_status user_settings_find(pam_handle_t *pamh, const struct module_args *args,
                                             enum user_purpose purpose,
                                             struct user_settings *found);

/* The same for a given user: the one whose login this session runs in. */
enum user_settings_status user_settings_find_named(pam_handle_t *pamh,
                                                   const struct module_args *args, const char *user,
                                                   enum user_purpose purpose,
                                                   struct user_settings *found);

#endif
