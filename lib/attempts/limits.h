/* The policy's limits on a user's login attempts. */
#ifndef TMOUT_ATTEMPTS_LIMITS_H
#define TMOUT_ATTEMPTS_LIMITS_H

#include "lib/policy/resolve.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct attempt_limits {
    unsigned max_attempts; /* 1 to ATTEMPTS_MAX */
    int64_t window_ms;
    int64_t lock_ms; /* or SETTING_FOREVER */
    bool by_source;
};

/* Returns false if the user's attempts are not limited. Those of uid 0 are only
 * if a rule names the user: nobody could unlock root otherwise. */
bool attempt_limits_find(const struct resolution *resolution, uid_t uid,
                         struct attempt_limits *limits);

#endif
