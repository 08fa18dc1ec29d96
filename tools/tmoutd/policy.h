/* The policy in force, for the users whose logins are watched. */
#ifndef TMOUTD_POLICY_H
#define TMOUTD_POLICY_H

#include "../../lib/sessions/registry.h"
#include "../../lib/sessions/watch_limits.h"

/* Reads it from STATE_DIR. Returns false, after a line in the log, where there
 * is none; limits that were found before then stay. */
bool policy_open(const char *state_dir, struct snapshot *snapshot);

/* The limits of a user's login. Returns false, after a line in the log, where they cannot
 * be told. */
bool policy_limits(const struct snapshot *snapshot, const struct session_record *login,
                   struct user_limits *limits);

#endif
