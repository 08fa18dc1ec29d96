#include "tools/tmoutctl/cli.h"

#include <getopt.h>
#include <stdarg.h>
#include <string.h>

/* What getopt_long() returns for a long option without a short one: a common
 * option, or COMMON_END and the index of the verb's own. Above any character. */
enum {
    OPTION_JSON = 256,
    OPTION_QUIET,
    OPTION_CONFIG,
    OPTION_STATE,
    COMMON_END,
};

static const struct {
    const char *name, *value, *help;
    int code;
} common[] = {
    {"json", NULL, "print the answer as one JSON document", OPTION_JSON},
    {"quiet", NULL, "print nothing unless something is wrong", OPTION_QUIET},
    {"config", "PATH", "the policy file (default: /etc/security/tmout.conf)", OPTION_CONFIG},
    {"state", "DIR", "the state directory (default: /var/lib/tmout)", OPTION_STATE},
    {"help", NULL, "print this help and exit", 'h'},
    {"version", NULL, "print the version and exit", 'V'},
};

enum { COMMON_COUNT = sizeof common / sizeof *common };

void report(const char *format, ...)
{
    va_list arguments;

    fputs("tmoutctl: ", stderr);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
}

/* "tmoutctl show", or "tmoutctl" where verb is NULL; text is returned. */
static char *cli_name(const struct verb *verb, char *text, size_t size)
{
    snprintf(text, size, "tmoutctl%s%s", verb != NULL ? " " : "", verb != NULL ? verb->name : "");
    return text;
}

void cli_print_usage(FILE *to, const struct verb *verb)
{
    char name[64];

    fprintf(to, "usage: %s", cli_name(verb, name, sizeof name));
    if (verb == NULL)
        fputs(" [OPTION]... COMMAND [ARGUMENT]...", to);
    else if (verb->usage[0] != '\0')
        fprintf(to, " %s", verb->usage);
    fputc('\n', to);
}

int cli_usage_error(const struct verb *verb, const char *format, ...)
{
    char name[64];
    va_list arguments;

    fprintf(stderr, "%s: ", cli_name(verb, name, sizeof name));
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    cli_print_usage(stderr, verb);
    return TMOUTCTL_FAILURE;
}

static void cli_print_option(const char *short_form, const char *name, const char *value,
                             const char *help)
{
    char form[64];

    snprintf(form, sizeof form, "%s--%s%s%s", short_form, name, value != NULL ? " " : "",
             value != NULL ? value : "");
    printf("  %-20s %s\n", form, help);
}

void cli_print_common_options(void)
{
    for (size_t i = 0; i < COMMON_COUNT; i++) {
        const char *short_form = common[i].code == 'h'   ? "-h, "
                                 : common[i].code == 'V' ? "-V, "
                                                         : "";
        cli_print_option(short_form, common[i].name, common[i].value, common[i].help);
    }
}

void cli_print_help(const struct verb *verb)
{
    cli_print_usage(stdout, verb);
    printf("\n%s\n\nOptions:\n", verb->help);
    for (const struct verb_option *o = verb->options; o != NULL && o->name != NULL; o++)
        if (o->help != NULL)
            cli_print_option("", o->name, o->value, o->help);
    cli_print_common_options();
}

static int cli_common_code(const char *name)
{
    for (size_t i = 0; i < COMMON_COUNT; i++)
        if (strcmp(common[i].name, name) == 0)
            return common[i].code;
    return 0;
}

static bool cli_is_own(const struct verb *verb, const char *name)
{
    for (const struct verb_option *o = verb != NULL ? verb->options : NULL;
         o != NULL && o->name != NULL; o++)
        if (strcmp(o->name, name) == 0)
            return true;
    return false;
}

enum { LONG_OPTIONS_MAX = COMMON_COUNT + VERB_OPTIONS_MAX + 1 };

/* For getopt_long(): the verb's own options, and the common ones. One that is
 * both is the verb's where it has a value, else the common one. */
static void cli_long_options(const struct verb *verb, struct option *to)
{
    const struct verb_option *own = verb != NULL ? verb->options : NULL;

    for (int i = 0; own != NULL && own[i].name != NULL; i++) {
        const int with_value =
            cli_common_code(own[i].name) != 0 ? optional_argument : required_argument;
        *to++ = (struct option){own[i].name, own[i].value != NULL ? with_value : no_argument, NULL,
                                COMMON_END + i};
    }
    for (size_t i = 0; i < COMMON_COUNT; i++)
        if (!cli_is_own(verb, common[i].name))
            *to++ = (struct option){common[i].name,
                                    common[i].value != NULL ? required_argument : no_argument, NULL,
                                    common[i].code};
    *to = (struct option){0};
}

