/* The command line. */
#include "tests/unit/check.h"

#include "tools/tmoutd/options.h"

#include "lib/paths.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static const char usage[] = "usage: tmoutd [--foreground] [--state DIR]\n";

/* One of the standard descriptors, while something is printed. */
struct redirected {
    FILE *stream;
    int saved, file;
};

static struct redirected redirect(FILE *stream)
{
    fflush(stream);
    const struct redirected r = {stream, dup(fileno(stream)), memfd_create("output", MFD_CLOEXEC)};

    assert_true(r.saved >= 0 && r.file >= 0);
    assert_true(dup2(r.file, fileno(stream)) >= 0);
    return r;
}

static void give_back(struct redirected r, char text[1024])
{
    fflush(r.stream);
    assert_true(dup2(r.saved, fileno(r.stream)) >= 0);
    const ssize_t size = pread(r.file, text, 1023, 0);
    assert_true(size >= 0);
    text[size] = '\0';
    close(r.saved);
    close(r.file);
}

struct outcome {
    int status;
    struct options options;
    char output[1024], errors[1024];
};

/* words: separated by one space each. */
static struct outcome parse(const char *words)
{
    static char text[8192];
    struct outcome outcome;
    char program[] = "/usr/sbin/tmoutd", *argv[16] = {program}, *rest = text;
    int argc = 1;

    assert_true(strlen(words) < sizeof text);
    strcpy(text, words);
    while (text[0] != '\0' && rest != NULL)
        argv[argc++] = strsep(&rest, " ");
    const struct redirected output = redirect(stdout), errors = redirect(stderr);
    outcome.status = options_parse(argc, argv, &outcome.options);
    give_back(errors, outcome.errors);
    give_back(output, outcome.output);
    return outcome;
}

static void assert_runs(const char *words, bool foreground, const char *state_dir,
                        const char *sessions_dir)
{
    const struct outcome outcome = parse(words);

    assert_int_equal(outcome.status, OPTIONS_RUN);
    assert_string_equal(outcome.output, "");
    assert_string_equal(outcome.errors, "");
    assert_int_equal(outcome.options.foreground, foreground);
    assert_string_equal(outcome.options.state_dir, state_dir);
    assert_string_equal(outcome.options.sessions_dir, sessions_dir);
}

static void valid_options(void **state)
{
    (void)state;
    assert_runs("", false, TMOUT_STATE_DIR, TMOUT_SESSIONS_DIR);
    assert_runs("--", false, TMOUT_STATE_DIR, TMOUT_SESSIONS_DIR);
    assert_runs("--foreground", true, TMOUT_STATE_DIR, TMOUT_SESSIONS_DIR);
    assert_runs("--state /x", false, "/x", "/x-sessions");
    assert_runs("--state=/x", false, "/x", "/x-sessions");
    assert_runs("--state=/x --foreground --state /y", true, "/y", "/y-sessions");
    assert_runs("--state " TMOUT_STATE_DIR, false, TMOUT_STATE_DIR, TMOUT_SESSIONS_DIR);
}

static void help_and_version(void **state)
{
    static const char *const help[] = {"-h", "--help", "--foreground --help", "-hV"};
    static const char *const version[] = {"-V", "--version", "--state /x -V"};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(help); i++) {
        const struct outcome outcome = parse(help[i]);
        assert_int_equal(outcome.status, 0);
        assert_string_equal(outcome.errors, "");
        assert_memory_equal(outcome.output, usage, strlen(usage));
        assert_non_null(strstr(outcome.output, "--foreground"));
        assert_non_null(strstr(outcome.output, "-V, --version"));
    }
    for (size_t i = 0; i < COUNT_OF(version); i++) {
        const struct outcome outcome = parse(version[i]);
        assert_int_equal(outcome.status, 0);
        assert_string_equal(outcome.errors, "");
        assert_string_equal(outcome.output, "tmoutd " TMOUT_VERSION "\n");
    }
}

static void assert_usage_error(const char *words, const char *message)
{
    const struct outcome outcome = parse(words);
    char expected[1024];

    assert_int_equal(outcome.status, OPTIONS_USAGE_ERROR);
    assert_string_equal(outcome.output, "");
    snprintf(expected, sizeof expected, "tmoutd: %s\n%s", message, usage);
    assert_string_equal(outcome.errors, expected);
}

static void usage_errors(void **state)
{
    (void)state;
#ifdef __GLIBC__ /* getopt_long() words these */
    assert_usage_error("--x", "unrecognized option '--x'");
    assert_usage_error("-x", "invalid option -- 'x'");
    assert_usage_error("--state", "option '--state' requires an argument");
    assert_usage_error("--help=yes", "option '--help' doesn't allow an argument");
#endif
    assert_usage_error("--state run --help",
                       "invalid argument 'run' for '--state': must be an absolute path");
    assert_usage_error("--foreground x", "extra operand 'x'");
    assert_usage_error("x --foreground", "extra operand 'x'");
    assert_usage_error("-- --help", "extra operand '--help'");
}

static void a_path_that_is_too_long(void **state)
{
    char words[PATH_MAX + 16] = "--state /";

    (void)state;
    memset(words + strlen(words), 'x', PATH_MAX - 4);
    const struct outcome outcome = parse(words);
    assert_int_equal(outcome.status, OPTIONS_USAGE_ERROR);
    assert_memory_equal(outcome.errors, "tmoutd: invalid argument '/xxx", 30);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(valid_options),
        cmocka_unit_test(help_and_version),
        cmocka_unit_test(usage_errors),
        cmocka_unit_test(a_path_that_is_too_long),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
