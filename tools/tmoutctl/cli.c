#include "tools/tmoutctl/cli.h"

#include "tools/tmoutctl/print.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* What getopt_long() returns for a long option without a short one: a common
 * option, or COMMON_END and the index of the verb's own. Above any character. */
enum { COMMON_FIRST = 256 };
enum { OPTION_JSON, OPTION_QUIET, OPTION_CONFIG, OPTION_STATE, OPTION_HELP, OPTION_VERSION };

static const struct common_option common[] = {
    [OPTION_JSON] = {"json", NULL, "print the answer as one JSON document", 0},
    [OPTION_QUIET] = {"quiet", NULL, "print nothing unless something is wrong", 0},
    [OPTION_CONFIG] = {"config", "PATH", "the policy file (default: /etc/security/tmout.conf)", 0},
    [OPTION_STATE] = {"state", "DIR", "the state directory (default: /var/lib/tmout)", 0},
    [OPTION_HELP] = {"help", NULL, "print this help and exit", 'h'},
    [OPTION_VERSION] = {"version", NULL, "print the version and exit", 'V'},
    {0},
};

enum {
    COMMON_COUNT = sizeof common / sizeof *common - 1,
    COMMON_END = COMMON_FIRST + COMMON_COUNT
};

const struct common_option *cli_common_options(void)
{
    return common;
}

static int cli_code_at(size_t index)
{
    return common[index].letter != 0 ? common[index].letter : COMMON_FIRST + (int)index;
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
    char name[64], *message = NULL;
    va_list arguments;

    va_start(arguments, format);
    const int length = vasprintf(&message, format, arguments);
    va_end(arguments);
    const char *const text = length >= 0 ? message : "out of memory";
    fprintf(stderr, "%s: %s\n", cli_name(verb, name, sizeof name), text);
    cli_print_usage(stderr, verb);
    report_keep(REPORT_USAGE, "%s", text);
    if (length >= 0)
        free(message);
    return TMOUTCTL_FAILURE;
}

int cli_must_be_root(void)
{
    return report_as(REPORT_PERMISSION, "must be run as root");
}

static void cli_print_option(char letter, const char *name, const char *value, const char *help)
{
    char form[64], short_form[8] = "";

    if (letter != 0)
        snprintf(short_form, sizeof short_form, "-%c, ", letter);
    snprintf(form, sizeof form, "%s--%s%s%s", short_form, name, value != NULL ? " " : "",
             value != NULL ? value : "");
    printf("  %-20s %s\n", form, help);
}

void cli_print_common_options(void)
{
    for (size_t i = 0; i < COMMON_COUNT; i++)
        cli_print_option(common[i].letter, common[i].name, common[i].value, common[i].help);
}

void cli_print_help(const struct verb *verb)
{
    cli_print_usage(stdout, verb);
    printf("\n%s\n\nOptions:\n", verb->help);
    for (const struct verb_option *o = verb->options; o != NULL && o->name != NULL; o++)
        if (o->help != NULL)
            cli_print_option(0, o->name, o->value, o->help);
    cli_print_common_options();
}

static int cli_common_code(const char *name)
{
    for (size_t i = 0; i < COMMON_COUNT; i++)
        if (strcmp(common[i].name, name) == 0)
            return cli_code_at(i);
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
                                    cli_code_at(i)};
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
    case COMMON_FIRST + OPTION_JSON:
        context->json = true;
        return CLI_RUN;
    case COMMON_FIRST + OPTION_QUIET:
        context->quiet = true;
        return CLI_RUN;
    case COMMON_FIRST + OPTION_CONFIG:
        return cli_take_path(verb, "config", value, &context->config_path);
    case COMMON_FIRST + OPTION_STATE:
    default:
        return cli_take_path(verb, "state", value, &context->state_dir);
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

static const struct option *cli_by_code(const struct option *options, int code)
{
    while (options->name != NULL && options->val != code)
        options++;
    return options->name != NULL ? options : NULL;
}

/* An abbreviation of several options, or of none. */
static void cli_refuse_word(const struct verb *verb, const struct option *options, const char *word)
{
    const char *const name = word + strspn(word, "-");
    char *list = NULL;
    size_t size = 0, count = 0;
    FILE *const memory = open_memstream(&list, &size);

    for (; memory != NULL && options->name != NULL; options++)
        if (strncmp(options->name, name, strcspn(name, "=")) == 0) {
            fprintf(memory, " '--%s'", options->name);
            count++;
        }
    const bool made = memory != NULL && fclose(memory) == 0;
    if (made && count > 0)
        cli_usage_error(verb, "option '%s' is ambiguous; possibilities:%s", word, list);
    else
        cli_usage_error(verb, "unrecognized option '%s'", word);
    free(list);
}

