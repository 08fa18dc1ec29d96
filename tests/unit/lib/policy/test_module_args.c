/* The arguments of pam_tmout.so on a PAM line. */
#include "tests/unit/check.h"

#include "lib/paths.h"
#include "lib/policy/module_args.h"
#include "lib/sessions/registry.h"

#include <limits.h>
#include <string.h>

static struct module_args args;
static struct failure failure;

/* Parses words up to a NULL; returns how many are valid. */
static int parse(const char *const *words)
{
    int count = 0;

    failure_set(&failure, "%s", "");
    while (words[count] != NULL)
        count++;
    return module_args_parse(count, words, &args, &failure);
}

#define PARSE(...) parse((const char *const[]){__VA_ARGS__, NULL})

static void defaults(void **state)
{
    (void)state;
    assert_int_equal(module_args_parse(0, NULL, &args, &failure), 0);
    assert_string_equal(args.config_path, TMOUT_CONFIG_PATH);
    assert_string_equal(args.state_dir, TMOUT_STATE_DIR);
    assert_false(args.debug || args.noprompt || args.tell);
}

static void each(void **state)
{
    (void)state;
    assert_int_equal(PARSE("debug"), 1);
    assert_true(args.debug && !args.noprompt && !args.tell);
    assert_int_equal(PARSE("noprompt"), 1);
    assert_true(!args.debug && args.noprompt && !args.tell);
    assert_int_equal(PARSE("new_password"), 1);
    assert_true(!args.debug && !args.noprompt && args.new_password);
    assert_int_equal(PARSE("tell"), 1);
    assert_true(!args.debug && !args.noprompt && args.tell);
    assert_int_equal(PARSE("config=/a=b", "state=/"), 2);
    assert_string_equal(args.config_path, "/a=b");
    assert_string_equal(args.state_dir, "/");
    assert_int_equal(args.origin, ORIGIN_BY_EVIDENCE);
    assert_int_equal(PARSE("origin=local"), 1);
    assert_int_equal(args.origin, ORIGIN_SAID_LOCAL);
    assert_int_equal(PARSE("origin=local", "origin=network"), 2);
    assert_int_equal(args.origin, ORIGIN_SAID_NETWORK);
    assert_null(args.second_factor);
    assert_int_equal(PARSE("second_factor=Antwort"), 1);
    assert_string_equal(args.second_factor, "Antwort");
    assert_int_equal(PARSE("second_factor=push me,SMS"), 1);
    assert_string_equal(args.second_factor, "push me,SMS");
    /* twice: the last one counts */
    assert_int_equal(PARSE("state=/1", "debug", "debug", "state=/2"), 4);
    assert_string_equal(args.state_dir, "/2");
    assert_true(args.debug);
}

static void wrong(void **state)
{
    static const struct {
        const char *word, *why;
    } cases[] = {
        {"", "unknown argument"},
        {"Debug", "unknown argument"},
        {"debug ", "unknown argument"},
        {"debugs", "unknown argument"},
        {"debug=1", "unknown argument"},
        {"debu", "unknown argument"},
        {"no_prompt", "unknown argument"},
        {"config", "unknown argument"},
        {"statedir=/x", "unknown argument"},
        {"config=", "absolute path"},
        {"config=x", "absolute path"},
        {"state=./x", "absolute path"},
        {"origin", "unknown argument"},
        {"origin=", "must be local or network"},
        {"origin=locale", "must be local or network"},
        {"second_factor", "unknown argument"},
        {"second_factor=", "must be words"},
        {"second_factor=,", "must be words"},
        {"second_factor=a,", "must be words"},
        {"second_factor=a,,b", "must be words"},
        {"second_factor=1234567890123456789012345678901234567890123456789012345678901234",
         "must be words"},
        {"origin=loca", "must be local or network"},
        {"origin=Network", "must be local or network"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        assert_int_equal(PARSE("tell", cases[i].word, "debug"), 1);
        if (strstr(failure.text, cases[i].why) == NULL)
            fail_msg("\"%s\": %s", cases[i].word, failure.text);
    }
    /* says what would be valid */
    PARSE("x");
    assert_non_null(strstr(failure.text, "debug, noprompt, new_password, tell, "
                                         "config=/PATH, state=/DIR, origin=local|network"));
}

/* state= up to what leaves room for the registry's directory, config= up to what
 * open(2) takes. */
static void long_paths(void **state)
{
    char word[sizeof "config=" + PATH_MAX] = "state=/", sessions[512];

    (void)state;
    memset(word + strlen(word), 'd', 502 - 1);
    assert_int_equal(PARSE(word), 1);
    assert_int_equal(strlen(args.state_dir), 502);
    assert_true(registry_directory(args.state_dir, sessions, sizeof sessions));
    strcat(word, "d");
    assert_int_equal(PARSE(word), 0);
    assert_string_equal(failure.text, "the path is too long");

    snprintf(word, sizeof word, "config=/%0*d", PATH_MAX - 2, 0);
    assert_int_equal(PARSE(word), 1);
    assert_int_equal(strlen(args.config_path), PATH_MAX - 1);
}

/* A word in the middle of a line, as the audit of PAM's files has it. */
static void inside_a_line(void **state)
{
    static const char line[] = "debug config=/etc/x y";
    const char *value;

    (void)state;
    assert_int_equal(module_arg_find(line, 5, &value, &failure), MODULE_ARG_DEBUG);
    assert_null(value);
    assert_int_equal(module_arg_find(line, 4, &value, &failure), -1);
    assert_int_equal(module_arg_find(line, 6, &value, &failure), -1);
    assert_int_equal(module_arg_find(line + 6, 13, &value, &failure), MODULE_ARG_CONFIG);
    assert_ptr_equal(value, line + 13);
    assert_int_equal(module_arg_find(line + 6, 7, &value, &failure), -1);
    assert_int_equal(module_arg_find(line + 6, 6, &value, &failure), -1);
    assert_null(value);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults),   cmocka_unit_test(each),          cmocka_unit_test(wrong),
        cmocka_unit_test(long_paths), cmocka_unit_test(inside_a_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
