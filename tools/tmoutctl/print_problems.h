/* Saying what was found in a policy: to people and to programs. */
#ifndef TMOUT_TMOUTCTL_PRINT_PROBLEMS_H
#define TMOUT_TMOUTCTL_PRINT_PROBLEMS_H

#include "lib/policy/problems.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

/* One line each, notes only if asked for. */
void print_problems(FILE *to, const struct problems *problems, bool with_notes);

/* [{"severity","file","line","message"}], NULL without memory. */
json_t *problems_json(const struct problems *problems);

/* The first mistake and how many more there are, on one line, as the log
 * and rejected.v1 have it. */
void summarize_problems(const struct problems *problems, char *text, size_t size);

#endif
