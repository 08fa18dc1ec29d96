/* The contents of the file that pam_check.so's argument counter= names: a
 * mapping shared by all processes that check passwords with it. */
#ifndef TMOUT_TESTS_MODULE_PAM_CHECK_H
#define TMOUT_TESTS_MODULE_PAM_CHECK_H

#include <stdint.h>

struct check_counts {
    uint32_t right, wrong;       /* passwords that reached the check */
    uint32_t inside, inside_max; /* being checked now, and the maximum so far */
    uint32_t open;               /* with `gate`: a futex, 0 while checks wait */
};

#endif
