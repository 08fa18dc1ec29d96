/* The patch of an audit: the edits of all its findings together. */
#ifndef TMOUT_TMOUTCTL_AUDIT_PATCH_H
#define TMOUT_TMOUTCTL_AUDIT_PATCH_H

#include "tools/tmoutctl/audit/audit.h"

/*
 * Makes one patch of the edits of the findings from number `first` on and of
 * those before them: each edit gets the path of the file that patch has to
 * change, and a finding loses its edits where they cannot be made: in generated
 * files, in files that patch cannot change, and where earlier findings change
 * the same lines in another way. What it says would be right then says why.
 *
 * An area calls it for its own findings before it tries what the patch would do.
 */
void patch_settle(struct audit *audit, size_t first);

/* Takes a finding's edits away, so that only its words are left; the reason is a
 * sentence for people. */
void patch_withdraw(struct finding *finding, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The edits of the findings from number `first` on, for proofs; patch has to be
 * settled. Returns 0, or -1: out of memory. The caller frees them either way. */
int patch_collect(const struct findings *findings, size_t first, struct edits *edits);

/*
 * Settles what the areas have left, gives each finding the diff of its own edits,
 * and returns that of all of them, which the caller frees; "" if there are none.
 * NULL: out of memory.
 */
char *patch_make(struct audit *audit);

#endif
