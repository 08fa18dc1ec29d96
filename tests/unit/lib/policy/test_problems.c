/* The list of what is wrong with a policy: counts, order, and what is printed. */
#include "tests/unit/policy_text.h"

static void counts_by_severity(void **state)
{
    struct problems problems = {0};

    (void)state;
    problem_add(&problems, PROBLEM_NOTE, "f", 3, "a %s", "note");
    assert_null(problems_first_bad(&problems));
    problem_add(&problems, PROBLEM_FAILURE, NULL, 0, "no disk");
    problem_add(&problems, PROBLEM_ERROR, "f", 0, "%s", "%s%n");
    assert_int_equal(problems.notes, 1);
    assert_int_equal(problems.errors, 1);
    assert_int_equal(problems.failures, 1);
    assert_int_equal(problems.count, 3);
    assert_ptr_equal(problems_first_bad(&problems), &problems.item[1]);
    assert_int_equal(problems_errors_left_out(&problems), 0);
    assert_int_equal(problems_notes_left_out(&problems), 0);
    problems_free(&problems);
    assert_int_equal(problems.count, 0);
    assert_int_equal(problems.notes + problems.errors + problems.failures, 0);
}

static void formats_file_line_and_text(void **state)
{
    static const struct {
        const char *file;
        unsigned line;
        const char *message, *expected;
    } cases[] = {
        {"f", 3, "a note", "f:3: a note"},
        {"f", 0, "a note", "f: a note"},
        {NULL, 0, "a note", "a note"},
        /* what a terminal would interpret */
        {"f\033[2J", 1, "a\tb\177c\n", "f?[2J:1: a?b?c?"},
        {"f", 1, "8 bits \xc2\x9b and \xc2\xa0 \xc3\xa9",
         "f:1: 8 bits ?\x9b and \xc2\xa0 \xc3\xa9"},
        {"f", 1, "at the end \xc2", "f:1: at the end \xc2"},
    };
    char text[64];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct problems problems = {0};
        problem_add(&problems, PROBLEM_ERROR, cases[i].file, cases[i].line, "%s", cases[i].message);
        problem_format(&problems.item[0], text, sizeof text);
        assert_string_equal(text, cases[i].expected);
        problem_format(&problems.item[0], text, 4);
        assert_int_equal(strlen(text), 3);
        problems_free(&problems);
    }
}

/* By file, by line, and as they were added. */
static void sorts_by_place(void **state)
{
    static const struct {
        const char *file;
        unsigned line;
        const char *text;
    } added[] = {
        {"/e/tmout.conf.d/b.conf", 1, "7"},
        {"/e/tmout.conf", 9, "4"},
        {"/e/tmout.conf", 2, "2"},
        {"/e/tmout.conf.d/a.conf", 5, "6"},
        {"/e/tmout.conf", 2, "3"},
        {"/e/tmout.conf.d", 0, "5"},
        {NULL, 0, "0"},
        {"/e/tmout.conf", 0, "1"},
    };
    struct problems problems = {0};

    (void)state;
    problems_sort(&problems);
    for (size_t i = 0; i < COUNT_OF(added); i++)
        problem_add(&problems, PROBLEM_NOTE, added[i].file, added[i].line, "%s", added[i].text);
    problems_sort(&problems);
    for (size_t i = 0; i < COUNT_OF(added); i++) {
        const char expected[] = {(char)('0' + i), '\0'};
        assert_string_equal(problems.item[i].text, expected);
    }
    problems_free(&problems);
}

/* A thousand of the errors and failures are kept, and a thousand of the notes. */
static void keeps_a_thousand_of_each(void **state)
{
    struct problems problems = {0};

    (void)state;
    for (unsigned i = 0; i < 1000; i++) {
        problem_add(&problems, PROBLEM_NOTE, "f", i, "note");
        problem_add(&problems, i % 2 == 0 ? PROBLEM_ERROR : PROBLEM_FAILURE, "f", i, "bad");
    }
    assert_int_equal(problems.count, 2000);
    assert_int_equal(problems_errors_left_out(&problems), 0);
    assert_int_equal(problems_notes_left_out(&problems), 0);
    problem_add(&problems, PROBLEM_ERROR, "f", 1, "bad");
    problem_add(&problems, PROBLEM_FAILURE, "f", 1, "bad");
    problem_add(&problems, PROBLEM_NOTE, "f", 1, "note");
    assert_int_equal(problems.count, 2000);
    assert_int_equal(problems.errors, 501);
    assert_int_equal(problems.failures, 501);
    assert_int_equal(problems.notes, 1001);
    assert_int_equal(problems_errors_left_out(&problems), 2);
    assert_int_equal(problems_notes_left_out(&problems), 1);
    problems_free(&problems);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_by_severity),
        cmocka_unit_test(formats_file_line_and_text),
        cmocka_unit_test(sorts_by_place),
        cmocka_unit_test(keeps_a_thousand_of_each),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
