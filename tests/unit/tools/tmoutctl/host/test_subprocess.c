/* A program that is run for what it prints: its streams, its status, its time. */
#include "tests/unit/child.h"

#include "tools/tmoutctl/host/subprocess.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>

enum { LONG_MS = 60 * 1000, SHORT_MS = 200 };

/* Runs a script of /bin/sh. */
static int run_script(const char *script, int64_t timeout_ms, struct subprocess *result)
{
    const char *const argv[] = {"/bin/sh", "-c", script, NULL};

    *result = (struct subprocess){0};
    return subprocess_run(argv, timeout_ms, result);
}

static void both_streams_and_the_status(void **state)
{
    struct subprocess result;

    (void)state;
    assert_int_equal(run_script("echo one; echo two >&2; exit 3", LONG_MS, &result), 0);
    assert_string_equal(result.text[SUBPROCESS_OUT], "one\n");
    assert_int_equal(result.size[SUBPROCESS_OUT], 4);
    assert_string_equal(result.text[SUBPROCESS_ERR], "two\n");
    assert_int_equal(WEXITSTATUS(result.status), 3);
    assert_false(subprocess_succeeded(&result));
    subprocess_free(&result);
    assert_null(result.text[SUBPROCESS_OUT]);
    assert_int_equal(run_script(":", LONG_MS, &result), 0);
    assert_true(subprocess_succeeded(&result));
    subprocess_free(&result);
    assert_int_equal(run_script("kill -9 $$", LONG_MS, &result), 0);
    assert_false(subprocess_succeeded(&result));
    subprocess_free(&result);
}

static void its_surroundings(void **state)
{
    struct subprocess result;

    (void)state;
    setenv("SECRET", "x", 1);
    assert_int_equal(run_script("cat; pwd; echo \"[$SECRET]\"", LONG_MS, &result), 0);
    unsetenv("SECRET");
    assert_string_equal(result.text[SUBPROCESS_OUT], "/\n[]\n");
    subprocess_free(&result);
}

/* ls lists its own descriptors: three, and the directory that it reads. */
static void assert_three_descriptors(void)
{
    struct subprocess result;

    assert_int_equal(run_script("exec ls /proc/self/fd", LONG_MS, &result), 0);
    assert_non_null(result.text[SUBPROCESS_OUT]);
    assert_string_equal(result.text[SUBPROCESS_OUT], "0\n1\n2\n3\n");
    subprocess_free(&result);
}

static void its_descriptors(void **state)
{
    const int left_open = open("/dev/null", O_RDONLY);

    (void)state;
    assert_true(left_open >= 0);
    assert_three_descriptors();
    close(left_open);
}

static void without_stdio(void *argument)
{
    (void)argument;
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        close(fd);
    assert_three_descriptors();
}

static void its_descriptors_where_ours_are_closed(void **state)
{
    (void)state;
    assert_true(in_child(without_stdio, NULL));
}

static void a_program_that_is_missing(void **state)
{
    const char *const argv[] = {"/nowhere/program", NULL};
    struct subprocess result = {0};

    (void)state;
    assert_int_equal(subprocess_run(argv, LONG_MS, &result), 0);
    assert_int_equal(WEXITSTATUS(result.status), 127);
    subprocess_free(&result);
}

static void one_that_does_not_end(void **state)
{
    static const char *const scripts[] = {"exec sleep 1000",
                                          "exec >/dev/null 2>&1; exec sleep 1000"};
    struct subprocess result;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(scripts); i++) {
        assert_int_equal(run_script(scripts[i], SHORT_MS, &result), -1);
        assert_int_equal(errno, ETIMEDOUT);
        assert_true(WIFSIGNALED(result.status));
        subprocess_free(&result);
    }
}

static void one_that_prints_too_much(void **state)
{
    struct subprocess result;

    (void)state;
    assert_int_equal(
        run_script("head -c 500000 /dev/zero; head -c 400000 /dev/zero >&2", LONG_MS, &result), 0);
    assert_int_equal(result.size[SUBPROCESS_OUT], 500000);
    assert_int_equal(result.size[SUBPROCESS_ERR], 400000);
    subprocess_free(&result);
    assert_int_equal(run_script("exec cat /dev/zero", LONG_MS, &result), -1);
    assert_int_equal(errno, EFBIG);
    subprocess_free(&result);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_streams_and_the_status),
        cmocka_unit_test(its_surroundings),
        cmocka_unit_test(a_program_that_is_missing),
        cmocka_unit_test(one_that_does_not_end),
        cmocka_unit_test(one_that_prints_too_much),
        cmocka_unit_test(its_descriptors),
        cmocka_unit_test(its_descriptors_where_ours_are_closed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
