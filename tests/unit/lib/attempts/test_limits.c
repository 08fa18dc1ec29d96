/* From a user's settings to the limits of their login attempts. */
#include "tests/unit/check.h"

#include "lib/attempts/limits.h"

/* As if one rule of this kind gave max_attempts, and nothing else was said. */
static struct resolution ruled(int64_t max_attempts, enum rule_kind kind)
{
    struct resolution resolution = {0};

    for (size_t i = 0; i < SETTING_COUNT; i++)
        resolution.setting[i].value = settings[i].default_value;
    resolution.setting[SETTING_MAX_ATTEMPTS].value = max_attempts;
    resolution.setting[SETTING_MAX_ATTEMPTS].from_rule = true;
    resolution.setting[SETTING_MAX_ATTEMPTS].kind = kind;
    return resolution;
}

static void unlimited(void **state)
{
    struct resolution resolution = ruled(SETTING_NONE, RULE_USER);
    struct attempt_limits limits;

    (void)state;
    assert_false(attempt_limits_find(&resolution, 1000, &limits));
    assert_false(attempt_limits_find(&resolution, 0, &limits));
    /* nothing said at all, and much said about the rest */
    resolution.setting[SETTING_MAX_ATTEMPTS].from_rule = false;
    resolution.setting[SETTING_LOCK_TIME].value = SETTING_FOREVER;
    assert_false(attempt_limits_find(&resolution, 1000, &limits));
}

static void the_defaults(void **state)
{
    const struct resolution resolution = ruled(5, RULE_DEFAULT);
    struct attempt_limits limits;

    (void)state;
    assert_true(attempt_limits_find(&resolution, 1000, &limits));
    assert_int_equal(limits.max_attempts, 5);
    assert_int_equal(limits.window_ms, 15 * 60 * 1000);
    assert_int_equal(limits.lock_ms, 10 * 60 * 1000);
    assert_false(limits.by_source);
}

static void all_values(void **state)
{
    struct resolution resolution = ruled(1, RULE_GROUP);
    struct attempt_limits limits;

    (void)state;
    resolution.setting[SETTING_ATTEMPT_WINDOW].value = 1;
    resolution.setting[SETTING_LOCK_TIME].value = SETTING_FOREVER;
    resolution.setting[SETTING_COUNT_BY].value = COUNT_BY_SOURCE;
    assert_true(attempt_limits_find(&resolution, 1000, &limits));
    assert_int_equal(limits.max_attempts, 1);
    assert_int_equal(limits.window_ms, 1000);
    assert_true(limits.lock_ms == SETTING_FOREVER);
    assert_true(limits.by_source);

    resolution.setting[SETTING_MAX_ATTEMPTS].value = ATTEMPTS_MAX;
    resolution.setting[SETTING_ATTEMPT_WINDOW].value = settings[SETTING_ATTEMPT_WINDOW].max;
    resolution.setting[SETTING_LOCK_TIME].value = settings[SETTING_LOCK_TIME].max;
    resolution.setting[SETTING_COUNT_BY].value = COUNT_BY_USER;
    assert_true(attempt_limits_find(&resolution, 1000, &limits));
    assert_int_equal(limits.max_attempts, 64);
    assert_int_equal(limits.window_ms, INT64_C(365) * 86400 * 1000);
    assert_int_equal(limits.lock_ms, INT64_C(365) * 86400 * 1000);
    assert_false(limits.by_source);
}

/* Who would unlock root? Only a rule that names the user shows that it is meant. */
static void root(void **state)
{
    struct resolution resolution = ruled(3, RULE_DEFAULT);
    struct attempt_limits limits;

    (void)state;
    assert_false(attempt_limits_find(&resolution, 0, &limits));
    assert_true(attempt_limits_find(&resolution, 1, &limits));
    resolution = ruled(3, RULE_GROUP);
    assert_false(attempt_limits_find(&resolution, 0, &limits));
    assert_true(attempt_limits_find(&resolution, (uid_t)-2, &limits));
    resolution = ruled(3, RULE_USER);
    assert_true(attempt_limits_find(&resolution, 0, &limits));
    assert_int_equal(limits.max_attempts, 3);

    /* a rule for root that sets something else is not enough */
    resolution = ruled(3, RULE_GROUP);
    resolution.setting[SETTING_LOCK_TIME].from_rule = true;
    resolution.setting[SETTING_LOCK_TIME].kind = RULE_USER;
    assert_false(attempt_limits_find(&resolution, 0, &limits));
    /* nor what kind says where no rule gave it */
    resolution = ruled(3, RULE_USER);
    resolution.setting[SETTING_MAX_ATTEMPTS].from_rule = false;
    assert_false(attempt_limits_find(&resolution, 0, &limits));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unlimited),
        cmocka_unit_test(the_defaults),
        cmocka_unit_test(all_values),
        cmocka_unit_test(root),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
