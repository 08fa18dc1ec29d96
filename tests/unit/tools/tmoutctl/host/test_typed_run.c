/* Programs at a terminal, to which somebody types. */
#include "tests/unit/temporary.h"

#include "tools/tmoutctl/host/typed_run.h"

#include <errno.h>
#include <unistd.h>

enum { LONG_MS = 120 * 1000 };

static int as_it_is(int terminal_fd)
{
    return isatty(terminal_fd) ? 0 : -1;
}

static int not_at_all(int terminal_fd)
{
    (void)terminal_fd;
    return -1;
}

/* Runs a script of sh, to which "word" is typed, until it prints "the end". */
static int run_typed(const char *script, int64_t timeout_ms, char **text)
{
    const char *const argv[] = {"/bin/sh", "-c", script, NULL};
    const char *const environment[] = {"A=one", NULL};
    const struct typed_run run = {.argv = argv,
                                  .environment = environment,
                                  .typed = "word\r",
                                  .until = "the end",
                                  .has_ssh_tty = true,
                                  .prepare = as_it_is};

    return typed_run(&run, timeout_ms, text);
}

static void what_it_finds(void **state)
{
    char *text;

    (void)state;
    /* It is not waited for after that. */
    assert_int_equal(run_typed("[ -t 0 ] && [ -t 1 ] && [ -t 2 ] && echo terminal >/dev/tty; "
                               "echo \"$A $SSH_TTY.\"; read a; echo \"a $a\"; echo the end; read x;"
                               "cat",
                               LONG_MS, &text),
                     0);
    assert_non_null(strstr(text, "terminal"));
    assert_non_null(strstr(text, "one /dev/"));
    assert_non_null(strstr(text, "a word\r\n"));
    free(text);
    /* What is typed gets there, whoever else reads some of it. */
    assert_int_equal(
        run_typed("head -n 1 >/dev/null; read a; echo \"$a at the end\"", LONG_MS, &text), 0);
    free(text);
    assert_int_equal(run_typed("printf 'a\\0b'; echo the end", LONG_MS, &text), 0);
    assert_non_null(strstr(text, "a b"));
    free(text);
}

static void what_fails(void **state)
{
    static const char *const nowhere[] = {"/nowhere", NULL}, *const nothing[] = {NULL};
    const struct typed_run runs[] = {
        {nowhere, nothing, "", "x", false, as_it_is},
        {(const char *const[]){"/bin/true", NULL}, nothing, "", "x", false, not_at_all},
    };
    char *text;

    (void)state;
    assert_int_equal(run_typed("exit 0", LONG_MS, &text), -1);
    assert_int_equal(errno, EIO);
    free(text);
    assert_int_equal(run_typed("exec sleep 1000", 20, &text), -1);
    assert_int_equal(errno, ETIMEDOUT);
    free(text);
    assert_int_equal(
        run_typed("while echo 123456789012345678901234567890; do :; done", LONG_MS, &text), -1);
    assert_int_equal(errno, EFBIG);
    free(text);
    for (size_t i = 0; i < COUNT_OF(runs); i++) {
        assert_int_equal(typed_run(&runs[i], LONG_MS, &text), -1);
        assert_int_equal(errno, EIO);
        free(text);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_it_finds),
        cmocka_unit_test(what_fails),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
