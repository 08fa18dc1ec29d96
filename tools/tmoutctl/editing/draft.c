#include "tools/tmoutctl/editing/draft.h"

#include "lib/host/atomic_file.h"
#include "lib/host/descriptor.h"
#include "lib/host/secure_path.h"
#include "lib/policy/source.h"
#include "tools/tmoutctl/host/replace.h"
#include "tools/tmoutctl/host/state_directory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char lock_name[] = "edit.lock", copy_directory[] = "edit";

/* --- the lock ------------------------------------------------------------- */

/* A lock of the process: the kernel knows its holder, and ends it with that. The editor
 * does not inherit it. */
static int lock_others_out(struct draft *draft, const char *state_dir, struct failure *failure)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

    draft->lock_fd = fd_above_stdio(
        openat(draft->state_fd, lock_name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (draft->lock_fd < 0) {
        failure_set(failure, "%s/%s: %s", state_dir, lock_name, failure_reason(errno));
        return -1;
    }
    if (fcntl(draft->lock_fd, F_SETLK, &lock) == 0)
        return 0;
    if (errno != EAGAIN && errno != EACCES) {
        failure_set(failure, "%s/%s: %s", state_dir, lock_name, failure_reason(errno));
        return -1;
    }
    lock.l_type = F_WRLCK;
    if (fcntl(draft->lock_fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK && lock.l_pid > 0)
        failure_set(failure,
                    "the policy is being edited by another tmoutctl edit (process %d): try again "
                    "when it has finished",
                    (int)lock.l_pid);
    else
        failure_set(failure, "the policy is being edited by another tmoutctl edit: try again when "
                             "it has finished");
    return -1;
}

/* --- the copy ------------------------------------------------------------- */

static bool is_any_file(const char *name)
{
    return strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

/* The copy, and what an editor left beside it. */
static void empty_directory(int directory_fd)
{
    directory_remove_files(directory_fd, is_any_file);
}

static int make_directory(struct draft *draft)
{
    if (mkdirat(draft->state_fd, copy_directory, 0700) != 0 && errno != EEXIST)
        return -1;
    draft->fd = fd_above_stdio(
        openat(draft->state_fd, copy_directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (draft->fd < 0 || fchmod(draft->fd, 0700) != 0)
        return -1;
    empty_directory(draft->fd);
    return 0;
}

static int write_copy(const struct draft *draft)
{
    const char *text = draft->before.text;
    size_t left = draft->before.size;
    const int fd = fd_above_stdio(openat(
        draft->fd, draft->file->name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    int result = fd < 0 ? -1 : 0;

    while (result == 0 && left > 0) {
        const ssize_t written = write(fd, text, left);
        if (written > 0) {
            text += written;
            left -= (size_t)written;
        } else if (written == 0 || errno != EINTR) {
            result = -1;
        }
    }
    const int error = errno;
    if (fd >= 0 && close(fd) != 0 && result == 0)
        return -1;
    errno = error;
    return result;
}

static const char *read_reason(int error)
{
    return error == ELOOP    ? "is a symbolic link; replace it with the file itself"
           : error == EINVAL ? "is not a regular file; replace it with one"
           : error == ENXIO  ? "is not a regular file; replace it with one"
           : error == EFBIG  ? "is too large for a policy"
                             : failure_reason(error);
}

/* Nobody but root may be able to put a file there. */
static int check_directory(const struct edit_file *file, struct failure *failure)
{
    int fd = secure_open_directory(file->directory, geteuid(),
                                   O_PATH | (file->is_drop_in ? O_NOFOLLOW : 0), failure);

    if (fd < 0 && errno == ENOENT && file->is_drop_in) {
        char parent[PATH_MAX];
        snprintf(parent, sizeof parent, "%s", file->directory);
        *strrchr(parent, '/') = '\0';
        fd = secure_open_directory(parent[0] != '\0' ? parent : "/", geteuid(), O_PATH, failure);
    }
    if (fd < 0)
        return -1;
    close(fd);
    return 0;
}

static int read_file(struct draft *draft, struct failure *failure)
{
    const char *path = draft->file->path;

    free(draft->before.text);
    draft->is_new = false;
    if (read_large_text_file(path, O_NOFOLLOW | O_NOCTTY, SOURCE_MAX_BYTES, &draft->before) == 0)
        return 0;
    draft->before = (struct text_file){0};
    draft->is_new = errno == ENOENT;
    if (!draft->is_new)
        failure_set(failure, "%s: %s", path, read_reason(errno));
    return draft->is_new ? 0 : -1;
}

int draft_open(const char *state_dir, const struct edit_file *file, struct draft *draft,
               struct failure *failure)
{
    *draft = (struct draft){.file = file, .state_fd = -1, .lock_fd = -1, .fd = -1};
    if (snprintf(draft->path, sizeof draft->path, "%s/%s/%s", state_dir, copy_directory,
                 file->name) >= (int)sizeof draft->path) {
        failure_set(failure, "%s: path too long", state_dir);
        return -1;
    }
    if (check_directory(file, failure) != 0)
        return -1;
    draft->state_fd = state_directory_open(state_dir, failure);
    if (draft->state_fd < 0 || lock_others_out(draft, state_dir, failure) != 0 ||
        read_file(draft, failure) != 0)
        return -1;
    if (make_directory(draft) != 0 || write_copy(draft) != 0) {
        failure_set(failure, "cannot copy %s to %s: %s", file->path, draft->path,
                    failure_reason(errno));
        return -1;
    }
    return 0;
}

int draft_read(struct draft *draft, struct failure *failure)
{
    free(draft->after.text);
    if (read_large_text_file(draft->path, O_NOFOLLOW | O_NOCTTY, SOURCE_MAX_BYTES, &draft->after) ==
        0)
        return 0;
    draft->after = (struct text_file){0};
    failure_set(failure, "the edited copy of %s: %s", draft->file->path, read_reason(errno));
    return -1;
}

bool draft_is_unchanged(const struct draft *draft)
{
    return draft->after.size == draft->before.size &&
           (draft->before.size == 0 ||
            memcmp(draft->after.text, draft->before.text, draft->before.size) == 0);
}

/* --- installing it -------------------------------------------------------- */

bool draft_is_outdated(const struct draft *draft)
{
    const struct stat *before = &draft->before.status;
    struct stat now;

    if (lstat(draft->file->path, &now) != 0)
        return !draft->is_new || errno != ENOENT;
    return draft->is_new || now.st_ino != before->st_ino || now.st_dev != before->st_dev ||
           now.st_size != before->st_size || now.st_ctim.tv_sec != before->st_ctim.tv_sec ||
           now.st_ctim.tv_nsec != before->st_ctim.tv_nsec;
}

int draft_accept_other(struct draft *draft, struct failure *failure)
{
    return read_file(draft, failure);
}

/* The drop-in directory need not exist. */
static int make_drop_in_directory(const struct edit_file *file)
{
    if (!file->is_drop_in || mkdir(file->directory, 0755) != 0)
        return !file->is_drop_in || errno == EEXIST ? 0 : -1;
    return chmod(file->directory, 0755);
}

int draft_install(const struct draft *draft, struct failure *failure)
{
    struct stat status = draft->before.status;

    status.st_uid = geteuid();
    status.st_mode &= (mode_t) ~(S_IWGRP | S_IWOTH);
    if (make_drop_in_directory(draft->file) == 0 &&
        replace_host_file(draft->file->path, draft->is_new ? NULL : &status, draft->after.text,
                          draft->after.size) == 0)
        return 0;
    failure_set(failure, "%s: cannot write: %s", draft->file->path, failure_reason(errno));
    return -1;
}

void draft_close(struct draft *draft)
{
    if (draft->fd >= 0) {
        empty_directory(draft->fd);
        close(draft->fd);
        unlinkat(draft->state_fd, copy_directory, AT_REMOVEDIR);
    }
    if (draft->lock_fd >= 0)
        close(draft->lock_fd);
    if (draft->state_fd >= 0)
        close(draft->state_fd);
    free(draft->before.text);
    free(draft->after.text);
}
