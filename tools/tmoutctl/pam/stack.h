/*
 * What a PAM service really runs: its stack, with include, substack and
 * @include followed as libpam follows them.
 */
#ifndef TMOUT_TMOUTCTL_HOST_PAM_STACK_H
#define TMOUT_TMOUTCTL_HOST_PAM_STACK_H

#include "tools/tmoutctl/host/host.h"

#include <stdbool.h>
#include <stddef.h>

struct pam_line {
    char *control;   /* a word, or all of [...] */
    char *module;    /* as written: a name or a path */
    char *arguments; /* separated by blanks */
    char *file;
    unsigned line;
    unsigned origin; /* the line of the service's own file that included it */
    /*
     * The index after the last line of the substack that this line is in, or
     * the number of lines in all. A rejection that ends the stack at once ends
     * only the lines before that.
     */
    size_t end;
};

struct pam_stack {
    char *path; /* of the service's own file */
    struct pam_line *line;
    size_t count;
    char *problem; /* the first thing that libpam could not follow, or NULL */
    char *problem_file;
    unsigned problem_line;
};

enum pam_stack_status {
    PAM_STACK_OK,
    PAM_STACK_ABSENT, /* there is no such service */
    PAM_STACK_FAILED  /* out of memory */
};

/*
 * Reads the lines of one type (auth, account, password, session) of a service
 * from the host's /etc/pam.d, else /usr/lib/pam.d. The caller frees with
 * pam_stack_free(), whatever the outcome.
 */
enum pam_stack_status pam_stack_read(const struct host *host, const char *service, const char *type,
                                     struct pam_stack *stack);

void pam_stack_free(struct pam_stack *stack);

/* Is the line's module called name, as pam_unix.so, in whatever directory? */
bool pam_line_is(const struct pam_line *line, const char *name);

/* Is word one of the line's arguments? */
bool pam_line_has(const struct pam_line *line, const char *word);

/* The value of NAME=value among the arguments, up to a blank or the end; name
 * includes the "=". NULL if it is not there. */
const char *pam_line_value(const struct pam_line *line, const char *name);

#endif
