/* Tokens of a policy's text: lines, comments, quotes, and that nothing
 * suspicious passes. */
#include "tests/unit/policy_text.h"

#include "lib/policy/lexer.h"

struct lexed {
    char *text;
    struct lexer lexer;
    struct token *token; /* up to and with TOKEN_END */
    size_t count;
    struct problems problems;
};

static void lex_bytes(struct lexed *l, const char *text, size_t size)
{
    struct token token;

    *l = (struct lexed){.text = malloc(size + 1), .token = calloc(size + 1, sizeof *l->token)};
    assert_non_null(l->text);
    assert_non_null(l->token);
    memcpy(l->text, text, size);
    l->text[size] = '\0';
    lexer_start(&l->lexer, l->text, size, "f", &l->problems);
    do {
        lexer_next(&l->lexer, &token);
        assert_true(l->count <= size);
        l->token[l->count++] = token;
    } while (token.kind != TOKEN_END);
    lexer_next(&l->lexer, &token);
    assert_int_equal(token.kind, TOKEN_END);
    assert_int_equal(l->text[size], '\0');
}

static void lex_text(struct lexed *l, const char *text)
{
    lex_bytes(l, text, strlen(text));
}

static void lexed_free(struct lexed *l)
{
    free(l->text);
    free(l->token);
    problems_free(&l->problems);
}

static void assert_clean(const struct lexed *l)
{
    if (l->problems.errors > 0) {
        print_all_problems(&l->problems);
        fail();
    }
    for (size_t i = 0; i < l->count; i++)
        assert_false(l->token[i].bad);
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
        struct lexed l;
        lex_text(&l, cases[i].before);
        assert_clean(&l);
        assert_string_equal(l.text, cases[i].after);
        lexed_free(&l);
    }
}

/* Where an error is reported, after everything that moves lines. */
static void lines_of_errors(void **state)
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
        struct lexed l;
        char text[256];

        snprintf(text, sizeof text, "%s;\n", above[i]);
        lex_text(&l, text);
        assert_int_equal(l.problems.count, 1);
        assert_int_equal(l.problems.item[0].line, 4);
        lexed_free(&l);

        snprintf(text, sizeof text, "%sx {}", above[i]);
        lex_text(&l, text);
        assert_clean(&l);
        assert_int_equal(l.token[l.count - 2].line, 4);
        lexed_free(&l);
    }
}

/* In a word without quotes only these bytes are let through: those that
 * libconfuse keeps. Apart from them there are spaces, punctuation and comments.
 * */
static void every_byte_outside_of_quotes(void **state)
{
    (void)state;
    for (int c = 0; c < 256; c++) {
        char text[] = "user ab?{ }\n";
        const bool passes = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
                            (c >= 'A' && c <= 'Z') ||
                            (c != 0 && strchr("_.:-%@ \t\n{}=#", c) != NULL);
        struct lexed l;

        text[7] = (char)c;
        lex_bytes(&l, text, sizeof text - 1);
        if (l.problems.errors != (passes ? 0 : 1))
            fail_msg("the byte 0x%02x: %zu errors", (unsigned)c, l.problems.errors);
        lexed_free(&l);
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
            struct lexed l;

            lex_bytes(&l, text, sizeof text);
            if (passes != (l.problems.errors == 0))
                fail_msg("the byte 0x%02x: %zu errors", (unsigned)c, l.problems.errors);
            lexed_free(&l);
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
        CASE("default {\0 }", 1),
        CASE("user \"a\0b\" { }", 1),
        CASE("user 'a\0' { }", 1),
        CASE("user \"a\\\0\" { }", 2),
        CASE("/* \0", 1),
#undef CASE
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct lexed l;
        lex_bytes(&l, cases[i].text, cases[i].size);
        if (l.problems.errors == 0 || l.problems.errors > cases[i].errors)
            fail_msg("case %zu: %zu errors", i, l.problems.errors);
        lexed_free(&l);
    }
    static const char in_comment[] = "# \0\n/* \0 */ default { }";
    struct lexed l;
    lex_bytes(&l, in_comment, sizeof in_comment - 1);
    assert_clean(&l);
    assert_null(memchr(l.text, '\0', sizeof in_comment - 1));
    lexed_free(&l);
}

/* What is at the very end of the text, where the next character is read: the
 * sanitizers and valgrind watch. */
static void at_the_end(void **state)
{
    static const char *const ends[] = {"/",    "/*",   "/**",      "\"",    "\"\\",    "'",
                                       "'\\",  "\"$",  "$",        "${",    "(",       "\r",
                                       "\xef", "\xff", "\xef\xbb", "{",     "=",       "\"a\\\"",
                                       "#",    "//",   "*",        "\"a\n", "\"a\r\n", "/*\n"};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(ends); i++) {
        struct lexed l;
        lex_text(&l, ends[i]);
        lexed_free(&l);
        char text[64];
        snprintf(text, sizeof text, "default { %s", ends[i]);
        lex_text(&l, text);
        lexed_free(&l);
    }
}

