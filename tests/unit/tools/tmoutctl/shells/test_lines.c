/* Which lines only set the limit, so that they can be commented out. */
#include "tests/unit/tools/tmoutctl/shells/shells_tree.h"

#include "tools/tmoutctl/shells/lines.h"

/* expected has the numbers of the lines that are commented out. */
static void assert_lines(const char *root, bool csh, const char *text, const char *expected)
{
    const struct host host = {.root = root};
    struct edits edits = {0};
    char found[64] = "", number[16];

    put(root, "/etc/x", text);
    assert_int_equal(shell_lines_out(&host, "/etc/x", csh, &edits), 0);
    for (size_t i = 0; i < edits.count; i++) {
        assert_int_equal(edits.item[i].kind, EDIT_REPLACE);
        assert_int_equal(strncmp(edits.item[i].text, ": # ", 4), 0);
        assert_non_null(strstr(text, edits.item[i].text + 4));
        snprintf(number, sizeof number, "%s%u", i > 0 ? " " : "", edits.item[i].line);
        strcat(found, number);
    }
    edits_free(&edits);
    if (strcmp(found, expected) != 0)
        fail_msg("%s: \"%s\", not \"%s\"", text, found, expected);
}

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
        assert_lines(*state, false, only[i], "1");
    for (size_t i = 0; i < COUNT_OF(more); i++)
        assert_lines(*state, false, more[i], "");
}

static void several_lines(void **state)
{
    assert_lines(*state, false, "PATH=/bin\nTMOUT=9\nif a; then\n  readonly TMOUT\nfi\n", "2 4");
    assert_lines(*state, false, "TMOUT=9\nTMOUT=9 x\n", "");
    assert_lines(*state, false, "echo \\\nTMOUT=9\n", "");
    assert_lines(*state, false, "MYTMOUT=9; TMOUTS=1; x=$TMOUT # TMOUT=1\n", "");
    assert_lines(*state, false, "", "");
}

static void csh(void **state)
{
    static const char *const only[] = {"set autologout=5", "set -r autologout = 5",
                                       "set autologout = ( 5 )", "unset autologout",
                                       "set autologout = $x;"};

    assert_lines(*state, true, only[0], "1");
    assert_lines(*state, true, only[1], "1");
    assert_lines(*state, true, only[2], "");
    assert_lines(*state, true, only[3], "1");
    assert_lines(*state, true, only[4], "1");
    assert_lines(*state, true, "set autologout =\n", "");
    assert_lines(*state, true, "autologout=5\n", "");
    assert_lines(*state, true, "if (1) set autologout=5\n", "");
    assert_lines(*state, true, "TMOUT=5\n", "");
}

/* What looks like a command may be text. */
static void lines_of_a_text(void **state)
{
    assert_lines(*state, false, "cat <<EOF\nTMOUT=9\nEOF\n", "");
    assert_lines(*state, false, "x='\nTMOUT=9\n'\n", "");
    assert_lines(*state, false, "x=\"a\nTMOUT=9\n\"\n", "");
    assert_lines(*state, false, "# don't\nTMOUT=9\n", "2");
}

static void a_carriage_return(void **state)
{
    struct edits edits = {0};
    const struct host host = {.root = *state};

    put(*state, "/etc/x", "TMOUT=9\r\n");
    assert_int_equal(shell_lines_out(&host, "/etc/x", false, &edits), 0);
    assert_int_equal(edits.count, 1);
    assert_string_equal(edits.item[0].text, ": # TMOUT=9");
    edits_free(&edits);
}

static void a_file_that_cannot_be_read(void **state)
{
    const struct host host = {.root = *state};
    struct edits edits = {0};

    assert_int_equal(shell_lines_out(&host, "/etc/missing", false, &edits), 0);
    assert_int_equal(edits.count, 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        WITH_DIRECTORY(lines_that_only_set_it),
        WITH_DIRECTORY(several_lines),
        WITH_DIRECTORY(csh),
        WITH_DIRECTORY(lines_of_a_text),
        WITH_DIRECTORY(a_carriage_return),
        WITH_DIRECTORY(a_file_that_cannot_be_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
