/* A copy of sshd's configuration, as edits would make it. */
#include "tests/unit/host_tree.h"

#include "tools/tmoutctl/host/edit.h"
#include "tools/tmoutctl/sshd/copy.h"
#include "tools/tmoutctl/sshd/text.h"

#include <limits.h>
#include <unistd.h>

static void put_config(const char *root)
{
    put(root, "/etc/ssh/sshd_config",
        "Port 22\nInclude /etc/ssh/sshd_config.d/*.conf\nUsePAM no\n");
    put(root, "/etc/ssh/sshd_config.d/1.conf", "MaxSessions 1\n");
    put(root, "/etc/ssh/sshd_config.d/2.conf", "MaxSessions 2\n");
}

/* Each file is a copy, and lines keep their numbers. */
static void edits_of_a_copy(void **state)
{
    struct edits edits = {0};
    const struct host host = {.root = *state, .edits = &edits};
    struct sshd_copy copy = {0};
    struct failure failure = {""};
    char path[PATH_MAX], included[PATH_MAX];
    size_t size;

    put_config(*state);
    assert_int_equal(edits_add(&edits, &(struct edit){EDIT_REPLACE, "/etc/ssh/sshd_config.d/2.conf",
                                                      1, "MaxSessions 7"}),
                     0);
    assert_int_equal(sshd_copy_make(&host, &copy, &failure), 0);
    assert_int_equal(copy.count, 3);
    sshd_copy_path(&copy, path, sizeof path);
    assert_string_equal(sshd_copy_origin(&copy, path), "/etc/ssh/sshd_config");
    assert_null(sshd_copy_origin(&copy, "/etc/ssh/sshd_config"));
    char *text = read_bytes(path, &size);
    assert_non_null(strstr(text, "Port 22\nInclude /"));
    assert_non_null(strstr(text, "\nUsePAM no\n"));
    free(text);
    snprintf(included, sizeof included, "%s/2", copy.directory);
    assert_string_equal(sshd_copy_origin(&copy, included), "/etc/ssh/sshd_config.d/2.conf");
    text = read_bytes(included, &size);
    assert_string_equal(text, "MaxSessions 7\n");
    free(text);
    failure_set(&failure, "%s line 8: no; %s2; %s: bad; %s/x", path, path, included,
                copy.directory);
    sshd_copy_name_origins(&copy, &failure);
    char *expected = NULL;
    assert_true(asprintf(&expected,
                         "/etc/ssh/sshd_config line 8: no; %s2; "
                         "/etc/ssh/sshd_config.d/2.conf: bad; %s/x",
                         path, copy.directory) > 0);
    assert_string_equal(failure.text, expected);
    free(expected);
    sshd_copy_remove(&copy);
    assert_int_equal(access(path, F_OK), -1);
    edits_free(&edits);
}

static void what_cannot_be_copied(void **state)
{
    const struct host host = {.root = *state};
    struct sshd_copy copy = {0};
    struct failure failure = {""};

    assert_int_equal(sshd_copy_make(&host, &copy, &failure), -1);
    assert_non_null(strstr(failure.text, "cannot copy"));
    sshd_copy_remove(&copy);
    put(*state, "/etc/ssh/sshd_config", "Include /etc/ssh/sshd_config\n");
    assert_int_equal(sshd_copy_make(&host, &copy, &failure), -1);
    sshd_copy_remove(&copy);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        WITH_DIRECTORY(edits_of_a_copy),
        WITH_DIRECTORY(what_cannot_be_copied),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
