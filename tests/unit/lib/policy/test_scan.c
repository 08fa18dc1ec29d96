/* The look at the text before libconfuse: lines, pieces, comments, and that
 * nothing suspicious passes. */
#include "tests/unit/policy_text.h"

#include "lib/policy/scan.h"

struct scanned {
    char *text;
    struct scan_pieces pieces;
    struct problems problems;
};

static void scan_bytes(struct scanned *s, const char *text, size_t size)
{
    *s = (struct scanned){.text = malloc(size + 1)};
    assert_non_null(s->text);
    memcpy(s->text, text, size);
    s->text[size] = '\0';
    assert_int_equal(scan(s->text, size, "f", &s->pieces, &s->problems), 0);
    assert_int_equal(s->text[size], '\0');
}

static void scan_text(struct scanned *s, const char *text)
{
    scan_bytes(s, text, strlen(text));
}

static void scanned_free(struct scanned *s)
{
    free(s->text);
    free(s->pieces.item);
    problems_free(&s->problems);
}

static void assert_clean(const struct scanned *s)
{
    if (s->problems.errors > 0) {
        print_all_problems(&s->problems);
        fail();
    }
}

static void assert_piece(const struct scanned *s, size_t number, const char *text, unsigned line)
{
    assert_true(number < s->pieces.count);
    const struct scan_piece *piece = &s->pieces.item[number];
    char *copy = strndup(s->text + piece->start, piece->end - piece->start);

    assert_string_equal(copy, text);
    assert_int_equal(piece->line, line);
    free(copy);
}

