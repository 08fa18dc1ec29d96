/* File descriptors in a process whose caller may have closed 0 to 2. */
#ifndef TMOUT_HOST_DESCRIPTOR_H
#define TMOUT_HOST_DESCRIPTOR_H

#include <sys/stat.h>

/*
 * If the caller closed descriptors 0 to 2, open() returns one of them, and
 * what the program prints would end up in our file. Takes what open() or a
 * similar call returned and moves it above 2, with close-on-exec set. Returns
 * the descriptor, which may be another one than fd, or -1 with errno and fd
 * closed; an fd of -1 is returned as it is, with its errno.
 */
int fd_above_stdio(int fd);

/*
 * openat(2) with O_CLOEXEC, above 2, and fstat(2). The module opens all existing files
 * this way: each library function that it names has to be found at every login.
 */
int fd_open_at(int directory_fd, const char *path, int flags);
int fd_stat(int fd, struct stat *st);

/*
 * For the start of a program of our own: opens those of descriptors 0 to 2 that
 * the caller closed, so that nothing opened later takes their place. Reading or
 * writing them still fails, as it would if they were closed.
 */
void fd_fill_stdio(void);

#endif
