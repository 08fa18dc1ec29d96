/* A host's file tree of this process's own, in memory if possible. */
#ifndef TMOUT_TESTS_FUZZ_TREE_H
#define TMOUT_TESTS_FUZZ_TREE_H

#include "tests/fuzz/fuzz.h"

#include "tools/tmoutctl/host/host.h"

#include <ftw.h>
#include <sys/stat.h>

static struct host host;

static inline int tree_remove_one(const char *path, const struct stat *status, int type,
                                  struct FTW *ftw)
{
    (void)status;
    (void)type;
    (void)ftw;
    return remove(path);
}

static inline void tree_remove(void)
{
    nftw(host.root, tree_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* Creates it once; it is removed when the process exits. */
static inline void tree_make(void)
{
    static char in_memory[] = "/dev/shm/fuzz-tree-XXXXXX", root[] = "/tmp/fuzz-tree-XXXXXX";

    if (host.root != NULL)
        return;
    host.root = mkdtemp(in_memory) != NULL ? in_memory : mkdtemp(root);
    MUST(host.root != NULL);
    atexit(tree_remove);
}

/* Writes a file and creates missing directories. */
static inline void tree_put(const char *name, const char *data, size_t size)
{
    char path[512];

    snprintf(path, sizeof path, "%s%s", host.root, name);
    for (char *slash = path + strlen(host.root) + 1; (slash = strchr(slash, '/')) != NULL;
         slash++) {
        *slash = '\0';
        mkdir(path, 0755);
        *slash = '/';
    }
    FILE *file = fopen(path, "we");
    MUST(file != NULL);
    MUST(fwrite(data, 1, size, file) == size);
    MUST(fclose(file) == 0);
}

static inline void tree_unlink(const char *name)
{
    char path[512];

    snprintf(path, sizeof path, "%s%s", host.root, name);
    unlink(path);
}

#endif
