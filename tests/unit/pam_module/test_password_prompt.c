/* Which prompts ask for another password. */
#include "tests/unit/check.h"

#include "pam_module/password_prompt.h"

#include <string.h>

static bool asks_after(struct prompt_history history, enum attempt_purpose purpose, int style,
                       const char *text)
{
    const struct pam_message message = {.msg_style = style, .msg = text};
    const struct pam_message *messages[] = {&message};

    return prompts_for_another(&history, purpose, false, 1, messages);
}

static const struct prompt_history has_password = {.has_password = true}, nothing = {0};

static bool asks(const char *text)
{
    return asks_after(has_password, ATTEMPT_LOGIN, PAM_PROMPT_ECHO_OFF, text);
}

static bool asks_current(const char *text)
{
    return asks_after(has_password, ATTEMPT_PASSWORD_CHANGE, PAM_PROMPT_ECHO_OFF, text);
}

static void passwords(void **state)
{
    static const char *const texts[] = {"Password: ",           "password:",
                                        "LDAP Password: ",      "anna@EXAMPLE.ORG's Password: ",
                                        "Passphrase for key: ", "Password & verification code: "};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        if (!asks(texts[i]))
            fail_msg("\"%s\" is for a password", texts[i]);
        /* the first one is the attempt's own */
        assert_false(asks_after(nothing, ATTEMPT_LOGIN, PAM_PROMPT_ECHO_OFF, texts[i]));
        assert_false(asks_after(has_password, ATTEMPT_LOGIN, PAM_PROMPT_ECHO_ON, texts[i]));
        assert_false(asks_after(has_password, ATTEMPT_LOGIN, PAM_TEXT_INFO, texts[i]));
    }
}

static void second_factors(void **state)
{
    static const char *const texts[] = {"Verification code: ",
                                        "Code: ",
                                        "PIN: ",
                                        "One-time password (OATH) for `anna': ",
                                        "Enter OTP: ",
                                        "OTP Password: ",
                                        "Token password: ",
                                        "YubiKey for `anna': ",
                                        "Second Factor (optional): ",
                                        ""};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        if (asks(texts[i]))
            fail_msg("\"%s\" is for a second factor", texts[i]);
}

static void current_passwords(void **state)
{
    (void)state;
    assert_true(asks_current("Current password: "));
    assert_true(asks_current("(current) LDAP Password: "));
    assert_true(asks_current("Current Kerberos password: "));
    assert_true(asks_current("Old Password: "));
    assert_false(asks_current("New password: "));
    assert_false(asks_current("Retype new password: "));
    assert_false(asks_current("Enter new NT password: "));
    assert_false(
        asks_after(nothing, ATTEMPT_PASSWORD_CHANGE, PAM_PROMPT_ECHO_OFF, "Current password: "));
}

static void forgotten_passwords(void **state)
{
    const struct pam_message hidden = {PAM_PROMPT_ECHO_OFF, "Again: "},
                             shown = {PAM_PROMPT_ECHO_ON, "Again: "};
    const struct pam_message *messages[] = {&shown, &hidden};

    (void)state;
    assert_true(prompts_for_another(&has_password, ATTEMPT_LOGIN, true, 2, messages));
    assert_false(prompts_for_another(&has_password, ATTEMPT_LOGIN, true, 1, messages));
    assert_false(prompts_for_another(&has_password, ATTEMPT_LOGIN, false, 2, messages));
    assert_false(prompts_for_another(&nothing, ATTEMPT_LOGIN, true, 2, messages));
    assert_false(prompts_for_another(&has_password, ATTEMPT_PASSWORD_CHANGE, true, 2, messages));
}

static void repetitions(void **state)
{
    struct prompt_history history = {0};
    char text[2 * PROMPT_TEXT_MAX];
    const struct pam_message code = {PAM_PROMPT_ECHO_OFF, "Code: "},
                             pin = {PAM_PROMPT_ECHO_OFF, "PIN: "},
                             info = {PAM_TEXT_INFO, "Wrong code"},
                             long_one = {PAM_PROMPT_ECHO_OFF, text}, none = {PAM_TEXT_INFO, NULL};
    const struct pam_message *messages[] = {&none, &info, &code}, *other[] = {&pin},
                             *longer[] = {&long_one};

    (void)state;
    assert_false(prompts_for_another(&history, ATTEMPT_LOGIN, false, 3, messages));
    prompts_answered(&history, ATTEMPT_LOGIN, 3, messages);
    assert_false(history.has_password);
    assert_true(prompts_for_another(&history, ATTEMPT_LOGIN, false, 3, messages));
    assert_false(prompts_for_another(&history, ATTEMPT_LOGIN, false, 1, other));
    assert_false(prompts_for_another(&history, ATTEMPT_PASSWORD_CHANGE, false, 3, messages));
    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = '\0';
    prompts_answered(&history, ATTEMPT_LOGIN, 1, longer);
    assert_true(prompts_for_another(&history, ATTEMPT_LOGIN, false, 1, longer));
}

static void answers(void **state)
{
    struct prompt_history history = {0};
    const struct pam_message current = {PAM_PROMPT_ECHO_OFF, "Current password: "},
                             fresh = {PAM_PROMPT_ECHO_OFF, "New password: "};
    const struct pam_message *currents[] = {&current}, *news[] = {&fresh};

    (void)state;
    prompts_answered(&history, ATTEMPT_PASSWORD_CHANGE, 1, news);
    assert_false(history.has_password);
    prompts_answered(&history, ATTEMPT_PASSWORD_CHANGE, 1, currents);
    assert_true(history.has_password);
    history.has_password = false;
    prompts_answered(&history, ATTEMPT_LOGIN, 1, news);
    assert_true(history.has_password);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(passwords),         cmocka_unit_test(second_factors),
        cmocka_unit_test(current_passwords), cmocka_unit_test(forgotten_passwords),
        cmocka_unit_test(repetitions),       cmocka_unit_test(answers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