/* A token of each kind, where it is, and what it says. */
static void tokens(void **state)
{
    static const char text[] = "user \"a\\\\b\" {\n  tmout='5\\'m' # c\n}; x,y";
    static const struct {
        enum token_kind kind;
        const char *word;
        unsigned line, column;
        bool first_on_line, quoted, bad;
    } expected[] = {
        {TOKEN_WORD, "user", 1, 0, true, false, false},
        {TOKEN_WORD, "a\\b", 1, 5, false, true, false},
        {TOKEN_OPEN, "{", 1, 12, false, false, false},
        {TOKEN_WORD, "tmout", 2, 2, true, false, false},
        {TOKEN_EQUALS, "=", 2, 7, false, false, false},
        {TOKEN_WORD, "5'm", 2, 8, false, true, false},
        {TOKEN_CLOSE, "}", 3, 0, true, false, false},
        {TOKEN_SEPARATOR, ";", 3, 1, false, false, true},
        {TOKEN_WORD, "x", 3, 3, false, false, false},
        {TOKEN_SEPARATOR, ",", 3, 4, false, false, true},
        {TOKEN_WORD, "y", 3, 5, false, false, false},
        {TOKEN_END, "", 3, 0, false, false, false},
    };
    struct lexed l;

    (void)state;
    lex_text(&l, text);
    assert_int_equal(l.count, COUNT_OF(expected));
    for (size_t i = 0; i < l.count; i++) {
        char word[WORD_SIZE_MAX + 1];
        lexer_word(&l.lexer, &l.token[i], word);
        assert_int_equal(l.token[i].kind, expected[i].kind);
        assert_string_equal(word, expected[i].word);
        assert_int_equal(l.token[i].line, expected[i].line);
        assert_int_equal(l.token[i].column, expected[i].column);
        assert_int_equal(l.token[i].first_on_line, expected[i].first_on_line);
        assert_int_equal(l.token[i].quoted, expected[i].quoted);
        assert_int_equal(l.token[i].bad, expected[i].bad);
    }
    assert_int_equal(l.problems.errors, 2);
    lexed_free(&l);
}

/* Where an unterminated quoted string is taken to end: what follows it is read.
 * */
static void unclosed_quotations(void **state)
{
    static const struct {
        const char *text, *next; /* the word after the bad one */
        unsigned line;
    } cases[] = {
        {"x = \"5m\ny", "y", 2},
        {"x = \"5m\r\ny", "y", 2},
        {"x \"ops {", "{", 1},
        {"x \"ops }", "}", 1},
        {"x \"5m enforce = true", "enforce", 1},
        {"x \"5m enforce true\ny", "y", 2},
        {"x \"5m y = true\ny", "y", 2},
        {"x '5m\" z\ny", "y", 2},
        /* closed on the next line, after a word or before a brace */
        {"x \"ops\nteam\" z", "z", 2},
        {"x \"ops\r\nteam\"z", "z", 2},
        {"x \"ops\n\" z", "z", 2},
        {"x \"ops\n  \"{", "{", 2},
        {"x \"ops\nteam\"", "", 2},
        /* and not where another one begins */
        {"x \"ops\ny = \"z\"", "y", 2},
        {"x \"ops\n\"z\"", "\"z\"", 2},
        {"x \"ops\ny \"z\"", "y", 2},
        /* a second one on the line takes all of it */
        {"x \"5m enforce = 'true sessions = ssh\ny", "enforce", 1},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct lexed l;
        size_t bad = 0;
        lex_text(&l, cases[i].text);
        while (!l.token[bad].bad)
            bad++;
        const struct token *next = &l.token[bad + 1];
        if (next->line != cases[i].line ||
            strncmp(l.text + next->start, cases[i].next, strlen(cases[i].next)) != 0)
            fail_msg("case %zu: line %u, %s", i, next->line, l.text + next->start);
        assert_problem(&l.problems, PROBLEM_ERROR,
                       strchr(cases[i].text, '\'') != NULL && cases[i].text[2] == '\''
                           ? "f:1: the closing ' is missing on this line"
                           : "f:1: the closing \" is missing on this line");
        lexed_free(&l);
    }
}

