/*
 * Policies as people write them, and as they mistype them: each
 * policies/NAME.conf must give exactly what is in policies/NAME.expected,
 * either its errors or its rules. A new case is two new files; with
 * TMOUT_TEST_ACCEPT in the environment the second one is written from what the
 * code gives now, to be read before it is committed.
 */
#include "tests/unit/policy_text.h"

#include "lib/policy/load.h"
#include "tests/unit/temporary.h"

#include <glob.h>
#include <inttypes.h>

/* A text that grows. */
struct answer {
    char *text;
    size_t size;
    FILE *to;
};

static void print_rule(FILE *to, const struct rule *rule)
{
    fprintf(to, "%s", rule_kind_word(rule->kind));
    if (rule->kind != RULE_DEFAULT)
        fprintf(to, " \"%s\"", rule->name);
    fprintf(to, " (%" PRIu32 "):", rule->line);
    for (size_t i = 0; i < SETTING_COUNT; i++) {
        char value[SETTING_TEXT_MAX];
        if (!rule->setting[i].set)
            continue;
        if (settings[i].type == SETTING_TEXT)
            snprintf(value, sizeof value, "'%s'", rule->text);
        else
            setting_format(&settings[i], rule->setting[i].value, value, sizeof value);
        fprintf(to, " %s=%s(%" PRIu32 ")", settings[i].name, value, rule->setting[i].line);
    }
    fputc('\n', to);
}

static char *answer_to(const char *name, const char *text, size_t size)
{
    struct answer answer = {0};
    struct compiled c;

    compile_bytes(&c, name, text, size);
    assert_int_equal(c.outcome, c.problems.errors > 0);
    assert_int_equal(c.problems.failures, 0);
    answer.to = open_memstream(&answer.text, &answer.size);
    assert_non_null(answer.to);
    for (size_t i = 0; i < c.problems.count; i++) {
        char line[2048];
        problem_format(&c.problems.item[i], line, sizeof line);
        fprintf(answer.to, "%s\n", line);
    }
    fprintf(answer.to, "%s\n", c.outcome == 0 ? "valid" : "invalid");
    for (size_t i = 0; c.outcome == 0 && i < c.policy.count; i++)
        print_rule(answer.to, &c.policy.rule[i]);
    fclose(answer.to);
    compiled_free(&c);
    return answer.text;
}

/* *state is the path of the .conf file. */
static void as_expected(void **state)
{
    const char *path = *state, *name = strrchr(path, '/') + 1;
    char *expected_path = NULL;
    size_t size, expected_size;
    char *text = read_bytes(path, &size);

    assert_true(asprintf(&expected_path, "%.*s.expected", (int)strlen(path) - 5, path) > 0);
    char *answer = answer_to(name, text, size);
    if (getenv("TMOUT_TEST_ACCEPT") != NULL)
        write_text(expected_path, answer);
    if (access(expected_path, F_OK) != 0)
        fail_msg("%s is missing; there was:\n%s", expected_path, answer);
    char *expected = read_bytes(expected_path, &expected_size);
    assert_string_equal(answer, expected);
    free(expected);
    free(answer);
    free(expected_path);
    free(text);
}

/* One error does not hide the next, whatever section it is in. */
static void all_errors_in_one_run(void **state)
{
    struct compiled c;

    (void)state;
    compile_text(&c, "default { tmout = 3abc\n enforce = perhaps }\n"
                     "group \"a\" { tmuot = 5m }\n"
                     "user \"b\" { sessions = some }\n");
    assert_int_equal(c.outcome, 1);
    assert_int_equal(c.problems.errors, 4);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(c.problems.item[i].line, i + 1);
    compiled_free(&c);
}

/* The environment changes nothing, and a policy has no effect on the next one. */
static void ignores_environment_and_earlier_policies(void **state)
{
    static const char text[] = "default { tmout = 5m }\nuser \"${HOME}\" { }\n";
    static const char single[] = "user '${HOME}' { tmout = '6m' }\n";
    struct compiled c;

    (void)state;
    setenv("HOME", "/root", 1);
    for (int round = 0; round < 3; round++) {
        compile_text(&c, text);
        assert_int_equal(c.outcome, 1);
        compiled_free(&c);
        compile_text(&c, single);
        assert_int_equal(c.outcome, 0);
        assert_int_equal(c.policy.count, 1);
        assert_string_equal(c.policy.rule[0].name, "${HOME}");
        assert_int_equal(c.policy.rule[0].setting[SETTING_TMOUT].value, 360);
        compiled_free(&c);
        compile_text(&c, "default { }");
        assert_int_equal(c.outcome, 0);
        assert_int_equal(c.policy.count, 1);
        assert_false(c.policy.rule[0].setting[SETTING_TMOUT].set);
        compiled_free(&c);
    }
}

