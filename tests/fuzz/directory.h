/* A directory, in memory if possible, for functions of lib that open files by
 * path. */
#ifndef TMOUT_TESTS_FUZZ_DIRECTORY_H
#define TMOUT_TESTS_FUZZ_DIRECTORY_H

#include "tests/fuzz/fuzz.h"

#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>

static char fuzz_directory[64];

static inline int fuzz_remove_one(const char *path, const struct stat *st, int type,
                                  struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static inline void fuzz_directory_remove(void)
{
    nftw(fuzz_directory, fuzz_remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* Removed at exit, but not after a crash. */
static inline void fuzz_directory_make(void)
{
    umask(022);
    snprintf(fuzz_directory, sizeof fuzz_directory, "/dev/shm/tmout-fuzz-XXXXXX");
    MUST(mkdtemp(fuzz_directory) != NULL && chmod(fuzz_directory, 0755) == 0);
    MUST(atexit(fuzz_directory_remove) == 0);
}

static inline void fuzz_write(const char *path, const void *data, size_t size)
{
    const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    MUST(fd >= 0);
    MUST(write(fd, data, size) == (ssize_t)size);
    close(fd);
}

#endif
