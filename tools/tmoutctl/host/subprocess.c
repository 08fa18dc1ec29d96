#include "tools/tmoutctl/host/subprocess.h"

#include "lib/host/clock.h"
#include "lib/host/descriptor.h"
#include "tools/tmoutctl/host/output_text.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* The pipes of a run; -1 for an end that is closed. */
struct pipes {
    int read_fd[SUBPROCESS_STREAMS], write_fd[SUBPROCESS_STREAMS];
};

static void close_all(int *fd)
{
    for (size_t i = 0; i < SUBPROCESS_STREAMS; i++) {
        if (fd[i] >= 0)
            close(fd[i]);
        fd[i] = -1;
    }
}

static int open_pipes(struct pipes *pipes)
{
    *pipes = (struct pipes){{-1, -1}, {-1, -1}};
    for (size_t i = 0; i < SUBPROCESS_STREAMS; i++) {
        int end[2];
        if (pipe2(end, O_CLOEXEC) != 0)
            return -1;
        /* Not below 3, where dup2() in the child could find its own target. */
        pipes->read_fd[i] = fd_above_stdio(end[0]);
        pipes->write_fd[i] = fd_above_stdio(end[1]);
        if (pipes->read_fd[i] < 0 || pipes->write_fd[i] < 0)
            return -1;
    }
    return 0;
}

void subprocess_exec(const char *const *argv, const char *const *environment)
{
    /* Those that our caller has left open. Before Linux 5.9 they stay. */
    syscall(SYS_close_range, STDERR_FILENO + 1U, ~0U, 0U);
    /* execve() changes none of the arguments, though its type allows it. */
    execve(argv[0], (char *const *)(uintptr_t)argv, (char *const *)(uintptr_t)environment);
    _exit(SUBPROCESS_EXEC_FAILED);
}

/* In the child: only what is safe between fork() and exec(). */
static void __attribute__((noreturn)) become(const char *const *argv, const int *write_fd)
{
    static const char *const no_environment[] = {NULL};
    const int input_fd = fd_above_stdio(open("/dev/null", O_RDONLY | O_CLOEXEC));

    if (input_fd < 0 || dup2(input_fd, STDIN_FILENO) < 0 ||
        dup2(write_fd[SUBPROCESS_OUT], STDOUT_FILENO) < 0 ||
        dup2(write_fd[SUBPROCESS_ERR], STDERR_FILENO) < 0 || chdir("/") != 0)
        _exit(SUBPROCESS_EXEC_FAILED);
    subprocess_exec(argv, no_environment);
}

/* Waits until one of the descriptors is ready. Returns 0, or -1 with errno,
 * ETIMEDOUT after the deadline. */
static int wait_for(struct pollfd *poll_fd, nfds_t count, int64_t deadline_ms)
{
    for (;;) {
        const int64_t left_ms = deadline_ms - clock_ms(CLOCK_MONOTONIC);
        const int ready = left_ms <= 0 ? 0 : poll(poll_fd, count, (int)left_ms);
        if (ready > 0)
            return 0;
        if (ready == 0) {
            errno = ETIMEDOUT;
            return -1;
        }
        if (errno != EINTR)
            return -1;
    }
}

/* Reads both streams to their ends. Returns 0, or -1 with errno. */
static int read_streams(const int *read_fd, int64_t deadline_ms, struct subprocess *result)
{
    struct pollfd poll_fd[SUBPROCESS_STREAMS];
    size_t open_streams = SUBPROCESS_STREAMS;

    for (size_t i = 0; i < SUBPROCESS_STREAMS; i++)
        poll_fd[i] = (struct pollfd){.fd = read_fd[i], .events = POLLIN};
    while (open_streams > 0) {
        if (wait_for(poll_fd, SUBPROCESS_STREAMS, deadline_ms) != 0)
            return -1;
        for (size_t i = 0; i < SUBPROCESS_STREAMS; i++) {
            if (poll_fd[i].fd < 0 || poll_fd[i].revents == 0)
                continue;
            const int more = output_text_read(read_fd[i], &result->text[i], &result->size[i]);
            if (more < 0)
                return -1;
            if (more == 0) {
                poll_fd[i].fd = -1;
                open_streams--;
            }
        }
    }
    return 0;
}

/* Waits for a child, which may have closed its streams and run on; most have
 * ended when their streams have. Returns 0, or -1 with errno. */
static int wait_for_end(pid_t child, int64_t deadline_ms, int *status)
{
    for (;;) {
        const pid_t ended = waitpid(child, status, WNOHANG);
        if (ended == child)
            return 0;
        if (ended < 0 && errno != EINTR)
            return -1;
        if (clock_ms(CLOCK_MONOTONIC) >= deadline_ms) {
            errno = ETIMEDOUT;
            return -1;
        }
        poll(NULL, 0, 1);
    }
}

int subprocess_run(const char *const *argv, int64_t timeout_ms, struct subprocess *result)
{
    const int64_t deadline_ms = clock_ms(CLOCK_MONOTONIC) + timeout_ms;
    struct pipes pipes;
    int outcome = -1, saved;

    if (open_pipes(&pipes) != 0)
        goto out;
    const pid_t child = fork();
    if (child < 0)
        goto out;
    if (child == 0)
        become(argv, pipes.write_fd);
    close_all(pipes.write_fd);
    outcome = read_streams(pipes.read_fd, deadline_ms, result);
    if (outcome == 0)
        outcome = wait_for_end(child, deadline_ms, &result->status);
    saved = errno;
    if (outcome != 0) {
        kill(child, SIGKILL);
        while (waitpid(child, &result->status, 0) < 0 && errno == EINTR)
            ;
    }
    errno = saved;

out:
    saved = errno;
    close_all(pipes.read_fd);
    close_all(pipes.write_fd);
    errno = saved;
    return outcome;
}

bool subprocess_succeeded(const struct subprocess *result)
{
    return WIFEXITED(result->status) && WEXITSTATUS(result->status) == 0;
}

void subprocess_free(struct subprocess *result)
{
    for (size_t i = 0; i < SUBPROCESS_STREAMS; i++)
        free(result->text[i]);
    *result = (struct subprocess){0};
}
