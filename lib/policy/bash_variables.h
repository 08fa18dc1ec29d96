/* Environment variables with which a user could change what a shell makes of
 * the limit. */
#ifndef TMOUT_POLICY_BASH_VARIABLES_H
#define TMOUT_POLICY_BASH_VARIABLES_H

#include <stdbool.h>
#include <stddef.h>

struct bash_variable {
    const char *name;   /* as the environment has it */
    bool skips_profile; /* bash then does not read /etc/profile at all */
};

/* The first one is the best known. */
extern const struct bash_variable bash_variables[];
extern const size_t bash_variable_count;

#endif
