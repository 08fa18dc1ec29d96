/* Running a program at a terminal, as somebody who types would find it. */
#ifndef TMOUT_TMOUTCTL_HOST_TYPED_RUN_H
#define TMOUT_TMOUTCTL_HOST_TYPED_RUN_H

#include <stdbool.h>
#include <stdint.h>

struct typed_run {
    const char *const *argv;        /* argv[0] is a path */
    const char *const *environment; /* besides SSH_TTY, if it is to have that */
    const char *typed;              /* a line, typed again whenever the program is quiet */
    const char *until;              /* what it prints at last, but nobody types */
    bool has_ssh_tty;               /* SSH_TTY names the terminal */
    /* Called in the child; it returns 0 in the process that is to execute the program,
     * which may be another, and has made those that end with the child. Else another
     * number. terminal_fd is descriptor 0. */
    int (*prepare)(int terminal_fd);
};

/*
 * Runs it until it has printed `until`, and kills it then. What it printed, its echo
 * included, goes into *text, which ends with a NUL and is to be freed in either case.
 * Returns 0, or -1 with errno: ETIMEDOUT after timeout_ms, EFBIG where it printed more
 * than a megabyte, EIO where it ended before.
 */
int typed_run(const struct typed_run *run, int64_t timeout_ms, char **text);

#endif
