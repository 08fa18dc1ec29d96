/*
 * A copy of a host's sshd configuration in a private directory, in which Include
 * leads to the copies. So sshd can be asked what edits would do (host->edits)
 * before anybody makes them.
 */
#ifndef TMOUT_TMOUTCTL_SSHD_COPY_H
#define TMOUT_TMOUTCTL_SSHD_COPY_H

#include "lib/host/failure.h"
#include "tools/tmoutctl/host/host.h"

#include <stddef.h>

/* Start with {0}; end with sshd_copy_remove(). */
struct sshd_copy {
    char *directory;
    char **origin; /* of the copies DIRECTORY/0, /1 and so on: the host's files */
    size_t count;
};

/* Copies the configuration. Returns 0, or -1 with the reason. copy is to be
 * removed either way. */
int sshd_copy_make(const struct host *host, struct sshd_copy *copy, struct failure *failure);

/* The host's file of which the file at path is the copy; NULL: it is none. */
const char *sshd_copy_origin(const struct sshd_copy *copy, const char *path);

/* Names the host's files in what sshd has said of their copies. */
void sshd_copy_name_origins(const struct sshd_copy *copy, struct failure *failure);

/* The path of the copy of sshd_config. */
void sshd_copy_path(const struct sshd_copy *copy, char *path, size_t size);

void sshd_copy_remove(struct sshd_copy *copy);

#endif
