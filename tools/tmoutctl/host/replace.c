#include "tools/tmoutctl/host/replace.h"

#include "lib/host/rename.h"

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
 * cannot be set is the default of the directory anyway.
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
static int copy_metadata(int fd, const char *path, const struct stat *status)
{
    int old = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (old < 0)
        return -1;
    int result = fchown(fd, status->st_uid, status->st_gid);
    if (result == 0)
        result = copy_attributes(old, fd);
    if (result == 0)
        result = fchmod(fd, status->st_mode & 07777);
    const int saved = errno;
    close(old);
    errno = saved;
    return result;
}

static int replace_write(int fd, const char *text, size_t size)
{
    while (size > 0) {
        ssize_t written = write(fd, text, size);
        if (written < 0 && errno != EINTR)
            return -1;
        if (written > 0) {
            text += written;
            size -= (size_t)written;
        }
    }
    return 0;
}

/* Makes a change in the directory of path durable. If that fails, the change is
 * in place all the same: only a power failure could undo it. */
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

/* False with errno. */
static bool is_unchanged(const char *path, const struct stat *before)
{
    struct stat now;

    if (lstat(path, &now) != 0)
        return false;
    errno = EAGAIN;
    return now.st_ino == before->st_ino && now.st_dev == before->st_dev &&
           now.st_size == before->st_size && now.st_ctim.tv_sec == before->st_ctim.tv_sec &&
           now.st_ctim.tv_nsec == before->st_ctim.tv_nsec;
}

/* Writes the new file at temporary and gives it the old one's place. Closes fd. */
static int replace_with(int fd, const char *temporary, const char *path, const struct stat *before,
                        const char *text, size_t size)
{
    int result = replace_write(fd, text, size);

    if (result == 0)
        result = before != NULL ? copy_metadata(fd, path, before) : fchmod(fd, 0644);
    if (result == 0)
        result = fsync(fd);
    if (result == 0 && before != NULL && !is_unchanged(path, before))
        result = -1;
    if (result == 0)
        result = before != NULL ? rename(temporary, path)
                                : rename_to_new(AT_FDCWD, temporary, AT_FDCWD, path);
    const int saved = errno;
    close(fd);
    errno = saved;
    return result;
}

int replace_host_file(const char *path, const struct stat *before, const char *text, size_t size)
{
    char temporary[PATH_MAX];
    const int length = snprintf(temporary, sizeof temporary, "%s.XXXXXX", path);

    if (length < 0 || (size_t)length >= sizeof temporary) {
        errno = ENAMETOOLONG;
        return -1;
    }
    const int fd = mkostemp(temporary, O_CLOEXEC);
    if (fd < 0)
        return -1;
    if (replace_with(fd, temporary, path, before, text, size) == 0) {
        sync_directory(path);
        return 0;
    }
    const int saved = errno;
    unlink(temporary);
    errno = saved;
    return -1;
}

int unlink_host_file(const char *path, const struct stat *before)
{
    if (!is_unchanged(path, before) || unlink(path) != 0)
        return -1;
    sync_directory(path);
    return 0;
}
