/*
 * Opening what only root can have written.
 *
 * A directory or regular file is trusted if it is owned by root (or by owner,
 * the user that the process acts for, which differs from root only in tests and
 * when someone checks a draft), if nobody else can write to it, and if the same
 * holds for all directories up to the root directory. A parent with the sticky
 * bit passes: in /tmp others can add names but cannot replace ours.
 */
#ifndef TMOUT_HOST_SECURE_PATH_H
#define TMOUT_HOST_SECURE_PATH_H

#include <stddef.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "lib/host/failure.h"

/*
 * Opens a directory and checks it and all its parents. Symbolic links on the way
 * are followed, and the directories that they lead to are checked. With O_PATH in
 * flags, which is enough to reach a file in it by name, it may be sticky itself;
 * with O_RDONLY it can be listed and synced. Returns a descriptor above 2, or -1
 * with errno and the reason: EPERM if others could write there.
 */
int secure_open_directory(const char *path, uid_t owner, int flags, struct failure *failure);

/*
 * Opens a directory of our own at every attempt to log in: checks it and its parent
 * only. Those above were checked when the directory was made, and are at each
 * `tmoutctl apply`; whoever can replace them later owns the host. Returns as above.
 */
int secure_reopen_directory(const char *path, uid_t owner, struct failure *failure);

/* Makes a directory with mode 0755, whatever the umask is; one that is there
 * already is left as it is. Returns 0, or -1 with errno. */
int secure_make_directory(int directory_fd, const char *name);

/*
 * Opens a regular file for reading and fills *st; name is relative to the
 * directory as in openat(2). Never follows a link, never blocks on a FIFO.
 * Returns a descriptor above 2, or -1 with errno and the reason: EPERM if it is
 * not trusted or not a regular file.
 */
int secure_open_file(int directory_fd, const char *name, uid_t owner, struct stat *st,
                     struct failure *failure);

/* NULL if only root or owner can write to the file or directory that st
 * describes, else what is wrong and how to fix it, as a static sentence
 * fragment. */
const char *insecure_because(const struct stat *st, uid_t owner);

#endif
