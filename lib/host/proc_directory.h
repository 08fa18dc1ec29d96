/* Directories below /proc/PID, and what the descriptors in them are. */
#ifndef TMOUT_HOST_PROC_DIRECTORY_H
#define TMOUT_HOST_PROC_DIRECTORY_H

#include <dirent.h>
#include <stddef.h>
#include <sys/types.h>

/* "fd" or "task" of a process. NULL with errno, as opendir(3). */
DIR *proc_directory_open(pid_t pid, const char *name);

/* The next name in it, good until the next call; NULL with errno 0 at the end,
 * or with the errno of an error. */
const char *proc_directory_next(DIR *directory);

/* Keeps errno. */
void proc_directory_close(DIR *directory);

/* What a descriptor of a process refers to, as readlink(2) tells: 1, 0 if it
 * is closed by now, or -1 with errno. */
int proc_descriptor_target(pid_t pid, const char *fd, char *target, size_t size);

#endif
