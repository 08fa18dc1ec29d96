/* Running `tmoutctl apply --quiet` from inside somebody else's process. */
#ifndef TMOUT_PAM_MODULE_REFRESH_H
#define TMOUT_PAM_MODULE_REFRESH_H

#include "lib/policy/module_args.h"

#include <stddef.h>

enum apply_result {
    APPLY_DONE,      /* the policy on disk is in force */
    APPLY_REJECTED,  /* it is invalid */
    APPLY_FAILED,    /* tmoutctl could not do it */
    APPLY_TIMED_OUT, /* killed, because a login cannot wait longer */
    APPLY_NOT_RUN    /* it could not be started; said tells why */
};

/* The program that is run, for messages. */
const char *apply_command(void);

/*
 * Runs it and waits, a few seconds at the most. said gets the beginning of
 * what it wrote to standard error. The host process notices nothing: no
 * SIGCHLD, no zombie, no changed signal handler.
 */
enum apply_result run_apply(const struct module_args *args, char *said, size_t size);

#endif
