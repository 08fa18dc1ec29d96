/* Who is whose child, as /proc shows it without ever blocking: other than most
 * files there, these need no lock that a process can keep for as long as it likes. */
#ifndef TMOUT_HOST_PROC_CHILDREN_H
#define TMOUT_HOST_PROC_CHILDREN_H

#include <sys/types.h>

/*
 * The children that a process and its threads have forked, in *child, which the
 * caller frees. Returns how many, or -1 with errno; 0 if it has ended. By the time
 * one is looked at, its number may be another process's.
 */
ssize_t process_children(pid_t pid, pid_t **child);

/* Returns the pid, or -1 with errno. */
pid_t process_parent(pid_t pid);

#endif
