#include "tools/tmoutctl/host/rehearsal.h"

#include "lib/host/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* How long a child that has been killed may take to end. One that waits for a
 * file server cannot be killed: it is left to init. */
enum { END_MS = 1000 };

/* A directory answers in some milliseconds. */
enum { NAMES_MS = 10 * 1000, NAMES_PER_RULE_MS = 20 };

static void __attribute__((noreturn)) rehearse_in_child(void (*call)(void *), void *context)
{
    const int nowhere = open("/dev/null", O_RDWR | O_CLOEXEC);

    if (nowhere < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || dup2(nowhere, STDOUT_FILENO) < 0 ||
        dup2(nowhere, STDERR_FILENO) < 0)
        _exit(1);
    call(context);
    _exit(0);
}

static void end_rehearsal(pid_t child)
{
    const int64_t deadline_ms = clock_ms(CLOCK_MONOTONIC) + END_MS;

    kill(child, SIGKILL);
    while (waitpid(child, NULL, WNOHANG) == 0 && clock_ms(CLOCK_MONOTONIC) < deadline_ms)
        poll(NULL, 0, 1);
}

/* Waits for the end of the pipe, which the child's end brings about. Returns 0, or
 * -1 with errno. */
static int wait_for_child(int fd, int64_t timeout_ms)
{
    const int64_t deadline_ms = clock_ms(CLOCK_MONOTONIC) + timeout_ms;
    struct pollfd end = {.fd = fd};

    for (;;) {
        const int64_t left_ms = deadline_ms - clock_ms(CLOCK_MONOTONIC);
        const int ready = left_ms > 0 ? poll(&end, 1, (int)left_ms) : 0;
        if (ready > 0)
            return 0;
        if (ready == 0)
            errno = ETIMEDOUT;
        if (errno != EINTR)
            return -1;
    }
}

int rehearse(void (*call)(void *context), void *context, int64_t timeout_ms)
{
    int end[2], status = 0;

    if (pipe2(end, O_CLOEXEC) != 0)
        return -1;
    const pid_t child = fork();
    if (child == 0)
        rehearse_in_child(call, context);
    const int forked = errno;
    close(end[1]);
    int result = child > 0 ? wait_for_child(end[0], timeout_ms) : -1;
    const int error = child > 0 ? errno : forked;
    close(end[0]);
    if (child > 0 && result != 0)
        end_rehearsal(child);
    else if (child > 0)
        while (waitpid(child, &status, 0) < 0 && errno == EINTR)
            ;
    errno = error;
    if (result == 0 && (!WIFEXITED(status) || WEXITSTATUS(status) != 0)) {
        errno = ECHILD; /* it crashed: so would we */
        result = -1;
    }
    return result;
}

int rehearse_names(void (*ask)(void *context), void *context, size_t rules, struct failure *failure)
{
    if (rehearse(ask, context, NAMES_MS + (int64_t)rules * NAMES_PER_RULE_MS) == 0)
        return 0;
    failure_set(failure, "the name service %s",
                errno == ETIMEDOUT ? "does not answer" : strerror(errno));
    return -1;
}
