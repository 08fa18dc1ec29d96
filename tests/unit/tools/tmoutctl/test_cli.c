/* Command lines: what they ask for, and the one form of error message. What the
 * program makes of each command's options is in tests/tools/ctl_cli.t. */
#include "tests/unit/tools/tmoutctl/captured.h"

#include "tools/tmoutctl/verbs/verbs.h"

#include <getopt.h>

enum { OPTION_VERSION, OPTION_ONE, OPTION_TWO, OPTION_VALUE };

static const struct verb_option options[] = {
    [OPTION_VERSION] = {"version", "X.Y", NULL, 1},
    [OPTION_ONE] = {"one", NULL, "the first of two", 1},
    [OPTION_TWO] = {"two", NULL, "the second", 1},
    [OPTION_VALUE] = {"value", "VALUE", "one with a value", 0},
    {0},
};

static const struct verb example = {
    .name = "example",
    .usage = "USER [--one | --two] [--value VALUE]",
    .help = "Does what an example does.",
    .operand = "USER",
    .operand_required = true,
    .options = options,
};

static const struct verb plain = {.name = "plain", .usage = "", .help = "Nothing."};

enum { WORDS_MAX = 8 };

/* A command line in one text, its words separated by blanks; _ is an empty one. */
struct line {
    char text[256];
    char *word[WORDS_MAX + 1];
    int count;
    struct tmoutctl_context context;
    struct verb_arguments arguments;
    struct captured captured;
};

static void split(struct line *line, const char *text)
{
    char *left = line->text;

    *line = (struct line){.context = {.config_path = "/config", .state_dir = "/state"}};
    snprintf(line->text, sizeof line->text, "%s", text);
    for (char *word; (word = strsep(&left, " ")) != NULL;) {
        assert_true(line->count < WORDS_MAX);
        if (strcmp(word, "_") == 0)
            word[0] = '\0';
        line->word[line->count++] = word;
    }
}

static enum cli_request parse(struct line *line, const struct verb *verb, const char *text)
{
    split(line, text);
    capture_begin(&line->captured);
    const enum cli_request request =
        verb == NULL
            ? cli_parse_program(line->count, line->word, &line->context)
            : cli_parse_verb(verb, line->count, line->word, &line->context, &line->arguments);
    capture_end(&line->captured);
    return request;
}

static void assert_wrong(const struct verb *verb, const char *text, const char *message)
{
    struct line line;
    char *expected = NULL;

    assert_true(asprintf(&expected, "tmoutctl%s%s: %s\nusage: tmoutctl%s%s %s\n",
                         verb != NULL ? " " : "", verb != NULL ? verb->name : "", message,
                         verb != NULL ? " " : "", verb != NULL ? verb->name : "",
                         verb != NULL ? verb->usage : "[OPTION]... COMMAND [ARGUMENT]...") > 0);
    assert_int_equal(parse(&line, verb, text), CLI_WRONG);
    assert_string_equal(line.captured.err, expected);
    assert_string_equal(line.captured.out, "");
    captured_free(&line.captured);
    free(expected);
}

static void assert_request(const struct verb *verb, const char *text, enum cli_request expected)
{
    struct line line;

    assert_int_equal(parse(&line, verb, text), expected);
    assert_string_equal(line.captured.err, "");
    captured_free(&line.captured);
}

