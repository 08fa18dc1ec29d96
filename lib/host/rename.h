/* Renames that never replace a file, or swap two: renameat2(2), for which musl
 * has no wrapper. */
#ifndef TMOUT_HOST_RENAME_H
#define TMOUT_HOST_RENAME_H

#include <sys/syscall.h>
#include <unistd.h>

/* Returns 0, or -1 with errno: EEXIST if there is something called to. */
static inline int rename_to_new(int from_fd, const char *from, int to_fd, const char *to)
{
    const unsigned no_replace = 1; /* RENAME_NOREPLACE */

    return (int)syscall(SYS_renameat2, from_fd, from, to_fd, to, no_replace);
}

/* Swaps two files of a directory. Returns 0, or -1 with errno: ENOENT if one is
 * missing, EINVAL where the file system cannot do it. */
static inline int rename_swap(int directory_fd, const char *one, const char *other)
{
    const unsigned exchange = 2; /* RENAME_EXCHANGE */

    return (int)syscall(SYS_renameat2, directory_fd, one, directory_fd, other, exchange);
}

#endif
