/* cmocka with the headers that it needs, and a way for a test to skip itself
 * with a reason. */
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
        fprintf(stderr, "%s skipped: %s\n", __func__, (reason));                                   \
        skip();                                                                                    \
    } while (0)

/* Under an emulator of another architecture, /proc shows the emulator and its
 * traffic, and some system calls are missing. tests/dev/units names it. */
#define NEEDS_OWN_ARCHITECTURE()                                                                   \
    do {                                                                                           \
        const char *emulator = getenv("EMULATOR");                                                 \
        if (emulator != NULL && *emulator != '\0')                                                 \
            LEFT_OUT("does not work under an emulator");                                           \
    } while (0)

#define COUNT_OF(array) (sizeof(array) / sizeof(array)[0])

/* Under valgrind, tests use fewer repetitions. */
static inline bool is_slow(void)
{
    return getenv("TMOUT_TEST_SLOW") != NULL;
}

/* In make soak, they use more. */
static inline bool is_soak(void)
{
    return getenv("TMOUT_SOAK") != NULL;
}

#endif
