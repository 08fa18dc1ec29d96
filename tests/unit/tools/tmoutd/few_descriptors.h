/* A limit of descriptors that leaves this many numbers for logins. */
#ifndef TMOUT_TESTS_UNIT_TOOLS_TMOUTD_FEW_DESCRIPTORS_H
#define TMOUT_TESTS_UNIT_TOOLS_TMOUTD_FEW_DESCRIPTORS_H

#include "tests/unit/check.h"

#include "tools/tmoutd/descriptors.h"

#include <sys/resource.h>

static inline void few_descriptors_begin(unsigned for_logins, struct rlimit *before)
{
    struct rlimit few;

    assert_int_equal(getrlimit(RLIMIT_NOFILE, before), 0);
    few = *before;
    few.rlim_cur = for_logins + DESCRIPTORS_FOR_HELPERS + DESCRIPTORS_FOR_ENDS;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
}

static inline void few_descriptors_end(const struct rlimit *before)
{
    assert_int_equal(setrlimit(RLIMIT_NOFILE, before), 0);
}

#endif
