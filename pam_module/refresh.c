#include "pam_module/refresh.h"

#include "lib/host/clock.h"
#include "lib/host/descriptor.h"
#include "lib/paths.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    APPLY_WAIT_MS = 4000, /* 10,000 rules compile in a tenth of it */
    KILL_WAIT_MS = 500,
    EXIT_CANNOT_RUN = 127,
    EXIT_KILLED = 126
};

const char *apply_command(void)
{
    return TMOUT_CTL_PATH;
}

/*
 * fork() without its side effects on the host program: the child sends no signal
 * when it ends, so that sshd's SIGCHLD handler or a SIG_IGN never sees it and
 * only a wait with __WALL finds it; and no atfork handlers run. All arguments
 * are zero, so their order, which differs between architectures, does not matter.
 *
 * execve() would give the child its exit signal back: so this child never calls
 * it, and has a child of its own for the program.
 */
static pid_t fork_unnoticed(void)
{
    return (pid_t)syscall(SYS_clone, 0, 0, 0, 0, 0);
}

static void reset_signals(void)
{
    struct sigaction action = {.sa_handler = SIG_DFL};
    sigset_t none;

    for (int signal_number = 1; signal_number < NSIG; signal_number++)
        sigaction(signal_number, &action, NULL);
    sigemptyset(&none);
    pthread_sigmask(SIG_SETMASK, &none, NULL);
}

#ifdef __GLIBC__
typedef __rlimit_resource_t limit_resource;
#else
typedef int limit_resource; /* as in POSIX */
#endif

/* A user may have set limits to make us fail. */
static void reset_limits(void)
{
    static const struct {
        limit_resource resource;
        rlim_t value;
    } limit[] = {
        {RLIMIT_FSIZE, RLIM_INFINITY},
        {RLIMIT_NPROC, RLIM_INFINITY},
        {RLIMIT_AS, RLIM_INFINITY},
        {RLIMIT_DATA, RLIM_INFINITY},
        {RLIMIT_STACK, 8 * 1024 * 1024},
        {RLIMIT_NOFILE, 1024},
        {RLIMIT_CPU, 10},
        {RLIMIT_CORE, 0},
    };

    for (size_t i = 0; i < sizeof limit / sizeof limit[0]; i++) {
        struct rlimit both = {limit[i].value, limit[i].value};
        if (prlimit(0, limit[i].resource, &both, NULL) == 0 ||
            prlimit(0, limit[i].resource, NULL, &both) != 0)
            continue;
        /* Root without CAP_SYS_RESOURCE, as in containers: to the hard limit. */
        both.rlim_cur = both.rlim_max;
        prlimit(0, limit[i].resource, &both, NULL);
    }
}

/* Standard input and output become /dev/null, standard error the pipe, and no
 * other descriptor of the host program stays open. */
static int reset_descriptors(int pipe_fd)
{
    const int null_fd = fd_open_at(AT_FDCWD, "/dev/null", O_RDWR);
    const int saved = pipe_fd > 2 ? pipe_fd : fcntl(pipe_fd, F_DUPFD, 3);

    if (null_fd < 0 || saved < 0 || syscall(SYS_dup3, null_fd, 0, 0) < 0 ||
        syscall(SYS_dup3, null_fd, 1, 0) < 0 || syscall(SYS_dup3, saved, 2, 0) < 0)
        return -1;
    if (syscall(SYS_close_range, 3U, ~0U, 0U) != 0)
        for (int fd = 3; fd < 65536; fd++)
            close(fd);
    return 0;
}

/* In the grandchild: nothing but system calls until the new program starts, for
 * another thread of the host program may have held any lock. */
static void become_apply(const struct module_args *args, int pipe_fd)
{
    const char *const argv[] = {"tmoutctl",        "apply",   "--quiet",       "--config",
                                args->config_path, "--state", args->state_dir, NULL};
    const char *const no_environment[] = {NULL};

    syscall(SYS_umask, 022);
    if (syscall(SYS_chdir, "/") == 0 && reset_descriptors(pipe_fd) == 0 &&
        syscall(SYS_setresgid, 0, 0, 0) == 0 && syscall(SYS_setresuid, 0, 0, 0) == 0)
        syscall(SYS_execve, TMOUT_CTL_PATH, argv, no_environment);
    _exit(EXIT_CANNOT_RUN);
}

