/* What a helper's answer means for a hang-up. */
#include "tests/unit/check.h"

#include "tools/tmoutd/terminal_cut.h"

#include <errno.h>

/* Only a helper that did not return in time shows that the login has to be ended
 * instead, with all that is busy in it. */
static void only_a_helper_that_hangs_is_blocked(void **state)
{
    static const struct {
        enum presence presence;
        int error;
        enum cut_result result;
    } row[] = {
        {GONE, ENOENT, CUT_GONE},      {UNKNOWN, ETIMEDOUT, CUT_BLOCKED},
        {UNKNOWN, EPIPE, CUT_FAILED}, /* it was killed */
        {UNKNOWN, EAGAIN, CUT_FAILED}, {UNKNOWN, ENOMEM, CUT_FAILED},
        {UNKNOWN, EMFILE, CUT_FAILED}, {UNKNOWN, EIO, CUT_FAILED},
    };
    static struct answer answer;

    (void)state;
    for (unsigned i = 0; i < sizeof row / sizeof row[0]; i++) {
        answer.presence = row[i].presence;
        answer.error = row[i].error;
        assert_int_equal(cut_result_of(&answer), row[i].result);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_a_helper_that_hangs_is_blocked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
