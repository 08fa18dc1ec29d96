/* A file system of a few pages, and filling it up: in namespaces of the calling
 * process's own, so in a child. */
#ifndef TMOUT_TESTS_UNIT_FULL_DISK_H
#define TMOUT_TESTS_UNIT_FULL_DISK_H

#include "tests/unit/child.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>

static inline bool put_text_into(const char *path, const char *text)
{
    const int fd = open(path, O_WRONLY | O_CLOEXEC);
    const bool done = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

    if (fd >= 0)
        close(fd);
    return done;
}

/* Mounts a tmpfs with these options; ends the child where that is not allowed. */
static inline void mount_small(const char *directory, const char *options)
{
    char map[64];
    const uid_t uid = geteuid();

    snprintf(map, sizeof map, "0 %u 1", (unsigned)uid);
    if (unshare(uid == 0 ? CLONE_NEWNS : CLONE_NEWUSER | CLONE_NEWNS) != 0 ||
        (uid != 0 && !put_text_into("/proc/self/uid_map", map)) ||
        mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("small", directory, "tmpfs", 0, options) != 0)
        _exit(CHILD_CANNOT);
}

/* Takes all blocks, or all inodes: more than the file system has. */
static inline void fill_up(const char *directory)
{
    static const char page[4096];
    char path[4096];
    bool is_full = false;

    for (unsigned i = 0; !is_full; i++) {
        snprintf(path, sizeof path, "%s/filler.%u", directory, i);
        const int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        is_full = fd < 0 || write(fd, page, sizeof page) != (ssize_t)sizeof page;
        if (is_full)
            assert_int_equal(errno, ENOSPC);
        if (fd >= 0)
            close(fd);
    }
}

/* Ends the room of one filler again. */
static inline void make_room(const char *directory)
{
    char path[4096];

    snprintf(path, sizeof path, "%s/filler.0", directory);
    assert_int_equal(unlink(path), 0);
}

#endif
