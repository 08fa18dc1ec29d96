/*
 * What libpam makes of a service's files: the lines of one type in the order in
 * which they run, with include, substack and @include followed. Facts from
 * pam_handlers.c of Linux-PAM 1.5.2 to 1.7 and Debian's patch for @include.
 */
#ifndef TMOUT_TMOUTCTL_PAM_STACK_H
#define TMOUT_TMOUTCTL_PAM_STACK_H

#include "tools/tmoutctl/host/host.h"
#include "tools/tmoutctl/pam/control.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum pam_line_kind {
    PAM_LINE_MODULE,
    PAM_LINE_SUBSTACK, /* the line itself; a jump counts it and its lines as one */
    PAM_LINE_MUST_FAIL /* malformed: libpam takes it for PAM_PERM_DENIED */
};

struct pam_line {
    enum pam_line_kind kind;
    char *control;            /* a word, or all of [...] */
    char *module;             /* as written: a name or a path; "" unless kind is PAM_LINE_MODULE */
    char *arguments;          /* separated by blanks */
    char *file;               /* an absolute path, as libpam opens it */
    unsigned line, last_line; /* more than one where a backslash continues it */
    unsigned on_host;         /* line's number without host->edits; 0: it is new */
    unsigned origin;          /* the line of the service's own file that included it */
    unsigned origin_on_host;  /* the same without host->edits; 0: it is new */
    unsigned level;           /* how many substacks it is in */
    bool may_be_absent;       /* the module is not where libpam is known to look */
    int action[PAM_RESULTS];
};

struct pam_stack {
    char *path; /* of the service's own file */
    struct pam_line *line;
    size_t count;
    char **file; /* every file read for it, without symbolic links, on the host's root */
    size_t files;
    uint64_t file_bits; /* pam_file_bit() of all of them */
    bool is_other;      /* the service has no line of this type: these are those of "other" */
    bool aborts;        /* libpam gives up before it runs a line: nobody gets in */
    char *problem;      /* the first thing that libpam could not follow, or NULL */
    char *problem_file;
    unsigned problem_line;
};

enum pam_stack_status {
    PAM_STACK_OK,
    PAM_STACK_ABSENT, /* there is no such service */
    PAM_STACK_FAILED  /* out of memory */
};

/* One of 64 bits, from the name: stacks without a bit in common have no file in common. */
uint64_t pam_file_bit(const char *real);

/* How deep libpam follows inclusions (PAM_SUBSTACK_MAX_LEVEL of Linux-PAM). */
enum { PAM_LEVELS_MAX = 16 };

/*
 * Reads the lines of one type (auth, account, password, session) of a service
 * from the host's /etc/pam.d, else /usr/lib/pam.d, as they would be with
 * host->edits. The caller frees with pam_stack_free(), whatever the outcome.
 */
enum pam_stack_status pam_stack_read(const struct host *host, const char *service, const char *type,
                                     struct pam_stack *stack);

void pam_stack_free(struct pam_stack *stack);

/* Is the line's module called name, as pam_unix.so, in whatever directory? */
bool pam_line_is(const struct pam_line *line, const char *name);

/* One argument of a line: the text that the module gets, and how it is written, which
 * is the same but for brackets around it. */
struct pam_argument {
    const char *text, *written;
    size_t length, written_length;
};

/* Finds the argument that begins at *at, after blanks, and moves *at behind it. False:
 * there is none. */
bool pam_next_argument(const char **at, struct pam_argument *argument);

/* Is word one of the line's arguments? */
bool pam_line_has(const struct pam_line *line, const char *word);

/* The value of NAME=value among the arguments, *length bytes; name includes the "=".
 * NULL if it is not there. */
const char *pam_line_value(const struct pam_line *line, const char *name, size_t *length);

#endif
