/* Several files as one policy: what is merged, what is an error, and that large
 * policies work. */
#include "tests/unit/policy_text.h"

#include <inttypes.h>

static void compile_files(struct compiled *c, const char *const *text, size_t count)
{
    *c = (struct compiled){0};
    for (size_t i = 0; i < count; i++) {
        char path[32];
        snprintf(path, sizeof path, "file%zu", i);
        add_text(&c->sources, path, text[i], strlen(text[i]));
    }
    compile_sources(c);
}

static void assert_setting(const struct rule *rule, enum setting_id id, int64_t value,
                           uint32_t file, uint32_t line)
{
    assert_non_null(rule);
    assert_true(rule->setting[id].set);
    assert_true(rule->setting[id].value == value);
    assert_int_equal(rule->setting[id].file, file);
    assert_int_equal(rule->setting[id].line, line);
}

static void later_file_wins(void **state)
{
    static const char *const text[] = {
        "default {\n  tmout = 10m\n  enforce = true\n}\ngroup \"a\" {\n  tmout = 1m\n}\n",
        "group \"b\" { tmout = 2m }\n",
        "# preset\n\ndefault {\n\n  tmout = 20m\n}\ngroup \"a\" { enforce = true }\n",
        "default { sessions = all }\n",
    };
    struct compiled c;

    (void)state;
    compile_files(&c, text, COUNT_OF(text));
    assert_int_equal(c.outcome, 0);
    assert_int_equal(c.policy.count, 3);

    const struct rule *rule = rule_of(&c.policy, RULE_DEFAULT, "");
    assert_setting(rule, SETTING_TMOUT, 1200, 2, 5);
    assert_setting(rule, SETTING_ENFORCE, 1, 0, 3);
    assert_setting(rule, SETTING_SESSIONS, SESSIONS_ALL, 3, 1);
    assert_false(rule->setting[SETTING_EXPORT].set);

    rule = rule_of(&c.policy, RULE_GROUP, "a");
    assert_setting(rule, SETTING_TMOUT, 60, 0, 6);
    assert_setting(rule, SETTING_ENFORCE, 1, 2, 7);
    assert_setting(rule_of(&c.policy, RULE_GROUP, "b"), SETTING_TMOUT, 120, 1, 1);

    /* One setting was overridden, and both places are named. */
    assert_int_equal(c.problems.count, 1);
    assert_problem(&c.problems, PROBLEM_NOTE, "file2:5: tmout of default overrides file0:2");
    assert_null(problems_first_bad(&c.problems));
    compiled_free(&c);
}

/* Each override is reported, and the last file wins, whether its value is
 * looser or stricter. */
static void set_in_three_files(void **state)
{
    static const char *const text[] = {
        "user \"k\" { tmout = 1m }",
        "\nuser \"k\" { tmout = none }",
        "\n\nuser \"k\" { tmout = 30m }",
    };
    struct compiled c;

    (void)state;
    compile_files(&c, text, COUNT_OF(text));
    assert_int_equal(c.outcome, 0);
    assert_int_equal(c.policy.count, 1);
    assert_setting(&c.policy.rule[0], SETTING_TMOUT, 1800, 2, 3);
    assert_int_equal(c.problems.count, 2);
    assert_problem(&c.problems, PROBLEM_NOTE, "file1:2: tmout of user \"k\" overrides file0:1");
    assert_problem(&c.problems, PROBLEM_NOTE, "file2:3: tmout of user \"k\" overrides file1:2");
    compiled_free(&c);
}

static void twice_in_one_file(void **state)
{
    static const char *const text[] = {
        "group \"a\" { tmout = 1m }\n",
        "group \"a\" { tmout = 2m }\nuser \"a\" { tmout = 3m }\ngroup \"a\" { enforce = true }\n",
        "group \"a\" { tmout = 4m }\n",
    };
    struct compiled c;
    char line[256];

    (void)state;
    compile_files(&c, text, COUNT_OF(text));
    assert_int_equal(c.outcome, 1);
    assert_int_equal(c.problems.errors, 1);
    problem_format(problems_first_bad(&c.problems), line, sizeof line);
    assert_non_null(strstr(line, "file1:3: group \"a\""));
    assert_non_null(strstr(line, "line 1"));
    compiled_free(&c);
}

/* A user and a group of one name, and names that differ in case, a space or
 * a last character, have nothing to do with each other. */
