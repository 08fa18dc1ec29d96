/* The structure of a policy's text: which sections there are, and that the scan
 * goes on after an error. What it reports is in policies/. */
#include "tests/unit/policy_text.h"

#include "lib/policy/scan.h"

struct found {
    char *text;
    char *section[8]; /* their texts */
    unsigned line[8];
    size_t count;
    size_t fail_at; /* the section, from 1, at which memory runs out */
    struct problems problems;
};

static int keep_section(void *context, const struct scan_section *section)
{
    struct found *f = context;

    assert_true(f->count < COUNT_OF(f->section));
    f->section[f->count] = strndup(f->text + section->start, section->end - section->start);
    f->line[f->count++] = section->rule->line;
    return f->count == f->fail_at ? -1 : 0;
}

static int count_section(void *context, const struct scan_section *section)
{
    assert_true(section->end > section->start);
    ++*(size_t *)context;
    return 0;
}

static int scan_text(struct found *f, const char *text)
{
    f->text = strdup(text);
    assert_non_null(f->text);
    const struct scan_input input = {
        .text = f->text, .size = strlen(text), .file = "f", .file_index = 3};
    const int result = scan(&input, keep_section, f, &f->problems);
    problems_sort(&f->problems);
    return result;
}

static void found_free(struct found *f)
{
    for (size_t i = 0; i < f->count; i++)
        free(f->section[i]);
    free(f->text);
    problems_free(&f->problems);
}

static void sections_and_their_lines(void **state)
{
    static const struct {
        const char *text;
        unsigned line;
    } expected[] = {
        {"default {\n tmout = 5m }", 4},
        {"group\n \"x\"\n{\n}", 6},
        {"user 'y' { }", 9},
        {"user z{}", 9},
    };
    struct found f = {0};

    (void)state;
    assert_int_equal(scan_text(&f, "# c\n\n/* d\n */ default {\n tmout = 5m }\ngroup\n \"x\"\n{\n} "
                                   "user 'y' { }user z{}\n\n\n"),
                     0);
    assert_int_equal(f.problems.count, 0);
    assert_int_equal(f.count, COUNT_OF(expected));
    for (size_t i = 0; i < f.count; i++) {
        assert_string_equal(f.section[i], expected[i].text);
        assert_int_equal(f.line[i], expected[i].line);
    }
    found_free(&f);
}

static void nothing(void **state)
{
    static const char *const texts[] = {"", "\n", "  \t\n", "# x", "/* */", "\r\n", "# x\n// y\n"};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        struct found f = {0};
        assert_int_equal(scan_text(&f, texts[i]), 0);
        assert_int_equal(f.problems.count, 0);
        assert_int_equal(f.count, 0);
        found_free(&f);
    }
}

/* Only sections without an error are handed on, whatever is around them, and
 * each of these texts has one error. */
static void valid_sections_only(void **state)
{
    static const char *const around[][2] = {
        {"", " default { tmuot = 5m }"},
        {"default { tmout = 0 } ", ""},
        {"group \"a\" { tmout = 5m; } ", ""},
        {"", " }"},
        {"", "}"},
        {"} ", ""},
        {"tmout = 5m\n", ""},
        {"", " group { }"},
        {"", " default x { }"},
        {"", " user \"\" { }"},
        {"default\n", ""},
        {"group \"x\"\n", ""},
        {"default {\n", ""},
        {"", " default { tmout = 5m"},
        {"/* ", ""},
        {"\xef\xbb\xbf", ""},
        {"", " nothing { }"},
        {"", " user 'a { }"},
        {"user \"a\" = { }\n", ""},
        {"", " { }"},
        {"= ", ""},
        {"; ", ""},
        {", ", ""},
        {"", " default { = 5m }"},
        {"include \"x\"\n", ""},
        {"default { tmout = { 5m, 6m } }", ""},
    };
    static const char section[] = "user \"kim\" { tmout = 6m }";

    (void)state;
    for (size_t i = 0; i < COUNT_OF(around); i++) {
        struct found f = {0};
        char text[256];
        snprintf(text, sizeof text, "%s%s%s", around[i][0], section, around[i][1]);
        assert_int_equal(scan_text(&f, text), 0);
        const size_t wanted = strstr(text, "{ 5m, 6m }") != NULL ? 2 : 1; /* the comma, too */
        if (f.count != 1 || f.problems.errors != wanted) {
            print_all_problems(&f.problems);
            fail_msg("case %zu: %zu sections, %zu errors", i, f.count, f.problems.errors);
        }
        assert_string_equal(f.section[0], section);
        found_free(&f);
    }
}

