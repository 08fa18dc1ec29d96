/* A login with processes below it that ignore SIGHUP. */
#ifndef TMOUT_TESTS_UNIT_TOOLS_TMOUTD_BUSY_LOGIN_H
#define TMOUT_TESTS_UNIT_TOOLS_TMOUTD_BUSY_LOGIN_H

#include "tests/unit/tools/tmoutd/shell.h"

/* Until it is killed, or the test has ended, whatever becomes of its parent. */
static inline void stay(const int test[2])
{
    char byte;

    close(test[1]);
    while (read(test[0], &byte, 1) != 0)
        ;
    _exit(0);
}

/* In the place of sshd, with so many children that ignore SIGHUP, each with one of
 * its own. Returns once all are there; *ready then has no other end but theirs. */
static inline pid_t begin_login(unsigned children, int *ready)
{
    int ends[2], test[2];

    assert_int_equal(pipe(ends), 0);
    assert_int_equal(pipe(test), 0); /* the end that is written to stays open */
    const pid_t pid = child_begin();
    for (unsigned i = 0; pid == 0 && i < children; i++) {
        if (fork() != 0)
            continue;
        signal(SIGHUP, SIG_IGN);
        fork();
        send_byte(ends[1], 'r');
        stay(test);
    }
    close(ends[1]);
    if (pid == 0)
        stay(test);
    close(test[0]);
    for (unsigned i = 0; i < 2 * children; i++)
        assert_int_equal(await_byte(ends[0]), 'r');
    *ready = ends[0];
    return pid;
}

static inline struct session_record login_of(pid_t pid)
{
    struct session_record login = {.pid = pid};
    struct process process;

    assert_int_equal(process_read(pid, &process), 0);
    login.start_ticks = process.start_ticks;
    return login;
}

static inline void end_process_of_login(pid_t pid, int ready)
{
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    close(ready);
}

static inline void assert_all_end(int ready)
{
    char byte;

    assert_int_equal(read(ready, &byte, 1), 0); /* nobody has the pipe any more */
}

#endif
