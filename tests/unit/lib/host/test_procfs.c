/* What /proc shows about a process, whatever name the process gives itself. */
#include "tests/unit/child.h"

#include "lib/host/procfs.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>

static void finds_the_own_process(void **state)
{
    struct process own, again;

    NEEDS_OWN_ARCHITECTURE();
    (void)state;
    assert_int_equal(process_read(0, &own), 0);
    assert_int_equal(own.pid, getpid());
    assert_int_equal(own.parent, getppid());
    assert_int_equal(own.session, getsid(0));
    for (int i = 0; i < 100; i++) {
        assert_int_equal(process_read(i % 2 != 0 ? 0 : getpid(), &again), 0);
        assert_true(again.minor_faults >= own.minor_faults); /* which happen at any time */
        again.minor_faults = own.minor_faults;
        assert_memory_equal(&again, &own, sizeof own);
    }
}

static uint64_t ticks_now(void)
{
    struct timespec now;

    assert_int_equal(clock_gettime(CLOCK_BOOTTIME, &now), 0);
    return ((uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000) *
           (uint64_t)sysconf(_SC_CLK_TCK) / 1000;
}

/* A child between two pipes, which lives until it is released. */
struct held {
    pid_t pid;
    int go, ready;
};

static struct held hold(void (*prepare)(const void *argument), const void *argument)
{
    int go[2], ready[2];

    assert_int_equal(pipe(go), 0);
    assert_int_equal(pipe(ready), 0);
    const pid_t pid = child_begin();
    if (pid == 0) {
        char byte;
        close(go[1]);
        close(ready[0]);
        if (prepare != NULL)
            prepare(argument);
        send_byte(ready[1], 'r');
        _exit(read(go[0], &byte, 1) != 0);
    }
    close(go[0]);
    close(ready[1]);
    await_byte(ready[0]);
    return (struct held){.pid = pid, .go = go[1], .ready = ready[0]};
}

static void release(const struct held *held)
{
    close(held->go);
    close(held->ready);
    assert_true(child_end(held->pid));
}

static void set_own_name(const void *name)
{
    assert_int_equal(prctl(PR_SET_NAME, name), 0);
}

static void parses_any_process_name(void **state)
{
    static const char *const name[] = {
        "plain",
        "",
        ")",
        "(",
        "()",
        ") R 1 1 1 1",
        "a b c",
        "a) S 7 7 7",
        "a\nb) R 1\nc",
        "\n",
        ")\n) Z 0 0",
        ") ) ) ) )",
        "1 2 3 4 5 6",
        "\xff\xfe\x80)",
        "%s%n%d",
        "\t)\t(\t",
        "123456789)(1",
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(name); i++) {
        struct process found;
        const uint64_t before = ticks_now();
        const struct held held = hold(set_own_name, name[i]);
        const uint64_t after = ticks_now();

        assert_int_equal(process_read(held.pid, &found), 0);
        if (found.pid != held.pid || found.parent != getpid() || found.session != getsid(0) ||
            found.start_ticks + 1 < before || found.start_ticks > after + 1)
            fail_msg("\"%s\": pid %d parent %d session %d start %llu, not %llu to %llu", name[i],
                     (int)found.pid, (int)found.parent, (int)found.session,
                     (unsigned long long)found.start_ticks, (unsigned long long)before,
                     (unsigned long long)after);
        release(&held);
    }
}

static void become_a_leader(const void *argument)
{
    (void)argument;
    assert_int_equal(setsid(), getpid());
}

static void finds_a_new_session(void **state)
{
    struct process found;

    (void)state;
    const struct held held = hold(become_a_leader, NULL);
    assert_int_equal(process_read(held.pid, &found), 0);
    assert_int_equal(found.session, held.pid);
    assert_int_equal(found.terminal, 0);
    release(&held);
}

static void take_terminal(const void *path)
{
    assert_int_equal(setsid(), getpid());
    const int fd = open(path, O_RDWR | O_NOCTTY);
    assert_true(fd >= 0);
    assert_int_equal(ioctl(fd, TIOCSCTTY, 0), 0);
}

/* The device number has the kernel's own order of bits. */
static void finds_the_controlling_terminal(void **state)
{
    struct process found;
    struct stat st;
    char path[64];

    (void)state;
    const int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (master < 0)
        LEFT_OUT("cannot open a terminal");
    assert_int_equal(grantpt(master), 0);
    assert_int_equal(unlockpt(master), 0);
    assert_int_equal(ptsname_r(master, path, sizeof path), 0);
    assert_int_equal(stat(path, &st), 0);
    const struct held held = hold(take_terminal, path);
    assert_int_equal(process_read(held.pid, &found), 0);
    assert_int_equal(found.session, held.pid);
    assert_int_equal(found.terminal & 0xfff00, major(st.st_rdev) << 8);
    assert_int_equal((found.terminal & 0xff) | (found.terminal >> 12 & 0xfff00), minor(st.st_rdev));
    release(&held);
    close(master);
}

static void reports_a_process_that_is_gone(void **state)
{
    struct process found;
    uid_t uid;

    (void)state;
    const struct held held = hold(NULL, NULL);
    assert_int_equal(process_read(held.pid, &found), 0);
    release(&held);
    errno = 0;
    assert_int_equal(process_read(held.pid, &found), -1);
    assert_true(errno == ENOENT || errno == ESRCH);
    assert_true(process_audit_session(held.pid) == NO_AUDIT_SESSION);
    assert_false(process_login_uid(held.pid, &uid));
    static const pid_t never[] = {-1, INT32_MAX, INT32_MIN};
    for (size_t i = 0; i < COUNT_OF(never); i++) {
        errno = 0;
        assert_int_equal(process_read(never[i], &found), -1);
        assert_true(errno == ENOENT || errno == ESRCH);
    }
}

/* Exited but not reaped: it still has a pid and a start time. */
static void reports_a_zombie(void **state)
{
    struct process before, after;
    siginfo_t ended;

    (void)state;
    const struct held held = hold(NULL, NULL);
    assert_int_equal(process_read(held.pid, &before), 0);
    close(held.go);
    assert_int_equal(waitid(P_PID, (id_t)held.pid, &ended, WEXITED | WNOWAIT), 0);
    assert_int_equal(process_read(held.pid, &after), 0);
    assert_true(after.start_ticks == before.start_ticks);
    close(held.ready);
    assert_true(child_end(held.pid));
}

static void reads_what_a_process_gets_of_the_processors(void **state)
{
    struct cpu_use before, after = {0};
    int ready[2];

    (void)state;
    NEEDS_OWN_ARCHITECTURE();
    assert_true(process_cpu_use(0, &before));
    while (after.ran_ns <= before.ran_ns)
        assert_true(process_cpu_use(0, &after));
    assert_true(before.turns > 0 && after.turns >= before.turns);
    assert_true(process_is_runnable(0));
    assert_int_equal(pipe(ready), 0);
    const pid_t sleeper = child_begin();
    if (sleeper == 0) {
        await_byte(ready[0]);
        _exit(0);
    }
    /* It sleeps, in the end. */
    while (process_is_runnable(sleeper))
        continue;
    assert_true(process_cpu_use(sleeper, &before));
    send_byte(ready[1], 'r');
    child_end(sleeper);
    assert_false(process_is_runnable(sleeper));
    assert_false(process_cpu_use(sleeper, &after));
    close(ready[0]);
    close(ready[1]);
}

static void enter_audit_session(void *argument)
{
    uid_t uid = 7;
    uint32_t session;

    (void)argument;
    const int fd = open("/proc/self/loginuid", O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, "1", 1) != 1)
        _exit(CHILD_CANNOT);
    close(fd);
    session = process_audit_session(0);
    assert_true(session != NO_AUDIT_SESSION);
    assert_true(process_audit_session(getpid()) == session);
    assert_true(process_login_uid(0, &uid));
    assert_int_equal(uid, 1);
    /* even after the process has left its session */
    if (fork() == 0) {
        setsid();
        _exit(process_audit_session(0) != session);
    }
    int status;
    assert_true(wait(&status) > 0);
    assert_int_equal(status, 0);
}

static void reads_the_audit_session(void **state)
{
    (void)state;
    if (!in_child(enter_audit_session, NULL))
        LEFT_OUT("the kernel gives this process no audit session of its own");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_the_own_process),
        cmocka_unit_test(parses_any_process_name),
        cmocka_unit_test(finds_a_new_session),
        cmocka_unit_test(finds_the_controlling_terminal),
        cmocka_unit_test(reports_a_process_that_is_gone),
        cmocka_unit_test(reports_a_zombie),
        cmocka_unit_test(reads_what_a_process_gets_of_the_processors),
        cmocka_unit_test(reads_the_audit_session),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
