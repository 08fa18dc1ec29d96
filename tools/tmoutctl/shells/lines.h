/* Which lines of a shell file set the limit and do nothing else, so that they
 * can be commented out. */
#ifndef TMOUT_TMOUTCTL_SHELLS_LINES_H
#define TMOUT_TMOUTCTL_SHELLS_LINES_H

#include "tools/tmoutctl/host/host.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct text_file;

/* A shell's variable for the limit; csh: one of tcsh's files. */
const char *shell_variable(bool csh);

/* The next place in commands from `from` on that names the variable itself, and
 * not its value or a longer name; NULL if there is none. */
const char *shell_next_use(const char *commands, const char *from, const char *variable);

/*
 * A sed program that comments out each line of the host's file at path that
 * names the variable; "" where one of them does something else too, or where
 * that cannot be determined. The caller frees it; NULL: out of memory.
 */
char *shell_lines_out(const struct host *host, const char *path, bool csh);

/* The same for a file's text, which is cut into lines; false: "", see above. */
bool shell_lines_write(FILE *program, struct text_file *file, bool csh);

#endif
