#include "lib/sessions/registry_spare.h"

#include "lib/host/atomic_file.h"
#include "lib/host/descriptor.h"
#include "lib/host/rename.h"
#include "lib/host/secure_path.h"
#include "lib/sessions/registry_format.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SPARE_NAME_SIZE = 16 };

static void spare_name(char *name, unsigned number)
{
    snprintf(name, SPARE_NAME_SIZE, "%u", number);
}

static int spare_directory_path(const char *registry, char *path, size_t size)
{
    const int length = snprintf(path, size, "%s.spare", registry);

    if (length >= 0 && (size_t)length < size)
        return 0;
    errno = ENAMETOOLONG;
    return -1;
}

static int open_spares(const char *registry, uid_t owner, struct failure *failure)
{
    char path[PATH_MAX];

    if (spare_directory_path(registry, path, sizeof path) != 0)
        return -1;
    return secure_open_directory(path, owner, O_RDONLY, failure);
}

/* Another version's spares may have another size. */
static bool is_spare(const struct stat *st, uid_t owner)
{
    return S_ISREG(st->st_mode) && st->st_size == (off_t)sizeof(struct stored_record) &&
           st->st_nlink == 1 && insecure_because(st, owner) == NULL;
}

/* Its blocks are allocated by writing them. */
static int spare_create(int spares_fd, const char *name)
{
    static const struct stored_record empty;
    char temporary[SPARE_NAME_SIZE + 16];

    if (atomic_temporary_name(temporary, sizeof temporary, name) != 0 ||
        atomic_write_new(spares_fd, temporary, 0600, &empty, sizeof empty) != 0)
        return -1;
    if (rename_to_new(spares_fd, temporary, spares_fd, name) == 0)
        return 0;
    const int error = errno;
    unlinkat(spares_fd, temporary, 0);
    errno = error;
    return error == EEXIST ? 0 : -1;
}

static int spare_ensure(int spares_fd, uid_t owner, unsigned number)
{
    char name[SPARE_NAME_SIZE];
    struct stat st;

    spare_name(name, number);
    if (fstatat(spares_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
        if (is_spare(&st, owner))
            return 0;
        if (unlinkat(spares_fd, name, S_ISDIR(st.st_mode) ? AT_REMOVEDIR : 0) != 0)
            return -1;
    } else if (errno != ENOENT) {
        return -1;
    }
    return spare_create(spares_fd, name);
}

int spares_fill(const char *registry, uid_t owner, struct failure *failure)
{
    char path[PATH_MAX];
    int result = 0;

    if (spare_directory_path(registry, path, sizeof path) != 0 ||
        secure_make_directory(AT_FDCWD, path) != 0) {
        failure_set(failure, "cannot create directory %s.spare: %s", registry,
                    failure_reason(errno));
        return -1;
    }
    const int spares_fd = open_spares(registry, owner, failure);
    if (spares_fd < 0)
        return -1;
    for (unsigned i = 0; i < REGISTRY_SPARES && result == 0; i++)
        result = spare_ensure(spares_fd, owner, i);
    const int error = errno;
    if (result != 0)
        failure_set(failure, "cannot create spare file in %s: %s", path, failure_reason(error));
    close(spares_fd);
    errno = error;
    return result;
}

/* Opens what was moved to this name; what is no spare is removed. */
static int open_taken(int registry_fd, const char *name, uid_t owner)
{
    struct stat st;
    const int fd = fd_above_stdio(
        openat(registry_fd, name, O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));

    if (fd >= 0 && fd_stat(fd, &st) == 0 && is_spare(&st, owner))
        return fd;
    if (fd >= 0)
        close(fd);
    if (unlinkat(registry_fd, name, 0) != 0)
        unlinkat(registry_fd, name, AT_REMOVEDIR);
    errno = ENOENT;
    return -1;
}

int spare_take(const char *registry, uid_t owner, int registry_fd, const char *name)
{
    const unsigned first = (unsigned)gettid(); /* those who come at once start apart */
    struct failure failure = {""};
    char spare[SPARE_NAME_SIZE];
    int fd = -1;
    const int spares_fd = open_spares(registry, owner, &failure);

    if (spares_fd < 0)
        return -1;
    errno = ENOENT;
    for (unsigned i = 0; i < REGISTRY_SPARES && fd < 0; i++) {
        spare_name(spare, (first + i) % REGISTRY_SPARES);
        if (renameat(spares_fd, spare, registry_fd, name) == 0)
            fd = open_taken(registry_fd, name, owner);
    }
    const int error = errno;
    close(spares_fd);
    errno = error;
    return fd;
}

bool spare_return(const char *registry, uid_t owner, int registry_fd, const char *name)
{
    struct failure failure = {""};
    char spare[SPARE_NAME_SIZE];
    bool returned = false;
    struct stat st;

    if (fstatat(registry_fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0 || !is_spare(&st, owner))
        return false;
    const int spares_fd = open_spares(registry, owner, &failure);
    if (spares_fd < 0)
        return false;
    for (unsigned i = 0; i < REGISTRY_SPARES && !returned; i++) {
        spare_name(spare, i);
        returned = rename_to_new(registry_fd, name, spares_fd, spare) == 0;
        if (!returned && errno != EEXIST)
            break;
    }
    close(spares_fd);
    return returned;
}