static void different_names(void **state)
{
    static const char *const text[] = {
        "user \"ops\" { tmout = 1m } group \"ops\" { tmout = 2m } group \"Ops\" { tmout = 3m }"
        "group \"ops \" { tmout = 4m } group \"op\" { tmout = 5m } group \"opsx\" { tmout = 6m }"
        "group \"default\" { tmout = 7m } default { tmout = 8m } user \"default\" { tmout = 9m }"};
    struct compiled c;

    (void)state;
    compile_files(&c, text, 1);
    assert_int_equal(c.outcome, 0);
    assert_int_equal(c.problems.count, 0);
    assert_int_equal(c.policy.count, 9);
    assert_setting(rule_of(&c.policy, RULE_USER, "ops"), SETTING_TMOUT, 60, 0, 1);
    assert_setting(rule_of(&c.policy, RULE_GROUP, "ops"), SETTING_TMOUT, 120, 0, 1);
    assert_setting(rule_of(&c.policy, RULE_GROUP, "Ops"), SETTING_TMOUT, 180, 0, 1);
    assert_setting(rule_of(&c.policy, RULE_GROUP, "ops "), SETTING_TMOUT, 240, 0, 1);
    assert_setting(rule_of(&c.policy, RULE_DEFAULT, ""), SETTING_TMOUT, 480, 0, 1);
    compiled_free(&c);
}

/* An error in one file leaves no file unread. */
static void errors_in_all_files(void **state)
{
    static const char *const text[] = {
        "default { tmout = 3abc }\n",
        "group \"a\" {\n tmout = 5m ;\n}\n",
        "\n\nuser \"b\" { tmuot = 5m }\n",
        "user \"c\" { tmout = 5m }\n",
    };
    struct compiled c;
    char line[256];

    (void)state;
    compile_files(&c, text, COUNT_OF(text));
    assert_int_equal(c.outcome, 1);
    assert_int_equal(c.problems.errors, 3);
    static const char *const begins[] = {"file0:1: ", "file1:2: ", "file2:3: "};
    for (size_t i = 0; i < 3; i++) {
        problem_format(&c.problems.item[i], line, sizeof line);
        assert_int_equal(strncmp(line, begins[i], strlen(begins[i])), 0);
    }
    compiled_free(&c);
}

static void assert_problems(const struct problems *problems, const char *const *expected,
                            size_t count)
{
    char line[1024];

    if (problems->count != count)
        print_all_problems(problems);
    assert_int_equal(problems->count, count);
    for (size_t i = 0; i < count; i++) {
        problem_format(&problems->item[i], line, sizeof line);
        assert_string_equal(line, expected[i]);
    }
}

/* An error of each kind in each file hides none of the others, and they come in
 * the order of files and lines, wherever they were found. */
static void every_error_of_every_file(void **state)
{
    static const char *const text[] = {
        "group \"a\" { tmuot = 5m }\ndefault {\n    enforce = maybe\ngroup \"a\" { }\n",
        "/* open\ndefault { tmout = 0 }\nuser \"b { }\n",
        "tmout = 5m\nuser c tmout = 1y }\nuser c { warn = 1m; }\n",
    };
    static const char *const expected[] = {
        "file0:1: unknown setting \"tmuot\"; did you mean \"tmout\"?",
        "file0:3: enforce = \"maybe\" is not an allowed value (allowed: true, false)",
        "file0:4: a } is missing before this line: the section on line 2 is not closed",
        "file0:4: group \"a\" is already defined on line 1: merge the two sections",
        "file1:1: unterminated comment: close the /* that begins here with */",
        "file1:2: tmout = \"0\" is too short: the minimum is 1s (allowed: duration, none)",
        "file1:3: the closing \" is missing on this line",
        "file2:1: tmout is outside of any section: put settings into default { ... }",
        "file2:2: a { is missing after user c",
        ("file2:2: tmout = \"1y\" is not a duration: use seconds (600) or units (10m, 1h30m, 2d) "
         "(allowed: duration, none)"),
        "file2:3: unexpected character ';': remove it, settings need no separator",
        "file2:3: user \"c\" is already defined on line 2: merge the two sections",
    };
    struct compiled c;

    (void)state;
    compile_files(&c, text, COUNT_OF(text));
    assert_int_equal(c.outcome, 1);
    assert_problems(&c.problems, expected, COUNT_OF(expected));
    compiled_free(&c);
}

/* Overrides are found among the sections without errors. A section that
 * comes twice in one file overrides nothing. */