/* The exit status, or -1 if it was killed or the status is not available. */
static int reap(pid_t pid, int options)
{
    int status = 0;
    pid_t reaped;

    do
        reaped = waitpid(pid, &status, __WALL | options);
    while (reaped < 0 && errno == EINTR);
    return reaped == pid && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* In the child: runs the program and exits with its status. */
static void run_and_exit(const struct module_args *args, int pipe_fd)
{
    reset_signals();
    reset_limits();
    syscall(SYS_setsid); /* one process group, so that a kill reaches both */
    const pid_t pid = _Fork();
    if (pid == 0)
        become_apply(args, pipe_fd);
    const int status = pid > 0 ? reap(pid, 0) : -1;
    _exit(status >= 0 ? status : EXIT_KILLED);
}

/* Reads until the other end is closed, which happens when the child ends, and
 * appends to output what fits. Returns 0, or -1 when the time is up. */
static int read_to_end(int fd, int64_t wait_ms, char *output, size_t size)
{
    const int64_t deadline_ms = clock_ms(CLOCK_MONOTONIC) + wait_ms;
    size_t used = strlen(output);
    char chunk[512];

    for (;;) {
        struct pollfd readable = {.fd = fd, .events = POLLIN};
        const int64_t left_ms = deadline_ms - clock_ms(CLOCK_MONOTONIC);
        if (left_ms <= 0)
            return -1;
        const int ready = poll(&readable, 1, (int)left_ms);
        if (ready < 0 && errno != EINTR)
            return -1;
        if (ready <= 0)
            continue;
        const ssize_t n = read(fd, chunk, sizeof chunk);
        if (n == 0)
            return 0;
        if (n < 0 && errno != EINTR)
            return -1;
        for (ssize_t i = 0; i < n && used + 1 < size; i++)
            output[used++] = chunk[i];
        output[used] = '\0';
    }
}

static enum apply_result await(pid_t pid, int fd, char *output, size_t size)
{
    if (read_to_end(fd, APPLY_WAIT_MS, output, size) == 0) {
        switch (reap(pid, 0)) {
        case 0:
            return APPLY_DONE;
        case 1:
            return APPLY_REJECTED;
        case 2:
            return APPLY_FAILED;
        case EXIT_CANNOT_RUN:
            snprintf(output, size, "cannot be executed");
            return APPLY_NOT_RUN;
        default:
            snprintf(output, size, "terminated by a signal or crashed");
            return APPLY_NOT_RUN;
        }
    }
    kill(pid, SIGKILL);
    kill(-pid, SIGKILL);
    /* A process that hangs in the kernel cannot even be killed: it is left behind
     * rather than waited for. */
    const bool gone = read_to_end(fd, KILL_WAIT_MS, output, size) == 0;
    reap(pid, gone ? 0 : WNOHANG);
    return APPLY_TIMED_OUT;
}

static int make_pipe(int pipe_fd[2])
{
    if (pipe2(pipe_fd, O_CLOEXEC) != 0)
        return -1;
    pipe_fd[0] = fd_above_stdio(pipe_fd[0]);
    pipe_fd[1] = fd_above_stdio(pipe_fd[1]);
    if (pipe_fd[0] >= 0 && pipe_fd[1] >= 0)
        return 0;
    const int error = errno;
    for (int i = 0; i < 2; i++)
        if (pipe_fd[i] >= 0)
            close(pipe_fd[i]);
    errno = error;
    return -1;
}

enum apply_result run_apply(const struct module_args *args, char *output, size_t size)
{
    enum apply_result result = APPLY_NOT_RUN;
    sigset_t all, before;
    int pipe_fd[2];
    pid_t pid;

    output[0] = '\0';
    if (make_pipe(pipe_fd) != 0) {
        snprintf(output, size, "cannot create pipe: %s", strerror(errno));
        return APPLY_NOT_RUN;
    }
    /* No signal handler of the host program may run in the child. */
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    pid = fork_unnoticed();
    if (pid == 0)
        run_and_exit(args, pipe_fd[1]);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (pid < 0)
        snprintf(output, size, "cannot fork: %s", strerror(errno));
    close(pipe_fd[1]);
    if (pid > 0)
        result = await(pid, pipe_fd[0], output, size);
    close(pipe_fd[0]);
    return result;
}
