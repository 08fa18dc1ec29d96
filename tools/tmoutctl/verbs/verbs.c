/* The table of all commands, and the one that explains them. */
#include "tools/tmoutctl/verbs/verbs.h"

#include "lib/policy/settings.h"
#include "tools/tmoutctl/print.h"

#include <string.h>

const struct verb *const verbs[] = {&verb_apply,    &verb_attempts, &verb_audit,  &verb_check,
                                    &verb_edit,     &verb_help,     &verb_preset, &verb_prune,
                                    &verb_sessions, &verb_shells,   &verb_show,   &verb_sshd_config,
                                    &verb_status,   &verb_unlock,   NULL};

enum { VERB_COUNT = sizeof verbs / sizeof *verbs - 1 };

const struct verb *verb_find(const char *name)
{
    const char *names[VERB_COUNT];

    for (size_t i = 0; i < VERB_COUNT; i++) {
        if (strcmp(verbs[i]->name, name) == 0)
            return verbs[i];
        names[i] = verbs[i]->name;
    }
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

static int run_help(const struct tmoutctl_context *context, const struct verb_arguments *arguments)
{
    (void)context;
    if (arguments->operand == NULL) {
        print_program_help();
        return finish(TMOUTCTL_FINE);
    }
    const struct verb *verb = verb_find(arguments->operand);
    if (verb == NULL)
        return TMOUTCTL_FAILURE;
    cli_print_help(verb);
    return finish(TMOUTCTL_FINE);
}

const struct verb verb_help = {
    .name = "help",
    .usage = "[COMMAND]",
    .summary = "explain a command, or list them",
    .help = "Prints the usage and the options of COMMAND, or without it the list of\n"
            "commands.",
    .operand = "COMMAND",
    .run = run_help,
};