static void comments_become_spaces(void **state)
{
    static const struct {
        const char *before, *after;
    } cases[] = {
        {"# a\nb { }", "   \nb { }"},
        {"// a\nb { }", "    \nb { }"},
        {"/* a\n * b\n */ c { }", "    \n    \n    c { }"},
        {"/**/a {}", "    a {}"},
        {"/***/a {}", "     a {}"},
        {"/*/ */a {}", "      a {}"},
        {"/* # */a {}", "       a {}"},
        {"# /*\na {}", "    \na {}"},
        {"# \"\na {}", "   \na {}"},
        {"# '\na {}", "   \na {}"},
        {"# ${HOME} } {\na {}", "             \na {}"},
        {"a {}#", "a {} "},
        {"a {}//", "a {}  "},
        {"a {#}\n}", "a {  \n}"},
        {"a { b = c#d\n}", "a { b = c  \n}"},
        {"a\r\n{\r\n}\r\n", "a \n{ \n} \n"},
        {"# a\r\n/* b\r\n */", "    \n     \n   "},
        {"a \"#\" '//' \"/*\" '*/' {}", "a \"#\" '//' \"/*\" '*/' {}"},
        {"a \"\\\"#\" {}", "a \"\\\"#\" {}"},
        {"a '\\'#' {}", "a '\\'#' {}"},
        {"a \"\\\\\" # {\n{}", "a \"\\\\\"    \n{}"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct scanned s;
        scan_text(&s, cases[i].before);
        assert_clean(&s);
        assert_string_equal(s.text, cases[i].after);
        scanned_free(&s);
    }
}

static void pieces_and_their_lines(void **state)
{
    struct scanned s;

    (void)state;
    scan_text(&s, "# c\n\n/* d\n */ default {\n a = b }\ngroup\n \"x\"\n{\n} user 'y' { }"
                  "user z{}\n\n\n");
    assert_clean(&s);
    assert_int_equal(s.pieces.count, 4);
    assert_piece(&s, 0, "default {\n a = b }", 4);
    assert_piece(&s, 1, "group\n \"x\"\n{\n}", 6);
    assert_piece(&s, 2, "user 'y' { }", 9);
    assert_piece(&s, 3, "user z{}", 9);
    scanned_free(&s);

    /* a piece all the same, for whoever wants to know where it began */
    scan_text(&s, "a = b\n\nc\n");
    assert_int_equal(s.problems.errors, 1);
    assert_int_equal(s.pieces.count, 1);
    assert_int_equal(s.pieces.item[0].line, 1);
    scanned_free(&s);

    static const char *const nothing[] = {"",      "\n",   "  \t\n",     "# x",
                                          "/* */", "\r\n", "# x\n// y\n"};
    for (size_t i = 0; i < COUNT_OF(nothing); i++) {
        scan_text(&s, nothing[i]);
        assert_clean(&s);
        assert_int_equal(s.pieces.count, 0);
        scanned_free(&s);
    }
}

/* Where a mistake is reported, after everything that moves lines. */
static void lines_of_mistakes(void **state)
{
    static const char *const above[] = {
        "\n\n\n",
        "# 1\n# 2\n# 3\n",
        "#\n#\n#\n",
        "######## 1\n//////// 2\n/* */ # 3\n",
        "// 1\n// 2\n// 3\n",
        "/* 1\n 2\n 3 */\n",
        "/*\n*\n*/\n",
        "# /*\n// */\n/* // */\n",
        "default { # 1\n}\n# 3\n",
        "default /* 1\n*/ { /* 2 */\n}\n",
        "\r\n\r\n\r\n",
        "# 1\r\n# 2\r\n# 3\r\n",
        "user \"a#b\" { }\nuser 'a//b' { }\nuser \"a/*b\" { }\n",
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(above); i++) {
        struct scanned s;
        char text[256];

        snprintf(text, sizeof text, "%s;\n", above[i]);
        scan_text(&s, text);
        assert_int_equal(s.problems.count, 1);
        assert_int_equal(s.problems.item[0].line, 4);
        scanned_free(&s);

        snprintf(text, sizeof text, "%sx {}", above[i]);
        scan_text(&s, text);
        assert_clean(&s);
        assert_int_equal(s.pieces.item[s.pieces.count - 1].line, 4);
        scanned_free(&s);
    }
}

/* In a word without quotes only these bytes are let through: those that
 * libconfuse keeps. A space may stand there, too, behind the word. */
static void every_byte_outside_of_quotes(void **state)
{
    static const char word[] = "_.:-%@ \t\n";

    (void)state;
    for (int c = 0; c < 256; c++) {
        char text[] = "user ab?{ }\n";
        const bool passes = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
                            (c >= 'A' && c <= 'Z') || (c != 0 && strchr(word, c) != NULL);
        struct scanned s;

        text[7] = (char)c;
        scan_bytes(&s, text, sizeof text - 1);
        if (passes != (s.problems.errors == 0))
            fail_msg("the byte 0x%02x: %zu mistakes", (unsigned)c, s.problems.errors);
        scanned_free(&s);
    }
}

/* Within quotes everything but control characters. */
static void every_byte_in_quotes(void **state)
{
    (void)state;
    for (int quote = 0; quote < 2; quote++) {
        const char q = quote == 0 ? '"' : '\'';
        for (int c = 0; c < 256; c++) {
            const char text[] = {'u', 's', 'e', 'r', ' ', q,   'a', (char)c,
                                 'b', q,   ' ', '{', ' ', '}', '\n'};
            const bool passes = c >= 0x20 && c != 0x7f && c != q && c != '\\';
            struct scanned s;

            scan_bytes(&s, text, sizeof text);
            if (passes != (s.problems.errors == 0))
                fail_msg("the byte 0x%02x: %zu mistakes", (unsigned)c, s.problems.errors);
            scanned_free(&s);
        }
    }
}

/* A NUL is harmless in a comment only: there libconfuse never sees it. */
static void nul(void **state)
{
    static const struct {
        const char *text;
        size_t size, errors;
    } cases[] = {
#define CASE(text, errors) {text, sizeof text - 1, errors}
        CASE("\0", 1),
        CASE("default { }\0", 1),
        CASE("default {\0 }", 2), /* and the brace, lost with the rest of the line */
        CASE("user \"a\0b\" { }", 1),
        CASE("user 'a\0' { }", 1),
        CASE("user \"a\\\0\" { }", 2),
        CASE("/* \0", 1),
#undef CASE
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct scanned s;
        scan_bytes(&s, cases[i].text, cases[i].size);
        if (s.problems.errors == 0 || s.problems.errors > cases[i].errors)
            fail_msg("case %zu: %zu mistakes", i, s.problems.errors);
        scanned_free(&s);
    }
    static const char in_comment[] = "# \0\n/* \0 */ default { }";
    struct scanned s;
    scan_bytes(&s, in_comment, sizeof in_comment - 1);
    assert_clean(&s);
    assert_null(memchr(s.text, '\0', sizeof in_comment - 1));
    scanned_free(&s);
}

/* What stands at the very end of the text, where the next character is
 * looked at: the sanitizers and valgrind watch. */
static void at_the_end(void **state)
{
    static const char *const ends[] = {"/",   "/*",  "/**",     "\"", "\"\\", "'",
                                       "'\\", "\"$", "$",       "\r", "\xef", "\xef\xbb",
                                       "{",   "=",   "\"a\\\"", "#",  "//",   "*"};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(ends); i++) {
        struct scanned s;
        scan_text(&s, ends[i]);
        scanned_free(&s);
        char text[64];
        snprintf(text, sizeof text, "default { %s", ends[i]);
        scan_text(&s, text);
        assert_true(s.problems.errors > 0);
        scanned_free(&s);
    }
}