/* Names of each length up to the longest, and one byte more. */
static void long_names(void **state)
{
    char name[300], text[400];

    (void)state;
    for (size_t length = 1; length < sizeof name; length += length < 250 ? 31 : 1) {
        struct compiled c;
        memset(name, 'n', length);
        name[length] = '\0';
        snprintf(text, sizeof text, "\n\nuser \"%s\" { tmout = 5m }\n", name);
        compile_text(&c, text);
        if (length <= RULE_NAME_MAX) {
            assert_int_equal(c.outcome, 0);
            assert_string_equal(c.policy.rule[0].name, name);
        } else {
            assert_int_equal(c.outcome, 1);
            assert_int_equal(c.problems.item[0].line, 3);
        }
        compiled_free(&c);
    }
}

/* Every byte that is possible in a name is kept. */
static void names_are_kept(void **state)
{
    (void)state;
    for (int quote = 0; quote < 3; quote++) {
        for (int byte = 1; byte < 256; byte++) {
            static const char quotes[] = {'"', '\'', ' '};
            const char q = quotes[quote], c = (char)byte;
            char text[64];
            const char name[] = {'a', c, 'b', c, '\0'};
            size_t at = 0;
            struct compiled compiled;

            if (byte < 0x20 || byte == 0x7f)
                continue;
            if (q == ' ' &&
                !(byte < 0x80 && (strchr("_.:-%@", c) != NULL || (c >= '0' && c <= '9') ||
                                  (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))))
                continue;
            memcpy(text, "group ", at = 6);
            text[at++] = q;
            for (const char *p = name; *p != '\0'; p++) {
                if (*p == '\\' || *p == q)
                    text[at++] = '\\';
                text[at++] = *p;
            }
            text[at++] = q;
            memcpy(text + at, "{tmout=7m}", 11);
            compile_text(&compiled, text);
            if (compiled.outcome != 0)
                print_all_problems(&compiled.problems);
            assert_int_equal(compiled.outcome, 0);
            assert_int_equal(compiled.policy.count, 1);
            assert_string_equal(compiled.policy.rule[0].name, name);
            assert_int_equal(compiled.policy.rule[0].setting[SETTING_TMOUT].value, 420);
            compiled_free(&compiled);
        }
    }
}

static void long_values(void **state)
{
    const size_t length = 100000;
    char *text = malloc(length + 64);
    struct compiled c;

    (void)state;
    assert_non_null(text);
    for (int quoted = 0; quoted < 2; quoted++) {
        const int begin = sprintf(text, "default {\n tmout = %s", quoted ? "\"" : "");
        memset(text + begin, '7', length);
        strcpy(text + begin + length, quoted ? "\"\n}\n" : "\n}\n");
        compile_text(&c, text);
        assert_int_equal(c.outcome, 1);
        assert_int_equal(c.problems.item[0].line, 2);
        compiled_free(&c);
    }
    free(text);
}

/* Any prefix of a valid policy gives an error, or a policy with no more rules than
 * the whole: never a crash, never a setting that is not in the text. */
static void cut_off_anywhere(void **state)
{
    static const char text[] = "# a comment\ndefault { tmout = 15m }\n/* b */ group \"x y\" {\n"
                               "  tmout = 5m # c\n  enforce = true\n}\nuser 'z' { tmout = none }\n";

    (void)state;
    for (size_t size = 0; size < sizeof text; size++) {
        struct compiled c;
        compile_bytes(&c, "f", text, size);
        assert_true(c.policy.count <= 3);
        for (size_t i = 0; c.outcome == 0 && i < c.policy.count; i++) {
            const int64_t value = c.policy.rule[i].setting[SETTING_TMOUT].value;
            assert_true(c.policy.rule[i].setting[SETTING_TMOUT].set);
            assert_true(value == 900 || value == 300 || value == SETTING_NONE);
        }
        compiled_free(&c);
    }
}

/* The rule that the scan is assumed to have found. */
static struct rule expected_rule(enum rule_kind kind, const char *name)
{
    struct rule rule = {.kind = kind, .line = 7};

    rule.name = strdup(name);
    rule.setting[SETTING_TMOUT] = (struct rule_setting){.set = true, .value = 300, .line = 8};
    rule.setting[SETTING_ENFORCE] = (struct rule_setting){.set = true, .value = 1, .line = 9};
    return rule;
}

