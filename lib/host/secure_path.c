#include "lib/host/secure_path.h"

#include "lib/host/descriptor.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char NOT_REGULAR[] = "is not a regular file; replace it with one";

/* For what is not a file, open() has errnos of its own: for a symbolic link
 * (because of O_NOFOLLOW) and for a socket. NULL for any other errno. */
static const char *not_a_file(int error)
{
    switch (error) {
    case ELOOP:
        return "is a symbolic link; replace it with the file itself";
    case ENXIO:
        return NOT_REGULAR;
    default:
        return NULL;
    }
}

const char *insecure_because(const struct stat *st, uid_t owner)
{
    if (st->st_uid != 0 && st->st_uid != owner)
        return "is not owned by root: run chown root on it";
    if ((st->st_mode & (S_IWGRP | S_IWOTH)) != 0)
        return "is writable by group or others: run chmod go-w on it";
    return NULL;
}

/* Is it the root directory? The parent of that is itself. */
static bool is_same(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* How far up to look. */
enum { PARENT_ONLY = 1, UP_TO_ROOT = PATH_MAX };

/* Checks the directory and so many of its parents. Going up from the open
 * descriptor, no link or rename can lead elsewhere. passed_through: the directory
 * itself may be sticky, as its parents may. */
static int check_ancestors(int fd, const char *path, uid_t owner, bool passed_through,
                           unsigned levels, struct failure *failure)
{
    char parent[PATH_MAX] = "";
    struct stat here, above;
    size_t used = 0;

    if (fd_stat(fd, &here) != 0)
        goto fail;
    for (unsigned up = 0;; up++) {
        const bool sticky =
            (up > 0 || passed_through) && here.st_uid == 0 && (here.st_mode & S_ISVTX) != 0;
        const char *wrong = sticky ? NULL : insecure_because(&here, owner);
        if (wrong != NULL) {
            if (up == 0)
                failure_set(failure, "the directory %s %s", path, wrong);
            else
                failure_set(failure, "a parent of %s (%u up) %s", path, up, wrong);
            errno = EPERM;
            return -1;
        }
        if (up == levels)
            return 0;
        errno = ENAMETOOLONG;
        if (used + sizeof "../" > sizeof parent)
            goto fail;
        memcpy(parent + used, "../", sizeof "../");
        used += strlen("../");
        if (fstatat(fd, parent, &above, 0) != 0)
            goto fail;
        if (is_same(&above, &here))
            return 0;
        here = above;
    }

fail:
    failure_set(failure, "a parent of %s: %s", path, failure_reason(errno));
    return -1;
}

static int open_directory(const char *path, uid_t owner, int flags, unsigned levels,
                          struct failure *failure)
{
    const int fd = fd_open_at(AT_FDCWD, path, flags | O_DIRECTORY);

    if (fd < 0) {
        const int error = errno;
        failure_set(failure, "the directory %s: %s", path, failure_reason(error));
        errno = error;
        return -1;
    }
    if (check_ancestors(fd, path, owner, (flags & O_PATH) != 0, levels, failure) != 0) {
        const int error = errno;
        close(fd);
        errno = error;
        return -1;
    }
    return fd;
}

int secure_open_directory(const char *path, uid_t owner, int flags, struct failure *failure)
{
    return open_directory(path, owner, flags, UP_TO_ROOT, failure);
}

int secure_reopen_directory(const char *path, uid_t owner, struct failure *failure)
{
    return open_directory(path, owner, O_RDONLY, PARENT_ONLY, failure);
}

int secure_make_directory(int directory_fd, const char *name)
{
    if (mkdirat(directory_fd, name, 0755) != 0)
        return errno == EEXIST ? 0 : -1;
    return fchmodat(directory_fd, name, 0755, 0);
}

int secure_open_file(int directory_fd, const char *name, uid_t owner, struct stat *st,
                     struct failure *failure)
{
    const int fd = fd_open_at(directory_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    const char *wrong;
    int error;

    if (fd < 0) {
        error = errno;
        wrong = not_a_file(error);
        failure_set(failure, "%s", wrong != NULL ? wrong : failure_reason(error));
        errno = wrong != NULL ? EPERM : error;
        return -1;
    }
    if (fd_stat(fd, st) != 0) {
        error = errno;
        wrong = failure_reason(error);
        goto fail;
    }
    error = EPERM;
    wrong = S_ISREG(st->st_mode) ? insecure_because(st, owner) : NOT_REGULAR;
    if (wrong == NULL)
        return fd;

fail:
    failure_set(failure, "%s", wrong);
    close(fd);
    errno = error;
    return -1;
}
