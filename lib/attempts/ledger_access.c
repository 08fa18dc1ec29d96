#include "lib/attempts/ledger_access.h"

#include "lib/attempts/ledger_file.h"
#include "lib/host/mounts.h"
#include "lib/host/secure_path.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <unistd.h>

/* As large as a new ledger, more or less, and larger than any. */
enum { NEW_LEDGER_BYTES = 8192, LEDGER_BYTES_MAX = 1024 * 1024 };

/* What an error of opening, reading or writing a ledger means. */
static enum ledger_access access_of_error(int error)
{
    switch (error) {
    case EROFS:
        return ACCESS_READ_ONLY;
    case EACCES:
    case EPERM:
        return ACCESS_DENIED;
    case ENOSPC:
    case EDQUOT:
        return ACCESS_NO_SPACE;
    case EFBIG:
        return ACCESS_SIZE_LIMIT;
    case EIO:
    case EUCLEAN: /* what ext4, xfs, and btrfs call damage of their own */
    case ESTALE:
    case ENODEV:
    case ENXIO:
    case ENOTCONN:
    case ESHUTDOWN:
    case ETIMEDOUT:
    case EREMOTEIO:
        return ACCESS_BROKEN;
    default:
        return ACCESS_FAILED;
    }
}

bool ledger_is_immutable(int fd)
{
    int flags = 0;

    return ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0 &&
           (flags & (FS_IMMUTABLE_FL | FS_APPEND_FL)) != 0;
}

