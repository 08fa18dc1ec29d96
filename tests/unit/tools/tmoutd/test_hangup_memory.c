/* Hang-ups while memory runs out: those after it find every process again. */
#include "tests/unit/out_of_memory.h"
#include "tests/unit/tools/tmoutd/shell.h"

#include "tools/tmoutd/hangup.h"

/* The list of processes that one turn shares. */
static void a_list_is_whole_or_none(void **state)
{
    need_pidfd();
    struct shell shell = shell_begin(SHELL_DEAF);
    const struct session_record login = own_login();
    struct process_list all = {0};
    struct hangup hangup;
    unsigned failures = 0;

    (void)state;
    for (long before = 0; before < 64; before++) {
        allocations.before_failure = before;
        allocations.only_one = true;
        allocations.has_failed = false;
        const int first = hangup_terminal(&hangup, &login, shell.index, &all, 1000);
        allocations.before_failure = -1;
        if (!allocations.has_failed) {
            assert_int_equal(first, 0);
            hangup_free(&hangup);
            break;
        }
        assert_int_equal(first, -1);
        assert_int_equal(errno, ENOMEM);
        failures++;
        assert_int_equal(hangup_terminal(&hangup, &login, shell.index, &all, 1000), 0);
        assert_int_equal(hangup.count, 1);
        hangup_free(&hangup);
        process_list_free(&all);
    }
    assert_true(failures > 1);
    process_list_free(&all);
    assert_true(shell_lives(&shell));
    shell_end(&shell);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_list_is_whole_or_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
