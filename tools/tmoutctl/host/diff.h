/*
 * Edits of a host's files as a unified diff, for patch(1): `patch -p1 -d ROOT`
 * makes the changes, and with -R undoes them. patch keeps owner and mode.
 */
#ifndef TMOUT_TMOUTCTL_HOST_DIFF_H
#define TMOUT_TMOUTCTL_HOST_DIFF_H

#include "tools/tmoutctl/host/edit.h"
#include "tools/tmoutctl/host/host.h"

#include <stdio.h>

/*
 * Finds the file that patch would have to change for one at this path of the
 * host: patch follows no symbolic links. Its path below the host's root goes
 * into real, which has PATH_MAX bytes; a file that does not exist keeps its
 * name. Returns NULL, or why patch cannot change it, or would lose its access control
 * list (GNU patch 2.7 keeps owner and mode); static.
 */
const char *diff_target(const struct host *host, const char *path, char *real);

/* The files of any number of diffs, as they are now: each is read once. Start with {0}; end
 * with diff_files_free(). */
struct diff_files {
    void *by_path; /* a tree of tsearch(3) */
};

/* The content of one of them, at a path as diff_target() gives it; its text is NULL where
 * there is no such file. NULL with errno, as of read_text_file(). */
const struct text_file *diff_files_read(struct diff_files *files, const struct host *host,
                                        const char *path);

void diff_files_free(struct diff_files *files);

/*
 * Prints what the edits change, file by file in the order of their paths, which
 * are as diff_target() gives them. A hunk has so many lines of context that it
 * fits nowhere else in the file, not even after it has been applied. Returns 0,
 * or -1 with errno as of edits_run() and read_text_file(), or ENOTUNIQ where no
 * context is enough: a file is empty or would be, or has equal lines only. A part
 * may have been printed then. After a file was read, the work depends on the edits and
 * what is around them, not on the file's size.
 */
int diff_print(FILE *to, const struct host *host, const struct edits *edits,
               struct diff_files *files);

#endif
