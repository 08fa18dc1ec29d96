/* Runs `tmoutctl apply --quiet` from inside the host program's process. */
#ifndef TMOUT_PAM_MODULE_REFRESH_H
#define TMOUT_PAM_MODULE_REFRESH_H

#include "lib/policy/module_args.h"

#include <stddef.h>

enum apply_result {
    APPLY_DONE,      /* the policy on disk is in force */
    APPLY_REJECTED,  /* it is invalid */
    APPLY_FAILED,    /* tmoutctl failed */
    APPLY_TIMED_OUT, /* killed, because a login cannot wait longer */
    APPLY_NOT_RUN    /* it could not be run; output says why */
};

/* The program that is run, for messages. */
const char *apply_command(void);

/*
 * Runs it and waits, a few seconds at the most. output gets the start of what it
 * wrote to standard error. The host program notices nothing: no SIGCHLD, no
 * zombie, no changed signal handler.
 */
enum apply_result run_apply(const struct module_args *args, char *output, size_t size);

#endif
