/* Calls that may never come back. */
#include "tests/unit/check.h"

#include "tools/tmoutctl/host/rehearsal.h"

#include <errno.h>
#include <signal.h>
#include <unistd.h>

enum { LONG_MS = 60 * 1000, SHORT_MS = 50 };

static void come_back(void *context)
{
    *(int *)context = 2;
}

static void stay_away(void *context)
{
    (void)context;
    for (;;)
        pause();
}

static void crash(void *context)
{
    (void)context;
    raise(SIGKILL);
}

static void calls(void **state)
{
    int value = 1;

    (void)state;
    assert_int_equal(rehearse(come_back, &value, LONG_MS), 0);
    assert_int_equal(value, 1); /* it was the child's that changed */
    assert_int_equal(rehearse(stay_away, NULL, SHORT_MS), -1);
    assert_int_equal(errno, ETIMEDOUT);
    assert_int_equal(rehearse(crash, NULL, LONG_MS), -1);
    assert_int_equal(errno, ECHILD);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
