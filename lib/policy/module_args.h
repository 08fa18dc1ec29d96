/* The arguments of pam_tmout.so on a PAM line: what the module obeys, and what
 * an audit of PAM's files accepts. */
#ifndef TMOUT_POLICY_MODULE_ARGS_H
#define TMOUT_POLICY_MODULE_ARGS_H

#include "lib/host/failure.h"

#include <stdbool.h>
#include <stddef.h>

struct module_args {
    const char *config_path; /* config=PATH, the policy's main file */
    const char *state_dir;   /* state=DIR, with the snapshot and the ledgers */
    bool debug;              /* log every decision */
    bool noprompt;           /* another module asks for the password */
    bool tell;               /* remote users, too, are told that they are locked */
};

/* The longest path that state= takes, in bytes: the directory of the registry of
 * logins is derived from it. config= takes any. */
enum { MODULE_STATE_MAX = 502 };

enum module_arg_id {
    MODULE_ARG_DEBUG,
    MODULE_ARG_NOPROMPT,
    MODULE_ARG_TELL,
    MODULE_ARG_CONFIG,
    MODULE_ARG_STATE,
    MODULE_ARGS
};

/* Recognizes one argument, word[length] (a PAM line need not be cut up for
 * it). Returns it, and for config= and state= sets *value to the path in
 * word; or -1 with the reason: it is unknown, or its path is relative or too
 * long. */
int module_arg_find(const char *word, size_t length, const char **value, struct failure *failure);

/*
 * Fills *args; what is not given keeps its default. Returns how many arguments
 * are valid: argc, or fewer, and then argv[that number] is wrong for the
 * reason given, and the line must not be obeyed. The paths point into argv.
 */
int module_args_parse(int argc, const char *const *argv, struct module_args *args,
                      struct failure *failure);

#endif
