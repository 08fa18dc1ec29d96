/* The settings for a fleet of hosts, as documented. */
#include "tests/unit/setting_text.h"

#include <inttypes.h>
#include <string.h>

static void rows(void **state)
{
    char text[SETTING_TEXT_MAX];

    (void)state;
    /* in snapshots on disk */
    assert_int_equal(SETTING_FLEET_ATTEMPTS, 23);
    assert_int_equal(SETTING_FLEET_FALLBACK, 24);
    assert_ptr_equal(setting_find("fleet_attempts"), &settings[SETTING_FLEET_ATTEMPTS]);
    assert_ptr_equal(setting_find("fleet_fallback"), &settings[SETTING_FLEET_FALLBACK]);
    setting_format(&settings[SETTING_FLEET_ATTEMPTS],
                   settings[SETTING_FLEET_ATTEMPTS].default_value, text, sizeof text);
    assert_string_equal(text, "none");
    assert_int_equal(settings[SETTING_FLEET_FALLBACK].default_value, 1);
}

static void values(void **state)
{
    static const char *const wrong[] = {"",   "-1",   "65",      "3m",    "0x3",
                                        "1 ", "None", "forever", "local", "refuse"};

    (void)state;
    assert_int_equal(parsed(SETTING_FLEET_ATTEMPTS, "1"), 1);
    assert_int_equal(parsed(SETTING_FLEET_ATTEMPTS, "64"), 64);
    assert_true(parsed(SETTING_FLEET_ATTEMPTS, "none") == SETTING_NONE);
    assert_int_equal(parsed(SETTING_FLEET_FALLBACK, "0"), 0);
    assert_int_equal(parsed(SETTING_FLEET_FALLBACK, "64"), 64);
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        assert_invalid(SETTING_FLEET_ATTEMPTS, wrong[i]);
        assert_invalid(SETTING_FLEET_FALLBACK, wrong[i]);
    }
    assert_invalid(SETTING_FLEET_ATTEMPTS, "0");
    assert_invalid(SETTING_FLEET_FALLBACK, "none");
    assert_false(setting_value_valid(&settings[SETTING_FLEET_ATTEMPTS], 0));
    assert_true(setting_value_valid(&settings[SETTING_FLEET_FALLBACK], 0));
    assert_false(setting_value_valid(&settings[SETTING_FLEET_FALLBACK], SETTING_NONE));
}

static void smallest_wins(void **state)
{
    static const struct stricter_pair pairs[] = {{SETTING_FLEET_ATTEMPTS, "1", "2"},
                                                 {SETTING_FLEET_ATTEMPTS, "64", "none"},
                                                 {SETTING_FLEET_FALLBACK, "0", "1"},
                                                 {SETTING_FLEET_FALLBACK, "63", "64"}};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(pairs); i++)
        assert_stricter(&pairs[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows),
        cmocka_unit_test(values),
        cmocka_unit_test(smallest_wins),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
