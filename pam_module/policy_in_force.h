/* The policy that governs this call: the snapshot, brought up to date. */
#ifndef TMOUT_PAM_MODULE_POLICY_IN_FORCE_H
#define TMOUT_PAM_MODULE_POLICY_IN_FORCE_H

#include "lib/policy/module_args.h"
#include "lib/policy/snapshot_read.h"

#include <security/pam_modules.h>

/*
 * Opens the snapshot. Where the policy on disk has changed since, and the
 * process was not started by an ordinary user, it is compiled anew first;
 * if that fails the last good one is opened. A login waits for one such
 * attempt and no more: *tried says whether it has been made. On 0 the caller
 * closes the snapshot; -1 means that there is none, and has been logged.
 */
int policy_in_force(pam_handle_t *pamh, const struct module_args *args, struct snapshot *snapshot,
                    bool *tried);

/*
 * After a snapshot turned out to be damaged where it was searched: logs that,
 * and has it made anew where this process may and *tried is not set yet.
 * Returns 0 if it is worth searching again.
 */
int policy_rebuild(pam_handle_t *pamh, const struct module_args *args, bool *tried);

#endif
