/* If the caller has closed descriptors 0 to 2, ours must not take their place
 * even for a moment, or the program's output would end up in our files. */
#include "tests/unit/child.h"
#include "tests/unit/temporary.h"

#include "lib/attempts/ledger.h"
#include "lib/host/atomic_file.h"
#include "lib/host/clock.h"
#include "lib/host/descriptor.h"
#include "lib/host/procfs.h"
#include "lib/host/secure_path.h"
#include "lib/sessions/registry.h"

#include <dirent.h>
#include <errno.h>
#include <sys/syscall.h>

/* The lowest descriptor that lib has read, synced or listed. These definitions
 * take precedence over the C library's. */
static int lowest = INT32_MAX;

static int seen(int fd)
{
    if (fd < lowest)
        lowest = fd;
    return fd;
}

ssize_t __attribute__((visibility("default"))) read(int fd, void *buffer, size_t size)
{
    return syscall(SYS_read, seen(fd), buffer, size);
}

int __attribute__((visibility("default"))) fsync(int fd)
{
    return (int)syscall(SYS_fsync, seen(fd));
}

int __attribute__((visibility("default"))) fstat(int fd, struct stat *st)
{
    return fstatat(seen(fd), "", st, AT_EMPTY_PATH);
}

static void moved_above(void *argument)
{
    (void)argument;
    for (int low = 0; low <= 2; low++) {
        close(low);
        const int fd = open("/dev/null", O_RDONLY);
        assert_int_equal(fd, low);
        const int above = fd_above_stdio(fd);
        assert_true(above > 2);
        assert_int_equal(fcntl(above, F_GETFD), FD_CLOEXEC);
        assert_int_equal(fcntl(low, F_GETFD), -1);
        close(above);
        assert_int_equal(open("/dev/null", O_RDONLY), low); /* occupies it for the next round */
    }
}

static void moves_only_descriptors_below_three(void **state)
{
    (void)state;
    assert_true(in_child(moved_above, NULL));
    const int fd = open("/dev/null", O_RDONLY);
    assert_true(fd > 2);
    assert_int_equal(fd_above_stdio(fd), fd);
    close(fd);
    errno = EMFILE;
    assert_int_equal(fd_above_stdio(-1), -1);
    assert_int_equal(errno, EMFILE);
}

static void filled(void *argument)
{
    char byte = 0;

    (void)argument;
    close(STDIN_FILENO);
    close(STDERR_FILENO);
    fd_fill_stdio();
    assert_int_equal(syscall(SYS_read, STDIN_FILENO, &byte, 1), -1);
    assert_int_equal(errno, EBADF);
    assert_int_equal(write(STDERR_FILENO, &byte, 1), -1);
    assert_int_equal(errno, EBADF);
    const int next = open("/dev/null", O_RDONLY);
    assert_true(next > STDERR_FILENO);
    close(next);
}

static void fills_closed_standard_descriptors(void **state)
{
    (void)state;
    assert_true(in_child(filled, NULL));
}

/* Every function of lib that opens something; directory_fd is open already. */
static void use_files(const char *path, int directory_fd)
{
    struct failure failure = {""};
    struct stat st;

    assert_int_equal(atomic_replace(directory_fd, "replaced", 0600, "text", 4), 0);
    assert_int_equal(atomic_replace_unlocked(directory_fd, "unlocked", 0600, "text", 4), 0);
    assert_int_equal(atomic_create(directory_fd, "created", 0600, "text", 4), 0);
    const int directory = secure_open_directory(path, geteuid(), O_RDONLY, &failure);
    const int file = secure_open_file(directory_fd, "created", geteuid(), &st, &failure);
    assert_true(directory > 2 && file > 2);
    close(directory);
    close(file);
}

static void use_proc(void)
{
    struct failure failure = {""};
    struct process process;
    struct timestamp now;

    assert_int_equal(clock_now(&now, &failure), 0);
    assert_int_equal(process_read(0, &process), 0);
}

static void use_registry(const char *path)
{
    struct session_record record = {.pid = 4711}, other;
    struct failure failure = {""};
    pid_t *pids = NULL;
    char sessions[256];

    snprintf(sessions, sizeof sessions, "%s/sessions", path);
    assert_int_equal(registry_put(sessions, geteuid(), &record, &failure), 0);
    assert_int_equal(registry_get(sessions, geteuid(), 4711, &other), REGISTRY_OK);
    assert_int_equal(registry_list(sessions, geteuid(), &pids), 1);
    free(pids);
}

static void use_ledger(const char *path)
{
    const struct timestamp now = {.boot_ms = 1};
    struct failure failure = {""};
    struct ledger ledger;

    assert_int_equal(ledger_open(path, 4711, geteuid(), &now, &ledger, &failure), LEDGER_OK);
    assert_true(ledger.fd > 2 && ledger.directory_fd > 2);
    ledger_close(&ledger);
}

static void without_stdio(void *argument)
{
    const int directory_fd = open(argument, O_RDONLY | O_DIRECTORY);

    assert_true(directory_fd > 2);
    for (int fd = 0; fd <= 2; fd++)
        close(fd);
    use_files(argument, directory_fd);
    use_proc();
    use_registry(argument);
    use_ledger(argument);
    if (lowest <= 2)
        _exit(10 + lowest);
    for (int fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) >= 0)
            _exit(20 + fd);
}

static void lib_does_not_use_standard_descriptors(void **state)
{
    assert_true(in_child(without_stdio, *state));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(moves_only_descriptors_below_three),
        cmocka_unit_test(fills_closed_standard_descriptors),
        WITH_DIRECTORY(lib_does_not_use_standard_descriptors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
