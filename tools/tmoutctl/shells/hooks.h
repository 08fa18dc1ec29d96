/*
 * Our line in rc files, which no package of ours may own: it makes the shell
 * read our fragment, and is taken out again so that the file is as it was
 * before.
 */
#ifndef TMOUT_TMOUTCTL_SHELLS_HOOKS_H
#define TMOUT_TMOUTCTL_SHELLS_HOOKS_H

#include "tools/tmoutctl/shells/files.h"

#include <stdbool.h>

/* What became of an rc file. */
enum shell_hook_result {
    SHELL_HOOK_ADDED,
    SHELL_HOOK_REMOVED,
    SHELL_HOOK_UNCHANGED,
    SHELL_HOOK_FAILED
};

/* Is what our lines read installed? False after a message. */
bool shell_fragments_are_there(void);

/* Is rc read on this host, that is: is it there, or its directory where we may create it? */
bool rc_file_belongs_here(const struct rc_file *rc);

/*
 * Both change the file that rc leads to, over a symbolic link too, in one
 * step: readers find the old file or the new one. Owner, mode and extended
 * attributes stay. SHELL_HOOK_FAILED comes after a message: among other
 * reasons, because the file is outside /etc, has a second name, or was changed
 * by somebody else at the same time.
 *
 * add_shell_hook() puts our line at the end, into a new file where there is
 * none; SHELL_HOOK_UNCHANGED if rc_hook_line() finds one already.
 * remove_shell_hook() takes all our lines out, and a file that add_shell_hook()
 * made if nothing else is in it; SHELL_HOOK_UNCHANGED if there is no line.
 */
enum shell_hook_result add_shell_hook(const struct rc_file *rc);
enum shell_hook_result remove_shell_hook(const struct rc_file *rc);

#endif
