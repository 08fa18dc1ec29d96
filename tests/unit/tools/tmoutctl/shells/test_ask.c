/* Asking a shell which limit it takes. tests/e2e/scanners.t asks those that have one. */
#include "tests/unit/temporary.h"

#include "tools/tmoutctl/shells/ask.h"

#include <unistd.h>

static void what_a_kind_of_shell_should_have(void **state)
{
    static const struct {
        enum shell_kind kind;
        int64_t limit_sec, expected_sec;
    } cases[] = {
        {SHELL_BASH, 59, 59},  {SHELL_BASH, 900, 900}, {SHELL_ZSH, 61, 61},   {SHELL_TCSH, 1, 60},
        {SHELL_TCSH, 119, 60}, {SHELL_TCSH, 120, 120}, {SHELL_KSH93, 60, 61}, {SHELL_KSH93, 61, 61},
        {SHELL_KSH93, 1, 61},  {SHELL_KSH93, 90, 90},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        assert_int_equal(shell_expected_sec(cases[i].kind, cases[i].limit_sec),
                         cases[i].expected_sec);
}

static void which_starts_count(void **state)
{
    (void)state;
    assert_true(shell_start_counts(SHELL_BASH, SHELL_START_INTERACTIVE));
    assert_true(shell_start_counts(SHELL_BASH, SHELL_START_LOGIN));
    for (enum shell_start start = 0; start < SHELL_STARTS; start++)
        assert_non_null(strstr(shell_start_word(start), "interactive"));
    for (enum shell_kind kind = 0; kind < SHELL_KINDS; kind++)
        for (enum shell_start start = 0; start < SHELL_STARTS; start++)
            if (shell_start_counts(kind, start))
                assert_int_not_equal(shell_traits[kind].timeout, SHELL_NO_TIMEOUT);
}

/* Programs in the place of shells. Only root can start them in namespaces, and not under
 * valgrind. */
static void programs_that_are_asked(void **state)
{
    static const struct {
        const char *path, *failure; /* NULL: it answers */
    } cases[] = {
        {"/bin/sh", NULL},
        {"/bin/true", "ends before its prompt"},
        {"/nowhere/sh", "ends before its prompt"},
    };
    struct failure failure = {""};

    (void)state;
    if (!shell_can_be_asked(&failure)) {
        assert_non_null(strstr(failure.text, "namespaces"));
        assert_true(geteuid() != 0 || is_slow());
        return;
    }
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct shell_run run = {.path = cases[i].path,
                                      .kind = SHELL_BASH,
                                      .start = SHELL_START_INTERACTIVE,
                                      .limit_sec = 900,
                                      .readonly = true};
        struct shell_answer answer = {.limit_sec = -1};
        const int result = shell_ask(&run, &answer, &failure);
        assert_int_equal(result, cases[i].failure == NULL ? 0 : -1);
        if (result != 0) {
            assert_string_equal(failure.text, cases[i].failure);
            free(answer.printed);
            continue;
        }
        assert_int_equal(answer.limit_sec, 0); /* it reads no file of ours */
        assert_false(answer.readonly);
        free(answer.printed);
    }
}

/* What is new where the limit is enforced, and about it. */
static void complaints(void **state)
{
    static const struct {
        const char *enforced, *other, *complaint;
        enum shell_kind kind;
    } cases[] = {
        {"$ \r\n", "$ \r\n", "", SHELL_BASH},
        {"TMOUT: readonly\r\n$ ", "$ ", "TMOUT: readonly", SHELL_BASH},
        {"hello\r\nsh: TMOUT: nur lesbar", "hello\r\n", "sh: TMOUT: nur lesbar", SHELL_ZSH},
        {"Your TMOUT is 900\r\n$ ", "Your TMOUT is 900\r\n$ ", "", SHELL_MKSH},
        {"TMOUT: readonly\r\n", "", "", SHELL_TCSH},
        {"set: $autologout is read-only.\r\n", "", "set: $autologout is read-only.", SHELL_TCSH},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char enforced[64], other[64], text[64];
        snprintf(enforced, sizeof enforced, "%s", cases[i].enforced);
        snprintf(other, sizeof other, "%s", cases[i].other);
        shell_complaint(cases[i].kind, &(struct shell_answer){.printed = enforced},
                        &(struct shell_answer){.printed = other}, text, sizeof text);
        assert_string_equal(text, cases[i].complaint);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_kind_of_shell_should_have),
        cmocka_unit_test(which_starts_count),
        cmocka_unit_test(programs_that_are_asked),
        cmocka_unit_test(complaints),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
