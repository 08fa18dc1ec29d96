/* Why a ledger cannot be used: without changing anything. */
#include "tests/unit/child.h"
#include "tests/unit/temporary.h"

#include "lib/attempts/ledger_access.h"
#include "lib/attempts/ledger_file.h"
#include "lib/host/mounts.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { USER = 4711 };

static enum ledger_access check(const char *state_dir, struct failure *failure)
{
    *failure = (struct failure){""};
    return ledger_check_access(state_dir, USER, geteuid(), failure);
}

static unsigned entries_in(const char *path)
{
    unsigned count = 0;
    DIR *directory = opendir(path);

    assert_non_null(directory);
    while (readdir(directory) != NULL)
        count++;
    closedir(directory);
    return count;
}

static void nothing_is_wrong(void **state)
{
    struct failure failure;
    char *attempts = path_in(*state, "attempts"), *ledger = path_in(attempts, "4711");

    assert_int_equal(check(*state, &failure), ACCESS_FINE); /* no directory of ledgers yet */
    assert_int_equal(mkdir(attempts, 0755), 0);
    assert_int_equal(check(*state, &failure), ACCESS_FINE);
    assert_string_equal(failure.text, "");
    assert_int_equal(entries_in(attempts), 2); /* . and .. */
    write_text(ledger, "anything");
    assert_int_equal(check(*state, &failure), ACCESS_FINE);
    assert_int_equal(entries_in(attempts), 3);
    assert_false(is_mount_read_only(*state));
    free(ledger);
    free(attempts);
}

static void no_directory(void **state)
{
    struct failure failure;
    char *missing = path_in(*state, "missing");

    assert_int_equal(check(missing, &failure), ACCESS_NO_DIRECTORY);
    assert_non_null(strstr(failure.text, "there is no directory "));
    free(missing);
}

static void something_else(void **state)
{
    struct failure failure;
    char *attempts = path_in(*state, "attempts"), *ledger = path_in(attempts, "4711");

    assert_int_equal(mkdir(attempts, 0755), 0);
    assert_int_equal(mkdir(ledger, 0755), 0); /* in the place of a file */
    assert_int_equal(check(*state, &failure), ACCESS_FAILED);
    assert_non_null(strstr(failure.text, "cannot write to "));
    assert_int_equal(rmdir(ledger), 0);
    assert_int_equal(chmod(attempts, 0777), 0); /* anybody's */
    assert_int_not_equal(check(*state, &failure), ACCESS_FINE);
    assert_string_not_equal(failure.text, "");
    free(ledger);
    free(attempts);
}

static bool mount_private(void)
{
    return unshare(CLONE_NEWNS) == 0 && mount("", "/", "", MS_REC | MS_PRIVATE, "") == 0;
}

static void on_read_only(void *argument)
{
    struct failure failure, advice = {""};
    const char *path = argument;

    if (!mount_private() || mount(path, path, "", MS_BIND, "") != 0 ||
        mount("", path, "", MS_BIND | MS_REMOUNT | MS_RDONLY, "") != 0)
        _exit(CHILD_CANNOT);
    assert_int_equal(check(path, &failure), ACCESS_READ_ONLY);
    assert_non_null(strstr(failure.text, "Read-only file system"));
    assert_true(is_mount_read_only(path));
    ledger_access_advice(ACCESS_READ_ONLY, path, "anna", &advice);
    assert_non_null(strstr(advice.text, "add \"ReadWritePaths=/"));
}

static void on_full(void *argument)
{
    static char page[4096];
    struct failure failure, advice = {""};
    char path[512];
    const char *state_dir = argument;

    /* the file system itself, and not only this mount of it */
    if (!mount_private() || mount("ro", state_dir, "tmpfs", MS_RDONLY, "mode=0755") != 0)
        _exit(CHILD_CANNOT);
    assert_int_equal(check(state_dir, &failure), ACCESS_READ_ONLY);
    assert_false(is_mount_read_only(state_dir));
    ledger_access_advice(ACCESS_READ_ONLY, state_dir, "anna", &advice);
    assert_non_null(strstr(advice.text, " is read-only: mount it for writing"));
    if (mount("full", state_dir, "tmpfs", 0, "size=64k,mode=0755") != 0)
        _exit(CHILD_CANNOT);
    snprintf(path, sizeof path, "%s/filler", state_dir);
    FILE *filler = fopen(path, "w");
    assert_non_null(filler);
    while (fwrite(page, sizeof page, 1, filler) == 1 && fflush(filler) == 0)
        continue;
    fclose(filler);
    assert_int_equal(check(state_dir, &failure), ACCESS_NO_SPACE);
    assert_non_null(strstr(failure.text, "No space left on device"));
}

static void read_only_and_full_disks(void **state)
{
    if (!in_child(on_read_only, *state) || !in_child(on_full, *state))
        LEFT_OUT("cannot mount");
}

static void under_a_size_limit(void *argument)
{
    const struct rlimit small = {4096, 4096};
    struct failure failure;
    char *attempts = path_in(argument, "attempts"), *ledger = path_in(attempts, "4711");

    assert_int_equal(mkdir(attempts, 0755), 0);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    assert_int_equal(check(argument, &failure), ACCESS_SIZE_LIMIT);
    write_text(ledger, "anything");
    assert_int_equal(check(argument, &failure), ACCESS_SIZE_LIMIT);
    assert_non_null(strstr(failure.text, "File too large"));
    free(ledger);
    free(attempts);
}

