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

/* The policy's limits on all hosts together. */
struct fleet_limits {
    unsigned attempts; /* 0: attempts on this host concern no other one */
    unsigned fallback; /* how many attempts this host admits by itself */
};

/* Returns false if the user's attempts are not limited. Those of uid 0 are only
 * if a rule names the user: nobody could unlock root otherwise. */
bool attempt_limits_find(const struct resolution *resolution, uid_t uid,
                         struct attempt_limits *limits);

/* For a user whose attempts are limited. Only logins over the network are shared: su,
 * sudo, and the console never depend on other hosts. */
void fleet_limits_find(const struct resolution *resolution, struct fleet_limits *limits);

#endif