static void options_before_a_command(void **state)
{
    struct line line;

    (void)state;
    assert_int_equal(parse(&line, NULL, "tmoutctl --json --config /a --state=/b show --quiet"),
                     CLI_RUN);
    assert_int_equal(optind, 5);
    assert_true(line.context.json);
    assert_false(line.context.quiet);
    assert_string_equal(line.context.config_path, "/a");
    assert_string_equal(line.context.state_dir, "/b");
    assert_string_equal(line.word[0], "tmoutctl");
    captured_free(&line.captured);

    assert_int_equal(parse(&line, NULL, "tmoutctl --q -- --json"), CLI_RUN);
    assert_int_equal(optind, 3);
    assert_true(line.context.quiet);
    assert_false(line.context.json);
    assert_string_equal(line.context.config_path, "/config");
    captured_free(&line.captured);

    assert_request(NULL, "tmoutctl -h --x", CLI_HELP);
    assert_request(NULL, "tmoutctl --help", CLI_HELP);
    assert_request(NULL, "tmoutctl -V", CLI_VERSION);
    assert_request(NULL, "tmoutctl --json --version show", CLI_VERSION);
    assert_wrong(NULL, "tmoutctl --x show", "unrecognized option '--x'");
    assert_wrong(NULL, "tmoutctl -x", "invalid option -- 'x'");
    assert_wrong(NULL, "tmoutctl --config", "option '--config' requires an argument");
    assert_wrong(NULL, "tmoutctl --json=yes", "option '--json' doesn't allow an argument");
    assert_wrong(NULL, "tmoutctl --config a",
                 "invalid argument 'a' for '--config': must be an absolute path");
    assert_wrong(
        NULL, "tmoutctl --state=", "invalid argument '' for '--state': must be an absolute path");
}

static void options_after_a_command(void **state)
{
    struct line line;

    (void)state;
    assert_int_equal(parse(&line, &example, "example --json anna --value v --one --q"), CLI_RUN);
    assert_true(line.context.json && line.context.quiet);
    assert_string_equal(line.arguments.operand, "anna");
    assert_string_equal(line.arguments.option[OPTION_VALUE], "v");
    assert_string_equal(line.arguments.option[OPTION_ONE], "");
    assert_null(line.arguments.option[OPTION_TWO]);
    assert_string_equal(line.word[0], "example");
    captured_free(&line.captured);

    assert_int_equal(parse(&line, &example, "example --val=a --value b --state /c -- --one"),
                     CLI_RUN);
    assert_string_equal(line.arguments.operand, "--one");
    assert_string_equal(line.arguments.option[OPTION_VALUE], "b");
    assert_null(line.arguments.option[OPTION_ONE]);
    assert_string_equal(line.context.state_dir, "/c");
    captured_free(&line.captured);

    assert_request(&example, "example --value -h anna", CLI_RUN);
    assert_request(&example, "example -h", CLI_HELP);
    assert_request(&example, "example anna --help --x", CLI_HELP);
    assert_request(&plain, "plain --quiet", CLI_RUN);
    assert_request(&plain, "plain --version", CLI_VERSION);
    assert_request(&plain, "plain --", CLI_RUN);
}

static void wrong_lines(void **state)
{
    (void)state;
    assert_wrong(&example, "example", "missing operand USER");
    assert_wrong(&example, "example --one --", "missing operand USER");
    assert_wrong(&example, "example anna bob", "extra operand 'bob'");
    assert_wrong(&example, "example anna --json -- bob", "extra operand 'bob'");
    assert_wrong(&example, "example anna --value", "option '--value' requires an argument");
    assert_wrong(&example, "example anna --one=1", "option '--one' doesn't allow an argument");
    assert_wrong(&example, "example anna --nothing", "unrecognized option '--nothing'");
    assert_wrong(&example, "example anna --v",
                 "option '--v' is ambiguous; possibilities: '--version' '--value'");
    assert_wrong(&example, "example anna --one --json --two",
                 "options '--one' and '--two' are mutually exclusive");
    assert_wrong(&example, "example anna --two --one",
                 "options '--two' and '--one' are mutually exclusive");
    assert_wrong(&example, "example --config=b anna",
                 "invalid argument 'b' for '--config': must be an absolute path");
    assert_request(&example, "example anna --one --one --value v", CLI_RUN);
}

/* An option of a command that has the name of a common one. */
static void a_version_with_a_value(void **state)
{
    struct line line;

    (void)state;
    assert_request(&example, "example anna --version", CLI_VERSION);
    assert_request(&example, "example anna --version --one", CLI_VERSION);
    assert_request(&example, "example -V 9.2", CLI_VERSION);
    for (size_t i = 0; i < 3; i++) {
        static const char *const lines[] = {"example --version 9.2 anna",
                                            "example anna --version 9.2",
                                            "example anna --version=9.2"};
        assert_int_equal(parse(&line, &example, lines[i]), CLI_RUN);
        assert_string_equal(line.arguments.option[OPTION_VERSION], "9.2");
        assert_string_equal(line.arguments.operand, "anna");
        captured_free(&line.captured);
    }
    assert_wrong(&example, "example anna --version 9.2 --one",
                 "options '--version' and '--one' are mutually exclusive");
}

