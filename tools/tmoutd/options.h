/* The command line of tmoutd. */
#ifndef TMOUT_TMOUTD_OPTIONS_H
#define TMOUT_TMOUTD_OPTIONS_H

#include <limits.h>
#include <stdbool.h>

enum { OPTIONS_RUN = -1, OPTIONS_USAGE_ERROR = 2 };

struct options {
    bool foreground;
    const char *state_dir;       /* points into argv, or at a constant */
    char sessions_dir[PATH_MAX]; /* the registry that belongs to it */
};

/*
 * Returns OPTIONS_RUN, or the exit status: 0 after --help and --version, which
 * go to standard output, OPTIONS_USAGE_ERROR after a message and the usage line
 * on standard error.
 */
int options_parse(int argc, char **argv, struct options *options);

#endif
