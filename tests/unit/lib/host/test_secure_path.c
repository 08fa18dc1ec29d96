/* A directory that only root can have written: to reach a file in it by name
 * (O_PATH), or to list and sync it (O_RDONLY). */
#include "tests/unit/temporary.h"

#include "lib/host/secure_path.h"

#include <errno.h>

static int open_as(const char *path, int flags)
{
    struct failure failure = {""};

    return secure_open_directory(path, geteuid(), flags, &failure);
}

static void one_to_sync(void **state)
{
    const int fd = open_as(*state, O_RDONLY);

    assert_true(fd >= 0);
    assert_int_equal(fsync(fd), 0);
    close(fd);
}

static void one_to_pass_through(void **state)
{
    const int fd = open_as(*state, O_PATH);

    assert_true(fd >= 0);
    assert_int_equal(fsync(fd), -1);
    assert_int_equal(errno, EBADF);
    close(fd);
}

/* In a sticky directory of root others cannot replace root's files, but they
 * can put files of their own beside them. */
static void a_sticky_one(void **state)
{
    if (geteuid() != 0)
        skip();
    assert_int_equal(chmod(*state, 01777), 0);
    const int fd = open_as(*state, O_PATH);
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(open_as(*state, O_RDONLY), -1);
    assert_int_equal(errno, EPERM);
}

static void one_that_others_can_write(void **state)
{
    static const int flags[] = {O_PATH, O_RDONLY};

    assert_int_equal(chmod(*state, 0777), 0);
    for (size_t i = 0; i < COUNT_OF(flags); i++) {
        assert_int_equal(open_as(*state, flags[i]), -1);
        assert_int_equal(errno, EPERM);
    }
}

/* Of our own directories, only the parent is looked at again: what is above was checked
 * when they were made. */
static void one_of_our_own(void **state)
{
    struct failure failure = {""};
    char *parent = path_in(*state, "parent"), *own = path_in(*state, "parent/own");

    assert_int_equal(mkdir(parent, 0755), 0);
    assert_int_equal(mkdir(own, 0755), 0);
    assert_int_equal(chmod(*state, 0777), 0);
    assert_int_equal(open_as(own, O_RDONLY), -1);
    const int fd = secure_reopen_directory(own, geteuid(), &failure);
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(chmod(parent, 0777), 0);
    assert_int_equal(secure_reopen_directory(own, geteuid(), &failure), -1);
    assert_int_equal(errno, EPERM);
    assert_int_equal(chmod(parent, 0755), 0);
    assert_int_equal(chmod(own, 0775), 0);
    assert_int_equal(secure_reopen_directory(own, geteuid(), &failure), -1);
    assert_int_equal(errno, EPERM);
    assert_int_equal(rmdir(own), 0);
    assert_int_equal(rmdir(parent), 0);
    free(own);
    free(parent);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        WITH_DIRECTORY(one_to_sync),    WITH_DIRECTORY(one_to_pass_through),
        WITH_DIRECTORY(a_sticky_one),   WITH_DIRECTORY(one_that_others_can_write),
        WITH_DIRECTORY(one_of_our_own),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
