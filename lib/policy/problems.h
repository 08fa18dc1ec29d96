/*
 * What is wrong with a policy, or worth knowing about it: collected instead of
 * printed, so that one run names every error and the caller decides how to
 * report it.
 */
#ifndef TMOUT_POLICY_PROBLEMS_H
#define TMOUT_POLICY_PROBLEMS_H

#include <stddef.h>

enum problem_severity {
    PROBLEM_NOTE,   /* allowed, but the reader may be surprised */
    PROBLEM_ERROR,  /* the policy is invalid */
    PROBLEM_FAILURE /* the policy could not be read or checked: this says nothing
                       about its text */
};

struct problem {
    enum problem_severity severity;
    char *file;    /* NULL if it concerns no file */
    unsigned line; /* 0: the file as a whole */
    size_t number; /* in the order in which they were added */
    char *text;
};

/* Start with {0}; end with problems_free(). */
struct problems {
    struct problem *item;
    size_t count;
    size_t notes, errors, failures; /* by severity, those not stored included */
};

/* Adds one; file is copied. Never fails: what cannot be stored is counted all
 * the same. */
void problem_add(struct problems *problems, enum problem_severity severity, const char *file,
                 unsigned line, const char *format, ...) __attribute__((format(printf, 5, 6)));

/* Sorts by file and line, and as they were added within a line. A policy's main
 * file comes first, because the names of its drop-ins begin with its own. */
void problems_sort(struct problems *problems);

/* How many errors and failures, or notes, were counted but not stored: more than
 * a thousand, or no memory. */
size_t problems_errors_left_out(const struct problems *problems);
size_t problems_notes_left_out(const struct problems *problems);

/* The first problem that made the policy unusable, or NULL. */
const struct problem *problems_first_bad(const struct problems *problems);

/* "FILE:LINE: TEXT" into text, always terminated. */
void problem_format(const struct problem *problem, char *text, size_t size);

void problems_free(struct problems *problems);

#endif
