/*
 * Replacing and making state files: afterwards there is the old content or the new
 * one, whatever happens on the way (a kill, a full disk, a power cut).
 */
#ifndef TMOUT_HOST_ATOMIC_FILE_H
#define TMOUT_HOST_ATOMIC_FILE_H

#include <stddef.h>
#include <sys/types.h>

/*
 * Puts content[size] into the file called name in a directory, owned by the
 * caller, with exactly this mode. Writes NAME.new, syncs, renames, syncs the
 * directory; a NAME.new left by a killed predecessor is removed. Two callers
 * at once must be kept apart by a lock of theirs.
 * Returns 0, or -1 with errno; the old file is then as it was.
 */
int atomic_replace(int directory_fd, const char *name, mode_t mode, const void *content,
                   size_t size);

/*
 * The same for a file that must not be there yet: of several callers at once
 * one makes it, and the others get -1 with EEXIST.
 */
int atomic_create(int directory_fd, const char *name, mode_t mode, const void *content,
                  size_t size);

#endif
