/*
 * Edits of PAM's files, as a person would make them: what is not meant stays as
 * it is, to the blank. All return 0, or -1: out of memory, or the line cannot be
 * edited as one (it is continued on the next, or new).
 */
#ifndef TMOUT_TMOUTCTL_PAM_REWRITE_H
#define TMOUT_TMOUTCTL_PAM_REWRITE_H

#include "tools/tmoutctl/host/edit.h"
#include "tools/tmoutctl/host/host.h"
#include "tools/tmoutctl/pam/stack.h"

/* The line, with those that continue it. */
int pam_delete_line(struct edits *edits, const struct pam_line *line);

/* The line with another control. host is read without its edits. */
int pam_replace_control(const struct host *host, struct edits *edits, const struct pam_line *line,
                        const char *control);

/* The line with each argument for which `keep` says no taken away, and word, unless
 * NULL, added at the end. */
int pam_replace_arguments(const struct host *host, struct edits *edits, const struct pam_line *line,
                          bool (*keep)(const char *word, size_t length), const char *word);

/*
 * Corrects the counts of jumps so that each leads to the same line after as it
 * did before, ours not counted. Both stacks have the same lines but for ours;
 * after is read with edits, which the corrections are added to.
 */
int pam_correct_jumps(const struct host *host, const struct pam_stack *before,
                      const struct pam_stack *after, struct edits *edits);

#endif
