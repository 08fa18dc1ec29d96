/* The policy that applies to this call: the snapshot, brought up to date. */
#ifndef TMOUT_PAM_MODULE_POLICY_IN_FORCE_H
#define TMOUT_PAM_MODULE_POLICY_IN_FORCE_H

#include "lib/policy/module_args.h"
#include "lib/policy/snapshot_read.h"

#include <security/pam_modules.h>

enum policy_use {
    POLICY_USED,
    POLICY_DAMAGED, /* the snapshot, where it was searched; not logged yet */
    POLICY_FAILED   /* something else; logged */
};

/* Searches the open snapshot. Called a second time if it was damaged. */
typedef enum policy_use policy_user(const struct snapshot *snapshot, void *context);

/*
 * Opens the snapshot for use(snapshot, context), and closes it again. Where the
 * policy on disk has changed since, or the snapshot turns out to be damaged, and
 * the process was not started by an ordinary user, it is compiled again first;
 * if that fails the last good one is used. A login waits for one such attempt
 * and no more. Returns 0, or -1 after a log line.
 */
int policy_in_force(pam_handle_t *pamh, const struct module_args *args, policy_user *use,
                    void *context);

#endif
