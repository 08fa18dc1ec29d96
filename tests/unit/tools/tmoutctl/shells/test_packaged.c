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

static void put_changed(const char *root, const char *path, const char *text, const char *more)
{
    char whole[256];

    snprintf(whole, sizeof whole, "%s%s", text, more);
    put(root, path, whole);
}

/* A line that shells read is a conflict; one behind their end is not. */
static void changes_of_our_scripts(void **state)
{
    static const char sh[] = "tmout_mode=x\nreturn 0 #\nTMOUT=600\n";
    static const char csh[] = "set tmout_mode = x\nexit 0 #\n";
    const struct host host = {.root = *state};
    struct shell_findings findings = {0};

    put(*state, PACKAGED_SCRIPTS "/tmout.sh", sh);
    put(*state, PACKAGED_SCRIPTS "/tmout.csh", csh);
    put(*state, PROFILE_SH, sh);
    assert_int_equal(shell_changes_find(&host, &findings), 0);
    assert_int_equal(findings.count, 0);
    put_changed(*state, PROFILE_SH, sh, "TMOUT=900 # theirs\n");
    put_changed(*state, PROFILE_CSH, "set x\n", csh);
    assert_int_equal(shell_changes_find(&host, &findings), 0);
    assert_int_equal(findings.count, 2);
    assert_int_equal(findings.item[0].kind, SHELL_FINDING_UNREAD);
    assert_int_equal(findings.item[0].line, 4);
    assert_string_equal(findings.item[0].text, "TMOUT=900 ");
    assert_false(shell_finding_is_conflict(&findings.item[0]));
    assert_non_null(strstr(shell_finding_advice(&findings.item[0]), "no effect"));
    assert_int_equal(findings.item[1].kind, SHELL_FINDING_CHANGED);
    assert_int_equal(findings.item[1].line, 1);
    assert_true(findings.item[1].csh);
    assert_true(shell_finding_is_conflict(&findings.item[1]));
    assert_non_null(strstr(shell_finding_advice(&findings.item[1]), PACKAGED_SCRIPTS));
    shell_findings_free(&findings);
    /* Lines that are missing; and scripts that are not ours, which others report. */
    put(*state, PROFILE_SH, "tmout_mode=x\nreturn 0 #\n");
    put(*state, PROFILE_CSH, "set autologout=1\n");
    assert_int_equal(shell_changes_find(&host, &findings), 0);
    assert_int_equal(findings.count, 1);
    assert_int_equal(findings.item[0].kind, SHELL_FINDING_UNREAD);
    assert_string_equal(findings.item[0].text, "");
    shell_findings_free(&findings);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(changes_of_our_scripts, temporary_make, temporary_remove),
        cmocka_unit_test_setup_teardown(lines_that_differ, temporary_make, temporary_remove),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
