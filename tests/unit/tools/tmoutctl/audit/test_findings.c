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
    char file[] = "/etc/file", text[] = "new";
    struct finding *finding =
        findings_add(&findings, CHECK_HOST_FILES, AUDIT_FAIL, "mode %o", 0777);

    (void)state;
    finding_set_place(finding, file, 7);
    finding_set_remediation(finding, "Let only root write %s.", file);
    finding_set_command(finding, "tmoutctl apply");
    finding_add_edit(finding, &(struct edit){EDIT_REPLACE, file, 7, text});
    finding_set_control(finding, "CIS 1.2.3");
    file[1] = 'x';
    text[0] = 'x';
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
    assert_string_equal(finding->remediation, "Let only root write /etc/file.");
    assert_string_equal(finding->command, "tmoutctl apply");
    assert_int_equal(finding->edits.count, 1);
    assert_string_equal(finding->edits.item[0].file, "/etc/file");
    assert_string_equal(finding->edits.item[0].text, "new");
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
    assert_null(finding->remediation);
    assert_null(finding->command);
    assert_int_equal(finding->edits.count, 0);
    assert_null(finding->control);
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

static void words_of_a_status(void **state)
{
    (void)state;
    assert_string_equal(audit_status_word(AUDIT_PASS), "PASS");
    assert_string_equal(audit_status_word(AUDIT_NOTE), "NOTE");
    assert_string_equal(audit_status_word(AUDIT_WARN), "WARN");
    assert_string_equal(audit_status_word(AUDIT_FAIL), "FAIL");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_check_has_its_row),
        cmocka_unit_test(a_finding_keeps_what_it_was_given),
        cmocka_unit_test(what_is_not_given_is_not_there),
        cmocka_unit_test(places_that_were_reported),
        cmocka_unit_test(the_first_that_is_bad_enough),
        cmocka_unit_test(words_of_a_status),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
