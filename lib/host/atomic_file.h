/*
 * Replacing and creating state files: afterwards there is the old content or
 * the new one, whatever happens on the way (a kill, a full disk, a power cut).
 *
 * All write a temporary file beside the target, sync it, put it in place in one
 * step and sync the directory. What a killed process leaves behind is called
 * NAME.new, which the next atomic_replace() of NAME removes, or
 * NAME.new<thread id>, which atomic_remove_strays() removes.
 */
#ifndef TMOUT_HOST_ATOMIC_FILE_H
#define TMOUT_HOST_ATOMIC_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/*
 * Puts content[size] into the file called name in a directory, owned by the
 * caller, with exactly this mode. Callers that could come at once must be kept
 * apart by a lock of their own. Returns 0, or -1 with errno and the old file
 * as it was.
 */
int atomic_replace(int directory_fd, const char *name, mode_t mode, const void *content,
                   size_t size);

/* The same for callers that no lock keeps apart: the last one's content stays. */
int atomic_replace_unlocked(int directory_fd, const char *name, mode_t mode, const void *content,
                            size_t size);

/*
 * The same for a file that must not exist yet: of several callers at once one
 * creates it, and the others get -1 with EEXIST. The file can be changed in place
 * later without new space, on a file system that copies on write, too.
 */
int atomic_create(int directory_fd, const char *name, mode_t mode, const void *content,
                  size_t size);

/* Writes such a file under a name that only the caller uses, and syncs it, but not
 * the directory: for a file that gets its real name later. Returns 0, or -1 with
 * errno and no file. */
int atomic_write_new(int directory_fd, const char *name, mode_t mode, const void *content,
                     size_t size);

/* NAME.new<thread id>: a temporary name that no other living thread uses.
 * Returns 0, or -1 with ENAMETOOLONG. */
int atomic_temporary_name(char *temporary, size_t size, const char *name);

/* Is it a temporary file of a thread that no longer exists? Its unlink failed,
 * or its process was killed. */
bool atomic_is_stray(const char *name);

/* Removes all of those in a directory. Costs a look at every name in it. */
void atomic_remove_strays(int directory_fd);

/* Removes the files of a directory whose names are wanted, as far as that is possible. */
void directory_remove_files(int directory_fd, bool (*is_wanted)(const char *name));

#endif
