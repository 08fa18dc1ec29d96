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

int main(int argc, char **argv)
{
    struct tmoutctl_context context = {
        .config_path = TMOUT_CONFIG_PATH, .state_dir = TMOUT_STATE_DIR, .host = {.root = ""}};
    struct verb_arguments arguments;
    const struct verb *verb = NULL;
    enum cli_request request;

    fd_fill_stdio();
    request = cli_parse_program(argc, argv, &context);
    if (request == CLI_RUN) {
        const int first = optind;
        if (first == argc)
            return cli_usage_error(NULL, "missing command; tmoutctl --help lists them");
        verb = verb_find(argv[first]);
        if (verb == NULL)
            return TMOUTCTL_FAILURE;
        request = cli_parse_verb(verb, argc - first, argv + first, &context, &arguments);
    }
    switch (request) {
    case CLI_RUN:
        return verb->run(&context, &arguments);
    case CLI_HELP:
        return print_help(verb);
    case CLI_VERSION:
        puts("tmoutctl " TMOUT_VERSION);
        return finish(TMOUTCTL_FINE);
    case CLI_WRONG:
    default:
        return TMOUTCTL_FAILURE;
    }
}
