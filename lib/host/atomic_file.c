#include "lib/host/atomic_file.h"

#include "lib/host/descriptor.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static int write_all(int fd, const unsigned char *content, size_t size)
{
    while (size > 0) {
        const ssize_t n = write(fd, content, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        content += n;
        size -= (size_t)n;
    }
    return 0;
}

static int create(int directory_fd, const char *name)
{
    const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
    int fd = fd_above_stdio(openat(directory_fd, name, flags, 0600));

    if (fd < 0 && errno == EEXIST && unlinkat(directory_fd, name, 0) == 0)
        fd = fd_above_stdio(openat(directory_fd, name, flags, 0600));
    return fd;
}

/* Writes a whole temporary file; on failure it is gone again. */
static int write_temporary(int directory_fd, const char *temporary, mode_t mode,
                           const void *content, size_t size)
{
    const int fd = create(directory_fd, temporary);
    int error;

    if (fd < 0)
        return -1;
    if (write_all(fd, content, size) != 0 || fchmod(fd, mode) != 0 || fsync(fd) != 0)
        goto fail;
    close(fd);
    return 0;

fail:
    error = errno;
    close(fd);
    unlinkat(directory_fd, temporary, 0);
    errno = error;
    return -1;
}

static int put_name(char *text, size_t size, const char *name, const char *suffix)
{
    const int length = snprintf(text, size, "%s%s", name, suffix);

    if (length >= 0 && (size_t)length < size)
        return 0;
    errno = ENAMETOOLONG;
    return -1;
}

int atomic_replace(int directory_fd, const char *name, mode_t mode, const void *content,
                   size_t size)
{
    char temporary[256];

    if (put_name(temporary, sizeof temporary, name, ".new") != 0 ||
        write_temporary(directory_fd, temporary, mode, content, size) != 0)
        return -1;
    if (renameat(directory_fd, temporary, directory_fd, name) != 0) {
        const int error = errno;
        unlinkat(directory_fd, temporary, 0);
        errno = error;
        return -1;
    }
    /* The new content is in place; a directory that cannot be synced could
     * at worst bring the old one back after a power cut. */
    (void)fsync(directory_fd);
    return 0;
}

int atomic_create(int directory_fd, const char *name, mode_t mode, const void *content, size_t size)
{
    char suffix[32], temporary[256];

    /* A name of our own, for callers that no lock keeps apart. */
    snprintf(suffix, sizeof suffix, ".new%d", (int)gettid());
    if (put_name(temporary, sizeof temporary, name, suffix) != 0 ||
        write_temporary(directory_fd, temporary, mode, content, size) != 0)
        return -1;
    const int result = linkat(directory_fd, temporary, directory_fd, name, 0);
    const int error = errno;
    unlinkat(directory_fd, temporary, 0);
    if (result == 0)
        (void)fsync(directory_fd);
    errno = error;
    return result;
}
