/*
 * The host that is inspected. Code that reads a host's files takes one of
 * these, so that unit tests can hand it a temporary tree.
 */
#ifndef TMOUT_TMOUTCTL_HOST_HOST_H
#define TMOUT_TMOUTCTL_HOST_HOST_H

#include <stddef.h>

struct edits;

struct host {
    const char *root; /* "" for the running system, else a directory without a slash at its end */
    const struct edits *edits; /* host_read_text() reads files as if they had been made; or NULL */
};

/*
 * Where a file of the host is, ROOT/path, into full; path is absolute. Returns
 * 0, or -1 with errno ENAMETOOLONG and full empty.
 */
int host_path(const struct host *host, const char *path, char *full, size_t size);

#endif
