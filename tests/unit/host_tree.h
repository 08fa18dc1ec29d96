/* A file tree that represents a host's root, below a test's own directory. */
#ifndef TMOUT_TESTS_UNIT_HOST_TREE_H
#define TMOUT_TESTS_UNIT_HOST_TREE_H

#include "tests/unit/temporary.h"

/* Writes bytes to ROOT/path and creates missing directories. */
static inline void put_bytes(const char *root, const char *path, const void *bytes, size_t size)
{
    char *full = NULL;

    assert_true(asprintf(&full, "%s%s", root, path) > 0);
    for (char *slash = full + strlen(root) + 1; (slash = strchr(slash, '/')) != NULL; slash++) {
        *slash = '\0';
        mkdir(full, 0755);
        *slash = '/';
    }
    write_bytes(full, bytes, size);
    free(full);
}

static inline void put(const char *root, const char *path, const char *text)
{
    put_bytes(root, path, text, strlen(text));
}

static inline void put_directory(const char *root, const char *path)
{
    char *inside = NULL;

    assert_true(asprintf(&inside, "%s/file", path) > 0);
    put(root, inside, "");
    free(inside);
}

#endif