static void size_limits(void **state)
{
    assert_true(in_child(under_a_size_limit, *state));
}

/* What pwrite(2) fails with in the product. */
static int write_error;

ssize_t __attribute__((visibility("default")))
pwrite(int fd, const void *data, size_t size, off_t offset)
{
    if (write_error == 0)
        return syscall(SYS_pwrite64, fd, data, size, offset);
    errno = write_error;
    return -1;
}

/* A ledger that can be opened, and cannot be written: nothing shows before it is tried. */
static void writing_fails(void **state)
{
    static const struct {
        int error;
        enum ledger_access access;
    } cases[] = {{0, ACCESS_FINE},
                 {ENOSPC, ACCESS_NO_SPACE},
                 {EDQUOT, ACCESS_NO_SPACE},
                 {EROFS, ACCESS_READ_ONLY},
                 {EIO, ACCESS_BROKEN}};
    const struct timestamp now = {.boot_ms = 1};
    struct failure failure = {""};
    struct ledger ledger;
    unsigned char before[8192], after[sizeof before];

    assert_int_equal(ledger_open(*state, USER, geteuid(), &now, &ledger, &failure), LEDGER_OK);
    const ssize_t size = pread(ledger.fd, before, sizeof before, 0);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        write_error = cases[i].error;
        assert_int_equal(ledger_probe_access(*state, USER, geteuid(), &failure), cases[i].access);
        write_error = 0;
        assert_int_equal(check(*state, &failure), ACCESS_FINE);
    }
    assert_int_equal(pread(ledger.fd, after, sizeof after, 0), size);
    assert_memory_equal(before, after, (size_t)size);
    ledger_close(&ledger);
}

/* Returns false if the file system knows no flags. */
static bool set_flags(const char *path, int flags)
{
    /* An int, though the request's number says long, as valgrind believes. */
    const int value[2] = {flags, 0};
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    const bool done = fd >= 0 && ioctl(fd, FS_IOC_SETFLAGS, value) == 0;

    close(fd);
    return done;
}

static void on_immutable(void *argument)
{
    static const int flags[] = {FS_IMMUTABLE_FL, FS_APPEND_FL};
    struct failure failure, advice = {""};
    const char *state_dir = argument;
    char attempts[64], ledger[128];

    snprintf(attempts, sizeof attempts, "%s/attempts", state_dir);
    snprintf(ledger, sizeof ledger, "%s/4711", attempts);
    if (!mount_private() || mount("flags", state_dir, "tmpfs", 0, "mode=0755") != 0)
        _exit(CHILD_CANNOT);
    assert_int_equal(mkdir(attempts, 0755), 0);
    if (!set_flags(attempts, FS_IMMUTABLE_FL))
        _exit(CHILD_CANNOT);
    assert_int_equal(check(state_dir, &failure), ACCESS_IMMUTABLE);
    assert_non_null(strstr(failure.text, "/attempts is immutable"));
    assert_true(set_flags(attempts, 0));
    write_text(ledger, "anything");
    for (size_t i = 0; i < COUNT_OF(flags); i++) {
        assert_true(set_flags(ledger, flags[i]));
        assert_int_equal(check(state_dir, &failure), ACCESS_IMMUTABLE);
        assert_non_null(strstr(failure.text, "/attempts/4711 is immutable or append-only"));
        assert_true(set_flags(ledger, 0));
    }
    assert_int_equal(check(state_dir, &failure), ACCESS_FINE);
    ledger_access_advice(ACCESS_IMMUTABLE, state_dir, "anna", &advice);
    assert_non_null(strstr(advice.text, "run \"chattr -R -ia /"));
}

static void immutable_files(void **state)
{
    if (!in_child(on_immutable, *state))
        LEFT_OUT("no file system with such flags can be mounted");
}

static void advice(void **state)
{
    static const struct {
        enum ledger_access access;
        const char *text;
    } cases[] = {
        {ACCESS_FINE, "run \"tmoutctl unlock anna\" to repair"},
        {ACCESS_FAILED, "run \"tmoutctl unlock anna\" to repair"},
        {ACCESS_NO_SPACE, "free up space on the file system of /state"},
        {ACCESS_SIZE_LIMIT, "raise the program's file size limit (ulimit -f)"},
        {ACCESS_NO_DIRECTORY, "run \"tmoutctl apply\" to create it"},
        {ACCESS_BROKEN, "the disk or file system of /state fails: check it (dmesg)"},
    };
    struct failure text;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        ledger_access_advice(cases[i].access, "/state", "anna", &text);
        assert_string_equal(text.text, cases[i].text);
    }
    ledger_access_advice(ACCESS_DENIED, "/state", "anna", &text);
    assert_non_null(strstr(text.text, "AppArmor, SELinux"));
    assert_null(strstr(text.text, "unlock"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_DIRECTORY(nothing_is_wrong), WITH_DIRECTORY(no_directory),
        WITH_DIRECTORY(something_else),   WITH_DIRECTORY(read_only_and_full_disks),
        WITH_DIRECTORY(size_limits),      WITH_DIRECTORY(writing_fails),
        WITH_DIRECTORY(immutable_files),  cmocka_unit_test(advice),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
