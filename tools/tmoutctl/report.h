/* What went wrong: said on standard error at once, and kept for the document that
 * --json prints. */
#ifndef TMOUT_TMOUTCTL_REPORT_H
#define TMOUT_TMOUTCTL_REPORT_H

#include <stddef.h>

/* What a program may want to tell apart. */
enum report_kind {
    REPORT_FAILURE,    /* the answer could not be found */
    REPORT_USAGE,      /* the command line is wrong */
    REPORT_PERMISSION, /* the caller may not ask that */
    REPORT_POLICY      /* the policy is invalid, or none can be used */
};

/* Room for messages; of more than these only the number is kept. */
enum { REPORTS_MAX = 64 };

struct reports {
    enum report_kind kind; /* of the first that is not just a failure */
    char *text[REPORTS_MAX];
    size_t count;    /* of texts */
    size_t left_out; /* that did not fit, or for which there was no memory */
};

/* "tmoutctl: ..." and a newline on standard error; and keeps it as REPORT_FAILURE. */
void report(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The same for another kind. Returns TMOUTCTL_FAILURE. */
int report_as(enum report_kind kind, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Only keeps it: the caller has said it in another form, or says it only to programs. */
void report_keep(enum report_kind kind, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* What was kept. */
const struct reports *reports_kept(void);

/* Forgets what was kept. */
void reports_forget(void);

/* "usage", "permission", "policy", "failure": for programs. */
const char *report_kind_word(enum report_kind kind);

#endif
