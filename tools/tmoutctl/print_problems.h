/* Prints what is wrong with a policy, for people and for programs. */
#ifndef TMOUT_TMOUTCTL_PRINT_PROBLEMS_H
#define TMOUT_TMOUTCTL_PRINT_PROBLEMS_H

#include "lib/policy/problems.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

/* Prints one line each, notes only if asked for, and how many were not stored. */
void print_problems(FILE *to, const struct problems *problems, bool with_notes);

/* [{"severity","file","line","message"}] of all that are stored; NULL: out of
 * memory. */
json_t *problems_json(const struct problems *problems);

/* Keeps them as the error of a document: an invalid policy, or one that cannot be
 * read. */
void report_keep_problems(const struct problems *problems);

/* The first error and how many more there are, on one line, for the log and for
 * rejected.v1. */
void summarize_problems(const struct problems *problems, char *text, size_t size);

#endif
