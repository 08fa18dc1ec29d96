/* The settings of pam_faillock, from its lines in a stack and its own file. */
#ifndef TMOUT_TMOUTCTL_HOST_FAILLOCK_H
#define TMOUT_TMOUTCTL_HOST_FAILLOCK_H

#include "tools/tmoutctl/host/host.h"
#include "tools/tmoutctl/pam/stack.h"

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

/* One of its options, and where it is set. */
struct faillock_option {
    int64_t value;       /* seconds or a number; INT64_MAX: never locked, or unlocked */
    char file[PATH_MAX]; /* "": not set, so this is the default */
    unsigned line;
    bool on_pam_line;
};

struct faillock {
    bool used; /* is the module in the stack? */
    char config[PATH_MAX];
    struct faillock_option deny, fail_interval, unlock_time, even_deny_root;
};

/* Reads its settings as they apply to the stack auth. */
void faillock_read(const struct host *host, const struct pam_stack *auth,
                   struct faillock *faillock);

#endif
