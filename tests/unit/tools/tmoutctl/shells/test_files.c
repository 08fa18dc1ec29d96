/* Reading shell files: commands, and the lines that read our scripts. */
#include "tests/unit/tools/tmoutctl/shells/shells_tree.h"

static void commands(void **state)
{
    static const char *const expected[] = {"one", "two\tthree ", "", " a#b;", "last"};
    const struct host host = {.root = *state};
    struct text_file file;
    size_t i = 0;

    put(*state, "/etc/x", "one\ntwo\tthree # four # five\n# six\n a#b;#c\nlast");
    assert_int_equal(shell_file_read(&host, "/etc/x", 0, &file), 0);
    for (struct text_line line = {0}; next_text_line(&file, &line); i++)
        assert_string_equal(shell_line_commands(&file, &line), expected[i]);
    assert_int_equal(i, COUNT_OF(expected));
    free(file.text);
    assert_int_equal(shell_file_read(&host, "/etc/missing", 0, &file), -1);
    assert_null(file.text);
}

static void lines_with_a_word(void **state)
{
    const struct host host = {.root = *state};

    put(*state, "/etc/x", "word\n# word\nother\n. word\n: # word\n");
    assert_int_equal(shell_last_line_with(&host, "/etc/x", "word"), 4);
    assert_int_equal(shell_last_line_with(&host, "/etc/x", "missing"), 0);
    assert_int_equal(shell_last_line_with(&host, "/etc/missing", "word"), 0);
}

static void lines_that_read_our_script(void **state)
{
    const struct host host = {.root = *state};
    const struct rc_file *bashrc = &rc_files[0];

    assert_int_equal(shell_rc_hook_line(&host, bashrc), 0);
    put(*state, bashrc->path, "PS1=x\n. " SHELL_FRAGMENTS "/bashrc\n");
    assert_int_equal(shell_rc_hook_line(&host, bashrc), 2);
    remove_in(*state, SHELL_FRAGMENTS "/bashrc");
    assert_int_equal(shell_rc_hook_line(&host, bashrc), 0);
    put(*state, bashrc->path, "\n\nfor i in /etc/profile.d/*.sh; do . $i; done\n");
    assert_int_equal(shell_rc_hook_line(&host, bashrc), 3);
}

static void whose_script_it_is(void **state)
{
    const struct host host = {.root = *state};

    assert_true(shell_script_is_ours(&host, PROFILE_SH));
    assert_true(shell_script_is_ours(&host, PROFILE_CSH));
    put(*state, PROFILE_SH, "# PAM_TMOUT\nTMOUT=900\n");
    assert_false(shell_script_is_ours(&host, PROFILE_SH));
    assert_string_equal(shell_script(SHELL_TCSH), PROFILE_CSH);
    assert_string_equal(shell_script(SHELL_ZSH), PROFILE_SH);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        WITH_SHELLS(commands),
        WITH_SHELLS(lines_with_a_word),
        WITH_SHELLS(lines_that_read_our_script),
        WITH_SHELLS(whose_script_it_is),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
