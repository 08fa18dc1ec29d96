/* What is wrong with a policy, for people, for programs and on one line. */
#include "tests/unit/tools/tmoutctl/captured.h"

#include "tools/tmoutctl/print_problems.h"

static struct problems three_problems(void)
{
    struct problems problems = {0};

    problem_add(&problems, PROBLEM_NOTE, "f", 1, "overrides g:1");
    problem_add(&problems, PROBLEM_ERROR, "f", 2, "is \033[wrong");
    problem_add(&problems, PROBLEM_FAILURE, NULL, 0, "out of memory");
    return problems;
}

static void assert_printed(const struct problems *problems, bool with_notes, const char *expected)
{
    struct captured captured;

    capture_begin(&captured);
    print_problems(stdout, problems, with_notes);
    capture_end(&captured);
    assert_string_equal(captured.out, expected);
    captured_free(&captured);
}

static void for_people(void **state)
{
    struct problems problems = three_problems();

    (void)state;
    assert_printed(&problems, true, "f:1: overrides g:1 (note)\nf:2: is ?[wrong\nout of memory\n");
    assert_printed(&problems, false, "f:2: is ?[wrong\nout of memory\n");
    problems_free(&problems);
    assert_printed(&problems, true, "");
}

/* The number not shown is printed for errors, and for notes where these are
 * shown. */
static void with_too_many(void **state)
{
    struct problems problems = {0};
    struct captured captured;

    (void)state;
    for (int i = 0; i < 1001; i++)
        problem_add(&problems, PROBLEM_ERROR, "f", 1, "wrong");
    for (int i = 0; i < 1002; i++)
        problem_add(&problems, PROBLEM_NOTE, "f", 1, "note");
    capture_begin(&captured);
    print_problems(stdout, &problems, true);
    capture_end(&captured);
    assert_contains(captured.out,
                    "(note)\n... and 1 more error, not shown\n... and 2 more notes, not shown\n");
    captured_free(&captured);

    capture_begin(&captured);
    print_problems(stdout, &problems, false);
    capture_end(&captured);
    assert_contains(captured.out, "f:1: wrong\n... and 1 more error, not shown\n");
    assert_null(strstr(captured.out, "note"));
    captured_free(&captured);
    problems_free(&problems);
}

static void for_programs(void **state)
{
    static const struct {
        const char *severity, *file, *message;
        json_int_t line;
    } expected[] = {
        {"note", "f", "overrides g:1", 1},
        {"error", "f", "is \033[wrong", 2},
        {"failure", "null", "out of memory", 0},
    };
    struct problems problems = three_problems();
    json_t *list = problems_json(&problems);

    (void)state;
    assert_int_equal(json_array_size(list), COUNT_OF(expected));
    for (size_t i = 0; i < COUNT_OF(expected); i++) {
        const json_t *row = json_array_get(list, i);
        assert_string_equal(json_text_at(row, "severity"), expected[i].severity);
        assert_string_equal(json_text_at(row, "file"), expected[i].file);
        assert_string_equal(json_text_at(row, "message"), expected[i].message);
        if (expected[i].line == 0)
            assert_true(json_is_null(json_object_get(row, "line")));
        else
            assert_int_equal(json_number_at(row, "line"), expected[i].line);
    }
    json_decref(list);
    problems_free(&problems);
}

static void on_one_line(void **state)
{
    struct problems problems = {0};
    char text[64];

    (void)state;
    summarize_problems(&problems, text, sizeof text);
    assert_string_equal(text, "out of memory");
    problem_add(&problems, PROBLEM_NOTE, "f", 1, "note");
    problem_add(&problems, PROBLEM_ERROR, "f", 2, "wrong");
    summarize_problems(&problems, text, sizeof text);
    assert_string_equal(text, "f:2: wrong");
    problem_add(&problems, PROBLEM_FAILURE, "f", 3, "unreadable");
    summarize_problems(&problems, text, sizeof text);
    assert_string_equal(text, "f:2: wrong (and 1 more error)");
    problem_add(&problems, PROBLEM_ERROR, "f", 4, "wrong");
    summarize_problems(&problems, text, sizeof text);
    assert_string_equal(text, "f:2: wrong (and 2 more errors)");
    summarize_problems(&problems, text, 6);
    assert_string_equal(text, "f:2: ");
    problems_free(&problems);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(for_people),
        cmocka_unit_test(with_too_many),
        cmocka_unit_test(for_programs),
        cmocka_unit_test(on_one_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
