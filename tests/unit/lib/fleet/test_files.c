/* The files beside tmout-fleet.conf, and systemd's copies of them. */
#include "tests/unit/temporary.h"

#include "lib/fleet/files.h"

static void names(void **state)
{
    (void)state;
    assert_string_equal(fleet_file_name("password"), "password");
    assert_string_equal(fleet_file_name(FLEET_FILES_DIR "/password"), "password");
    assert_string_equal(fleet_file_name("/etc/password"), "/etc/password");
}

static void places(void **state)
{
    char *conf = path_in(*state, "tmout-fleet.conf"), *beside = path_in(*state, "tmout-fleet");
    char *credential = path_in(*state, "files_key"), *file = path_in(beside, "key"), path[256];

    /* A draft: the files are where they belong. */
    assert_true(fleet_file_path(conf, "key", path, sizeof path));
    assert_string_equal(path, FLEET_FILES_DIR "/key");
    assert_int_equal(mkdir(beside, 0700), 0);
    assert_true(fleet_file_path(conf, "key", path, sizeof path));
    assert_string_equal(path, file);
    assert_false(fleet_file_path(conf, "key", path, strlen(file)));

    assert_int_equal(setenv("CREDENTIALS_DIRECTORY", *state, 1), 0);
    assert_true(fleet_file_path(conf, "key", path, sizeof path));
    assert_string_equal(path, credential);
    assert_int_equal(setenv("CREDENTIALS_DIRECTORY", beside, 1), 0);
    assert_true(fleet_file_path(conf, "key", path, sizeof path));
    assert_string_equal(path, file);
    assert_int_equal(unsetenv("CREDENTIALS_DIRECTORY"), 0);
    free(file);
    free(credential);
    free(beside);
    free(conf);
}

/* A directory that others can write to, and a link. */
static void untrusted(void **state)
{
    char *conf = path_in(*state, "tmout-fleet.conf"), *files = path_in(*state, "tmout-fleet");
    char *file = path_in(files, "key"), *link = path_in(files, "link");
    struct failure failure = {""};

    assert_int_equal(mkdir(files, 0700), 0);
    write_text(file, "");
    assert_int_equal(symlink(file, link), 0);
    const int fd = fleet_file_open(conf, "key", geteuid(), false, &failure);
    assert_true(fd > 2);
    close(fd);
    assert_int_equal(fleet_file_open(conf, "link", geteuid(), false, &failure), -1);
    assert_int_equal(errno, EPERM);
    assert_non_null(strstr(failure.text, "/tmout-fleet/link: is a symbolic link"));
    assert_int_equal(chmod(files, 0777), 0);
    assert_int_equal(fleet_file_open(conf, "key", geteuid(), false, &failure), -1);
    assert_int_equal(errno, EPERM);
    assert_non_null(strstr(failure.text, "is writable by group or others"));
    free(link);
    free(file);
    free(files);
    free(conf);
}

/* A copy that systemd has made may have the bits of a group. */
static void credentials(void **state)
{
    char *conf = path_in(*state, "conf"), *file = path_in(*state, "files_password");
    char password[FLEET_PASSWORD_MAX];
    struct failure failure = {""};

    assert_int_equal(setenv("CREDENTIALS_DIRECTORY", *state, 1), 0);
    write_text(file, "right\r\nmore\n");
    assert_int_equal(chmod(file, 0440), 0);
    assert_int_equal(fleet_password_read(conf, "password", geteuid(), password, &failure), 0);
    assert_string_equal(password, "right");
    assert_int_equal(unsetenv("CREDENTIALS_DIRECTORY"), 0);
    free(file);
    free(conf);
}

static void contents(void **state)
{
    char *conf = path_in(*state, "tmout-fleet.conf"), *files = path_in(*state, "tmout-fleet");
    char *file = path_in(files, "password"), password[FLEET_PASSWORD_MAX];
    struct failure failure = {""};

    assert_int_equal(mkdir(files, 0700), 0);
    write_text(file, "a \r b \r\nc");
    assert_int_equal(chmod(file, 0600), 0);
    assert_int_equal(fleet_password_read(conf, "password", geteuid(), password, &failure), 0);
    assert_string_equal(password, "a \r b ");
    write_text(file, "\r\nright\n");
    assert_int_equal(fleet_password_read(conf, "password", geteuid(), password, &failure), -1);
    assert_string_equal(failure.text,
                        "password: its first line is empty: write the password there");
    FILE *stream = fopen(file, "w");
    assert_non_null(stream);
    assert_int_equal(fwrite("ri\0ght\n", 1, 7, stream), 7);
    assert_int_equal(fclose(stream), 0);
    assert_int_equal(fleet_password_read(conf, "password", geteuid(), password, &failure), -1);
    assert_string_equal(failure.text, "password: its first line has a NUL character: write the "
                                      "password there");
    free(file);
    free(files);
    free(conf);
}

static void lengths(void **state)
{
    char *conf = path_in(*state, "tmout-fleet.conf"), *files = path_in(*state, "tmout-fleet");
    char *file = path_in(files, "password"), password[FLEET_PASSWORD_MAX];
    char text[FLEET_PASSWORD_MAX + 2] = "";
    struct failure failure = {""};

    assert_int_equal(mkdir(files, 0700), 0);
    memset(text, 'x', FLEET_PASSWORD_MAX);
    write_text(file, text);
    assert_int_equal(chmod(file, 0600), 0);
    assert_int_equal(fleet_password_read(conf, "password", geteuid(), password, &failure), -1);
    assert_string_equal(failure.text, "password: its first line is too long for a password");
    text[FLEET_PASSWORD_MAX - 1] = '\n';
    write_text(file, text);
    assert_int_equal(fleet_password_read(conf, "password", geteuid(), password, &failure), 0);
    assert_int_equal(strlen(password), FLEET_PASSWORD_MAX - 1);
    write_text(file, "");
    assert_int_equal(fleet_password_read(conf, "password", geteuid(), password, &failure), -1);
    assert_int_equal(errno, EPERM);
    free(file);
    free(files);
    free(conf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names),     WITH_DIRECTORY(places),  WITH_DIRECTORY(untrusted),
        WITH_DIRECTORY(credentials), WITH_DIRECTORY(lengths), WITH_DIRECTORY(contents),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
