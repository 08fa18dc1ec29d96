/*
 * What libconfuse does with odd input: the facts in docs/FACTS.md that explain
 * why it never runs inside a login program, and why lib/policy/scan.c looks at
 * the text first. A fact that a newer libconfuse changes fails here.
 */
#include "tests/unit/child.h"
#include "tests/unit/temporary.h"

#include <confuse.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

static cfg_opt_t section_options[] = {CFG_STR("name", "", CFGF_NONE),
                                      CFG_INT("number", 7, CFGF_NONE), CFG_END()};
static cfg_opt_t options[] = {CFG_STR("name", "", CFGF_NONE), CFG_INT("number", 7, CFGF_NONE),
                              CFG_SEC("group", section_options, CFGF_MULTI | CFGF_TITLE),
                              CFG_END()};

static void ignore_error(cfg_t *cfg, const char *format, va_list arguments)
{
    (void)cfg;
    (void)format;
    (void)arguments;
}

/* Parses text; *result is what cfg_parse_buf() returned. */
static cfg_t *parse(const char *text, int *result)
{
    cfg_t *cfg = cfg_init(options, CFGF_NONE);

    assert_non_null(cfg);
    cfg_set_error_function(cfg, ignore_error);
    *result = cfg_parse_buf(cfg, text);
    return cfg;
}

/* Runs body in a child and returns its wait status. */
static int status_of(void (*body)(void))
{
    int status;
    const pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        const int null_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
        dup2(null_fd, STDERR_FILENO);
        body();
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static void parse_directory(void)
{
    cfg_t *cfg = cfg_init(options, CFGF_NONE);

    cfg_set_error_function(cfg, ignore_error);
    cfg_parse(cfg, "/tmp");
}

static void a_directory_ends_the_process(void **state)
{
    (void)state;
    const int status = status_of(parse_directory);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 2);
}

static void use_bad_default(void)
{
    static cfg_opt_t bad[] = {CFG_INT_LIST("list", "{not, numbers", CFGF_NONE), CFG_END()};

    signal(SIGABRT, SIG_DFL);
    cfg_init(bad, CFGF_NONE);
}

static void a_bad_default_aborts_the_process(void **state)
{
    (void)state;
    const int status = status_of(use_bad_default);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
}

static void an_unterminated_comment_is_accepted(void **state)
{
    int result;
    cfg_t *cfg = parse("name = a /* no end\nname = b\nnumber = 9\n", &result);

    (void)state;
    assert_int_equal(result, CFG_SUCCESS);
    assert_string_equal(cfg_getstr(cfg, "name"), "a");
    assert_int_equal(cfg_getint(cfg, "number"), 7);
    cfg_free(cfg);
}

static void unknown_characters_disappear(void **state)
{
    int result;
    cfg_t *cfg = parse("number = 5*\n", &result);

    (void)state;
    assert_int_equal(result, CFG_SUCCESS);
    assert_int_equal(cfg_getint(cfg, "number"), 5);
    cfg_free(cfg);
}

static void numbers_have_c_prefixes_and_may_be_empty(void **state)
{
    int result;
    cfg_t *cfg = parse("number = 010\n", &result);

    (void)state;
    assert_int_equal(result, CFG_SUCCESS);
    assert_int_equal(cfg_getint(cfg, "number"), 8);
    cfg_free(cfg);
    cfg = parse("number = \"\"\n", &result);
    assert_int_equal(result, CFG_SUCCESS);
    assert_int_equal(cfg_getint(cfg, "number"), 0);
    cfg_free(cfg);
}

static void variables_are_expanded_but_not_in_single_quotes(void **state)
{
    int result;

    (void)state;
    setenv("TMOUT_FACT", "expanded", 1);
    cfg_t *cfg = parse("name = \"${TMOUT_FACT}\"\n", &result);
    assert_string_equal(cfg_getstr(cfg, "name"), "expanded");
    cfg_free(cfg);
    cfg = parse("name = '${TMOUT_FACT}'\n", &result);
    assert_string_equal(cfg_getstr(cfg, "name"), "${TMOUT_FACT}");
    cfg_free(cfg);
}

static void repeated_titles_and_options_replace_silently(void **state)
{
    int result;
    cfg_t *cfg =
        parse("group a { number = 1 }\ngroup a { number = 2 }\nname = x\nname = y\n", &result);

    (void)state;
    assert_int_equal(result, CFG_SUCCESS);
    assert_int_equal(cfg_size(cfg, "group"), 1);
    assert_int_equal(cfg_getint(cfg_getnsec(cfg, "group", 0), "number"), 2);
    assert_string_equal(cfg_getstr(cfg, "name"), "y");
    cfg_free(cfg);
}

static unsigned error_line;

static void note_line(cfg_t *cfg, const char *format, va_list arguments)
{
    (void)format;
    (void)arguments;
    error_line = (unsigned)cfg->line;
}

static void comments_shift_line_numbers(void **state)
{
    cfg_t *cfg = cfg_init(options, CFGF_NONE);

    (void)state;
    cfg_set_error_function(cfg, note_line);
    error_line = 0;
    assert_int_equal(cfg_parse_buf(cfg, "# one\n# two\nunknown = 1\n"), CFG_PARSE_ERROR);
    assert_int_not_equal(error_line, 3);
    cfg_free(cfg);
}

static void a_name_with_a_bar_reaches_into_a_section(void **state)
{
    static cfg_opt_t inner[] = {CFG_INT("number", 7, CFGF_NONE), CFG_END()};
    cfg_opt_t outer[] = {CFG_SEC("inner", inner, CFGF_NONE), CFG_END()};
    cfg_t *cfg = cfg_init(outer, CFGF_NONE);

    (void)state;
    assert_int_equal(cfg_parse_buf(cfg, "inner|number = 3\n"), CFG_SUCCESS);
    assert_int_equal(cfg_getint(cfg, "inner|number"), 3);
    cfg_free(cfg);
}

static void a_nul_byte_cuts_a_value_silently(void **state)
{
    static const char text[] = "name = \"a\0b\"\n";
    char *path = path_in(*state, "nul.conf");
    cfg_t *cfg = cfg_init(options, CFGF_NONE);

    write_bytes(path, text, sizeof text - 1);
    assert_int_equal(cfg_parse(cfg, path), CFG_SUCCESS);
    assert_string_equal(cfg_getstr(cfg, "name"), "a");
    cfg_free(cfg);
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_directory_ends_the_process),
        cmocka_unit_test(a_bad_default_aborts_the_process),
        cmocka_unit_test(an_unterminated_comment_is_accepted),
        cmocka_unit_test(unknown_characters_disappear),
        cmocka_unit_test(numbers_have_c_prefixes_and_may_be_empty),
        cmocka_unit_test(variables_are_expanded_but_not_in_single_quotes),
        cmocka_unit_test(repeated_titles_and_options_replace_silently),
        cmocka_unit_test(comments_shift_line_numbers),
        cmocka_unit_test(a_name_with_a_bar_reaches_into_a_section),
        WITH_DIRECTORY(a_nul_byte_cuts_a_value_silently),
    };

    return cmocka_run_group_tests_name("libconfuse", tests, NULL, NULL);
}