static void libconfuse_agrees(void **state)
{
    struct failure failure = {"x"};
    struct rule rule = expected_rule(RULE_USER, "a b");

    (void)state;
    assert_int_equal(
        load_check_section("user \"a b\" {\n tmout = 5m\n enforce = yes }", &rule, &failure), 0);
    assert_string_equal(failure.text, "");
    free(rule.name);

    rule = expected_rule(RULE_DEFAULT, "");
    rule.text = strdup("session:shell=5m");
    rule.setting[SETTING_CHANNEL_TIMEOUT] =
        (struct rule_setting){.set = true, .value = 16, .line = 10};
    assert_int_equal(
        load_check_section("default {\n tmout = 5m\n enforce = yes\n channel_timeout = "
                           "\"session:shell=5m\" }",
                           &rule, &failure),
        0);
    assert_int_equal(
        load_check_section("default {\n tmout = 5m\n enforce = yes\n channel_timeout = "
                           "\"session:shell=6m\" }",
                           &rule, &failure),
        -1);
    assert_string_equal(failure.text, "channel_timeout = \"session:shell=6m\" on line 10");
    free(rule.name);
    free(rule.text);
}

/* Whatever libconfuse reads differently is rejected. */
static void libconfuse_differs(void **state)
{
    static const struct {
        const char *text, *why;
    } cases[] = {
        {"user \"a b\" {\n tmout = 6m\n enforce = yes }", "tmout = \"6m\" on line 8"},
        {"user \"a b\" {\n tmout = 5x\n enforce = yes }", "tmout = \"5x\" on line 8"},
        {"user \"a b\" {\n\n tmout = 5m\n enforce = yes }", "tmout = \"5m\" on line 9"},
        {"user \"a b\" {\n tmout = 5m\n enforce = yes\n warn = 1m }", "warn = \"1m\" on line 10"},
        {"user \"a b\" {\n tmout = 5m }", "other sections or settings"},
        {"user \"a c\" {\n tmout = 5m\n enforce = yes }", "other sections or settings"},
        {"group \"a b\" {\n tmout = 5m\n enforce = yes }", "other sections or settings"},
        {"default {\n tmout = 5m\n enforce = yes }", "other sections or settings"},
        {"user \"a b\" {\n tmout = 5m\n enforce = yes } default { }", "other sections or settings"},
        {"user \"a b\" { } user \"b\" {\n tmout = 5m\n enforce = yes }",
         "other sections or settings"},
        {"", "other sections or settings"},
        {"user \"a b\" { tmuot = 5m }", "no such option"},
        {"user \"a b\" {\n tmout = 5m", ""},
    };
    struct rule rule = expected_rule(RULE_USER, "a b");

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct failure failure = {""};
        assert_int_equal(load_check_section(cases[i].text, &rule, &failure), -1);
        if (strncmp(failure.text, cases[i].why, strlen(cases[i].why)) != 0)
            fail_msg("case %zu: %s", i, failure.text);
        assert_true(failure.text[0] != '\0');
    }
    free(rule.name);
}

int main(void)
{
    static const struct CMUnitTest others[] = {
        cmocka_unit_test(all_errors_in_one_run),
        cmocka_unit_test(ignores_environment_and_earlier_policies),
        cmocka_unit_test(long_names),
        cmocka_unit_test(names_are_kept),
        cmocka_unit_test(long_values),
        cmocka_unit_test(cut_off_anywhere),
        cmocka_unit_test(libconfuse_agrees),
        cmocka_unit_test(libconfuse_differs),
    };
    glob_t found;

    if (glob(TESTS "/unit/lib/policy/policies/*.conf", 0, NULL, &found) != 0)
        return EXIT_FAILURE;
    const size_t count = found.gl_pathc + COUNT_OF(others);
    struct CMUnitTest *tests = calloc(count, sizeof *tests);
    if (tests == NULL)
        return EXIT_FAILURE;
    for (size_t i = 0; i < found.gl_pathc; i++)
        tests[i] = (struct CMUnitTest){.name = strrchr(found.gl_pathv[i], '/') + 1,
                                       .test_func = as_expected,
                                       .initial_state = found.gl_pathv[i]};
    memcpy(tests + found.gl_pathc, others, sizeof others);
    const int failed = _cmocka_run_group_tests("policies", tests, count, NULL, NULL);
    free(tests);
    globfree(&found);
    return failed;
}
