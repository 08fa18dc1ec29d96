/*
 * A process in the place of sshd or login(1) that obeys commands, one letter
 * each, from a pipe.
 */
#ifndef TMOUT_TESTS_UNIT_LIB_SESSIONS_STAND_IN_H
#define TMOUT_TESTS_UNIT_LIB_SESSIONS_STAND_IN_H

#include "tests/unit/child.h"

#include "lib/sessions/registry.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>

/* It has no descriptors other than these two, and /dev/null. */
struct stand_in {
    pid_t pid;
    int to, from;
};

enum { TO_FD = 3, FROM_FD = 4, FREE_FD = 5 };

static inline void stand_in_begin(struct stand_in *s, void (*body)(void))
{
    int to[2], from[2];

    assert_int_equal(pipe2(to, O_CLOEXEC), 0);
    assert_int_equal(pipe2(from, O_CLOEXEC), 0);
    s->pid = child_begin();
    if (s->pid == 0) {
        const int commands = fcntl(to[0], F_DUPFD, 20), answers = fcntl(from[1], F_DUPFD, 20);
        const int null = open("/dev/null", O_RDWR);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        dup2(null, 0);
        dup2(null, 1);
        assert_int_equal(dup2(commands, TO_FD), TO_FD);
        assert_int_equal(dup2(answers, FROM_FD), FROM_FD);
        for (int fd = FREE_FD; fd < 100; fd++)
            close(fd);
        body();
        _exit(0);
    }
    close(to[0]);
    close(from[1]);
    s->to = to[1];
    s->from = from[0];
}

static inline void stand_in_end(struct stand_in *s)
{
    close(s->to);
    close(s->from);
    assert_true(child_end(s->pid));
}

/* The next letter, 0 at the end. */
static inline char command(int fd)
{
    char byte = 0;

    return read(fd, &byte, 1) == 1 ? byte : '\0';
}

static inline void tell(const struct stand_in *s, char letter)
{
    send_byte(s->to, letter);
    assert_int_equal(await_byte(s->from), letter);
}

static inline struct session_record login_of(pid_t pid)
{
    struct session_record login;
    struct process process;

    assert_int_equal(process_read(pid, &process), 0);
    memset(&login, 0, sizeof login);
    login.pid = pid;
    login.start_ticks = process.start_ticks;
    login.is_ssh = true;
    return login;
}

static inline void answer_number(unsigned number)
{
    assert_int_equal(write(FROM_FD, &number, sizeof number), (ssize_t)sizeof number);
}

static inline unsigned await_number(const struct stand_in *s)
{
    unsigned number = 0;

    assert_int_equal(read(s->from, &number, sizeof number), (ssize_t)sizeof number);
    return number;
}

static inline void wait_for_the_end(void)
{
    while (command(TO_FD) != '\0')
        send_byte(FROM_FD, '-');
}

#endif
