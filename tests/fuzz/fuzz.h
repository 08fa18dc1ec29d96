/*
 * What the fuzz targets share. Each target is one libFuzzer program that calls
 * lib/ as it is built for the product, and aborts if a guarantee given in its
 * headers is broken; the sanitizers detect memory errors and leaks.
 */
#ifndef TMOUT_TESTS_FUZZ_FUZZ_H
#define TMOUT_TESTS_FUZZ_FUZZ_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Used instead of assert(), which NDEBUG would disable. */
#define MUST(condition)                                                                            \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: broken: %s\n", __FILE__, __LINE__, #condition);                \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

/* A copy of exactly this size followed by NUL, so that the sanitizer notices a
 * read beyond its end. The caller frees it. */
static inline char *fuzz_text(const void *data, size_t size)
{
    char *text = malloc(size + 1);

    MUST(text != NULL);
    if (size > 0)
        memcpy(text, data, size);
    text[size] = '\0';
    return text;
}

/* An open file in memory with this content. */
static inline int fuzz_file(const void *data, size_t size)
{
    const int fd = memfd_create("fuzz", MFD_CLOEXEC);

    MUST(fd >= 0);
    MUST(write(fd, data, size) == (ssize_t)size);
    return fd;
}

#endif
