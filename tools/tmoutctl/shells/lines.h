/* Which lines of a shell file set the limit and do nothing else, so that they
 * can be commented out. */
#ifndef TMOUT_TMOUTCTL_SHELLS_LINES_H
#define TMOUT_TMOUTCTL_SHELLS_LINES_H

#include "tools/tmoutctl/host/edit.h"
#include "tools/tmoutctl/host/host.h"

#include <stdbool.h>
#include <stddef.h>

/* A shell's variable for the limit; csh: one of tcsh's files. */
const char *shell_variable(bool csh);

/* The next place in commands from `from` on that names the variable itself, and
 * not its value or a longer name; NULL if there is none. */
const char *shell_next_use(const char *commands, const char *from, const char *variable);

/*
 * Edits that comment out each line of the host's file at path that names the
 * variable; none where one of them does something else too, or where that cannot
 * be determined. Returns 0, or -1: out of memory.
 */
int shell_lines_out(const struct host *host, const char *path, bool csh, struct edits *edits);

/* The same for a file's text, which is cut into lines; path is the one of the
 * edits. */
int shell_lines_edit(const char *path, struct text_file *file, bool csh, struct edits *edits);

#endif
