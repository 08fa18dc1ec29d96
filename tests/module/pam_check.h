/* What pam_check.so keeps in the file that its counter= names: a mapping
 * shared by all processes that check passwords with it. */
#ifndef TMOUT_TESTS_MODULE_PAM_CHECK_H
#define TMOUT_TESTS_MODULE_PAM_CHECK_H

#include <stdint.h>

struct check_counts {
    uint32_t right, wrong;        /* passwords that have reached the check */
    uint32_t inside, inside_most; /* how many are being checked at once */
    uint32_t open;                /* with `gate`: a futex, 0 while they wait inside */
};

#endif
