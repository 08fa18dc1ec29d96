#include "pam_module/protected.h"

#include <errno.h>
#include <stdlib.h>
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

int protect_begin(struct protection *before)
{
    sigset_t all;
    int error;

    *before = (struct protection){0};
    sigfillset(&all);
    error = pthread_sigmask(SIG_BLOCK, &all, &before->signals);
    if (error != 0) {
        errno = error;
        return -1;
    }
    if (getresuid(&before->real, &before->effective, &before->saved) != 0)
        goto fail;
    if (before->real != 0 || before->saved != 0) {
        if (setresuid(0, 0, 0) != 0)
            goto fail;
        before->has_other_ids = true;
    }
    raise_file_size(before);
    return 0;

fail:
    error = errno;
    pthread_sigmask(SIG_SETMASK, &before->signals, NULL);
    errno = error;
    return -1;
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
