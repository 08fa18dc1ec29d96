#include "lib/host/atomic_file.h"

#include "lib/host/descriptor.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
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

/* Where the file system copies on write, as btrfs does, changing a file would need
 * new space. It can be told not to while the file is empty; elsewhere this fails. */
static void write_in_place(int fd)
{
    int flags;

    if (ioctl(fd, FS_IOC_GETFLAGS, &flags) != 0)
        return;
    flags |= FS_NOCOW_FL;
    (void)ioctl(fd, FS_IOC_SETFLAGS, &flags);
}

/* Writes a whole temporary file; on failure it is gone again. */
static int write_temporary(int directory_fd, const char *temporary, mode_t mode, bool in_place,
                           const void *content, size_t size)
{
    const int fd = create(directory_fd, temporary);
    int error;

    if (fd < 0)
        return -1;
    if (in_place)
        write_in_place(fd);
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

static int replace(int directory_fd, const char *name, const char *temporary, mode_t mode,
                   const void *content, size_t size)
{
    if (write_temporary(directory_fd, temporary, mode, false, content, size) != 0)
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

static int check_length(int length, size_t size)
{
    if (length >= 0 && (size_t)length < size)
        return 0;
    errno = ENAMETOOLONG;
    return -1;
}

int atomic_replace(int directory_fd, const char *name, mode_t mode, const void *content,
                   size_t size)
{
    char temporary[NAME_MAX + 1];

    if (check_length(snprintf(temporary, sizeof temporary, "%s.new", name), sizeof temporary) != 0)
        return -1;
    return replace(directory_fd, name, temporary, mode, content, size);
}

int atomic_temporary_name(char *temporary, size_t size, const char *name)
{
    return check_length(snprintf(temporary, size, "%s.new%d", name, (int)gettid()), size);
}

int atomic_replace_unlocked(int directory_fd, const char *name, mode_t mode, const void *content,
                            size_t size)
{
    char temporary[NAME_MAX + 1];

    if (atomic_temporary_name(temporary, sizeof temporary, name) != 0)
        return -1;
    return replace(directory_fd, name, temporary, mode, content, size);
}

int atomic_write_new(int directory_fd, const char *name, mode_t mode, const void *content,
                     size_t size)
{
    return write_temporary(directory_fd, name, mode, true, content, size);
}

int atomic_create(int directory_fd, const char *name, mode_t mode, const void *content, size_t size)
{
    char temporary[NAME_MAX + 1];

    if (atomic_temporary_name(temporary, sizeof temporary, name) != 0 ||
        write_temporary(directory_fd, temporary, mode, true, content, size) != 0)
        return -1;
    const int result = linkat(directory_fd, temporary, directory_fd, name, 0);
    const int error = errno;
    unlinkat(directory_fd, temporary, 0);
    if (result == 0)
        (void)fsync(directory_fd);
    errno = error;
    return result;
}

/* Not read from /proc, which may hide threads from the user that started us
 * (proc(5), hidepid). If the kernel refuses to say, the thread exists. */
static bool thread_exists(pid_t tid)
{
    return kill(tid, 0) == 0 || errno != ESRCH;
}

bool atomic_is_stray(const char *name)
{
    static const char mark[] = ".new";
    const char *at = NULL;
    char *end = NULL;

    for (const char *p = name; (p = strstr(p, mark)) != NULL; p++)
        at = p + sizeof mark - 1;
    if (at == NULL || at[0] < '1' || at[0] > '9')
        return false;
    errno = 0;
    const unsigned long long tid = strtoull(at, &end, 10);
    return errno == 0 && *end == '\0' && tid <= INT_MAX && !thread_exists((pid_t)tid);
}

void directory_remove_files(int directory_fd, bool (*is_wanted)(const char *name))
{
    /* A descriptor of its own, for the position in the directory. */
    const int fd = fd_open_at(directory_fd, ".", O_RDONLY | O_DIRECTORY);
    DIR *directory = fd >= 0 ? fdopendir(fd) : NULL;
    const struct dirent *entry;

    if (directory == NULL) {
        if (fd >= 0)
            close(fd);
        return;
    }
    while ((entry = readdir(directory)) != NULL)
        if (is_wanted(entry->d_name))
            unlinkat(directory_fd, entry->d_name, 0);
    closedir(directory);
}

void atomic_remove_strays(int directory_fd)
{
    directory_remove_files(directory_fd, atomic_is_stray);
}
