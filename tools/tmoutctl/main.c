#include "tools/tmoutctl/cli.h"

#include "lib/host/descriptor.h"
#include "lib/paths.h"
#include "tools/tmoutctl/print.h"
#include "tools/tmoutctl/verbs/verbs.h"

#include <unistd.h>

#ifndef TMOUT_VERSION
#define TMOUT_VERSION "unknown"
#endif

static int print_help(const struct verb *verb)
{
    if (verb != NULL)
        cli_print_help(verb);
    else
        print_program_help();
    return finish(TMOUTCTL_FINE);
}

static int print_version(bool json)
{
    if (json)
        return print_json(json_pack("{s:s, s:s}", "program", "tmoutctl", "release", TMOUT_VERSION),
                          TMOUTCTL_FINE);
    puts("tmoutctl " TMOUT_VERSION);
    return finish(TMOUTCTL_FINE);
}

/* Parses all of argv. Sets *verb where one is named. */
static enum cli_request parse(int argc, char **argv, struct tmoutctl_context *context,
                              const struct verb **verb, struct verb_arguments *arguments)
{
    const enum cli_request request = cli_parse_program(argc, argv, context);
    const int first = optind;

    if (request == CLI_WRONG && first < argc)
        cli_find_json(verb_named(argv[first]), argc - first, argv + first, context);
    if (request != CLI_RUN)
        return request;
    if (first == argc) {
        cli_usage_error(NULL, "missing command; tmoutctl --help lists them");
        return CLI_WRONG;
    }
    *verb = verb_find(argv[first]);
    if (*verb != NULL)
        return cli_parse_verb(*verb, argc - first, argv + first, context, arguments);
    cli_find_json(NULL, argc - first, argv + first, context);
    return CLI_WRONG;
}

int main(int argc, char **argv)
{
    struct tmoutctl_context context = {
        .config_path = TMOUT_CONFIG_PATH, .state_dir = TMOUT_STATE_DIR, .host = {.root = ""}};
    struct verb_arguments arguments;
    const struct verb *verb = NULL;

    fd_fill_stdio();
    const enum cli_request request = parse(argc, argv, &context, &verb, &arguments);
    switch (request) {
    case CLI_RUN:
        return cli_run(verb, &context, &arguments);
    case CLI_HELP:
        return print_help(verb);
    case CLI_VERSION:
        json_begin(verb_help.name, verb_help.json_version);
        return print_version(context.json);
    case CLI_WRONG:
    default:
        json_begin(verb != NULL ? verb->name : NULL, verb != NULL ? verb->json_version : 1);
        return context.json ? json_end(TMOUTCTL_FAILURE) : TMOUTCTL_FAILURE;
    }
}