/* As large as a source may be. */
static void a_great_many(void **state)
{
    static const char *const unit[] = {"{",  "}",  "\"", "\"\n", "'",   "/*", "*/",   "${",   ";\n",
                                       "\\", "{}", "\r", "#",    "#\n", "a ", "\x01", "\xff", "= "};
    const size_t size = slow() ? 64 * 1024 : 8 * 1024 * 1024;
    char *text = malloc(size);

    (void)state;
    assert_non_null(text);
    for (size_t i = 0; i < COUNT_OF(unit); i++) {
        struct scanned s;
        const size_t length = strlen(unit[i]);

        for (size_t at = 0; at < size; at++)
            text[at] = unit[i][at % length];
        scan_bytes(&s, text, size);
        assert_true(s.problems.count <= 1000);
        assert_true(s.problems.count + s.problems.left_out >= s.problems.errors);
        scanned_free(&s);
    }
    free(text);
}

/* No text makes it write outside of its buffer, lose a line, or name a piece
 * that is not there. */
static void any_text(void **state)
{
    static const char alphabet[] = "{}\"'#/*\\\n\r =a$|;\t";
    uint32_t random = 20250101;

    (void)state;
    for (int round = 0; round < (slow() ? 500 : 50000); round++) {
        char text[24];
        size_t size = 0;
        struct scanned s;

        random = random * 1664525 + 1013904223;
        const size_t wanted = random >> 28;
        while (size < wanted) {
            random = random * 1664525 + 1013904223;
            text[size++] = alphabet[(random >> 16) % (sizeof alphabet - 1)];
        }
        scan_bytes(&s, text, size);
        size_t end = 0;
        unsigned lines = 1;
        for (size_t i = 0; i < size; i++) {
            assert_true((text[i] == '\n') == (s.text[i] == '\n'));
            lines += text[i] == '\n';
        }
        for (size_t i = 0; i < s.pieces.count; i++) {
            assert_true(s.pieces.item[i].start >= end);
            assert_true(s.pieces.item[i].end > s.pieces.item[i].start);
            end = s.pieces.item[i].end;
            assert_true(end <= size);
            assert_in_range(s.pieces.item[i].line, 1, lines);
        }
        for (size_t i = 0; i < s.problems.count; i++)
            assert_in_range(s.problems.item[i].line, 1, lines);
        scanned_free(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comments_become_spaces),
        cmocka_unit_test(pieces_and_their_lines),
        cmocka_unit_test(lines_of_mistakes),
        cmocka_unit_test(every_byte_outside_of_quotes),
        cmocka_unit_test(every_byte_in_quotes),
        cmocka_unit_test(nul),
        cmocka_unit_test(at_the_end),
        cmocka_unit_test(a_great_many),
        cmocka_unit_test(any_text),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
