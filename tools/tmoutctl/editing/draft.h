/*
 * The copy of a policy file that is being edited: in a directory of the state directory
 * that only root can enter, under the file's own name, so that editors know its kind.
 * What an editor leaves beside it, such as a backup, disappears with it.
 */
#ifndef TMOUT_TMOUTCTL_EDITING_DRAFT_H
#define TMOUT_TMOUTCTL_EDITING_DRAFT_H

#include "lib/host/failure.h"
#include "tools/tmoutctl/editing/target.h"
#include "tools/tmoutctl/host/text_file.h"

struct draft {
    const struct edit_file *file;
    char path[PATH_MAX];       /* of the copy */
    int state_fd, lock_fd, fd; /* the last one is the copy's directory */
    bool is_new;               /* there was no such file */
    struct text_file before;   /* the file, when its copy was made; text NULL if is_new */
    struct text_file after;    /* the copy, after it was edited */
};

/*
 * Locks all other editors out, until draft_close() or the end of this process, and makes
 * the copy. What a killed editor has left is removed. Returns 0, or -1 with the reason;
 * draft_close() is to be called either way.
 */
int draft_open(const char *state_dir, const struct edit_file *file, struct draft *draft,
               struct failure *failure);

/* Reads the copy into draft->after. Returns 0, or -1 with the reason: it is gone, too
 * large, or cannot be read. */
int draft_read(struct draft *draft, struct failure *failure);

/* Is the copy as the file was? */
bool draft_is_unchanged(const struct draft *draft);

/* Has the file been changed, made, or removed since the copy was made? */
bool draft_is_outdated(const struct draft *draft);

/* Makes the file as it is now the one that was copied: what others did is overwritten.
 * Returns 0, or -1 with the reason. */
int draft_accept_other(struct draft *draft, struct failure *failure);

/*
 * Puts draft->after in the file's place, owned by root, writable by nobody else, with
 * the file's extended attributes. Returns 0, or -1 with the reason and the file as it was.
 */
int draft_install(const struct draft *draft, struct failure *failure);

/* Removes the copy and lets other editors in. */
void draft_close(struct draft *draft);

#endif
