/* What a shell's trace says of its limit; what real shells print is in tests/e2e/audit.t. */
#include "tests/unit/temporary.h"

#include "tools/tmoutctl/shells/trace.h"

#include "tools/tmoutctl/shells/files.h"

#define AT(file, line) "+tmout-at:" file ":" line ":"

static void the_command_at_fault(void **state)
{
    static const struct {
        const char *printed;
        bool all;
        const char *file; /* NULL: none */
        unsigned line;
    } cases[] = {
        {"", true, NULL, 0},
        {"$ echo TMOUT\r\n", true, NULL, 0},
        {AT("/etc/profile", "3") "umask 022\r\n" AT("/etc/a.sh", "7") "TMOUT=3600\r\n" AT(
             "/etc/z.sh", "9") "export LANG\r\n",
         false, "/etc/a.sh", 7},
        /* The last one counts, of all where the shell has not come to its prompt. */
        {AT("/etc/a.sh", "7") "TMOUT=1\r\n+" AT("/etc/b.sh", "8") "export TMOUT=2\r\n", false,
         "/etc/b.sh", 8},
        {AT("/etc/a.sh", "7") "TMOUT=1\r\n" AT("/etc/b.sh", "8") "exit\r\n", true, "/etc/b.sh", 8},
        /* The next line is another command. */
        {AT("/etc/a.sh", "7") "umask 022\r\nTMOUT=1\r\n", false, NULL, 0},
        {AT("/etc/a.sh", "1") "readonly tmout_name=x\r\n", false, "/etc/a.sh", 1},
        {AT("/etc/a.sh", "1") "PAM_TMOUT=none\r\n", false, "/etc/a.sh", 1},
        /* Ours, and what is typed, have no fault. */
        {AT(PROFILE_SH, "7") "eval TMOUT=900\r\n", true, NULL, 0},
        {AT(SHELL_FRAGMENTS "/bashrc", "7") "TMOUT=900\r\n", true, NULL, 0},
        {AT("/bin/zsh", "2") "TMOUT=1\r\n", false, NULL, 0},
        {AT("/etc/skel/.bash_logout", "7") "clear\r\n", true, NULL, 0},
        {AT("", "1") "TMOUT=900\r\n", true, NULL, 0},
        {AT("environment", "1") "TMOUT=900\r\n", true, NULL, 0},
        {AT("/etc/a.sh", "0") "TMOUT=900\r\n", true, NULL, 0},
        {AT("/etc/a.sh", "x") "TMOUT=900\r\n", true, NULL, 0},
        {"+tmout-at:/etc/a.sh", true, NULL, 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct shell_place place;
        assert_int_equal(shell_trace_find(cases[i].printed, "/bin/zsh", cases[i].all, &place),
                         cases[i].file != NULL);
        if (cases[i].file == NULL)
            continue;
        assert_string_equal(place.file, cases[i].file);
        assert_int_equal(place.line, cases[i].line);
    }
}

static void who_can_trace(void **state)
{
    (void)state;
    for (enum shell_kind kind = 0; kind < SHELL_KINDS; kind++) {
        const char *prompt = shell_trace_prompt(kind);
        assert_true(prompt == NULL || strncmp(prompt, "PS4=", 4) == 0);
    }
    assert_non_null(shell_trace_prompt(SHELL_BASH));
    assert_null(shell_trace_prompt(SHELL_KSH93));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_command_at_fault),
        cmocka_unit_test(who_can_trace),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
