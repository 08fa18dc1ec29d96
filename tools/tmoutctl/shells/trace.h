/*
 * What a shell's own trace (-x) says about where its limit comes from: the only way to
 * name the line in files that other files read.
 */
#ifndef TMOUT_TMOUTCTL_SHELLS_TRACE_H
#define TMOUT_TMOUTCTL_SHELLS_TRACE_H

#include "tools/tmoutctl/shells/kinds.h"

#include <limits.h>
#include <stdbool.h>

struct shell_place {
    char file[PATH_MAX];
    unsigned line;
};

/* The PS4 with which a shell of this kind says in which file and line each command is, as
 * an environment variable; NULL: it cannot. */
const char *shell_trace_prompt(enum shell_kind kind);

/*
 * Finds the last command in what a shell (its path) with this PS4 printed, outside of our own
 * scripts: of those that name the limit's variable, or of all. False: there is none.
 */
bool shell_trace_find(const char *printed, const char *shell, bool all, struct shell_place *place);

#endif
