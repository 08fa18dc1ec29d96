#include "tools/tmoutctl/host/output_text.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

enum { OUTPUT_SIZE_MAX = 1024 * 1024, CHUNK = 16 * 1024 };

int output_text_read(int fd, char **text, size_t *size)
{
    if (*size >= OUTPUT_SIZE_MAX) {
        errno = EFBIG;
        return -1;
    }
    char *grown = realloc(*text, *size + CHUNK + 1);
    if (grown == NULL)
        return -1;
    *text = grown;
    const ssize_t n = read(fd, *text + *size, CHUNK);
    if (n > 0)
        *size += (size_t)n;
    (*text)[*size] = '\0';
    return n < 0 ? (errno == EINTR ? 1 : -1) : n > 0;
}
