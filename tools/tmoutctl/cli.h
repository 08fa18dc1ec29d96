/*
 * The command line of tmoutctl: what all commands share, how one declares its
 * options, and how it complains. One file a command (verbs/); main.c picks one.
 */
#ifndef TMOUT_TMOUTCTL_CLI_H
#define TMOUT_TMOUTCTL_CLI_H

#include "tools/tmoutctl/host/host.h"
#include "tools/tmoutctl/report.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* Exit statuses; scripts rely on them. */
enum tmoutctl_exit {
    TMOUTCTL_FINE = 0,
    TMOUTCTL_NO = 1,     /* a check failed: the policy or the host is not as it should be */
    TMOUTCTL_FAILURE = 2 /* wrong usage, or the answer could not be found */
};

struct tmoutctl_context {
    const char *config_path; /* the policy's main file, absolute */
    const char *state_dir;   /* where the snapshot and the ledgers are, absolute */
    struct host host;        /* whose files are inspected: this one's, unless a test runs */
    bool json;               /* print data as one JSON document */
    bool quiet;              /* print nothing unless something is wrong */
};

/* An option of one command. */
struct verb_option {
    const char *name;  /* without dashes; NULL ends a list */
    const char *value; /* what help calls its value; NULL: it takes none */
    const char *help;  /* NULL: an older spelling, left out of help */
    unsigned group;    /* not 0: mutually exclusive with the others of this number */
};

enum { VERB_OPTIONS_MAX = 4 };

/* What the user gave a command. The strings are the caller's argv. */
struct verb_arguments {
    const char *operand;                  /* or NULL */
    const char *option[VERB_OPTIONS_MAX]; /* by its index in the verb's list: its value, "" for
                                             one that takes none; NULL: not given */
};

/* A command: the one row from which main, help and the tests learn of it. */
struct verb {
    const char *name;
    const char *usage;   /* what follows the name in the usage line */
    const char *summary; /* one line for the list of commands */
    const char *help;    /* what it does, in lines of at most 79 characters */
    const char *operand; /* what messages call its operand; NULL: it takes none */
    bool operand_required;
    int json_version; /* of what --json prints, docs/NAME-VERSION.schema.json: a new one where a
                         program that knows the old would go wrong, not where keys are added */
    const struct verb_option *options; /* NULL: none but the common ones */
    /* Does it, and returns one of enum tmoutctl_exit. */
    int (*run)(const struct tmoutctl_context *context, const struct verb_arguments *arguments);
};

/* What a command line asks for. */
enum cli_request {
    CLI_RUN,
    CLI_HELP,
    CLI_VERSION,
    CLI_WRONG /* after a message */
};

/*
 * Parses the common options in front of the command into *context, as
 * getopt_long(3) does, and stops at the first word that is not an option:
 * argv[optind].
 */
enum cli_request cli_parse_program(int argc, char **argv, struct tmoutctl_context *context);

/*
 * Whatever else is wrong with the options, is --json one of them? Sets context->json
 * then. argv[0] is the command's name, and verb is NULL where there is no such command.
 */
void cli_find_json(const struct verb *verb, int argc, char **argv,
                   struct tmoutctl_context *context);

/* Runs a command. With --json, it prints one document, also of an error. Returns one
 * of enum tmoutctl_exit. */
int cli_run(const struct verb *verb, const struct tmoutctl_context *context,
            const struct verb_arguments *arguments);

/* A common option: the same for every command. */
struct common_option {
    const char *name, *value, *help; /* as in struct verb_option */
    char letter;                     /* of its short form, or 0 */
};

/* They, up to one without a name. */
const struct common_option *cli_common_options(void);

/*
 * Parses what follows the command's name, which is argv[0]: its own options
 * and operand into *arguments, the common options into *context. Options may
 * come before or after the operand, until "--".
 */
enum cli_request cli_parse_verb(const struct verb *verb, int argc, char **argv,
                                struct tmoutctl_context *context, struct verb_arguments *arguments);

/* "usage: tmoutctl show USER ..." and a newline; of the program where verb is NULL. */
void cli_print_usage(FILE *to, const struct verb *verb);

/* What --help prints of one command: usage, what it does, all its options. */
void cli_print_help(const struct verb *verb);

/* The common options, one a line, as help lists them. */
void cli_print_common_options(void);

/*
 * The one form of complaint about a command line, on standard error:
 * "tmoutctl show: ..." and the usage line. verb is NULL for the program.
 * Returns TMOUTCTL_FAILURE.
 */
int cli_usage_error(const struct verb *verb, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Says that the command must be run as root. Returns TMOUTCTL_FAILURE. */
int cli_must_be_root(void);

#endif
