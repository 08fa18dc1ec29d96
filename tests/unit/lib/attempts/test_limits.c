/* Converting a user's settings to the limits of their login attempts. */
#include "tests/unit/check.h"

#include "lib/attempts/limits.h"

/* As if one rule of this kind set max_attempts, and nothing else was set. */
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

static void no_limit_without_max_attempts(void **state)
{
    struct resolution resolution = ruled(SETTING_NONE, RULE_USER);
    struct attempt_limits limits;

    (void)state;
    assert_false(attempt_limits_find(&resolution, 1000, &limits));
    assert_false(attempt_limits_find(&resolution, 0, &limits));
    /* nothing set at all, or only other settings */
    resolution.setting[SETTING_MAX_ATTEMPTS].from_rule = false;
    resolution.setting[SETTING_LOCK_TIME].value = SETTING_FOREVER;
    assert_false(attempt_limits_find(&resolution, 1000, &limits));
}

static void uses_the_defaults(void **state)
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

static void uses_all_values(void **state)
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

/* If root were locked, nobody could unlock it: only a rule that names the user
 * shows intent. */
static void limits_root_only_by_a_user_rule(void **state)
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
    /* nor does the rule's kind matter if no rule set the value */
    resolution = ruled(3, RULE_USER);
    resolution.setting[SETTING_MAX_ATTEMPTS].from_rule = false;
    assert_false(attempt_limits_find(&resolution, 0, &limits));
}

static void fleet_limits(void **state)
{
    struct resolution resolution = ruled(3, RULE_DEFAULT);
    struct fleet_limits limits;

    (void)state;
    resolution.setting[SETTING_FLEET_ATTEMPTS].value = SETTING_NONE;
    resolution.setting[SETTING_FLEET_FALLBACK].value = 1;
    fleet_limits_find(&resolution, &limits);
    assert_int_equal(limits.attempts, 0);
    resolution.setting[SETTING_FLEET_ATTEMPTS].value = 64;
    resolution.setting[SETTING_FLEET_FALLBACK].value = 0;
    fleet_limits_find(&resolution, &limits);
    assert_int_equal(limits.attempts, 64);
    assert_int_equal(limits.fallback, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_limit_without_max_attempts),
        cmocka_unit_test(uses_the_defaults),
        cmocka_unit_test(uses_all_values),
        cmocka_unit_test(limits_root_only_by_a_user_rule),
        cmocka_unit_test(fleet_limits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
