#include "lib/policy/problems.h"

#include "lib/host/array.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Enough for every error that a person makes; more than that come from a file
 * that is not a policy, and are only counted. Notes and errors have this much
 * room each: a note never displaces an error. */
enum { STORED_MAX = 1000 };

/* Counts one more of this severity; is there room left for it? */
static bool has_room(struct problems *problems, enum problem_severity severity)
{
    if (severity == PROBLEM_NOTE)
        return problems->notes++ < STORED_MAX;
    const size_t bad = problems->errors + problems->failures;
    if (severity == PROBLEM_ERROR)
        problems->errors++;
    else
        problems->failures++;
    return bad < STORED_MAX;
}

/* How many of the stored ones are notes, or are not? */
static size_t count_stored(const struct problems *problems, bool notes)
{
    size_t count = 0;

    for (size_t i = 0; i < problems->count; i++)
        count += (problems->item[i].severity == PROBLEM_NOTE) == notes;
    return count;
}

size_t problems_errors_left_out(const struct problems *problems)
{
    return problems->errors + problems->failures - count_stored(problems, false);
}

size_t problems_notes_left_out(const struct problems *problems)
{
    return problems->notes - count_stored(problems, true);
}

static int store(struct problems *problems, const struct problem *problem)
{
    struct problem *grown = array_grow(problems->item, problems->count, sizeof *grown);

    if (grown == NULL)
        return -1;
    problems->item = grown;
    problems->item[problems->count++] = *problem;
    return 0;
}

void problem_add(struct problems *problems, enum problem_severity severity, const char *file,
                 unsigned line, const char *format, ...)
{
    struct problem problem = {.severity = severity, .line = line, .number = problems->count};
    va_list arguments;

    if (!has_room(problems, severity))
        return;
    va_start(arguments, format);
    if (vasprintf(&problem.text, format, arguments) < 0)
        problem.text = NULL;
    va_end(arguments);
    if (file != NULL)
        problem.file = strdup(file);
    if (problem.text != NULL && (file == NULL || problem.file != NULL) &&
        store(problems, &problem) == 0)
        return;
    free(problem.file);
    free(problem.text);
}

static int compare_places(const void *left, const void *right)
{
    const struct problem *a = left, *b = right;
    const int files = strcmp(a->file != NULL ? a->file : "", b->file != NULL ? b->file : "");

    if (files != 0)
        return files;
    if (a->line != b->line)
        return a->line < b->line ? -1 : 1;
    return a->number < b->number ? -1 : a->number > b->number;
}

void problems_sort(struct problems *problems)
{
    if (problems->count > 1)
        qsort(problems->item, problems->count, sizeof *problems->item, compare_places);
}

const struct problem *problems_first_bad(const struct problems *problems)
{
    for (size_t i = 0; i < problems->count; i++)
        if (problems->item[i].severity != PROBLEM_NOTE)
            return &problems->item[i];
    return NULL;
}

/* A file's name or a policy's text may contain what a terminal would obey:
 * control characters, also those of 8 bits in UTF-8. */
static void make_harmless(char *text)
{
    for (unsigned char *c = (unsigned char *)text; *c != '\0'; c++)
        if (*c < 0x20 || *c == 0x7f || (*c == 0xc2 && c[1] >= 0x80 && c[1] < 0xa0))
            *c = '?';
}

void problem_format(const struct problem *problem, char *text, size_t size)
{
    if (problem->file == NULL)
        snprintf(text, size, "%s", problem->text);
    else if (problem->line == 0)
        snprintf(text, size, "%s: %s", problem->file, problem->text);
    else
        snprintf(text, size, "%s:%u: %s", problem->file, problem->line, problem->text);
    make_harmless(text);
}

void problems_free(struct problems *problems)
{
    for (size_t i = 0; i < problems->count; i++) {
        free(problems->item[i].file);
        free(problems->item[i].text);
    }
    free(problems->item);
    *problems = (struct problems){0};
}
