/*
 * A terminal as sshd makes them: this process holds the master, and a child
 * leads the session that has the terminal, as a shell would.
 */
#ifndef TMOUT_TESTS_UNIT_TOOLS_TMOUTD_SHELL_H
#define TMOUT_TESTS_UNIT_TOOLS_TMOUTD_SHELL_H

#include "tests/unit/child.h"

#include "lib/sessions/registry.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <termios.h>

struct shell {
    int master;
    unsigned index; /* of the terminal in /dev/pts */
    pid_t pid;
};

enum shell_kind {
    SHELL_PLAIN,
    SHELL_DEAF,  /* ignores SIGHUP */
    SHELL_HIDDEN /* ignores SIGHUP, and has given up the terminal but for one descriptor */
};

static inline void shell_body(int slave, enum shell_kind kind)
{
    char byte;

    signal(SIGHUP, kind != SHELL_PLAIN ? SIG_IGN : SIG_DFL);
    if (kind == SHELL_HIDDEN)
        ioctl(slave, TIOCNOTTY);
    assert_int_equal(write(slave, "r", 1), 1); /* ready */
    for (;;)
        if (read(slave, &byte, 1) != 1)
            pause(); /* hung up */
}

/* Returns once the child has the terminal. */
static inline struct shell shell_begin(enum shell_kind kind)
{
    struct shell shell = {.master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC)};
    struct termios mode;
    char path[64];

    assert_true(shell.master >= 0);
    assert_int_equal(unlockpt(shell.master), 0);
    assert_int_equal(ioctl(shell.master, TIOCGPTN, &shell.index), 0);
    assert_int_equal(ptsname_r(shell.master, path, sizeof path), 0);
    const int slave = open(path, O_RDWR | O_NOCTTY | O_CLOEXEC);
    assert_true(slave >= 0);
    assert_int_equal(tcgetattr(slave, &mode), 0);
    cfmakeraw(&mode);
    mode.c_oflag = OPOST;
    assert_int_equal(tcsetattr(slave, TCSANOW, &mode), 0);
    shell.pid = child_begin();
    if (shell.pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        close(shell.master);
        assert_true(setsid() > 0);
        assert_int_equal(ioctl(slave, TIOCSCTTY, 0), 0);
        shell_body(slave, kind);
    }
    close(slave);
    assert_int_equal(await_byte(shell.master), 'r');
    return shell;
}

/* Waits for the shell to die, and returns the signal that killed it. */
static inline int shell_await_death(const struct shell *shell)
{
    int status;

    assert_int_equal(waitpid(shell->pid, &status, 0), shell->pid);
    assert_true(WIFSIGNALED(status));
    return WTERMSIG(status);
}

static inline bool shell_lives(const struct shell *shell)
{
    return waitpid(shell->pid, NULL, WNOHANG) == 0;
}

/* What the terminal shows by now. */
static inline void shell_screen(const struct shell *shell, char text[1024])
{
    struct pollfd output = {.fd = shell->master, .events = POLLIN};
    ssize_t size = 0;

    if (poll(&output, 1, 0) == 1)
        size = read(shell->master, text, 1023);
    text[size > 0 ? size : 0] = '\0';
}

static inline void shell_end(struct shell *shell)
{
    kill(shell->pid, SIGKILL);
    waitpid(shell->pid, NULL, 0);
    close(shell->master);
}

/* The login of which this process is sshd's part. */
static inline struct session_record own_login(void)
{
    struct session_record login;
    struct process process;

    assert_int_equal(process_read(0, &process), 0);
    memset(&login, 0, sizeof login);
    login.pid = process.pid;
    login.start_ticks = process.start_ticks;
    login.is_ssh = true;
    strcpy(login.user, "kim");
    strcpy(login.service, "sshd");
    strcpy(login.address, "192.0.2.1");
    return login;
}

#endif
