/* Replacing a system's file: all of it or nothing. */
#include "tests/unit/tools/tmoutctl/shells/shells_tree.h"

#include "tools/tmoutctl/host/replace.h"

#include <dirent.h>
#include <errno.h>
#include <sys/xattr.h>

static size_t files_in(const char *directory)
{
    DIR *stream = opendir(directory);
    size_t count = 0;

    assert_non_null(stream);
    while (readdir(stream) != NULL)
        count++;
    closedir(stream);
    return count - 2;
}

static void a_new_file(void **state)
{
    char *path = path_in(*state, "new");
    struct stat status;

    assert_int_equal(replace_host_file(path, NULL, "text", 4), 0);
    assert_text_in(*state, "/new", "text");
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0644);
    assert_int_equal(replace_host_file(path, NULL, "other", 5), -1);
    assert_int_equal(errno, EEXIST);
    assert_text_in(*state, "/new", "text");
    assert_int_equal(files_in(*state), 1);
    free(path);
}

static void an_old_file(void **state)
{
    char *path = path_in(*state, "old"), value[8] = "";
    struct stat before, after;

    put(*state, "/old", "before");
    assert_int_equal(chmod(path, 0604), 0);
    const bool has_attributes = setxattr(path, "user.note", "kept", 4, 0) == 0;
    assert_int_equal(stat(path, &before), 0);
    assert_int_equal(replace_host_file(path, &before, "after", 5), 0);
    assert_text_in(*state, "/old", "after");
    assert_int_equal(stat(path, &after), 0);
    assert_int_equal(after.st_mode, before.st_mode);
    assert_int_equal(after.st_uid, before.st_uid);
    assert_int_not_equal(after.st_ino, before.st_ino);
    if (has_attributes) {
        assert_int_equal(getxattr(path, "user.note", value, sizeof value), 4);
        assert_string_equal(value, "kept");
    }
    assert_int_equal(files_in(*state), 1);
    free(path);
}

static void changed_by_someone_else(void **state)
{
    char *path = path_in(*state, "old");
    struct stat before;

    put(*state, "/old", "before");
    assert_int_equal(stat(path, &before), 0);
    put(*state, "/old", "changed"); /* another size, whatever the clock shows */
    assert_int_equal(replace_host_file(path, &before, "after", 5), -1);
    assert_int_equal(errno, EAGAIN);
    assert_int_equal(unlink_host_file(path, &before), -1);
    assert_int_equal(errno, EAGAIN);
    assert_text_in(*state, "/old", "changed");
    assert_int_equal(stat(path, &before), 0);
    assert_int_equal(unlink_host_file(path, &before), 0);
    assert_int_equal(unlink_host_file(path, &before), -1);
    assert_int_equal(errno, ENOENT);
    assert_int_equal(replace_host_file(path, &before, "after", 5), -1);
    assert_int_equal(errno, ENOENT);
    assert_int_equal(files_in(*state), 0);
    free(path);
}

static void places_where_no_file_can_be(void **state)
{
    char *path = path_in(*state, "missing/file"), longest[5000];

    assert_int_equal(replace_host_file(path, NULL, "", 0), -1);
    assert_int_equal(errno, ENOENT);
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    assert_int_equal(replace_host_file(longest, NULL, "", 0), -1);
    assert_int_equal(errno, ENAMETOOLONG);
    free(path);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        WITH_DIRECTORY(a_new_file),
        WITH_DIRECTORY(an_old_file),
        WITH_DIRECTORY(changed_by_someone_else),
        WITH_DIRECTORY(places_where_no_file_can_be),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
