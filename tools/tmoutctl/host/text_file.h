/* Reading a system's text files, line by line: whatever stands in their place. */
#ifndef TMOUT_TMOUTCTL_HOST_TEXT_FILE_H
#define TMOUT_TMOUTCTL_HOST_TEXT_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

/* A file in memory; text ends with a NUL that size does not count. */
struct text_file {
    char *text;
    size_t size;
    struct stat status;
};

/*
 * Reads path whole, which must be a regular file of sensible size; flags are
 * added to open(2)'s. Returns 0, and the caller frees out->text; else -1 with
 * errno set, EFBIG or EINVAL for a file that is not what it should be, and
 * out->text is NULL.
 */
int read_text_file(const char *path, int flags, struct text_file *out);

/* The same with the caller's own limit, for what programs write. */
int read_large_text_file(const char *path, int flags, size_t size_max, struct text_file *out);

/*
 * A line of a text, into which it points: [start, end) without its newline;
 * next is where the following one starts. All zero before the first.
 */
struct text_line {
    const char *start, *end, *next;
    unsigned number; /* from 1 */
};

/* Goes to the first line (number 0 before) or the next. False: no more. */
bool next_text_line(const struct text_file *file, struct text_line *line);

#endif
