/*
 * Changing a host's text files so that concurrent readers find the old text or the
 * new one, never a part of it.
 */
#ifndef TMOUT_TMOUTCTL_HOST_REPLACE_H
#define TMOUT_TMOUTCTL_HOST_REPLACE_H

#include <stddef.h>
#include <sys/stat.h>

/*
 * Replaces the file at path, whose status was before, with this text, the owner and
 * mode in before, and the old file's extended attributes; before is NULL where no file
 * exists. Returns 0, or -1 with errno set, the old file unchanged and no
 * temporary file left: EAGAIN where someone has changed it since, EEXIST where
 * someone has created it.
 */
int replace_host_file(const char *path, const struct stat *before, const char *text, size_t size);

/* Removes the file at path unless someone has changed it since its status was
 * before. Errors as of replace_host_file(). */
int unlink_host_file(const char *path, const struct stat *before);

#endif
