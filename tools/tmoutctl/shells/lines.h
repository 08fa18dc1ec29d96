/* Which lines of a shell file set the limit and do nothing else, so that they
 * can be taken out. */
#ifndef TMOUT_TMOUTCTL_SHELLS_LINES_H
#define TMOUT_TMOUTCTL_SHELLS_LINES_H

#include <stdbool.h>
#include <stddef.h>

/* A shell's variable for the limit. */
const char *shell_variable(bool csh);

/* The next place in commands from `from` on that has the variable itself, and
 * not its value or a longer name; NULL: none does. */
const char *shell_next_use(const char *commands, const char *from, const char *variable);

/*
 * A program for sed that makes a comment of each line of path that has the
 * variable; "" where one of them does something else, too, or what it does
 * cannot be told. The caller frees it; NULL: no memory.
 */
char *shell_lines_out(const char *path, bool csh);

#endif
