#include "lib/host/proc_directory.h"

#include "lib/host/procfs.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

DIR *proc_directory_open(pid_t pid, const char *name)
{
    char path[64];

    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
    return opendir(path);
}

const char *proc_directory_next(DIR *directory)
{
    const struct dirent *entry;

    do {
        errno = 0;
        entry = readdir(directory);
    } while (entry != NULL && entry->d_name[0] == '.');
    return entry != NULL ? entry->d_name : NULL;
}

void proc_directory_close(DIR *directory)
{
    const int error = errno;

    closedir(directory);
    errno = error;
}

int proc_descriptor_target(pid_t pid, const char *fd, char *target, size_t size)
{
    char path[64 + NAME_MAX];

    snprintf(path, sizeof path, "/proc/%d/fd/%s", (int)pid, fd);
    const ssize_t n = readlink(path, target, size - 1);
    if (n < 0)
        return process_has_ended(errno) ? 0 : -1;
    target[n] = '\0';
    return 1;
}
