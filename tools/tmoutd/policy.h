/* The policy in force, for the users whose logins are watched. */
#ifndef TMOUT_TMOUTD_POLICY_H
#define TMOUT_TMOUTD_POLICY_H

#include "lib/sessions/registry.h"
#include "lib/sessions/watch_limits.h"
#include "lib/host/failure.h"

/* Reads it from STATE_DIR. Returns false where there is none, after a line in
 * the log the first time; limits that were found before then stay. */
bool policy_open(const char *state_dir, struct snapshot *snapshot);

/* The limits of a user's login, and his uid. Returns false where they cannot be
 * told, with the reason. */
bool policy_limits(const struct snapshot *snapshot, const struct session_record *login, uid_t *uid,
                   struct user_limits *limits, struct failure *failure);

#endif