static void overrides_with_errors(void **state)
{
    static const char *const text[] = {
        "default { tmout = 5m }\nuser \"a\" { tmout = 6m }\n",
        "default { tmout = 7m }\nuser \"a\" { tmout = 0 }\ndefault { tmout = 8m }\n",
    };
    static const char *const expected[] = {
        "file1:1: tmout of default overrides file0:1",
        "file1:2: tmout = \"0\" is too short: the minimum is 1s (allowed: duration, none)",
        "file1:3: default is already defined on line 1: merge the two sections",
    };
    struct compiled c;

    (void)state;
    compile_files(&c, text, COUNT_OF(text));
    assert_int_equal(c.outcome, 1);
    assert_problems(&c.problems, expected, COUNT_OF(expected));
    compiled_free(&c);
}

static void no_section_anywhere(void **state)
{
    static const char *const empty[] = {"# nothing\n", "\n"};
    static const char *const one[] = {"# nothing\n", "user \"a\" { }\n"};
    static const char *const expected[] = {
        "file0: has no section; for a policy without limits, write default { }"};
    struct compiled c;

    (void)state;
    compile_files(&c, empty, COUNT_OF(empty));
    assert_int_equal(c.outcome, 1);
    assert_problems(&c.problems, expected, COUNT_OF(expected));
    compiled_free(&c);

    compile_files(&c, one, COUNT_OF(one));
    assert_int_equal(c.outcome, 0);
    assert_int_equal(c.problems.count, 0);
    compiled_free(&c);

    /* Not even a file. */
    c = (struct compiled){0};
    compile_sources(&c);
    assert_int_equal(c.outcome, 1);
    assert_null(c.problems.item[0].file);
    compiled_free(&c);
}

/* The text of a setting moves with it, and the earlier one is given up. */
static void texts_are_merged(void **state)
{
    static const char *const text[] = {
        "default { channel_timeout = \"session:shell=1m\" }",
        "default { channel_timeout = \"session:shell=2m\" }",
        "default { tmout = 5m }",
    };
    struct compiled c;

    (void)state;
    compile_files(&c, text, COUNT_OF(text));
    assert_int_equal(c.outcome, 0);
    assert_int_equal(c.policy.count, 1);
    assert_string_equal(c.policy.rule[0].text, "session:shell=2m");
    assert_setting(&c.policy.rule[0], SETTING_CHANNEL_TIMEOUT, 16, 1, 1);
    /* The rule is the one of the last file that has it. */
    assert_int_equal(c.policy.rule[0].file, 2);
    compiled_free(&c);
}

/* Files that could not be read have no text; that is reported by who read them. */
static void unread_files_are_skipped(void **state)
{
    struct compiled c = {0};

    (void)state;
    add_text(&c.sources, "f0", "", 0);
    free(c.sources.item[0].text);
    c.sources.item[0].text = NULL;
    add_text(&c.sources, "f1", "default { }", 11);
    problem_add(&c.problems, PROBLEM_FAILURE, "f0", 0, "cannot read");
    compile_sources(&c);
    assert_int_equal(c.outcome, -1);
    assert_int_equal(c.policy.count, 1);
    assert_int_equal(c.problems.errors, 0);
    compiled_free(&c);

    /* Without any section the failure matters, and no error is reported. */
    c = (struct compiled){0};
    add_text(&c.sources, "f0", "", 0);
    problem_add(&c.problems, PROBLEM_FAILURE, "f0", 0, "cannot read");
    compile_sources(&c);
    assert_int_equal(c.outcome, -1);
    assert_int_equal(c.problems.errors, 0);
    compiled_free(&c);
}

/* Sorted, so that the snapshot's bytes follow from the policy alone. */
static void sorted(void **state)
{
    static const char *const text[] = {
        "user \"b\" {} user \"a\" {} group \"z\" {} default {} group \"y\" {}", "user \"0\" {}"};
    struct compiled c;

    (void)state;
    compile_files(&c, text, COUNT_OF(text));
    assert_int_equal(c.outcome, 0);
    for (size_t i = 1; i < c.policy.count; i++) {
        const struct rule *a = &c.policy.rule[i - 1], *b = &c.policy.rule[i];
        assert_true(a->kind < b->kind || (a->kind == b->kind && strcmp(a->name, b->name) < 0));
    }
    compiled_free(&c);
}

