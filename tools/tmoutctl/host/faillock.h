/* What pam_faillock does in a stack, from its lines and its own file. */
#ifndef TMOUT_TMOUTCTL_HOST_FAILLOCK_H
#define TMOUT_TMOUTCTL_HOST_FAILLOCK_H

#include "tools/tmoutctl/host/pam_stack.h"

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

/* One of its options, and where it stands. */
struct faillock_option {
    int64_t value;       /* seconds or a number; INT64_MAX: never */
    char file[PATH_MAX]; /* "": the default holds */
    unsigned line;
    bool on_pam_line;
};

struct faillock {
    bool used; /* is the module in the stack? */
    char config[PATH_MAX];
    struct faillock_option deny, fail_interval, unlock_time, even_deny_root;
};

/* root is "" but in tests. */
void faillock_read(const char *root, const struct pam_stack *auth, struct faillock *faillock);

#endif
