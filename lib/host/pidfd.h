/*
 * Descriptors of processes (Linux 5.3; pidfd_getfd(2): 5.6): what is done by
 * them reaches the process that was meant or none, whoever has its number by
 * now. The C library of RHEL 9 has no wrappers for these system calls.
 */
#ifndef TMOUT_HOST_PIDFD_H
#define TMOUT_HOST_PIDFD_H

#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

/* Returns a descriptor, close-on-exec, or -1 with errno. It becomes readable
 * when the process ends. */
static inline int pidfd_of(pid_t pid)
{
    return (int)syscall(SYS_pidfd_open, pid, 0);
}

/* A descriptor of that process as one of ours, or -1 with errno. */
static inline int pidfd_copy_descriptor(int pidfd, int fd)
{
    return (int)syscall(SYS_pidfd_getfd, pidfd, fd, 0);
}

/* Returns 0, or -1 with errno. */
static inline int pidfd_signal(int pidfd, int signal_number)
{
    return (int)syscall(SYS_pidfd_send_signal, pidfd, signal_number, NULL, 0);
}

#endif
