/*
 * Policy files to one policy: every file is loaded, sections of one title are
 * merged, and everything that is wrong is reported. Only tmoutctl does this;
 * logins use the compiled form, the snapshot.
 */
#ifndef TMOUT_POLICY_COMPILE_H
#define TMOUT_POLICY_COMPILE_H

#include <sys/types.h>

#include "lib/policy/problems.h"
#include "lib/policy/rules.h"
#include "lib/policy/source.h"

/*
 * Reads and checks the policy whose main file is config_path; owner as in
 * secure_path.h. sources and problems are filled whatever the outcome.
 * Returns 0 when the policy is valid, 1 when it is not, -1 when that could
 * not be found out (problems has a FAILURE).
 */
int policy_compile(const char *config_path, uid_t owner, struct policy *policy,
                   struct source_set *sources, struct problems *problems);

/* The same for sources that have been read already. */
int policy_compile_sources(const struct source_set *sources, struct policy *policy,
                           struct problems *problems);

#endif