static char *many_sections(size_t count, size_t *size)
{
    char *text = NULL;
    FILE *to = open_memstream(&text, size);

    assert_non_null(to);
    for (size_t i = 0; i < count; i++)
        fprintf(to, "group \"group number %zu\" {\n  tmout = %zum # comment\n}\n", i, i % 60 + 1);
    fclose(to);
    return text;
}

static void ten_thousand_sections(void **state)
{
    const size_t count = is_slow() ? 500 : 10000;
    struct compiled c;
    size_t size;
    char *text = many_sections(count, &size);

    (void)state;
    compile_bytes(&c, "f", text, size);
    assert_int_equal(c.outcome, 0);
    assert_int_equal(c.policy.count, count);
    for (size_t i = 0; i < count; i++) {
        size_t number;
        assert_int_equal(sscanf(c.policy.rule[i].name, "group number %zu", &number), 1);
        assert_int_equal(c.policy.rule[i].line, 3 * number + 1);
        assert_setting(&c.policy.rule[i], SETTING_TMOUT, (int64_t)(number % 60 + 1) * 60, 0,
                       (uint32_t)(3 * number + 2));
    }
    compiled_free(&c);
    free(text);
}

/* All of them invalid: the first thousand are kept, the rest are counted. */
static void ten_thousand_errors(void **state)
{
    const size_t count = is_slow() ? 500 : 10000;
    struct compiled c;
    char *text = NULL;
    size_t size;
    FILE *to = open_memstream(&text, &size);

    (void)state;
    assert_non_null(to);
    for (size_t i = 0; i < count; i++)
        fprintf(to, "user \"same\" { tmout = 3abc%zu }\n", i);
    fclose(to);
    compile_bytes(&c, "f", text, size);
    assert_int_equal(c.outcome, 1);
    /* Each value, and each section but the first. */
    assert_int_equal(c.problems.errors, 2 * count - 1);
    assert_int_equal(c.problems.count + problems_errors_left_out(&c.problems), 2 * count - 1);
    assert_int_equal(c.problems.count, is_slow() ? 999 : 1000);
    assert_int_equal(problems_first_bad(&c.problems)->line, 1);
    compiled_free(&c);
    free(text);
}

/* However many notes there are, the first error is kept. */
static void an_error_after_many_notes(void **state)
{
    struct compiled c = {0};
    size_t size;
    char *text = many_sections(200, &size);
    static const char error[] = "user \"x\" { }\nuser \"x\" { }\n";

    (void)state;
    add_text(&c.sources, "f0", text, size);
    add_text(&c.sources, "f1", text, size);
    add_text(&c.sources, "f2", error, strlen(error));
    compile_sources(&c);
    assert_int_equal(c.outcome, 1);
    assert_int_equal(c.problems.errors, 1);
    assert_non_null(problems_first_bad(&c.problems));
    assert_int_equal(problems_first_bad(&c.problems)->line, 2);
    compiled_free(&c);
    free(text);
}

/* As large as a source may be, of the characters that hurt most. */
static void eight_megabytes(void **state)
{
    static const char *const unit[] = {"{",      "}",  "\"", "'",  "a{",
                                       "user\n", "= ", "a ", "\n", "group \"x\" { "};
    const size_t size = is_slow() ? 4 * 1024 : 8 * 1024 * 1024;
    char *text = malloc(size);

    (void)state;
    assert_non_null(text);
    for (size_t i = 0; i < COUNT_OF(unit); i++) {
        struct compiled c;
        const size_t length = strlen(unit[i]);

        for (size_t at = 0; at < size; at++)
            text[at] = unit[i][at % length];
        compile_bytes(&c, "f", text, size);
        assert_int_equal(c.outcome, 1);
        compiled_free(&c);
    }
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(later_file_wins),           cmocka_unit_test(set_in_three_files),
        cmocka_unit_test(twice_in_one_file),         cmocka_unit_test(different_names),
        cmocka_unit_test(errors_in_all_files),       cmocka_unit_test(sorted),
        cmocka_unit_test(ten_thousand_sections),     cmocka_unit_test(ten_thousand_errors),
        cmocka_unit_test(an_error_after_many_notes), cmocka_unit_test(eight_megabytes),
        cmocka_unit_test(every_error_of_every_file), cmocka_unit_test(overrides_with_errors),
        cmocka_unit_test(no_section_anywhere),       cmocka_unit_test(texts_are_merged),
        cmocka_unit_test(unread_files_are_skipped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
