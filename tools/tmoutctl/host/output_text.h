/* What a program prints, as it arrives. */
#ifndef TMOUT_TMOUTCTL_HOST_OUTPUT_TEXT_H
#define TMOUT_TMOUTCTL_HOST_OUTPUT_TEXT_H

#include <stddef.h>

/*
 * Appends what can be read from fd to *text, which is NULL with a *size of 0 at first and
 * ends with a NUL afterwards; the caller frees it. Returns 1, also if a signal came in
 * between, 0 at the end of the stream, or -1 with errno: EFBIG after a megabyte.
 */
int output_text_read(int fd, char **text, size_t *size);

#endif
