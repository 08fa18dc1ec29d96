/* Our scripts, compared with the packaged copies. */
#include "tests/unit/host_tree.h"

#include "tools/tmoutctl/shells/packaged.h"

static void lines_that_differ(void **state)
{
    static const char packaged[] = "# PAM_TMOUT\ntmout_limit=600\n    TMOUT=600\necho 5\n";
    static const struct {
        const char *text;
        int line;
    } cases[] = {
        {packaged, 0},
        {"# PAM_TMOUT\ntmout_limit=300\n    TMOUT=300\necho 5\n", 0},
        {"# PAM_TMOUT\ntmout_limit=x\n    TMOUT=600\necho 5\n", 2},
        {"# PAM_TMOUT\ntmout_limit=600\n    TMOUT=600\necho 6\n", 4},
        {"# PAM_TMOUT\ntmout_limit=600\n    TMOUT=600\necho 5\nTMOUT=900\n", 5},
        {"# PAM_TMOUT\ntmout_limit=600\n", 3},
        {"# PAM_TMOUT\r\ntmout_limit=600\r\n", 1},
    };
    const struct host host = {.root = *state};

    assert_int_equal(shell_script_changed_line(&host, PROFILE_SH), 0);
    put(*state, PACKAGED_SCRIPTS "/tmout.sh", packaged);
    assert_int_equal(shell_script_changed_line(&host, PROFILE_SH), 0);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        put(*state, PROFILE_SH, cases[i].text);
        assert_int_equal(shell_script_changed_line(&host, PROFILE_SH), cases[i].line);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(lines_that_differ, temporary_make, temporary_remove),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
