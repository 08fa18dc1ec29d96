/* Child processes of a test. */
#ifndef TMOUT_TESTS_UNIT_CHILD_H
#define TMOUT_TESTS_UNIT_CHILD_H

#include "tests/unit/check.h"

#include "lib/host/pidfd.h"

#include <sys/wait.h>
#include <unistd.h>

/* The child's exit status if the kernel does not allow what the child tests. */
enum { CHILD_CANNOT = 77 };

/* Forks. An assertion that fails in the child ends only the child. */
static inline pid_t child_begin(void)
{
    fflush(stdout);
    fflush(stderr);
    const pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        setenv("CMOCKA_TEST_ABORT", "1", 1);
    return pid;
}

/* Waits for a child. Returns true if it succeeded, false if it ended with
 * CHILD_CANNOT; fails the test otherwise. */
static inline bool child_end(pid_t pid)
{
    int status;

    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (WIFEXITED(status) && WEXITSTATUS(status) == CHILD_CANNOT)
        return false;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        fail_msg("the child ended with status 0x%x", (unsigned)status);
    return true;
}

/* Runs the body in a child. */
static inline bool in_child(void (*body)(void *argument), void *argument)
{
    const pid_t pid = child_begin();

    if (pid == 0) {
        body(argument);
        _exit(0);
    }
    return child_end(pid);
}

/* Skips the running test if pidfds do not work: valgrind 3.19 knows none of
 * their system calls, 3.24 only some. */
static inline void need_pidfd(void)
{
    const int fd = pidfd_of(getpid());

    if (fd < 0)
        LEFT_OUT("pidfd_open(2) does not work here");
    if (pidfd_signal(fd, 0) != 0) {
        close(fd);
        LEFT_OUT("pidfd_send_signal(2) does not work here");
    }
    close(fd);
}

/* Receives one byte from another process: an event to wait for. */
static inline char await_byte(int fd)
{
    char byte = 0;

    assert_int_equal(read(fd, &byte, 1), 1);
    return byte;
}

static inline void send_byte(int fd, char byte)
{
    assert_int_equal(write(fd, &byte, 1), 1);
}

#endif
