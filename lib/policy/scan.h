/*
 * The check of a policy's text before libconfuse sees it.
 *
 * libconfuse stops at the first error, and accepts much that the author did
 * not mean (lexer.h). So the scan itself reads the whole text, as
 *
 *     default { NAME = VALUE ... }    group NAME { ... }    user NAME { ... }
 *
 * and reports every error of form, names and values: after each it finds out
 * where the text goes on, so that one error neither hides another nor is
 * reported twice. Text without errors is read alike by both.
 */
#ifndef TMOUT_POLICY_SCAN_H
#define TMOUT_POLICY_SCAN_H

#include <stddef.h>
#include <stdint.h>

#include "lib/policy/problems.h"
#include "lib/policy/rules.h"

/* A section without errors. */
struct scan_section {
    size_t start, end;       /* offsets of its first word, and just past its } */
    const struct rule *rule; /* what it says; valid during the call only */
};

/* Is called for each section without errors, in their order. Returns 0, or -1
 * to end the scan: out of memory. */
typedef int scan_take_section(void *context, const struct scan_section *section);

struct scan_input {
    char *text; /* changed as lexer.h says; a NUL follows its size bytes */
    size_t size;
    const char *file;    /* for messages */
    uint32_t file_index; /* for the rules */
};

/* Scans a file. Errors go to problems, in no strict order of lines. Returns 0,
 * or -1: out of memory. */
int scan(const struct scan_input *input, scan_take_section *take, void *context,
         struct problems *problems);

#endif