/* A login runs "tmoutctl apply" in another directory: a relative path would
 * name two places. */
static enum cli_request cli_take_path(const struct verb *verb, const char *option,
                                      const char *value, const char **path)
{
    if (value == NULL || value[0] != '/') {
        cli_usage_error(verb, "invalid argument '%s' for '--%s': must be an absolute path",
                        value != NULL ? value : "", option);
        return CLI_WRONG;
    }
    *path = value;
    return CLI_RUN;
}

static enum cli_request cli_take_common(const struct verb *verb, int code, const char *value,
                                        struct tmoutctl_context *context)
{
    switch (code) {
    case 'h':
        return CLI_HELP;
    case 'V':
        return CLI_VERSION;
    case OPTION_JSON:
        context->json = true;
        return CLI_RUN;
    case OPTION_QUIET:
        context->quiet = true;
        return CLI_RUN;
    case OPTION_CONFIG:
        return cli_take_path(verb, "config", value, &context->config_path);
    case OPTION_STATE:
        return cli_take_path(verb, "state", value, &context->state_dir);
    default: /* getopt_long() has complained */
        cli_print_usage(stderr, verb);
        return CLI_WRONG;
    }
}

static enum cli_request cli_take_own(const struct verb *verb, int index, const char *value,
                                     struct verb_arguments *arguments)
{
    const struct verb_option *own = verb->options;

    for (int i = 0; own[i].name != NULL; i++) {
        if (i == index || own[i].group == 0 || own[i].group != own[index].group ||
            arguments->option[i] == NULL)
            continue;
        cli_usage_error(verb, "options '--%s' and '--%s' are mutually exclusive", own[i].name,
                        own[index].name);
        return CLI_WRONG;
    }
    arguments->option[index] = value != NULL ? value : "";
    return CLI_RUN;
}

static enum cli_request cli_take_operand(const struct verb *verb, int argc, char **argv,
                                         struct verb_arguments *arguments)
{
    const int allowed = verb->operand != NULL ? 1 : 0;

    if (argc > allowed) {
        cli_usage_error(verb, "extra operand '%s'", argv[allowed]);
        return CLI_WRONG;
    }
    if (argc == 0 && verb->operand_required) {
        cli_usage_error(verb, "missing operand %s", verb->operand);
        return CLI_WRONG;
    }
    arguments->operand = argc > 0 ? argv[0] : NULL;
    return CLI_RUN;
}

/* Before a command the first word that is not an option ends them. */
enum cli_request cli_parse_program(int argc, char **argv, struct tmoutctl_context *context)
{
    struct option options[LONG_OPTIONS_MAX];
    enum cli_request request = CLI_RUN;
    char name[64], *const first = argv[0];
    int code;

    cli_long_options(NULL, options);
    argv[0] = cli_name(NULL, name, sizeof name); /* what getopt_long() begins messages with */
    optind = 0;
    while (request == CLI_RUN && (code = getopt_long(argc, argv, "+hV", options, NULL)) != -1)
        request = cli_take_common(NULL, code, optarg, context);
    argv[0] = first;
    return request;
}

enum cli_request cli_parse_verb(const struct verb *verb, int argc, char **argv,
                                struct tmoutctl_context *context, struct verb_arguments *arguments)
{
    struct option options[LONG_OPTIONS_MAX];
    enum cli_request request = CLI_RUN;
    char name[64], *const first = argv[0];
    int code;

    *arguments = (struct verb_arguments){0};
    cli_long_options(verb, options);
    argv[0] = cli_name(verb, name, sizeof name);
    optind = 0;
    while (request == CLI_RUN && (code = getopt_long(argc, argv, "hV", options, NULL)) != -1) {
        const int index = code - COMMON_END;
        /* An option that may lack its value, and has it in a word of its own. */
        if (index >= 0 && verb->options[index].value != NULL && optarg == NULL && optind < argc &&
            argv[optind][0] != '-')
            optarg = argv[optind++];
        if (index < 0)
            request = cli_take_common(verb, code, optarg, context);
        else if (verb->options[index].value != NULL && optarg == NULL)
            request =
                cli_take_common(verb, cli_common_code(verb->options[index].name), NULL, context);
        else
            request = cli_take_own(verb, index, optarg, arguments);
    }
    argv[0] = first;
    return request == CLI_RUN ? cli_take_operand(verb, argc - optind, argv + optind, arguments)
                              : request;
}
