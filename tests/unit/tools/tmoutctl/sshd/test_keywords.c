/* How versions and values are written for sshd, and how it prints them. */
#include "tests/unit/check.h"

#include "tools/tmoutctl/sshd/keywords.h"

#include <string.h>

static void versions(void **state)
{
    static const char *const bad[] = {"",     "9",      "9.",           ".2",   "9.2p",
                                      "9.2x", "9.2p1x", "-9.2",         " 9.2", "9.2 ",
                                      "09.2", "9,2",    "99999999999.1"};
    struct sshd_version a = {0}, b = {0};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        if (sshd_version_parse(bad[i], &a) == 0)
            fail_msg("%s", bad[i]);
    assert_int_equal(sshd_version_parse("9.10p2", &a), 0);
    assert_int_equal(sshd_version_parse("9.2", &b), 0);
    assert_true(sshd_version_before(&b, &a));
    assert_false(sshd_version_before(&a, &b));
    assert_false(sshd_version_before(&a, &a));
    assert_int_equal(sshd_version_parse("10.0", &b), 0);
    assert_true(sshd_version_before(&a, &b));
}

static void values(void **state)
{
    char text[SETTING_TEXT_MAX];

    (void)state;
    assert_true(sshd_value_is(SETTING_UNUSED_CONNECTION_TIMEOUT, SETTING_OFF, "", "none"));
    assert_true(sshd_value_is(SETTING_CLIENT_ALIVE_INTERVAL, SETTING_OFF, "", "0"));
    assert_false(sshd_value_is(SETTING_CLIENT_ALIVE_INTERVAL, SETTING_OFF, "", "300"));
    assert_true(sshd_value_is(SETTING_CLIENT_ALIVE_INTERVAL, 300, "", "300"));
    assert_false(sshd_value_is(SETTING_CLIENT_ALIVE_INTERVAL, 300, "", NULL));
    assert_false(sshd_value_is(SETTING_UNUSED_CONNECTION_TIMEOUT, 300, "", "none"));
    assert_true(sshd_value_is(SETTING_CHANNEL_TIMEOUT, 4, "none", NULL));
    assert_true(sshd_value_is(SETTING_CHANNEL_TIMEOUT, 4, "none", "none"));
    assert_false(sshd_value_is(SETTING_CHANNEL_TIMEOUT, 5, "*=500", NULL));
    assert_true(sshd_value_is(SETTING_CHANNEL_TIMEOUT, 5, "*=500", "*=500"));
    for (size_t i = 0; i < sshd_keyword_count; i++) {
        const enum setting_id id = sshd_keywords[i].id;
        assert_true(settings[id].default_value == SETTING_UNSET);
        sshd_value_format(id, SETTING_OFF, "none", text, sizeof text);
        assert_string_equal(text, settings[id].type == SETTING_TEXT ? "none" : "0");
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(versions),
        cmocka_unit_test(values),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
