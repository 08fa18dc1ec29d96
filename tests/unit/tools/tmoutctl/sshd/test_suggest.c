/* Hints about options that sshd does not know. */
#include "tests/unit/check.h"

#include "tools/tmoutctl/sshd/suggest.h"

#include <string.h>

static void client_options(void **state)
{
    (void)state;
    assert_true(ssh_client_has_option("ServerAliveInterval"));
    assert_true(ssh_client_has_option("stricthostkeychecking"));
    assert_false(ssh_client_has_option("ClientAliveInterval"));
    assert_false(ssh_client_has_option("Port"));
    assert_false(ssh_client_has_option(""));
}

static void suggestions(void **state)
{
    char permit[] = "permitrootlogin", port[] = "port", value[] = "x";
    struct sshd_pair pairs[] = {{permit, value}, {port, value}};
    const struct sshd_config none = {0}, builtin = {.item = pairs, .count = COUNT_OF(pairs)};
    char longest[200];

    (void)state;
    assert_string_equal(sshd_suggest("ClientAliveInerval", &none), "ClientAliveInterval");
    assert_string_equal(sshd_suggest("clientaliveinerval", &builtin), "ClientAliveInterval");
    assert_string_equal(sshd_suggest("PermitRootLogins", &builtin), "permitrootlogin");
    assert_null(sshd_suggest("PermitRootLogins", &none));
    assert_string_equal(sshd_suggest("serveralivecountmax", &none), "ClientAliveCountMax");
    assert_null(sshd_suggest("StrictHostKeyChecking", &builtin));
    assert_null(sshd_suggest("Nonsense", &builtin));
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    assert_null(sshd_suggest(longest, &builtin));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(client_options),
        cmocka_unit_test(suggestions),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
