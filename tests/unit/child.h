/* Processes of a test's own. */
#ifndef TMOUT_TESTS_UNIT_CHILD_H
#define TMOUT_TESTS_UNIT_CHILD_H

#include "tests/unit/check.h"

#include "lib/host/pidfd.h"

#include <sys/wait.h>
#include <unistd.h>

/* What a child ends with where the kernel does not let it do what it is for. */
enum { CHILD_CANNOT = 77 };

/* Forks. In the child an assertion that fails ends it and nothing else. */
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

/* Awaits a child that is to end well, or with CHILD_CANNOT: false then. */
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

/* The body runs in a child. */
static inline bool in_child(void (*body)(void *argument), void *argument)
{
    const pid_t pid = child_begin();

    if (pid == 0) {
        body(argument);
        _exit(0);
    }
    return child_end(pid);
}

/* Leaves the running test out if there are no pidfds, as under valgrind 3.19. */
static inline void need_pidfd(void)
{
    const int fd = pidfd_of(getpid());

    if (fd < 0)
        LEFT_OUT("pidfd_open(2) does not work here");
    close(fd);
}

/* One byte from another process, which is the event to wait for. */
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
