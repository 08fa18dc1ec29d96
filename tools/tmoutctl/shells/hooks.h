/*
 * Our line in rc files that no package of ours may own: it makes the shell read
 * our fragment, and is removed again so that the file is what it was before.
 */
#ifndef TMOUT_TMOUTCTL_SHELLS_HOOKS_H
#define TMOUT_TMOUTCTL_SHELLS_HOOKS_H

#include "lib/host/failure.h"
#include "tools/tmoutctl/shells/files.h"

#include <stdbool.h>

enum shell_hook_result {
    SHELL_HOOK_ADDED,
    SHELL_HOOK_REMOVED,
    SHELL_HOOK_UNCHANGED,
    SHELL_HOOK_FAILED /* with the reason */
};

/* Are all the fragments installed that our lines read? False with a reason
 * that names the missing one. */
bool shell_fragments_installed(const struct host *host, struct failure *failure);

/* Does this host have the rc file, or its directory where we may create it? */
bool shell_rc_file_applies(const struct host *host, const struct rc_file *rc);

/*
 * Both change the file at rc's path, through a symbolic link too, atomically:
 * readers find the old file or the new one. Owner, mode and extended attributes
 * are kept. A reason names the file: it is outside /etc, has another hard link,
 * is not text, was changed by someone else at the same time, and so on.
 *
 * shell_hook_add() appends our line, and creates the file if there is none; if
 * shell_rc_hook_line() finds one already, the file is unchanged.
 * shell_hook_remove() removes all our lines, and a file that shell_hook_add()
 * created if nothing else is in it; without such a line it is unchanged.
 */
enum shell_hook_result shell_hook_add(const struct host *host, const struct rc_file *rc,
                                      struct failure *failure);
enum shell_hook_result shell_hook_remove(const struct host *host, const struct rc_file *rc,
                                         struct failure *failure);

#endif
