/* Reading a system's text files, line by line, whatever may be in their place. */
#ifndef TMOUT_TMOUTCTL_HOST_TEXT_FILE_H
#define TMOUT_TMOUTCTL_HOST_TEXT_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

/* A file in memory; text ends with a NUL that size does not include. */
struct text_file {
    char *text;
    size_t size;
    struct stat status;
};

/* No hand-written file is longer. */
#define TEXT_FILE_SIZE_MAX (1024 * 1024)

/*
 * Reads all of path, which must be a regular file of at most a megabyte, or,
 * without O_NOFOLLOW, /dev/null, which is an empty one; flags are added to
 * those of open(2). Returns 0, and the caller frees out->text; or
 * -1 with errno, EFBIG for a larger file and EINVAL for one that is not
 * regular, and out->text NULL.
 */
int read_text_file(const char *path, int flags, struct text_file *out);

/* The same with another size limit, for files that programs write. */
int read_large_text_file(const char *path, int flags, size_t size_max, struct text_file *out);

/*
 * A line of a text, as pointers into it: [start, end) without the newline;
 * next is where the following line starts. All zero before the first.
 */
struct text_line {
    const char *start, *end, *next;
    unsigned number; /* from 1 */
};

/* Moves on to the first line (if number is 0) or the next. False at the end. */
bool next_text_line(const struct text_file *file, struct text_line *line);

#endif
