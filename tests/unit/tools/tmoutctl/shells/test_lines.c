/* Which lines only set the limit, so that they can be commented out. */
#include "tests/unit/tools/tmoutctl/shells/shells_tree.h"

#include "tools/tmoutctl/shells/lines.h"

static void assert_program(const char *root, bool csh, const char *text, const char *expected)
{
    const struct host host = {.root = root};

    put(root, "/etc/x", text);
    char *program = shell_lines_out(&host, "/etc/x", csh);
    assert_non_null(program);
    if (strcmp(program, expected) != 0)
        fail_msg("%s: \"%s\", not \"%s\"", text, program, expected);
    free(program);
}

#define OUT(line) line "s/.*TMOUT/: # &/"

static void lines_that_only_set_it(void **state)
{
    static const char *const only[] = {
        "TMOUT=900",
        "TMOUT=",
        "  TMOUT='900' ; readonly TMOUT; export TMOUT # why",
        "readonly TMOUT=900",
        "declare -xr TMOUT=600",
        "typeset -xr TMOUT=\"$limit\"",
        "builtin export TMOUT",
        "command readonly TMOUT=5",
        "unset TMOUT",
        "unset -v TMOUT;",
        "export TMOUT=5 TMOUT",
    };
    static const char *const more[] = {
        "TMOUT=900 command",
        "TMOUT=900; echo",
        "TMOUT=$(cat /etc/limit)",
        "TMOUT=`id`",
        "[ -n x ] && TMOUT=900",
        "if true; then TMOUT=5; fi",
        "export PATH TMOUT",
        "read TMOUT",
        "TMOUT=900 \\",
        "unset TMOUT -f x",
        "set TMOUT",
        "echo -e $x TMOUT=5",
    };

    for (size_t i = 0; i < COUNT_OF(only); i++)
        assert_program(*state, false, only[i], OUT("1"));
    for (size_t i = 0; i < COUNT_OF(more); i++)
        assert_program(*state, false, more[i], "");
}

static void several_lines(void **state)
{
    assert_program(*state, false, "PATH=/bin\nTMOUT=9\nif a; then\n  readonly TMOUT\nfi\n",
                   OUT("2") ";" OUT("4"));
    assert_program(*state, false, "TMOUT=9\nTMOUT=9 x\n", "");
    assert_program(*state, false, "echo \\\nTMOUT=9\n", "");
    assert_program(*state, false, "MYTMOUT=9; TMOUTS=1; x=$TMOUT # TMOUT=1\n", "");
    assert_program(*state, false, "", "");
}

static void csh(void **state)
{
    static const char *const only[] = {"set autologout=5", "set -r autologout = 5",
                                       "set autologout = ( 5 )", "unset autologout",
                                       "set autologout = $x;"};

    assert_program(*state, true, only[0], "1s/.*autologout/: # &/");
    assert_program(*state, true, only[1], "1s/.*autologout/: # &/");
    assert_program(*state, true, only[2], "");
    assert_program(*state, true, only[3], "1s/.*autologout/: # &/");
    assert_program(*state, true, only[4], "1s/.*autologout/: # &/");
    assert_program(*state, true, "set autologout =\n", "");
    assert_program(*state, true, "autologout=5\n", "");
    assert_program(*state, true, "if (1) set autologout=5\n", "");
    assert_program(*state, true, "TMOUT=5\n", "");
}

static void a_file_that_cannot_be_read(void **state)
{
    const struct host host = {.root = *state};
    char *program = shell_lines_out(&host, "/etc/missing", false);

    assert_string_equal(program, "");
    free(program);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        WITH_DIRECTORY(lines_that_only_set_it),
        WITH_DIRECTORY(several_lines),
        WITH_DIRECTORY(csh),
        WITH_DIRECTORY(a_file_that_cannot_be_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