/* After an unterminated comment the text goes on where a policy does. */
static void unterminated_comments(void **state)
{
    static const struct {
        const char *before, *after;
    } cases[] = {
        {"a /* b", "a     "},
        {"/* b\n c\n\nd = 1", "    \n  \n\n     "},
        {"/* b\n tmout = 1", "    \n tmout = 1"},
        {"/* tmout = 1", "   tmout = 1"},
        {"/* b\n tmout 1", "    \n        "},
        {"/* b\n}", "    \n}"},
        {"/* b\ndefault {\n/* c\n}", "    \ndefault {\n    \n}"},
        {"/* group \"x\" {", "   group \"x\" {"},
        {"/* b\nuser x {}", "    \nuser x {}"},
        {"/* b\nuser x", "    \n      "},
        {"/* b\nusers x {", "    \n         "},
        {"/* b\r\n  default {", "     \n  default {"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct lexed l;
        lex_text(&l, cases[i].before);
        assert_string_equal(l.text, cases[i].after);
        assert_true(l.lexer.unsure);
        assert_int_equal(l.problems.item[0].line, 1);
        assert_non_null(strstr(l.problems.item[0].text, "unterminated comment"));
        lexed_free(&l);
    }
}

/* Each kind of error once in a word, however often it occurs. */
static void one_error_a_word(void **state)
{
    static const struct {
        const char *text;
        size_t errors, tokens;
    } cases[] = {
        {"a*b+c|d", 1, 2},
        {"\xc3\xb6\xc3\x9f", 1, 2},
        {"$(cat x) y", 1, 3},
        {"${A B} y", 1, 3},
        {"include(\"/x y\") z", 1, 3},
        {"(a", 1, 2},
        {"$ x", 1, 3},
        {"\"\\a\\b\" x", 1, 3},
        {"\"${A}${B}\"", 1, 2},
        {"\"\x01\x02\"", 1, 2},
        {"\"\x01${A}\\b\"", 3, 2},
        {"'${A}'", 0, 2},
        {"\"$A\"", 0, 2},
        {"a\rb\rc", 1, 4},
        {"a* b*", 2, 3},
        {"\xef\xbb\xbf"
         "a",
         1, 2},
        {"a\xef\xbb\xbf", 1, 2},
        {"\xff\xfe"
         "a b c",
         1, 1},
        {"\xfe\xff"
         "a b c",
         1, 1},
        {"\xff"
         "a b",
         1, 3},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct lexed l;
        lex_text(&l, cases[i].text);
        if (l.problems.errors != cases[i].errors || l.count != cases[i].tokens) {
            print_all_problems(&l.problems);
            fail_msg("case %zu: %zu errors, %zu tokens", i, l.problems.errors, l.count);
        }
        lexed_free(&l);
    }
}

/* The longest word, and one byte more. */
static void long_words(void **state)
{
    char text[WORD_SIZE_MAX + 2];
    struct lexed l;

    (void)state;
    memset(text, 'w', sizeof text);
    lex_bytes(&l, text, WORD_SIZE_MAX);
    assert_clean(&l);
    lexed_free(&l);
    lex_bytes(&l, text, WORD_SIZE_MAX + 1);
    assert_problem(&l.problems, PROBLEM_ERROR,
                   "f:1: word of 1025 bytes is too long: the maximum is 1024");
    assert_true(l.token[0].bad);
    lexed_free(&l);
}

static void plain_words(void **state)
{
    (void)state;
    assert_true(lexer_is_plain("a_.:-%@9Z"));
    assert_false(lexer_is_plain(""));
    assert_false(lexer_is_plain("a b"));
    assert_false(lexer_is_plain("a|"));
}

/* No text makes it write outside of its buffer, lose a line, or find a token
 * that is not there. */
static void any_text(void **state)
{
    static const char alphabet[] = "{}\"'#/*\\\n\r =a$|;\t";
    uint32_t random = 20250101;

    (void)state;
    for (int round = 0; round < (is_slow() ? 500 : 50000); round++) {
        char text[24];
        size_t size = 0, end = 0;
        struct lexed l;

        random = random * 1664525 + 1013904223;
        const size_t wanted = random >> 28;
        while (size < wanted) {
            random = random * 1664525 + 1013904223;
            text[size++] = alphabet[(random >> 16) % (sizeof alphabet - 1)];
        }
        lex_bytes(&l, text, size);
        for (size_t i = 0; i < size; i++)
            assert_true((text[i] == '\n') == (l.text[i] == '\n'));
        for (size_t i = 0; i + 1 < l.count; i++) {
            const struct token *token = &l.token[i];
            unsigned line = 1;
            for (size_t at = 0; at < token->start; at++)
                line += text[at] == '\n';
            assert_int_equal(token->line, line);
            assert_true(token->start >= end && token->size > 0);
            end = token->start + token->size;
            assert_true(end <= size);
        }
        lexed_free(&l);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comments_become_spaces),
        cmocka_unit_test(lines_of_errors),
        cmocka_unit_test(every_byte_outside_of_quotes),
        cmocka_unit_test(every_byte_in_quotes),
        cmocka_unit_test(nul),
        cmocka_unit_test(at_the_end),
        cmocka_unit_test(tokens),
        cmocka_unit_test(unclosed_quotations),
        cmocka_unit_test(unterminated_comments),
        cmocka_unit_test(one_error_a_word),
        cmocka_unit_test(long_words),
        cmocka_unit_test(plain_words),
        cmocka_unit_test(any_text),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
