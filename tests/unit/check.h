/* cmocka with what it needs before it, and how a test says that it is left
 * out. */
#ifndef TMOUT_TESTS_UNIT_CHECK_H
#define TMOUT_TESTS_UNIT_CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define LEFT_OUT(reason)                                                                           \
    do {                                                                                           \
        fprintf(stderr, "%s is left out: %s\n", __func__, (reason));                               \
        skip();                                                                                    \
    } while (0)

#define COUNT_OF(array) (sizeof(array) / sizeof(array)[0])

/* Under valgrind, the same with fewer repetitions. */
static inline bool slow(void)
{
    return getenv("TMOUT_TEST_SLOW") != NULL;
}

#endif
