/*
 * Which login a session belongs to. A login over SSH or at a terminal is put
 * into the registry, where tmoutd finds it, and where su, sudo and whatever
 * else is started inside the login finds it.
 */
#ifndef TMOUT_PAM_MODULE_REGISTRATION_H
#define TMOUT_PAM_MODULE_REGISTRATION_H

#include "lib/sessions/registry.h"
#include "lib/policy/module_args.h"

#include <security/pam_modules.h>

/* Is this session a login of its own? */
bool is_login(pam_handle_t *pamh, const struct module_args *args);

/* For one that is: over SSH, or at a terminal? */
bool is_ssh_login(pam_handle_t *pamh);

/* What the policy says about its user, as far as that is known. */
struct registered_limits {
    uid_t uid;                        /* or NO_UID */
    uint64_t policy;                  /* snapshot_identity(), or 0: no limits are known */
    const struct user_limits *limits; /* with a policy */
};

/* Registers it. Returns 0, or -1 after a log line. */
int register_login(pam_handle_t *pamh, const struct module_args *args,
                   const struct registered_limits *limits);

/* Removes what register_login() of this process has put in. */
void unregister_login(const struct module_args *args);

/* The login that the process was started in. Returns as registry_find_own()
 * does; -1 has been logged. */
int find_surrounding_login(pam_handle_t *pamh, const struct module_args *args,
                           struct session_record *login);

#endif