/* Says what getopt_long() has against an option, in the words of the C library: it
 * would print them itself, but only for people. */
static enum cli_request cli_refuse(const struct verb *verb, const struct option *options, int code,
                                   char **argv)
{
    const struct option *const known = optopt != 0 ? cli_by_code(options, optopt) : NULL;

    if (known != NULL)
        cli_usage_error(verb, "option '--%s' %s an argument", known->name,
                        code == ':' ? "requires" : "doesn't allow");
    else if (optopt != 0)
        cli_usage_error(verb, "invalid option -- '%c'", optopt);
    else
        cli_refuse_word(verb, options, argv[optind - 1]);
    return CLI_WRONG;
}

/* One option, as getopt_long() returned it. */
static enum cli_request cli_take(const struct verb *verb, int code, int argc, char **argv,
                                 struct tmoutctl_context *context, struct verb_arguments *arguments)
{
    const int index = code - COMMON_END;

    if (verb == NULL || index < 0)
        return cli_take_common(verb, code, optarg, context);
    if (verb->options[index].value == NULL)
        return cli_take_own(verb, index, NULL, arguments);
    /* An option that may lack its value, and has it in a word of its own. */
    if (optarg == NULL && optind < argc && argv[optind][0] != '-')
        optarg = argv[optind++];
    if (optarg == NULL)
        return cli_take_common(verb, cli_common_code(verb->options[index].name), NULL, context);
    return cli_take_own(verb, index, optarg, arguments);
}

/* Before a command (verb is NULL), the first word that is not an option ends them. Behind
 * it, getopt_long() returns operands in their places, as 1: it would move them to the end,
 * but C libraries differ in when, and cli_take() looks at the next word. They are moved
 * to argv[1] and following ones, and optind says how many there are. */
static enum cli_request cli_parse(const struct verb *verb, int argc, char **argv,
                                  struct tmoutctl_context *context,
                                  struct verb_arguments *arguments)
{
    const char *const letters = verb == NULL ? "+:hV" : "-:hV";
    struct option options[LONG_OPTIONS_MAX];
    enum cli_request request = CLI_RUN;
    int operands = 0;
    int code;

    cli_long_options(verb, options);
    opterr = 0;
    optind = 0;
    while (request == CLI_RUN && (code = getopt_long(argc, argv, letters, options, NULL)) != -1)
        if (code == 1)
            argv[1 + operands++] = optarg;
        else
            request = code == '?' || code == ':'
                          ? cli_refuse(verb, options, code, argv)
                          : cli_take(verb, code, argc, argv, context, arguments);
    /* --json behind the mistake. */
    while (request == CLI_WRONG && (code = getopt_long(argc, argv, letters, options, NULL)) != -1)
        context->json = context->json || code == COMMON_FIRST + OPTION_JSON;
    if (verb != NULL) {
        while (optind < argc)
            argv[1 + operands++] = argv[optind++];
        optind = operands;
    }
    return request;
}

enum cli_request cli_parse_program(int argc, char **argv, struct tmoutctl_context *context)
{
    return cli_parse(NULL, argc, argv, context, NULL);
}

enum cli_request cli_parse_verb(const struct verb *verb, int argc, char **argv,
                                struct tmoutctl_context *context, struct verb_arguments *arguments)
{
    *arguments = (struct verb_arguments){0};
    const enum cli_request request = cli_parse(verb, argc, argv, context, arguments);
    return request == CLI_RUN ? cli_take_operand(verb, optind, argv + 1, arguments) : request;
}

void cli_find_json(const struct verb *verb, int argc, char **argv, struct tmoutctl_context *context)
{
    struct option options[LONG_OPTIONS_MAX];
    int code;

    cli_long_options(verb, options);
    opterr = 0;
    optind = 0;
    while ((code = getopt_long(argc, argv, ":hV", options, NULL)) != -1)
        context->json = context->json || code == COMMON_FIRST + OPTION_JSON;
}

int cli_run(const struct verb *verb, const struct tmoutctl_context *context,
            const struct verb_arguments *arguments)
{
    reports_forget();
    json_begin(verb->name, verb->json_version);
    const int status = verb->run(context, arguments);
    return context->json ? json_end(status) : status;
}
