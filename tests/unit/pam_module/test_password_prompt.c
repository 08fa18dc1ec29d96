/* Which prompts ask for another password. */
#include "tests/unit/check.h"

#include "pam_module/password_prompt.h"

#include <string.h>

static struct prompt_history history;
static const struct prompt_history has_password = {.has_password = true}, nothing = {0};

/* Asks for several things in one call, which are answered. Returns how many of them are
 * for another password. */
static unsigned ask(enum attempt_purpose purpose, int count, const struct pam_message *messages)
{
    const struct pam_message *pointers[8];
    struct prompt_verdict verdict;

    for (int i = 0; i < count; i++)
        pointers[i] = &messages[i];
    prompts_judge(&history, purpose, NULL, count, pointers, &verdict);
    history = verdict.after;
    return verdict.others;
}

static bool asks_after(struct prompt_history before, enum attempt_purpose purpose, int style,
                       const char *text)
{
    const struct pam_message message = {.msg_style = style, .msg = text};

    history = before;
    return ask(purpose, 1, &message) == 1;
}

static bool asks(const char *text)
{
    return asks_after(has_password, ATTEMPT_LOGIN, PAM_PROMPT_ECHO_OFF, text);
}

static bool asks_current(const char *text)
{
    return asks_after(has_password, ATTEMPT_PASSWORD_CHANGE, PAM_PROMPT_ECHO_OFF, text);
}

/* One more hidden prompt of the same login. */
static bool asks_next(const char *text)
{
    return asks_after(history, ATTEMPT_LOGIN, PAM_PROMPT_ECHO_OFF, text);
}

static void passwords(void **state)
{
    static const char *const texts[] = {"Password: ",
                                        "password:",
                                        "LDAP Password: ",
                                        "anna@EXAMPLE.ORG's Password: ",
                                        "hotpot@EXAMPLE.ORG's Password: ",
                                        "Password for the new server: ",
                                        "Passphrase for key: ",
                                        "Password & verification code: ",
                                        "First Factor: ",
                                        "Re-enter your password: ",
                                        "Passwort: ",
                                        "Passwort erneut eingeben: ",
                                        "Adgangskode: ",
                                        "Mot de passe : ",
                                        "Пароль: ",
                                        "パスワード: "};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        if (!asks(texts[i]))
            fail_msg("\"%s\" is for a password", texts[i]);
        /* the first one is the attempt's own */
        assert_false(asks_after(nothing, ATTEMPT_LOGIN, PAM_PROMPT_ECHO_OFF, texts[i]));
        assert_true(history.has_password);
        assert_false(asks_after(has_password, ATTEMPT_LOGIN, PAM_PROMPT_ECHO_ON, texts[i]));
        assert_false(asks_after(has_password, ATTEMPT_LOGIN, PAM_TEXT_INFO, texts[i]));
    }
    assert_false(asks_after(has_password, ATTEMPT_LOGIN, PAM_PROMPT_ECHO_OFF, NULL));
}

/* What says nothing of a second factor is for a password, and the log is to say so. */
static void unnamed_prompts(void **state)
{
    static const char *const texts[] = {
        "",     "Secret: ",           "Enter it: ", "> ", "Erneut eingeben: ", "Try 2 of 6: ",
        "Key:", "Spinach for anna: ", "Sultan: "};
    const struct pam_message secret = {PAM_PROMPT_ECHO_OFF, "Secret: "},
                             password = {PAM_PROMPT_ECHO_OFF, "Password: "};
    const struct pam_message *secrets[] = {&secret}, *passwords[] = {&password};
    struct prompt_verdict verdict;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        if (!asks(texts[i]))
            fail_msg("\"%s\" may be for a password", texts[i]);
        if (!asks_current(texts[i]))
            fail_msg("\"%s\" may be for the current password", texts[i]);
        assert_false(asks_after(nothing, ATTEMPT_LOGIN, PAM_PROMPT_ECHO_OFF, texts[i]));
        assert_true(history.has_password);
    }
    prompts_judge(&has_password, ATTEMPT_LOGIN, NULL, 1, secrets, &verdict);
    assert_string_equal(verdict.unnamed, "Secret: ");
    prompts_judge(&nothing, ATTEMPT_LOGIN, NULL, 1, secrets, &verdict);
    assert_null(verdict.unnamed);
    prompts_judge(&has_password, ATTEMPT_LOGIN, NULL, 1, passwords, &verdict);
    assert_null(verdict.unnamed);
    /* a second factor in front of the password, which counts then: the log names the former */
    assert_false(asks_after(nothing, ATTEMPT_LOGIN, PAM_PROMPT_ECHO_OFF, "Secret: "));
    prompts_judge(&history, ATTEMPT_LOGIN, NULL, 1, passwords, &verdict);
    assert_int_equal(verdict.others, 1);
    assert_string_equal(verdict.unnamed, "Secret: ");
}

