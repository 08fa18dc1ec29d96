/* The text of PAM's files: lines and words as libpam reads them. */
#ifndef TMOUT_TMOUTCTL_PAM_TEXT_H
#define TMOUT_TMOUTCTL_PAM_TEXT_H

#include "tools/tmoutctl/host/edit.h"
#include "tools/tmoutctl/host/host.h"

#include <stdbool.h>

/* Start with pam_text_open(); end with pam_text_close(). */
struct pam_text {
    struct edited_text edited;
    size_t at;               /* the next physical line */
    unsigned number;         /* lines so far, with the edits */
    unsigned number_on_host; /* and without them */
};

/* What is wrong with a line as a whole. */
enum pam_line_fault {
    PAM_LINE_SOUND,
    PAM_LINE_INTERRUPTED, /* a blank line or a comment inside a continued line: libpam
                             1.5 skips it, 1.7 ends the line there */
    PAM_LINE_UNFINISHED,  /* the file ends after a backslash: libpam rejects the file */
    PAM_LINE_LONG         /* libpam 1.5 takes at most 1,023 bytes */
};

/* A line with those that continue it, and without a comment. */
struct pam_text_line {
    char *text;               /* to be freed */
    unsigned line, last_line; /* with the edits */
    unsigned on_host;         /* the first one without them; 0: it is new */
    enum pam_line_fault fault;
};

/* Opens the host's file at path, as it would be with host->edits. Returns 0, or
 * -1 with errno, and nothing to close. */
int pam_text_open(const struct host *host, const char *path, struct pam_text *text);

/* The next line that is neither blank nor a comment. Returns 1; 0 at the end; or
 * -1: out of memory. */
int pam_text_next(struct pam_text *text, struct pam_text_line *line);

void pam_text_close(struct pam_text *text);

/*
 * The next word of *at, ended in place, and *at moved past it; NULL if there is
 * none. [...] is one word, of which the brackets and the backslash in \] are
 * taken away; bracketed, unless NULL, says whether it was one. A carriage return
 * is a character like others.
 */
char *pam_next_word(char **at, bool *bracketed);

#endif