/* The same for this file or directory. */
static bool has_flag(int directory_fd, const char *name)
{
    const int fd = openat(directory_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

    if (fd < 0)
        return false;
    const bool found = ledger_is_immutable(fd);
    close(fd);
    return found;
}

/* Could a file of this size be created in the directory? Returns 0 or an error. */
static int try_to_create(int directory_fd, off_t size)
{
    const int fd = openat(directory_fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

    if (fd >= 0) {
        const int error = posix_fallocate(fd, 0, size);
        close(fd);
        return error == EOPNOTSUPP || error == EINVAL ? 0 : error;
    }
    /* Not every file system has files without a name. */
    if (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL)
        return errno;
    return faccessat(directory_fd, ".", W_OK, AT_EACCESS) == 0 ? 0 : errno;
}

/* Root without CAP_SYS_RESOURCE cannot raise what a user has set before su. */
static bool has_size_limit(void)
{
    struct rlimit limit;

    return prlimit(0, RLIMIT_FSIZE, NULL, &limit) == 0 && limit.rlim_cur < LEDGER_BYTES_MAX;
}

/* Returns 0 or an error. Ledgers of this version begin with bytes that never change. */
static int try_in_place(int fd)
{
    unsigned char block[4096];
    struct ledger_head head;
    uint32_t version;
    off_t at = 0;
    ssize_t n;

    while ((n = pread(fd, block, sizeof block, at)) > 0)
        at += n;
    if (n < 0)
        return errno;
    if (pread(fd, &head, sizeof head, 0) != (ssize_t)sizeof head ||
        head_record_count(&head, &version) == 0)
        return 0;
    return pwrite(fd, &head, sizeof head, 0) < 0 ? errno : 0;
}

/* Can the ledger be written, or else created? Returns 0 or an error. */
static int try_to_write(int directory_fd, uid_t uid, bool in_place)
{
    char name[LEDGER_NAME_SIZE];

    ledger_file_name(name, uid);
    const int fd = openat(directory_fd, name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd >= 0) {
        const int error = has_size_limit() ? EFBIG : in_place ? try_in_place(fd) : 0;
        close(fd);
        return error;
    }
    if (errno != ENOENT)
        return errno;
    return has_size_limit() ? EFBIG : try_to_create(directory_fd, NEW_LEDGER_BYTES);
}

/* Before the first attempt there is no directory of ledgers: a login makes it. */
static int try_in_state_directory(const char *state_dir, uid_t owner, struct failure *failure)
{
    const int fd = secure_open_directory(state_dir, owner, O_RDONLY, failure);

    if (fd < 0)
        return -errno;
    const int error = try_to_create(fd, NEW_LEDGER_BYTES);
    close(fd);
    return error;
}

/* Where writing is not permitted: is it because of a flag? Then it is named. */
static bool is_immutable(const char *state_dir, const struct ledger_place *place,
                         struct failure *failure)
{
    char name[LEDGER_NAME_SIZE], above[PATH_MAX];

    ledger_file_name(name, place->uid);
    snprintf(above, sizeof above, "%s/" LEDGER_DIRECTORY, state_dir);
    const int fd = openat(AT_FDCWD, above, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const bool is_file = fd >= 0 && has_flag(fd, name);
    const bool is_directory = !is_file && fd >= 0 && has_flag(fd, ".");
    const bool found = is_file || is_directory || has_flag(AT_FDCWD, state_dir);

    if (found)
        failure_set(failure, "%s%s%s is immutable or append-only",
                    is_file || is_directory ? above : state_dir, is_file ? "/" : "",
                    is_file ? name : "");
    if (fd >= 0)
        close(fd);
    return found;
}

static enum ledger_access find_access(const char *state_dir, const struct ledger_place *place,
                                      bool in_place, struct failure *failure)
{
    struct failure why = {""};
    const int fd = ledger_open_directory(state_dir, place->owner, false, &why);
    int error = fd < 0 ? -errno : try_to_write(fd, place->uid, in_place);

    if (fd >= 0)
        close(fd);
    if (error == -ENOENT)
        error = try_in_state_directory(state_dir, place->owner, &why);
    if (error == 0)
        return ACCESS_FINE;
    if (error == EPERM && is_immutable(state_dir, place, failure))
        return ACCESS_IMMUTABLE;
    if (error == -ENOENT) {
        failure_set(failure, "there is no directory %s", state_dir);
        return ACCESS_NO_DIRECTORY;
    }
    if (error < 0) {
        *failure = why; /* the directory is not to be trusted, for example */
        if (error == -EACCES || access_of_error(-error) == ACCESS_BROKEN)
            return access_of_error(-error);
        return ACCESS_FAILED;
    }
    failure_set(failure, "cannot write to %s/" LEDGER_DIRECTORY ": %s", state_dir,
                failure_reason(error));
    return access_of_error(error);
}

enum ledger_access ledger_check_access(const char *state_dir, uid_t uid, uid_t owner,
                                       struct failure *failure)
{
    const struct ledger_place place = {.directory_fd = -1, .uid = uid, .owner = owner};

    return find_access(state_dir, &place, false, failure);
}

enum ledger_access ledger_probe_access(const char *state_dir, uid_t uid, uid_t owner,
                                       struct failure *failure)
{
    const struct ledger_place place = {.directory_fd = -1, .uid = uid, .owner = owner};

    return find_access(state_dir, &place, true, failure);
}

void ledger_access_advice(enum ledger_access access, const char *state_dir, const char *user,
                          struct failure *advice)
{
    switch (access) {
    case ACCESS_READ_ONLY:
        if (is_mount_read_only(state_dir))
            failure_set(advice,
                        "%s is read-only for this process only, as with ProtectSystem=strict: add "
                        "\"ReadWritePaths=%s\" to the service's unit",
                        state_dir, state_dir);
        else
            failure_set(advice, "the file system of %s is read-only: mount it for writing",
                        state_dir);
        break;
    case ACCESS_DENIED:
        failure_set(advice,
                    "AppArmor, SELinux or a missing capability keeps this service from writing "
                    "to %s: allow it in the service's profile or unit",
                    state_dir);
        break;
    case ACCESS_IMMUTABLE:
        failure_set(advice, "run \"chattr -R -ia %s\"", state_dir);
        break;
    case ACCESS_NO_SPACE:
        failure_set(advice, "free up space on the file system of %s", state_dir);
        break;
    case ACCESS_SIZE_LIMIT:
        failure_set(advice, "raise the program's file size limit (ulimit -f)");
        break;
    case ACCESS_NO_DIRECTORY:
        failure_set(advice, "run \"tmoutctl apply\" to create it");
        break;
    case ACCESS_BROKEN:
        failure_set(advice, "the disk or file system of %s fails: check it (dmesg)", state_dir);
        break;
    case ACCESS_FINE:
    case ACCESS_FAILED:
    default:
        failure_set(advice, "run \"tmoutctl unlock %s\" to repair", user);
    }
}
