/* Values in the site's own Match blocks. */
#include "tests/unit/check.h"

#include "tools/tmoutctl/sshd/site.h"

#include <string.h>

static bool reads(const char *keyword, const char *arguments, const char *file, bool in_match,
                  struct sshd_site_value *site)
{
    const struct sshd_line line = {.keyword = (char *)(uintptr_t)keyword,
                                   .arguments = (char *)(uintptr_t)arguments,
                                   .file = (char *)(uintptr_t)file,
                                   .line = 1,
                                   .in_match = in_match};

    return sshd_site_read(&line, site);
}

static void lines(void **state)
{
    static const char file[] = "/etc/ssh/sshd_config";
    struct sshd_site_value site;

    (void)state;
    assert_true(reads("maxauthtries", " 6 # comment", file, true, &site));
    assert_int_equal(site.keyword->id, SETTING_MAX_AUTH_TRIES);
    assert_string_equal(site.text, "6");
    assert_int_equal(site.value, 6);
    assert_true(reads("ClientAliveInterval", "+005m", file, true, &site));
    assert_int_equal(site.value, 300);
    assert_true(reads("ClientAliveInterval", "0m0s", file, true, &site));
    assert_int_equal(site.value, SETTING_OFF);

    assert_false(reads("MaxAuthTries", "6", file, false, &site));
    assert_false(reads("MaxAuthTries", "6", SSHD_DROP_IN, true, &site));
    assert_false(reads("Banner", "none", file, true, &site));
    assert_false(reads("MaxAuthTries", "", file, true, &site));
    assert_false(reads("MaxAuthTries", "many", file, true, &site));
    assert_false(reads("MaxStartups", "10", file, true, &site)); /* sshd takes it globally */
}

static void zeros(void **state)
{
    static const char *const zeros[] = {"0", "00", "+0", "-0", "0m0s", "0W"};
    static const char *const others[] = {"1", "10", "01", "", "s", "0x0", "none"};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(zeros); i++)
        assert_true(sshd_is_zero(zeros[i]));
    for (size_t i = 0; i < COUNT_OF(others); i++)
        assert_false(sshd_is_zero(others[i]));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines),
        cmocka_unit_test(zeros),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
