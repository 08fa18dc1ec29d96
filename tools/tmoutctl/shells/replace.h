/*
 * Changing the shell files of a system, so that whoever reads one meanwhile
 * finds the old text or the new one, never a part.
 */
#ifndef TMOUT_TMOUTCTL_SHELLS_REPLACE_H
#define TMOUT_TMOUTCTL_SHELLS_REPLACE_H

#include <stddef.h>
#include <sys/stat.h>

/*
 * Puts text in the place of the file at path, whose status was before, with
 * its owner, mode and extended attributes; before NULL: where no file is.
 * Returns 0, or -1 with errno set, EAGAIN where somebody has changed the file
 * since, the old file untouched and nothing left.
 */
int replace_shell_file(const char *path, const struct stat *before, const char *text, size_t size);

/* Takes the file at path away unless somebody has changed it since its status
 * was before. As replace_shell_file(). */
int unlink_shell_file(const char *path, const struct stat *before);

#endif
