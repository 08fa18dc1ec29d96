/*
 * Processes of root's that are sshd for all that the kernel knows: a copy of the
 * test program, by that name. main() begins with
 *
 *     if (is_stand_in(argc, argv))
 *         return stand_in(argv);
 */
#ifndef TMOUT_TESTS_UNIT_LIB_SESSIONS_FALSE_SSHD_H
#define TMOUT_TESTS_UNIT_LIB_SESSIONS_FALSE_SSHD_H

#include "tests/unit/child.h"
#include "tests/unit/temporary.h"

#include <signal.h>
#include <sys/prctl.h>

#define NEEDS_ROOT()                                                                               \
    do {                                                                                           \
        NEEDS_OWN_ARCHITECTURE();                                                                  \
        if (getuid() != 0)                                                                         \
            LEFT_OUT("needs root: only root's processes are logins");                              \
        if (is_slow())                                                                             \
            LEFT_OUT("valgrind is the program that the kernel executes");                          \
    } while (0)

static inline void fork_stand_in(const char *path, const char *title, uid_t uid)
{
    char *const child[] = {(char *)title, (char *)"stand-in", NULL};

    if (fork() != 0)
        return;
    if (setresgid(uid, uid, uid) != 0 || setresuid(uid, uid, uid) != 0)
        _exit(1);
    execv(path, child);
    _exit(1);
}

enum { NOBODY = 65534 };

/* Sleeps until it is killed. A second title is that of a child, of this user. Without one,
 * each SIGUSR1 admits a user. */
static inline int stand_in(char **argv)
{
    const uid_t uid = argv[2] != NULL ? (uid_t)strtoul(argv[3], NULL, 10) : 0;
    char path[4096] = "";
    sigset_t admit;
    int received;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    sigemptyset(&admit);
    sigaddset(&admit, SIGUSR1);
    sigprocmask(SIG_BLOCK, &admit, NULL);
    if (readlink("/proc/self/exe", path, sizeof path - 1) < 0)
        return 1;
    if (argv[2] != NULL)
        fork_stand_in(path, argv[2], uid);
    else if (write(3, "r", 1) != 1)
        return 1;
    while (sigwait(&admit, &received) == 0)
        fork_stand_in(path, "sshd: kim@notty", NOBODY);
    return 1;
}

static inline void copy_program(const char *path)
{
    size_t size;
    char *bytes = read_bytes("/proc/self/exe", &size);

    unlink(path); /* a process that is ending may still execute the last one */
    write_bytes(path, bytes, size);
    assert_int_equal(chmod(path, 0755), 0);
    free(bytes);
}

/* *ready gets a byte from it, or from its child, once that sleeps. */
static inline pid_t begin_program(const char *path, const char *title, const char *child_title,
                                  uid_t uid, int *ready_fd)
{
    char uid_text[16];
    int ready[2];

    snprintf(uid_text, sizeof uid_text, "%u", (unsigned)uid);
    assert_int_equal(pipe(ready), 0);
    const pid_t pid = child_begin();
    if (pid == 0) {
        char *const argv[] = {(char *)title, (char *)"stand-in", (char *)child_title, uid_text,
                              NULL};
        dup2(ready[1], 3);
        execv(path, argv);
        _exit(1);
    }
    close(ready[1]);
    *ready_fd = ready[0];
    return pid;
}

/* Returns once it, or its child, sleeps. */
static inline pid_t start_program_of(const char *path, const char *title, const char *child_title,
                                     uid_t uid)
{
    int ready;
    const pid_t pid = begin_program(path, title, child_title, uid, &ready);

    assert_int_equal(await_byte(ready), 'r');
    close(ready);
    return pid;
}

static inline void end_program(pid_t pid)
{
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

static inline pid_t start_program(const char *path, const char *title, const char *child_title)
{
    return start_program_of(path, title, child_title, NOBODY);
}

static inline bool is_stand_in(int argc, char **argv)
{
    return argc > 1 && strcmp(argv[1], "stand-in") == 0;
}

#endif
