#include "pam_module/protected.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <time.h>
#include <unistd.h>

/* Root without CAP_SYS_RESOURCE, as in containers, keeps the limit: a file that
 * cannot be written then is an error like any other. */
static void raise_file_size(struct protection *before)
{
    const struct rlimit none = {RLIM_INFINITY, RLIM_INFINITY};

    before->has_file_size = prlimit(0, RLIMIT_FSIZE, NULL, &before->file_size) == 0 &&
                            before->file_size.rlim_cur != RLIM_INFINITY;
    before->has_other_file_size =
        before->has_file_size && prlimit(0, RLIMIT_FSIZE, &none, NULL) == 0;
}

/*
 * A set-user-ID program may always become root altogether, and not become what it was
 * again where it has no CAP_SETUID: in a confined user's su with SELinux, whatever capget(2)
 * says, or with a bounding set. So the kernel is asked, by the file system's uid, which is
 * this thread's alone.
 */
static bool may_change_ids(const struct protection *ids)
{
    uid_t other = 1;

    while (other == ids->real || other == ids->saved)
        other++;
    setfsuid(other);
    const bool may = (uid_t)setfsuid((uid_t)-1) == other;
    setfsuid(ids->effective);
    return may;
}

static int become_root(struct protection *before)
{
    if (getresuid(&before->real, &before->effective, &before->saved) != 0)
        return -1;
    if (before->real == 0 && before->saved == 0)
        return 0;
    if (!may_change_ids(before)) {
        errno = EPERM;
        return -1;
    }
    if (setresuid(0, 0, 0) != 0)
        return -1;
    before->has_other_ids = true;
    return 0;
}

int protect_begin(struct protection *before, struct failure *failure)
{
    sigset_t all;

    *before = (struct protection){0};
    sigfillset(&all);
    const int error = pthread_sigmask(SIG_BLOCK, &all, &before->signals);
    if (error != 0) {
        failure_set(failure, "cannot be written: signals cannot be blocked: %s", strerror(error));
        return -1;
    }
    if (become_root(before) != 0) {
        failure_set(failure,
                    "cannot be written: without CAP_SETUID, this program cannot keep out the "
                    "user's signals: %s",
                    strerror(errno));
        pthread_sigmask(SIG_SETMASK, &before->signals, NULL);
        return -1;
    }
    raise_file_size(before);
    return 0;
}

void protect_end(const struct protection *before)
{
    const struct timespec no_time = {0};
    sigset_t too_large;

    if (before->has_other_file_size)
        prlimit(0, RLIMIT_FSIZE, &before->file_size, NULL);
    /* Continuing under the wrong ids would be worse than aborting. */
    if (before->has_other_ids && setresuid(before->real, before->effective, before->saved) != 0)
        abort();
    /* Discard what the user's file size limit has sent us meanwhile. */
    if (before->has_file_size && !sigismember(&before->signals, SIGXFSZ)) {
        sigemptyset(&too_large);
        sigaddset(&too_large, SIGXFSZ);
        while (sigtimedwait(&too_large, NULL, &no_time) == SIGXFSZ)
            continue;
    }
    pthread_sigmask(SIG_SETMASK, &before->signals, NULL);
}
