/* The arguments of pam_tmout.so on a PAM line: what the module obeys, and what
 * an audit of PAM's files accepts. */
#ifndef TMOUT_POLICY_MODULE_ARGS_H
#define TMOUT_POLICY_MODULE_ARGS_H

#include "lib/host/caller.h"
#include "lib/host/failure.h"

#include <stdbool.h>
#include <stddef.h>

/* Whether attempts are local ones or come from the network. */
enum origin_choice { ORIGIN_BY_EVIDENCE, ORIGIN_SAID_LOCAL, ORIGIN_SAID_NETWORK };

struct module_args {
    const char *phase;         /* what libpam calls the module for, as in its log lines */
    const char *config_path;   /* config=PATH, the policy's main file */
    const char *state_dir;     /* state=DIR, with the snapshot and the ledgers */
    bool debug;                /* log every decision */
    bool noprompt;             /* another module asks for the password */
    bool new_password;         /* the password line asks for the new one */
    bool tell;                 /* remote users, too, are told that they are locked */
    const char *second_factor; /* second_factor=WORD,...: in prompts for one; NULL: none */
    enum origin_choice origin; /* origin=local or origin=network */
    struct caller caller;      /* no argument: who has called the module, set by it */
};

/* The longest path that state= takes, in bytes: the directory of the registry of
 * logins is derived from it. config= takes any. */
enum { MODULE_STATE_MAX = 502 };

/* The longest word of second_factor=, in bytes. */
enum { MODULE_WORD_MAX = 63 };

enum module_arg_id {
    MODULE_ARG_DEBUG,
    MODULE_ARG_NOPROMPT,
    MODULE_ARG_TELL,
    MODULE_ARG_CONFIG,
    MODULE_ARG_STATE,
    MODULE_ARG_ORIGIN,
    MODULE_ARG_NEW_PASSWORD,
    MODULE_ARG_SECOND_FACTOR,
    MODULE_ARGS
};

/* Recognizes one argument, word[length] (a PAM line need not be cut up for
 * it). Returns it, and sets *value to what follows the = in word, or to NULL
 * where there is none; or -1 with the reason: it is unknown, its path is
 * relative or too long, origin= has another value than local and network, or
 * second_factor= has none, or a word of more than MODULE_WORD_MAX bytes. */
int module_arg_find(const char *word, size_t length, const char **value, struct failure *failure);

/*
 * Fills *args; what is not given keeps its default. Returns how many arguments
 * are valid: argc, or fewer, and then argv[that number] is wrong for the
 * reason given, and the line must not be obeyed. The paths point into argv.
 */
int module_args_parse(int argc, const char *const *argv, struct module_args *args,
                      struct failure *failure);

#endif
