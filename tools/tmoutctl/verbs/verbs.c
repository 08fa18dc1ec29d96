/* The table of all commands, and the one that explains them. */
#include "tools/tmoutctl/verbs/verbs.h"

#include "lib/policy/settings.h"
#include "tools/tmoutctl/print.h"

#include <string.h>

const struct verb *const verbs[] = {&verb_apply,       &verb_attempts, &verb_audit,  &verb_check,
                                    &verb_edit,        &verb_fleet,    &verb_help,   &verb_preset,
                                    &verb_prune,       &verb_sessions, &verb_shells, &verb_show,
                                    &verb_sshd_config, &verb_status,   &verb_unlock, NULL};

enum { VERB_COUNT = sizeof verbs / sizeof *verbs - 1 };

const struct verb *verb_named(const char *name)
{
    for (size_t i = 0; i < VERB_COUNT; i++)
        if (strcmp(verbs[i]->name, name) == 0)
            return verbs[i];
    return NULL;
}

const struct verb *verb_find(const char *name)
{
    const struct verb *verb = verb_named(name);
    const char *names[VERB_COUNT];

    if (verb != NULL)
        return verb;
    for (size_t i = 0; i < VERB_COUNT; i++)
        names[i] = verbs[i]->name;
    const char *meant = nearest_word(name, names, VERB_COUNT);
    if (meant != NULL)
        cli_usage_error(NULL, "unknown command \"%s\"; did you mean \"%s\"?", name, meant);
    else
        cli_usage_error(NULL, "unknown command \"%s\"; tmoutctl --help lists them", name);
    return NULL;
}

void print_program_help(void)
{
    cli_print_usage(stdout, NULL);
    puts("\nChecks, applies and explains the policy of pam_tmout.\n\nCommands:");
    for (size_t i = 0; i < VERB_COUNT; i++)
        printf("  %-12s %s\n", verbs[i]->name, verbs[i]->summary);
    puts("\nOptions of every command:");
    cli_print_common_options();
    puts("\nExit status: 0 success, 1 a check failed, 2 usage error or other failure.\n"
         "\"tmoutctl help COMMAND\" explains a command; see also tmoutctl(8).");
}

static json_t *option_json(const char *name, const char *value, const char *help)
{
    return json_pack("{s:s, s:s?, s:s}", "name", name, "value", value, "help", help);
}

static json_t *command_json(const struct verb *verb)
{
    json_t *options = json_array();

    for (const struct verb_option *o = verb->options; o != NULL && o->name != NULL; o++)
        if (o->help != NULL)
            options = json_add_row(options, option_json(o->name, o->value, o->help));
    return json_pack("{s:s, s:s, s:s, s:s, s:s?, s:b, s:i, s:o}", "name", verb->name, "usage",
                     verb->usage, "summary", verb->summary, "help", verb->help, "operand",
                     verb->operand, "operand_required", verb->operand_required, "json_version",
                     verb->json_version, "options", options);
}

/* Of one command, or of all where verb is NULL. */
static json_t *help_json(const struct verb *verb)
{
    json_t *commands = json_array(), *options = json_array();

    for (size_t i = 0; i < VERB_COUNT; i++)
        if (verb == NULL || verb == verbs[i])
            commands = json_add_row(commands, command_json(verbs[i]));
    for (const struct common_option *o = cli_common_options(); o->name != NULL; o++)
        options = json_add_row(options, option_json(o->name, o->value, o->help));
    return json_pack("{s:s, s:s, s:o, s:o}", "program", "tmoutctl", "release", TMOUT_VERSION,
                     "commands", commands, "options", options);
}

static int run_help(const struct tmoutctl_context *context, const struct verb_arguments *arguments)
{
    const struct verb *verb = NULL;

    if (arguments->operand != NULL) {
        verb = verb_find(arguments->operand);
        if (verb == NULL)
            return TMOUTCTL_FAILURE;
    }
    if (context->json)
        return print_json(help_json(verb), TMOUTCTL_FINE);
    if (verb != NULL)
        cli_print_help(verb);
    else
        print_program_help();
    return finish(TMOUTCTL_FINE);
}

const struct verb verb_help = {
    .name = "help",
    .usage = "[COMMAND]",
    .summary = "explain a command, or list them",
    .help = "Prints the usage and the options of COMMAND, or without it the list of\n"
            "commands.",
    .operand = "COMMAND",
    .json_version = 1,
    .run = run_help,
};
