/* Files of the vendor's that stand in for those in /etc. */
#include "tests/unit/host_tree.h"

#include "tools/tmoutctl/host/vendor.h"

static void assert_read(const char *root, const char *path, const char *expected)
{
    const struct host host = {.root = root};
    struct vendor_path place;

    assert_string_equal(vendor_file(&host, path, &place), expected);
}

static void which_is_read(void **state)
{
    char *site = path_in(*state, "etc/shells");

    assert_read(*state, "/etc/shells", "/etc/shells");
    put(*state, "/usr/etc/shells", "");
    assert_read(*state, "/etc/shells", "/usr/etc/shells");
    put(*state, "/etc/shells", "");
    assert_read(*state, "/etc/shells", "/etc/shells");
    assert_int_equal(unlink(site), 0);
    /* A link to nowhere cannot be read. */
    assert_int_equal(symlink("nowhere", site), 0);
    assert_read(*state, "/etc/shells", "/usr/etc/shells");
    free(site);
}

static void whose_file_it_is(void **state)
{
    (void)state;
    assert_string_equal(vendor_site_path("/usr/etc/ssh/sshd_config"), "/etc/ssh/sshd_config");
    assert_string_equal(vendor_site_path("/etc/profile"), "/etc/profile");
    assert_string_equal(vendor_site_path("/usr/etcetera"), "/usr/etcetera");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        WITH_DIRECTORY(which_is_read),
        cmocka_unit_test(whose_file_it_is),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
