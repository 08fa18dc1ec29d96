#include "tools/tmoutd/descriptors.h"

#include "tools/tmoutd/log.h"
#include "tools/tmoutd/terminal.h"

#include <errno.h>
#include <sys/resource.h>
#include <syslog.h>
#include <unistd.h>

/* Asked for each time, so that a limit that prlimit(1) has changed counts. */
static rlim_t descriptor_limit(void)
{
    struct rlimit limit;

    return getrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_cur : 0;
}

static int close_if_among_last(int fd, rlim_t last)
{
    if (fd < 0 || (rlim_t)fd + last < descriptor_limit())
        return fd;
    close(fd);
    errno = EMFILE;
    return -1;
}

int descriptor_for_end(int fd)
{
    return close_if_among_last(fd, DESCRIPTORS_FOR_HELPERS);
}

bool descriptor_is_among_last(int fd)
{
    return (rlim_t)fd + DESCRIPTORS_FOR_HELPERS >= descriptor_limit();
}

int descriptor_for_login(struct loop *loop, int fd)
{
    fd = close_if_among_last(fd, DESCRIPTORS_FOR_HELPERS + DESCRIPTORS_FOR_ENDS);
    if (fd >= 0 || errno != EMFILE)
        return fd;
    if (log_is_due(&loop->few_descriptors, loop->now.boot_ms))
        log_line(
            LOG_WARNING,
            "too many logins for a limit of %llu descriptors: the ends of more logins are "
            "noticed up to %d s late; raise LimitNOFILE= of tmoutd.service, see tmout-recovery(7)",
            (unsigned long long)descriptor_limit(), RETRY_MS / 1000);
    errno = EMFILE;
    return -1;
}
