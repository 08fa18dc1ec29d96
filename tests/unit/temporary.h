/* A directory for one test, and files in it. */
#ifndef TMOUT_TESTS_UNIT_TEMPORARY_H
#define TMOUT_TESTS_UNIT_TEMPORARY_H

#include "tests/unit/check.h"

#include <fcntl.h>
#include <ftw.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* cmocka set-up: *state is the path of a new directory. In /tmp rather than
 * TMPDIR, because all its parents must be secure. */
static inline int temporary_make(void **state)
{
    char template[] = "/tmp/tmout-test-XXXXXX";

    umask(022);
    if (mkdtemp(template) == NULL || chmod(template, 0755) != 0)
        return -1;
    *state = strdup(template);
    return *state == NULL ? -1 : 0;
}

static inline int temporary_remove_one(const char *path, const struct stat *st, int type,
                                       struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

/* cmocka tear-down. */
static inline int temporary_remove(void **state)
{
    const int result = nftw(*state, temporary_remove_one, 16, FTW_DEPTH | FTW_PHYS);

    free(*state);
    return result;
}

#define WITH_DIRECTORY(test) cmocka_unit_test_setup_teardown(test, temporary_make, temporary_remove)

/* Returns directory/name; the caller frees it. */
static inline char *path_in(const char *directory, const char *name)
{
    char *path = NULL;

    assert_true(asprintf(&path, "%s/%s", directory, name) > 0);
    return path;
}

/* Writes bytes to the file at path, which is created if it does not exist and
 * otherwise keeps its inode. */
static inline void write_bytes(const char *path, const void *bytes, size_t size)
{
    const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, size), (ssize_t)size);
    close(fd);
}

static inline void write_text(const char *path, const char *text)
{
    write_bytes(path, text, strlen(text));
}

/* Returns the contents of a file, NUL-terminated; the caller frees them. */
static inline char *read_bytes(const char *path, size_t *size)
{
    struct stat st;
    const int fd = open(path, O_RDONLY | O_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &st), 0);
    char *bytes = malloc((size_t)st.st_size + 1);
    assert_non_null(bytes);
    assert_int_equal(read(fd, bytes, (size_t)st.st_size), st.st_size);
    bytes[st.st_size] = '\0';
    *size = (size_t)st.st_size;
    close(fd);
    return bytes;
}

#endif