static void second_factors(void **state)
{
    static const char *const texts[] = {"Verification code: ",
                                        "Code: ",
                                        "PIN: ",
                                        "Please enter the PIN: ",
                                        "One-time password (OATH) for `anna': ",
                                        "Enter OTP: ",
                                        "OTP Password: ",
                                        "Token password: ",
                                        "Enter PASSCODE: ",
                                        "YubiKey for `anna': ",
                                        "Second Factor (optional): ",
                                        "otp-md5 498 ke1234 ext\nResponse: ",
                                        "Challenge 4711: ",
                                        "Touch your FIDO key",
                                        "Insert your Passkey device, then press ENTER.",
                                        "Enter your Microsoft verification code",
                                        "SMS: ",
                                        "Bestätigungscode: ",
                                        "Einmalpasswort: ",
                                        "Zweiter Faktor: ",
                                        "Code de vérification : ",
                                        "Código de verificación: ",
                                        "Код подтверждения: ",
                                        "验证码：",
                                        "認証コード: "};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        if (asks(texts[i]))
            fail_msg("\"%s\" is for a second factor", texts[i]);
        assert_false(asks_after(nothing, ATTEMPT_LOGIN, PAM_PROMPT_ECHO_OFF, texts[i]));
        assert_false(history.has_password);
    }
}

static void second_factors_of_the_line(void **state)
{
    const struct pam_message message = {PAM_PROMPT_ECHO_OFF, "Antwort (Zahl): "};
    const struct pam_message *messages[] = {&message};
    static const struct {
        const char *words;
        unsigned others;
    } cases[] = {{NULL, 1}, {"Frage", 1}, {"antwort", 0}, {"Frage,ZAHL", 0}, {"Antwort,Frage", 0},
                 {"x", 1},  {":", 0},     {"zahl ", 0},   {" zah ", 1},      {" wort", 1},
                 {"  ", 1}, {" ", 1},     {",,", 1}};
    struct prompt_verdict verdict;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        prompts_judge(&has_password, ATTEMPT_LOGIN, cases[i].words, 1, messages, &verdict);
        assert_int_equal(verdict.others, cases[i].others);
    }
}

/* However modules word it, only so many are no attempts of their own. */
static void second_factors_are_bounded(void **state)
{
    (void)state;
    history = has_password;
    assert_false(asks_next("Enter the new PIN: ")); /* none: it is chosen here */
    assert_false(asks_next("Code a: "));
    assert_false(asks_next("Code b: "));
    assert_false(asks_next("Code c: "));
    assert_true(asks_next("Code d: "));
    assert_true(asks_next("Code e: "));
}

static void new_passwords(void **state)
{
    (void)state;
    history = has_password;
    for (int i = 0; i < 3; i++) { /* the two were not the same */
        assert_false(asks_next("Enter new password: "));
        assert_false(asks_next("Enter it again: "));
    }
    /* what follows is for the old one */
    assert_true(asks_next("Enter it again: "));
    assert_false(asks_next("New PIN: "));
    assert_false(asks_next("Neues Passwort: "));
    assert_false(asks_next("New password: "));
    assert_true(asks_next("Password: "));
    history = nothing;
    assert_false(asks_next("New password: "));
    assert_false(asks_next("Once more: "));
    assert_false(history.has_password);
}