static void help_names_every_option(void **state)
{
    struct captured captured;

    (void)state;
    capture_begin(&captured);
    cli_print_help(&example);
    capture_end(&captured);
    assert_string_equal(captured.out,
                        "usage: tmoutctl example USER [--one | --two] [--value VALUE]\n\n"
                        "Does what an example does.\n\nOptions:\n"
                        "  --one                the first of two\n"
                        "  --two                the second\n"
                        "  --value VALUE        one with a value\n"
                        "  --json               print the answer as one JSON document\n"
                        "  --quiet              print nothing unless something is wrong\n"
                        "  --config PATH        the policy file (default: "
                        "/etc/security/tmout.conf)\n"
                        "  --state DIR          the state directory (default: /var/lib/tmout)\n"
                        "  -h, --help           print this help and exit\n"
                        "  -V, --version        print the version and exit\n");
    captured_free(&captured);

    capture_begin(&captured);
    cli_print_usage(stdout, &plain);
    capture_end(&captured);
    assert_string_equal(captured.out, "usage: tmoutctl plain\n");
    captured_free(&captured);
}

/* The rows of the table are complete, and fit the terminal and the parser. */
static void every_command_has_a_row(void **state)
{
    (void)state;
    for (size_t i = 0; verbs[i] != NULL; i++) {
        const struct verb *verb = verbs[i];
        size_t count = 0;
        assert_true(i == 0 || strcmp(verbs[i - 1]->name, verb->name) < 0);
        assert_non_null(verb->run);
        assert_non_null(verb->usage);
        assert_true(strlen(verb->summary) <= 66);
        for (const char *text = verb->help; *text != '\0'; text += strcspn(text, "\n")) {
            text += *text == '\n';
            assert_true(strcspn(text, "\n") <= 79);
        }
        for (; verb->options != NULL && verb->options[count].name != NULL; count++)
            continue;
        assert_true(count <= VERB_OPTIONS_MAX);
        assert_true(verb->operand != NULL || !verb->operand_required);
        assert_ptr_equal(verb_find(verb->name), verb);
    }
}

static void help_and_unknown_commands(void **state)
{
    const struct tmoutctl_context context = {0};
    struct captured captured;

    (void)state;
    assert_int_equal(verb_run(&verb_help, &context, NULL, &captured), TMOUTCTL_FINE);
    assert_contains(captured.out, "usage: tmoutctl [OPTION]... COMMAND [ARGUMENT]...\n");
    for (size_t i = 0; verbs[i] != NULL; i++)
        assert_contains(captured.out, verbs[i]->summary);
    captured_free(&captured);
    assert_int_equal(verb_run(&verb_help, &context, "unlock", &captured), TMOUTCTL_FINE);
    assert_contains(captured.out, "usage: tmoutctl unlock USER [--fleet] | --from-fleet\n");
    captured_free(&captured);
    assert_verb(&verb_help, &context, "audti", TMOUTCTL_FAILURE, "",
                "tmoutctl: unknown command \"audti\"; did you mean \"audit\"?\n"
                "usage: tmoutctl [OPTION]... COMMAND [ARGUMENT]...\n");
    assert_verb(&verb_help, &context, "xyzzyxyzzy", TMOUTCTL_FAILURE, "",
                "tmoutctl: unknown command \"xyzzyxyzzy\"; tmoutctl --help lists them\n"
                "usage: tmoutctl [OPTION]... COMMAND [ARGUMENT]...\n");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_before_a_command),
        cmocka_unit_test(options_after_a_command),
        cmocka_unit_test(wrong_lines),
        cmocka_unit_test(a_version_with_a_value),
        cmocka_unit_test(help_names_every_option),
        cmocka_unit_test(every_command_has_a_row),
        cmocka_unit_test(help_and_unknown_commands),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
