/* The words behind pam_tmout.so on a PAM line. */
#ifndef TMOUT_PAM_MODULE_MODULE_ARGS_H
#define TMOUT_PAM_MODULE_MODULE_ARGS_H

#include <security/pam_modules.h>
#include <stdbool.h>

struct module_args {
    const char *config_path; /* config=PATH, the policy's main file */
    const char *state_dir;   /* state=DIR, where the snapshot and the ledgers live */
    char sessions_dir[512];  /* the registry: in /run, or DIR-sessions */
    bool debug;
    bool noprompt; /* another module asks for the password */
    bool tell;     /* remote users, too, are told that they are locked */
};

/* Fills *args; what is not given keeps its default. Logs a word it does not
 * know and returns -1: a misspelt argument must not be half obeyed. Without a
 * handle it says nothing, for another phase has said it. */
int module_args_parse(pam_handle_t *pamh, int argc, const char **argv, struct module_args *args);

#endif