static void current_passwords(void **state)
{
    (void)state;
    assert_true(asks_current("Current password: "));
    assert_true(asks_current("(current) LDAP Password: "));
    assert_true(asks_current("Current Kerberos password: "));
    assert_true(asks_current("Old Password: "));
    assert_true(asks_current("LDAP Password: "));
    assert_false(asks_current("New password: "));
    assert_false(asks_current("(new) UNIX password: "));
    assert_false(asks_current("Neues Kennwort: "));
    assert_false(asks_current("Retype new password: "));
    assert_false(asks_current("Enter new NT password: "));
    assert_false(
        asks_after(nothing, ATTEMPT_PASSWORD_CHANGE, PAM_PROMPT_ECHO_OFF, "Current password: "));
}

/* A module has removed the password, or put another one in its place: it asks for
 * passwords, whatever it calls them. */
static void replaced_passwords(void **state)
{
    const struct pam_message hidden = {PAM_PROMPT_ECHO_OFF, "Code: "},
                             shown = {PAM_PROMPT_ECHO_ON, "Code: "},
                             fresh = {PAM_PROMPT_ECHO_OFF, "New password: "};
    const struct {
        struct prompt_history before;
        bool is_replaced;
        struct pam_message message;
        unsigned others;
    } cases[] = {{has_password, true, hidden, 1},
                 {has_password, true, shown, 0},
                 {has_password, true, fresh, 0},
                 {has_password, false, hidden, 0},
                 {nothing, true, hidden, 0}};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        history = cases[i].before;
        history.is_replaced = cases[i].is_replaced;
        assert_int_equal(ask(ATTEMPT_LOGIN, 1, &cases[i].message), cases[i].others);
    }
}

static void repetitions(void **state)
{
    (void)state;
    history = nothing;
    assert_false(asks_next("Code: "));
    assert_false(history.has_password);
    assert_true(asks_next("Code: "));
    history = has_password;
    assert_false(asks_next("PIN (3 tries left): "));
    assert_false(asks_next("Code: "));
    assert_true(asks_next("PIN (2 tries left): ")); /* not only the last one */
    assert_true(asks_next("PIN (10 tries left): "));
    /* none is forgotten before there are too many of them */
    history = has_password;
    for (int i = 0; i < 2 * PROMPTS_KEPT_MAX; i++)
        assert_int_equal(asks_next((const char *[]){"Code a", "Code b", "Code c"}[i % 3]), i >= 3);
}

static void several_at_once(void **state)
{
    const struct pam_message two_passwords[] = {{PAM_TEXT_INFO, "Hello"},
                                                {PAM_PROMPT_ECHO_OFF, "Password A: "},
                                                {PAM_PROMPT_ECHO_OFF, "Password B: "}},
                             two_factors[] = {{PAM_PROMPT_ECHO_OFF, "First Factor: "},
                                              {PAM_PROMPT_ECHO_OFF, "Second Factor: "}},
                             change[] = {{PAM_PROMPT_ECHO_OFF, "Current password: "},
                                         {PAM_PROMPT_ECHO_OFF, "New password: "},
                                         {PAM_PROMPT_ECHO_OFF, "Again: "}},
                             none[] = {{PAM_TEXT_INFO, NULL}, {PAM_PROMPT_ECHO_OFF, NULL}};

    (void)state;
    history = has_password;
    assert_int_equal(ask(ATTEMPT_LOGIN, 3, two_passwords), 2);
    history = nothing;
    assert_int_equal(ask(ATTEMPT_LOGIN, 3, two_passwords), 1);
    history = nothing;
    assert_int_equal(ask(ATTEMPT_LOGIN, 2, two_factors), 0);
    assert_int_equal(ask(ATTEMPT_LOGIN, 2, two_factors), 2);
    history = nothing;
    assert_int_equal(ask(ATTEMPT_PASSWORD_CHANGE, 3, change), 0);
    assert_int_equal(ask(ATTEMPT_LOGIN, 2, none), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(passwords),
        cmocka_unit_test(unnamed_prompts),
        cmocka_unit_test(second_factors),
        cmocka_unit_test(second_factors_of_the_line),
        cmocka_unit_test(second_factors_are_bounded),
        cmocka_unit_test(new_passwords),
        cmocka_unit_test(current_passwords),
        cmocka_unit_test(replaced_passwords),
        cmocka_unit_test(repetitions),
        cmocka_unit_test(several_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
