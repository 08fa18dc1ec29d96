/* The policy in force, for the users whose logins are watched. */
#ifndef TMOUT_TMOUTD_POLICY_H
#define TMOUT_TMOUTD_POLICY_H

#include "lib/sessions/registry.h"
#include "lib/sessions/watch_limits.h"
#include "lib/host/failure.h"

/* Opens the policy in force in STATE_DIR; the caller closes it with
 * snapshot_close(). False with the reason if there is none. */
bool policy_open(const char *state_dir, struct snapshot *snapshot, struct failure *failure);

/* The limits of a login, and the uid of its user. False with the reason if they
 * cannot be determined. */
bool policy_limits(const struct snapshot *snapshot, const struct session_record *login, uid_t *uid,
                   struct user_limits *limits, struct failure *failure);

#endif
