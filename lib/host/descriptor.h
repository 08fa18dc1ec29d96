/* File descriptors in a process whose caller may have closed 0 to 2. */
#ifndef TMOUT_HOST_DESCRIPTOR_H
#define TMOUT_HOST_DESCRIPTOR_H

/*
 * If the caller closed descriptors 0 to 2, open() returns one of them, and
 * what the program prints would end up in our file. Takes what open() or a
 * similar call returned and moves it above 2, with close-on-exec set. Returns
 * the descriptor, which may be another one than fd, or -1 with errno and fd
 * closed; an fd of -1 is returned as it is, with its errno.
 */
int fd_above_stdio(int fd);

/*
 * For the start of a program of our own: opens those of descriptors 0 to 2 that
 * the caller closed, so that nothing opened later takes their place. Reading or
 * writing them still fails, as it would if they were closed.
 */
void fd_fill_stdio(void);

#endif