static void no_memory_ends_it(void **state)
{
    struct found f = {.fail_at = 2};

    (void)state;
    assert_int_equal(scan_text(&f, "user a { } user b { } user c { } user a { }"), -1);
    assert_int_equal(f.count, 2);
    found_free(&f);
}

/* As large as a source may be, or nearly: the time does not grow faster. */
static void a_great_many(void **state)
{
    static const char *const unit[] = {
        "{",     "}",      "\"",     "\"\n",    "'",     "/*",   "*/",          "${",   ";\n",
        "\\",    "{}",     "\r",     "#",       "#\n",   "a ",   "\x01",        "\xff", "= ",
        "a = ",  "a = \n", "a {",    ", ",      "\"{\\", "(",    "$",           "a\n",  "group a\n",
        "user ", "'\"{",   "/* {\n", "\"\\\"{", "(\"",   "'a =", "tmout = \" ",
    };
    const size_t size = is_slow() ? 16 * 1024 : 1024 * 1024;
    char *text = malloc(size + 1);

    (void)state;
    assert_non_null(text);
    for (size_t i = 0; i < COUNT_OF(unit); i++) {
        struct problems problems = {0};
        const size_t length = strlen(unit[i]);
        size_t count = 0;
        const struct scan_input input = {.text = text, .size = size, .file = "f"};

        for (size_t at = 0; at < size; at++)
            text[at] = unit[i][at % length];
        text[size] = '\0';
        assert_int_equal(scan(&input, count_section, &count, &problems), 0);
        assert_int_equal(count, 0);
        assert_true(problems.count <= 1000);
        assert_int_equal(problems.count + problems_errors_left_out(&problems), problems.errors);
        problems_free(&problems);
    }
    free(text);
}

/* Whatever the words are: each error is in a line of the text, and the end is
 * reached. */
static void any_words(void **state)
{
    static const char *const words[] = {
        "default ", "group ", "user ", "\"a\" ",   "b ",    "{ ", "} ",     "= ",
        "tmout ",   "5m ",    "0 ",    "enforce ", "true ", "\n", "'",      "\"",
        "/* ",      "*/ ",    "# ",    ", ",       "; ",    "\\", "tmuot ", "include "};
    uint32_t random = 7;

    (void)state;
    for (int round = 0; round < (is_slow() ? 500 : 30000); round++) {
        char text[256] = "";
        unsigned lines = 1;
        size_t count = 0;
        struct problems problems = {0};

        for (int i = 0; i < 20; i++) {
            random = random * 1664525 + 1013904223;
            strcat(text, words[(random >> 16) % COUNT_OF(words)]);
        }
        const struct scan_input input = {.text = text, .size = strlen(text), .file = "f"};
        for (const char *c = text; *c != '\0'; c++)
            lines += *c == '\n';
        assert_int_equal(scan(&input, count_section, &count, &problems), 0);
        for (size_t i = 0; i < problems.count; i++)
            assert_in_range(problems.item[i].line, 1, lines);
        problems_free(&problems);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sections_and_their_lines),
        cmocka_unit_test(nothing),
        cmocka_unit_test(valid_sections_only),
        cmocka_unit_test(no_memory_ends_it),
        cmocka_unit_test(a_great_many),
        cmocka_unit_test(any_words),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
