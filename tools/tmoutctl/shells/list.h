/*
 * The installed shells, and whether they take a limit. Two tables hold what
 * differs from shell to shell: `kinds` in shell_list.c and `rc_files`
 * (shell_files.h).
 */
#ifndef TMOUT_TMOUTCTL_SHELLS_LIST_H
#define TMOUT_TMOUTCTL_SHELLS_LIST_H

#include <jansson.h>

/*
 * All shells of /etc/shells, and those with a known name:
 * [{"shell","kind","limit","login","rc","ok"}], where limit is null for a
 * shell without a timeout and ok is false where one that has it does not get
 * ours. The caller releases the array; NULL: no memory.
 */
json_t *list_shells(void);

/* How the shell at path takes a limit, in words; NULL: it has no timeout. */
const char *shell_limit(const char *path);

#endif
