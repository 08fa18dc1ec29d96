/* sshd's configuration is read when memory is short. */
#include "tests/unit/host_tree.h"
#include "tests/unit/out_of_memory.h"

#include "tools/tmoutctl/sshd/text.h"

static int read_and_free(void *root)
{
    const struct host host = {.root = root};
    struct sshd_text text;
    const int result = sshd_text_read(&host, &text);

    sshd_text_free(&text);
    return result;
}

static void every_allocation_fails_once(void **state)
{
    put(*state, "/etc/ssh/sshd_config",
        "# a comment\nInclude sshd_config.d/*.conf missing\nPort 22\nMatch User a\nMaxSessions "
        "1\n");
    put(*state, "/etc/ssh/sshd_config.d/10.conf",
        "A 1\nB 2\nC 3\nD 4\nE 5\nF 6\nG 7\nH 8\nI 9\nInclude inner\n");
    put(*state, "/etc/ssh/inner", "Include inner\n");
    /* Three strings a line, some room for lines, the files, and the problem. */
    assert_true(with_each_allocation_failing(read_and_free, *state) > 3 * 15);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        WITH_DIRECTORY(every_allocation_fails_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
