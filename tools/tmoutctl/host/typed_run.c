#include "tools/tmoutctl/host/typed_run.h"

#include "lib/host/clock.h"
#include "lib/host/descriptor.h"
#include "tools/tmoutctl/host/output_text.h"
#include "tools/tmoutctl/host/subprocess.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { QUIET_MS = 300, ENVIRONMENT_MAX = 16 };

/* A terminal: our end, and the program's. */
struct terminal_pair {
    int master_fd, slave_fd; /* -1: closed */
    char name[64];
};

static void terminal_pair_close(struct terminal_pair *pair)
{
    if (pair->master_fd >= 0)
        close(pair->master_fd);
    if (pair->slave_fd >= 0)
        close(pair->slave_fd);
    *pair = (struct terminal_pair){.master_fd = -1, .slave_fd = -1};
}

static int terminal_pair_open(struct terminal_pair *pair)
{
    const struct winsize size = {.ws_row = 24, .ws_col = 80};

    pair->master_fd = fd_above_stdio(posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
    if (pair->master_fd < 0 || unlockpt(pair->master_fd) != 0 ||
        ptsname_r(pair->master_fd, pair->name, sizeof pair->name) != 0)
        return -1;
    pair->slave_fd = fd_above_stdio(open(pair->name, O_RDWR | O_NOCTTY | O_CLOEXEC));
    return pair->slave_fd < 0 || ioctl(pair->slave_fd, TIOCSWINSZ, &size) != 0 ? -1 : 0;
}

/* In the child: only what is safe between fork() and exec(). */
static void __attribute__((noreturn))
typed_run_become(const struct typed_run *run, const struct terminal_pair *pair)
{
    const char *environment[ENVIRONMENT_MAX + 2] = {NULL};
    char ssh_tty[sizeof pair->name + sizeof "SSH_TTY="];
    size_t count = 0;

    for (; count < ENVIRONMENT_MAX && run->environment[count] != NULL; count++)
        environment[count] = run->environment[count];
    snprintf(ssh_tty, sizeof ssh_tty, "SSH_TTY=%s", pair->name);
    if (run->has_ssh_tty)
        environment[count] = ssh_tty;
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (dup2(pair->slave_fd, fd) < 0)
            _exit(SUBPROCESS_EXEC_FAILED);
    if (run->prepare(STDIN_FILENO) != 0 || setsid() < 0 || ioctl(STDIN_FILENO, TIOCSCTTY, 0) != 0)
        _exit(SUBPROCESS_EXEC_FAILED);
    subprocess_exec(run->argv, environment);
}

/* Reads what there is. Returns 0, or -1 with errno. */
static int typed_run_read(int fd, char **text, size_t *size)
{
    const size_t before = *size;
    const int more = output_text_read(fd, text, size);

    /* A shell's files may hold bytes of any value. */
    for (size_t i = before; i < *size; i++)
        if ((*text)[i] == '\0')
            (*text)[i] = ' ';
    if (more == 0)
        errno = EIO;
    return more > 0 ? 0 : -1;
}

/* Types and reads until the last text. Returns 0, or -1 with errno. */
static int typed_run_talk(const struct typed_run *run, int master_fd, int64_t deadline_ms,
                          char **text)
{
    const size_t last_size = strlen(run->until);
    size_t size = 0, seen = 0; /* the last text begins after `seen`, if at all */
    int ready = 0;

    while (*text == NULL || strstr(*text + seen, run->until) == NULL) {
        seen = size > last_size ? size - last_size : 0;
        struct pollfd poll_fd = {.fd = master_fd, .events = POLLIN};
        /* Whatever was typed may have been the answer to another program's question, or lost
         * when the terminal's settings changed. A terminal whose input is full takes no more. */
        if (ready == 0 && write(master_fd, run->typed, strlen(run->typed)) < 0 && errno != EAGAIN)
            return -1;
        ready = poll(&poll_fd, 1, QUIET_MS);
        if (clock_ms(CLOCK_MONOTONIC) >= deadline_ms) {
            errno = ETIMEDOUT;
            return -1;
        }
        if (ready > 0 && typed_run_read(master_fd, text, &size) != 0)
            return -1;
    }
    return 0;
}

int typed_run(const struct typed_run *run, int64_t timeout_ms, char **text)
{
    const int64_t deadline_ms = clock_ms(CLOCK_MONOTONIC) + timeout_ms;
    struct terminal_pair pair = {.master_fd = -1, .slave_fd = -1};
    int result = -1, saved;

    *text = NULL;
    if (terminal_pair_open(&pair) != 0 || fcntl(pair.master_fd, F_SETFL, O_RDWR | O_NONBLOCK) != 0)
        goto out;
    const pid_t child = fork();
    if (child < 0)
        goto out;
    if (child == 0)
        typed_run_become(run, &pair);
    close(pair.slave_fd);
    pair.slave_fd = -1;
    result = typed_run_talk(run, pair.master_fd, deadline_ms, text);
    saved = errno;
    kill(child, SIGKILL);
    while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
        ;
    errno = saved;

out:
    saved = errno;
    terminal_pair_close(&pair);
    errno = saved;
    return result;
}
