/* The list of what an audit finds, and the table of its checks. */
#include "tests/unit/check.h"

#include "tools/tmoutctl/audit/findings.h"

#include <string.h>

static void every_check_has_its_row(void **state)
{
    (void)state;
    for (size_t i = 0; i < AUDIT_CHECKS; i++) {
        assert_non_null(audit_checks[i].id);
        assert_non_null(audit_checks[i].passed);
        assert_int_equal(strspn(audit_checks[i].id, "abcdefghijklmnopqrstuvwxyz-"),
                         strlen(audit_checks[i].id));
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(audit_checks[i].id, audit_checks[k].id);
    }
}

static void a_finding_keeps_what_it_was_given(void **state)
{
    struct findings findings = {0};
    char file[] = "/etc/file";
    struct finding *finding =
        findings_add(&findings, CHECK_HOST_FILES, AUDIT_FAIL, "mode %o", 0777);

    (void)state;
    finding_set_place(finding, file, 7);
    finding_set_fix(finding, "chmod go-w %s", file);
    finding_set_control(finding, "CIS 1.2.3");
    file[1] = 'x';
    /* Others that are added do not move it. */
    for (int i = 0; i < 1000; i++)
        findings_add(&findings, CHECK_HOST_STATE, AUDIT_PASS, "%d", i);
    assert_ptr_equal(findings.item[0], finding);
    assert_int_equal(findings.count, 1001);
    assert_int_equal(finding->check, CHECK_HOST_FILES);
    assert_int_equal(finding->status, AUDIT_FAIL);
    assert_string_equal(finding->message, "mode 777");
    assert_string_equal(finding->file, "/etc/file");
    assert_int_equal(finding->line, 7);
    assert_string_equal(finding->fix, "chmod go-w /etc/file");
    assert_string_equal(finding->control, "CIS 1.2.3");
    assert_int_equal(finding->setting, SETTING_COUNT);
    assert_false(findings.out_of_memory);
    findings_free(&findings);
    assert_int_equal(findings.count, 0);
}

static void what_is_not_given_is_not_there(void **state)
{
    struct findings findings = {0};
    struct finding *finding = findings_add(&findings, CHECK_BASELINE, AUDIT_PASS, "x");

    (void)state;
    finding_set_place(finding, NULL, 0);
    finding_set_control(finding, "");
    assert_null(finding->file);
    assert_null(finding->fix);
    assert_null(finding->control);
    findings_free(&findings);
}

/* What a terminal does not show as it is would not be pasted as intended. */
static void a_fix_can_be_pasted_or_there_is_none(void **state)
{
    static const char *const unclean[] = {"rm a\nb", "rm \x1b[31m", "rm a\xe2\x80\xae", "rm \xff"};
    struct findings findings = {0};
    struct finding *finding = findings_add(&findings, CHECK_BASELINE, AUDIT_FAIL, "x");

    (void)state;
    for (size_t i = 0; i < COUNT_OF(unclean); i++) {
        finding_set_fix(finding, "%s", "before");
        finding_set_fix(finding, "%s", unclean[i]);
        assert_null(finding->fix);
    }
    finding_set_fix(finding, "%s", "rm \xc3\xa9t\xc3\xa9");
    assert_string_equal(finding->fix, "rm \xc3\xa9t\xc3\xa9");
    finding_set_fix_by_hand(finding, "/etc/a b", 0);
    assert_string_equal(finding->fix, "vi +1 '/etc/a b' && tmoutctl check && tmoutctl apply");
    finding_set_fix_by_hand(finding, "/etc/x", 12);
    assert_string_equal(finding->fix, "vi +12 /etc/x && tmoutctl check && tmoutctl apply");
    findings_free(&findings);
}

static void places_that_were_reported(void **state)
{
    struct findings findings = {0};

    (void)state;
    findings_add(&findings, CHECK_PAM_JUMP, AUDIT_FAIL, "no place");
    finding_set_place(findings_add(&findings, CHECK_PAM_JUMP, AUDIT_FAIL, "x"), "/a", 3);
    assert_true(findings_have(&findings, CHECK_PAM_JUMP, "/a", 3));
    assert_false(findings_have(&findings, CHECK_PAM_JUMP, "/a", 4));
    assert_false(findings_have(&findings, CHECK_PAM_JUMP, "/b", 3));
    assert_false(findings_have(&findings, CHECK_PAM_TWICE, "/a", 3));
    findings_free(&findings);
}

static void the_first_that_is_bad_enough(void **state)
{
    struct findings findings = {0};
    struct finding *warning, *failure, *about;

    (void)state;
    findings_add(&findings, CHECK_SSHD_DROP_IN, AUDIT_PASS, "x");
    warning = findings_add(&findings, CHECK_SSHD_DROP_IN, AUDIT_WARN, "x");
    failure = findings_add(&findings, CHECK_SSHD_DROP_IN, AUDIT_FAIL, "x");
    about = findings_add(&findings, CHECK_SSHD_DROP_IN, AUDIT_FAIL, "x");
    about->setting = SETTING_MAX_STARTUPS;
    assert_ptr_equal(findings_first(&findings, CHECK_SSHD_DROP_IN, AUDIT_WARN, SETTING_COUNT),
                     warning);
    assert_ptr_equal(findings_first(&findings, CHECK_SSHD_DROP_IN, AUDIT_FAIL, SETTING_COUNT),
                     failure);
    assert_ptr_equal(
        findings_first(&findings, CHECK_SSHD_DROP_IN, AUDIT_WARN, SETTING_MAX_STARTUPS), about);
    assert_null(findings_first(&findings, CHECK_SSHD_DROP_IN, AUDIT_WARN, SETTING_MAX_SESSIONS));
    assert_null(findings_first(&findings, CHECK_SSHD_CONFIG, AUDIT_PASS, SETTING_COUNT));
    findings_free(&findings);
}

static void words_of_a_shell(void **state)
{
    static const struct {
        const char *path, *word;
    } cases[] = {
        {"/etc/ssh/sshd_config", "/etc/ssh/sshd_config"},
        {"", "''"},
        {"/a b", "'/a b'"},
        {"/it's", "'/it'\\''s'"},
        {"$(reboot)`x`\"", "'$(reboot)`x`\"'"},
    };
    char word[64], small[8];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        assert_string_equal(shell_word(cases[i].path, word, sizeof word), cases[i].word);
    /* Cut off, but still one word. */
    assert_string_equal(shell_word("a b c d e f g", small, sizeof small), "'a'");
}

static void words_of_a_status(void **state)
{
    (void)state;
    assert_string_equal(audit_status_word(AUDIT_PASS), "PASS");
    assert_string_equal(audit_status_word(AUDIT_WARN), "WARN");
    assert_string_equal(audit_status_word(AUDIT_FAIL), "FAIL");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_check_has_its_row),
        cmocka_unit_test(a_finding_keeps_what_it_was_given),
        cmocka_unit_test(what_is_not_given_is_not_there),
        cmocka_unit_test(a_fix_can_be_pasted_or_there_is_none),
        cmocka_unit_test(places_that_were_reported),
        cmocka_unit_test(the_first_that_is_bad_enough),
        cmocka_unit_test(words_of_a_shell),
        cmocka_unit_test(words_of_a_status),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
