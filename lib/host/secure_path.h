/*
 * Opening what only root can have written.
 *
 * Trusted is a directory or regular file that belongs to root (or to owner,
 * the user the process acts as, which differs from root only in tests and in
 * drafts that somebody checks) and that nobody else can write, all the way
 * up to the root directory. A parent with the sticky bit passes: in /tmp
 * others can add names but cannot replace ours.
 */
#ifndef TMOUT_HOST_SECURE_PATH_H
#define TMOUT_HOST_SECURE_PATH_H

#include <stddef.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "lib/host/failure.h"

/*
 * Opens a directory after looking at it and all its parents. Symbolic links
 * on the way are followed; what is looked at is where they lead. With flags 0
 * it is opened with O_PATH, only to reach a file in it by name, and may be
 * sticky itself.
 * Returns a descriptor, or -1 with errno: EPERM when somebody else could
 * write there, and what is wrong in reason.
 */
int secure_open_directory(const char *path, uid_t owner, int flags, struct failure *failure);

/* Makes a directory with mode 0755, whatever the umask is; one that is there
 * already is left as it is. Returns 0, or -1 with errno. */
int secure_make_directory(int directory_fd, const char *name);

/*
 * Opens a regular file for reading, name being relative to the directory as
 * in openat(2), never following a link and never blocking on a FIFO, and
 * fills *st. Returns a descriptor, or -1 with errno: EPERM when it is not
 * trusted or not a regular file, and what is wrong in reason.
 */
int secure_open_file(int directory_fd, const char *name, uid_t owner, struct stat *st,
                     struct failure *failure);

/* NULL if st shows a file or directory that only root or owner can write,
 * else what is wrong, as a static sentence fragment with its remedy. */
const char *insecure_because(const struct stat *st, uid_t owner);

#endif
