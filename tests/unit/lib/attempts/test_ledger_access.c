/* Why a ledger cannot be used: without changing anything. */
#include "tests/unit/child.h"
#include "tests/unit/temporary.h"

#include "lib/attempts/ledger_access.h"
#include "lib/host/mounts.h"

#include <dirent.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
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
        WITH_DIRECTORY(size_limits),      cmocka_unit_test(advice),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
