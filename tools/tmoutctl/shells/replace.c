#include "tools/tmoutctl/shells/replace.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

/*
 * Copies the extended attributes, ACLs among them. A security label that
 * can't be set is the one that the directory gives anyway.
 */
static int copy_attributes(int from, int to)
{
    char names[4096], value[4096];
    ssize_t size = flistxattr(from, names, sizeof names);
    if (size < 0)
        return errno == ENOTSUP ? 0 : -1;
    for (const char *name = names; name < names + size; name += strlen(name) + 1) {
        ssize_t length = fgetxattr(from, name, value, sizeof value);
        if (length < 0)
            return -1;
        if (fsetxattr(to, name, value, (size_t)length, 0) < 0 && strncmp(name, "security.", 9) != 0)
            return -1;
    }
    return 0;
}

/* Gives the new file fd the owner, attributes and mode of the one at path. */
static int take_after(int fd, const char *path, const struct stat *status)
{
    int old = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (old < 0)
        return -1;
    int result = fchown(fd, status->st_uid, status->st_gid);
    if (result == 0)
        result = copy_attributes(old, fd);
    if (result == 0)
        result = fchmod(fd, status->st_mode & 07777);
    int why = errno;
    close(old);
    errno = why;
    return result;
}

static int write_all(int fd, const char *text, size_t size)
{
    while (size > 0) {
        ssize_t put = write(fd, text, size);
        if (put < 0 && errno != EINTR)
            return -1;
        if (put > 0) {
            text += put;
            size -= (size_t)put;
        }
    }
    return 0;
}

/* Makes a change in the directory of path last. Should that fail, the change
 * is in place all the same; a power cut could undo it, no more. */
static void sync_directory(const char *path)
{
    char copy[PATH_MAX];
    snprintf(copy, sizeof copy, "%s", path);
    int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return;
    (void)fsync(fd);
    close(fd);
}

static bool is_unchanged(const char *path, const struct stat *before)
{
    struct stat now;
    return lstat(path, &now) == 0 && now.st_ino == before->st_ino && now.st_dev == before->st_dev &&
           now.st_size == before->st_size && now.st_ctim.tv_sec == before->st_ctim.tv_sec &&
           now.st_ctim.tv_nsec == before->st_ctim.tv_nsec;
}

int replace_shell_file(const char *path, const struct stat *before, const char *text, size_t size)
{
    char temporary[PATH_MAX];
    snprintf(temporary, sizeof temporary, "%s.XXXXXX", path);
    int fd = mkostemp(temporary, O_CLOEXEC);
    if (fd < 0)
        return -1;
    if (write_all(fd, text, size) < 0)
        goto fail;
    if ((before ? take_after(fd, path, before) : fchmod(fd, 0644)) < 0)
        goto fail;
    if (fsync(fd) < 0)
        goto fail;
    errno = EAGAIN; /* somebody else has changed it */
    if (before && !is_unchanged(path, before))
        goto fail;
    if (renameat2(AT_FDCWD, temporary, AT_FDCWD, path, before ? 0 : RENAME_NOREPLACE) < 0)
        goto fail;
    close(fd);
    sync_directory(path);
    return 0;

fail:;
    int why = errno;
    close(fd);
    unlink(temporary);
    errno = why;
    return -1;
}

int unlink_shell_file(const char *path, const struct stat *before)
{
    errno = EAGAIN;
    if (!is_unchanged(path, before) || unlink(path) < 0)
        return -1;
    sync_directory(path);
    return 0;
}
