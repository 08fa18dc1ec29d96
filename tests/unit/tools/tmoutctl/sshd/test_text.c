/* sshd's configuration as it is written. */
#include "tests/unit/host_tree.h"

#include "tools/tmoutctl/sshd/text.h"

static void read_text(const char *root, struct sshd_text *text)
{
    const struct host host = {.root = root};

    assert_int_equal(sshd_text_read(&host, text), 0);
}

static void assert_line(const struct sshd_text *text, size_t number, const char *keyword,
                        const char *file, unsigned line, bool in_match)
{
    assert_true(number < text->count);
    assert_string_equal(text->line[number].keyword, keyword);
    assert_string_equal(text->line[number].file, file);
    assert_int_equal(text->line[number].line, line);
    assert_int_equal(text->line[number].in_match, in_match);
}

static void lines(void **state)
{
    struct sshd_text text;
    char word[16];

    put(*state, "/etc/ssh/sshd_config",
        "# UsePAM no\n\n  \t# again\nUsePAM yes\n\tusepam=no\r\n\"Quoted\" 1\nBanner  =  none\n"
        "Last");
    read_text(*state, &text);
    assert_null(text.problem);
    assert_int_equal(text.count, 5);
    assert_line(&text, 0, "UsePAM", SSHD_CONFIG_PATH, 4, false);
    assert_line(&text, 1, "usepam", SSHD_CONFIG_PATH, 5, false);
    assert_line(&text, 2, "Quoted", SSHD_CONFIG_PATH, 6, false);
    assert_line(&text, 4, "Last", SSHD_CONFIG_PATH, 8, false);
    assert_ptr_equal(sshd_text_first(&text, "USEPAM"), &text.line[0]);
    assert_null(sshd_text_first(&text, "UsePA"));
    const char *rest = text.line[1].arguments;
    assert_true(sshd_next_word(&rest, word, sizeof word));
    assert_string_equal(word, "no");
    assert_false(sshd_next_word(&rest, word, sizeof word));
    rest = text.line[3].arguments;
    assert_true(sshd_next_word(&rest, word, sizeof word));
    assert_string_equal(word, "none");
    sshd_text_free(&text);
}

static void words(void **state)
{
    const char *rest = " one \"two words\" 'three' fo\"u\"r \\\"five # six";
    static const char *const expected[] = {"one", "two words", "three", "four", "\"five"};
    char word[10];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(expected); i++) {
        assert_true(sshd_next_word(&rest, word, sizeof word));
        assert_string_equal(word, expected[i]);
    }
    assert_false(sshd_next_word(&rest, word, sizeof word));
    rest = "longer-than-the-room next";
    assert_true(sshd_next_word(&rest, word, sizeof word));
    assert_string_equal(word, "longer-th");
    assert_true(sshd_next_word(&rest, word, sizeof word));
    assert_string_equal(word, "next");
    rest = "\"open";
    assert_true(sshd_next_word(&rest, word, sizeof word));
    assert_string_equal(word, "open");
    rest = "";
    assert_false(sshd_next_word(&rest, word, sizeof word));
}

static void includes(void **state)
{
    struct sshd_text text;

    put(*state, "/etc/ssh/sshd_config",
        "Include sshd_config.d/*.conf /etc/more /etc/none\nPort 22\nMatch User a\nInclude "
        "inside\nPort 1\n");
    put(*state, "/etc/ssh/sshd_config.d/20.conf", "B 1\nMatch User b\nC 1\n");
    put(*state, "/etc/ssh/sshd_config.d/10.conf", "A 1\n");
    put(*state, "/etc/ssh/sshd_config.d/30.txt", "No 1\n");
    put(*state, "/etc/more", "D 1\n");
    put(*state, "/etc/ssh/inside", "E 1\n");
    read_text(*state, &text);
    assert_null(text.problem);
    assert_int_equal(text.count, 11);
    assert_line(&text, 1, "A", "/etc/ssh/sshd_config.d/10.conf", 1, false);
    assert_line(&text, 2, "B", "/etc/ssh/sshd_config.d/20.conf", 1, false);
    assert_line(&text, 4, "C", "/etc/ssh/sshd_config.d/20.conf", 3, true);
    assert_line(&text, 5, "D", "/etc/more", 1, false);
    assert_line(&text, 6, "Port", SSHD_CONFIG_PATH, 2, false);
    assert_line(&text, 7, "Match", SSHD_CONFIG_PATH, 3, true);
    assert_line(&text, 9, "E", "/etc/ssh/inside", 1, true);
    assert_line(&text, 10, "Port", SSHD_CONFIG_PATH, 5, true);
    assert_null(sshd_text_first(&text, "C"));
    sshd_text_free(&text);
}

static void assert_problem(const char *root, const char *what)
{
    struct sshd_text text;

    read_text(root, &text);
    assert_non_null(text.problem);
    if (strstr(text.problem, what) == NULL)
        fail_msg("\"%s\" has no \"%s\"", text.problem, what);
    sshd_text_free(&text);
}

static void problems(void **state)
{
    static const char nul[] = "UsePAM no\0yes\nPort 1\n";
    struct sshd_text text;

    assert_problem(*state, "cannot be read");
    put(*state, "/etc/ssh/sshd_config", "Include sshd_config\n");
    assert_problem(*state, "a loop");
    put(*state, "/etc/ssh/sshd_config", "Include other\n");
    put(*state, "/etc/ssh/other", "Include other sshd_config\n");
    assert_problem(*state, "a loop");
    for (int i = 0; i < 20; i++) {
        char path[32], next[64];
        snprintf(path, sizeof path, "/etc/ssh/deep%d", i);
        snprintf(next, sizeof next, "Include deep%d\n", i + 1);
        put(*state, path, next);
    }
    put(*state, "/etc/ssh/sshd_config", "Include deep0\n");
    assert_problem(*state, "too deep");
    put_directory(*state, "/etc/ssh/directory");
    put(*state, "/etc/ssh/sshd_config", "Include directory\n");
    assert_problem(*state, "cannot be read");
    put(*state, "/etc/ssh/sshd_config", "Include off\n");
    char *off = path_in(*state, "etc/ssh/off");
    assert_int_equal(symlink("/dev/null", off), 0);
    free(off);
    read_text(*state, &text);
    assert_null(text.problem);
    sshd_text_free(&text);
    put_bytes(*state, "/etc/ssh/sshd_config", nul, sizeof nul - 1);
    read_text(*state, &text);
    assert_int_equal(text.count, 2);
    assert_line(&text, 1, "Port", SSHD_CONFIG_PATH, 2, false);
    sshd_text_free(&text);
}

static void comments_at_the_end(void **state)
{
    static const char *const lines[][2] = {
        {"UsePAM no", ""},
        {"UsePAM no # x", " # x"},
        {"UsePAM=no\t#x #y", "\t#x #y"},
        {"UsePAM no#x", ""},
        {"Banner \"/a # b\" # c", " # c"},
        {"# UsePAM no # x", ""},
        {"", ""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        assert_string_equal(sshd_line_comment(lines[i][0]), lines[i][1]);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        WITH_DIRECTORY(lines),    cmocka_unit_test(words),  cmocka_unit_test(comments_at_the_end),
        WITH_DIRECTORY(includes), WITH_DIRECTORY(problems),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
