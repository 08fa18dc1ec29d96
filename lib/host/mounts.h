/* The mounts that a process sees. */
#ifndef TMOUT_HOST_MOUNTS_H
#define TMOUT_HOST_MOUNTS_H

#include <stdbool.h>

/*
 * Is the file system itself writable, and only this process's mount of it
 * read-only, as systemd's ProtectSystem= makes it for a service? False where
 * that cannot be told.
 */
bool is_mount_read_only(const char *path);

#endif
