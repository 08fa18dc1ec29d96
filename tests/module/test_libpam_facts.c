/*
 * The behavior of libpam that the module's design relies on, see docs/FACTS.md.
 * If a newer libpam changes one of these facts, its test fails here.
 */
#include "tests/module/no_conversation.h"
#include "tests/unit/temporary.h"

#include <security/pam_appl.h>
#include <security/pam_modules.h>
#include <string.h>

static int calls, last_status;

static void note_call(int status, unsigned delay_us, void *appdata)
{
    (void)delay_us;
    (void)appdata;
    calls++;
    last_status = status;
}

/* Returns what pam_authenticate() returns for a stack of these lines. */
static int authenticate(const char *directory, const char *lines)
{
    const struct pam_conv conversation = {.conv = no_conversation};
    char *service = path_in(directory, "facts");
    pam_handle_t *pamh = NULL;

    write_text(service, lines);
    free(service);
    assert_int_equal(pam_start_confdir("facts", "nobody", &conversation, directory, &pamh),
                     PAM_SUCCESS);
    assert_int_equal(pam_set_item(pamh, PAM_FAIL_DELAY, (const void *)note_call), PAM_SUCCESS);
    calls = 0;
    const int result = pam_authenticate(pamh, PAM_SILENT);
    assert_int_equal(pam_end(pamh, result), PAM_SUCCESS);
    return result;
}

static void calls_the_delay_function_at_every_end(void **state)
{
    assert_int_equal(authenticate(*state, "auth required pam_permit.so\n"), PAM_SUCCESS);
    assert_int_equal(calls, 1);
    assert_int_equal(last_status, PAM_SUCCESS);
    const int denied = authenticate(*state, "auth required pam_deny.so\n");
    assert_int_equal(calls, 1);
    assert_int_equal(last_status, denied);
    assert_int_not_equal(denied, PAM_SUCCESS);
}

/* Of which the update comes only after a preliminary check. */
static void calls_the_delay_function_after_a_password_change(void **state)
{
    const struct pam_conv conversation = {.conv = no_conversation};
    static const char *const modules[] = {"pam_permit.so", "pam_deny.so"};
    char *service = path_in(*state, "facts");
    pam_handle_t *pamh = NULL;

    for (size_t i = 0; i < 2; i++) {
        char line[64];
        snprintf(line, sizeof line, "password required %s\n", modules[i]);
        write_text(service, line);
        assert_int_equal(pam_start_confdir("facts", "nobody", &conversation, *state, &pamh),
                         PAM_SUCCESS);
        assert_int_equal(pam_set_item(pamh, PAM_FAIL_DELAY, (const void *)note_call), PAM_SUCCESS);
        calls = 0;
        const int result = pam_chauthtok(pamh, PAM_SILENT);
        assert_int_equal(result == PAM_SUCCESS, i == 0);
        assert_int_equal(calls, 1);
        assert_int_equal(last_status, result);
        assert_int_equal(pam_end(pamh, result), PAM_SUCCESS);
    }
    free(service);
}

/* pam_permit and pam_localuser return PAM_SUCCESS; pam_warn returns PAM_IGNORE. */
static void ignore_does_not_authenticate(void **state)
{
    assert_int_not_equal(authenticate(*state, "auth required pam_warn.so\n"), PAM_SUCCESS);
    assert_int_not_equal(authenticate(*state, "auth sufficient pam_warn.so\n"
                                              "auth required pam_deny.so\n"),
                         PAM_SUCCESS);
    assert_int_equal(authenticate(*state, "auth requisite pam_warn.so\n"
                                          "auth required pam_permit.so\n"),
                     PAM_SUCCESS);
}

static void success_before_a_failing_sufficient_module_authenticates(void **state)
{
    assert_int_equal(authenticate(*state, "auth requisite pam_permit.so\n"
                                          "auth sufficient pam_deny.so\n"),
                     PAM_SUCCESS);
}

static void missing_module_returns_module_unknown(void **state)
{
    assert_int_not_equal(authenticate(*state, "auth requisite pam_no_such_module.so\n"
                                              "auth required pam_permit.so\n"),
                         PAM_SUCCESS);
    assert_int_equal(authenticate(*state, "auth [success=ok module_unknown=ignore default=die] "
                                          "pam_no_such_module.so\n"
                                          "auth required pam_permit.so\n"),
                     PAM_SUCCESS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_DIRECTORY(calls_the_delay_function_at_every_end),
        WITH_DIRECTORY(calls_the_delay_function_after_a_password_change),
        WITH_DIRECTORY(ignore_does_not_authenticate),
        WITH_DIRECTORY(success_before_a_failing_sufficient_module_authenticates),
        WITH_DIRECTORY(missing_module_returns_module_unknown),
    };

    return cmocka_run_group_tests_name("libpam", tests, NULL, NULL);
}
