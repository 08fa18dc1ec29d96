/*
 * What a program may not open that a user has started and that is root, such as su or sudo.
 */
#ifndef TMOUT_TMOUTCTL_HOST_USERS_OPEN_H
#define TMOUT_TMOUTCTL_HOST_USERS_OPEN_H

#include <stdbool.h>

/*
 * Does something that is asked at each open(2) refuse to have such a program read this file?
 * fapolicyd does, through fanotify(7): the error is EPERM, which the kernel itself has no other
 * reason for, as mode bits and security modules deny with EACCES. Without CAP_SETUID the
 * answer is no. Never changes the caller's own uids.
 */
bool users_open_is_refused(const char *path);

#endif
