/* The limits of a policy, from text to struct. */
#include "tests/unit/policy_snapshot.h"

#include "lib/sessions/watch_limits.h"

/* The snapshot of a policy in memory. */
static void open_text(struct snapshot *snapshot, const char *text)
{
    struct compiled c;

    compile_text(&c, text);
    open_compiled(&c, snapshot);
}

static struct user_limits limits_of(const char *text, const char *user, const char *group)
{
    struct snapshot snapshot;
    struct resolution resolution;
    struct user_limits limits;

    memset(&limits, 0x55, sizeof limits);
    open_text(&snapshot, text);
    assert_int_equal(resolve(&snapshot, user, &group, group != NULL, &resolution), 0);
    user_limits_find(&snapshot, &resolution, true, &limits);
    snapshot_close(&snapshot);
    return limits;
}

#define assert_limits(limits, idle, age, warn)                                                     \
    do {                                                                                           \
        assert_true((limits).idle_ms == (idle));                                                   \
        assert_true((limits).age_ms == (age));                                                     \
        assert_true((limits).warn_ms == (warn));                                                   \
    } while (0)

static void no_limits_set(void **state)
{
    static const char *const texts[] = {
        "default { }",
        "default { tmout = 5m enforce = true warn = 5m activity = any }",
        "default { disconnect = none disconnect_notty = none max_session = none }",
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        const struct user_limits limits = limits_of(texts[i], "kim", NULL);
        assert_true(limits.terminal.idle_ms == NEVER_MS);
        assert_true(limits.terminal.age_ms == NEVER_MS);
        assert_true(limits.notty.idle_ms == NEVER_MS);
        assert_true(limits.notty.age_ms == NEVER_MS);
    }
    const struct user_limits limits = limits_of(texts[0], "kim", NULL);
    for (size_t i = 0; i < COUNT_OF(limits.rule); i++)
        assert_string_equal(limits.rule[i], "-");
    assert_false(limits.any_activity);
}

static void each_alone(void **state)
{
    struct user_limits limits;

    (void)state;
    limits = limits_of("default {\n disconnect = 10m }", "kim", NULL);
    assert_limits(limits.terminal, 600000, NEVER_MS, 60000);
    assert_limits(limits.notty, NEVER_MS, NEVER_MS, 0);
    assert_string_equal(limits.rule[RULE_OF_DISCONNECT], "tmout.conf:2");
    assert_string_equal(limits.rule[RULE_OF_AGE], "-");
    assert_string_equal(limits.rule[RULE_OF_NOTTY], "-");

    limits = limits_of("default {\n\n disconnect_notty = 1 }", "kim", NULL);
    assert_limits(limits.terminal, NEVER_MS, NEVER_MS, 60000);
    assert_limits(limits.notty, 1000, NEVER_MS, 0);
    assert_string_equal(limits.rule[RULE_OF_DISCONNECT], "-");
    assert_string_equal(limits.rule[RULE_OF_NOTTY], "tmout.conf:3");

    limits = limits_of("default {\n\n\n max_session = 365d }", "kim", NULL);
    assert_limits(limits.terminal, NEVER_MS, INT64_C(31536000000), 60000);
    assert_limits(limits.notty, NEVER_MS, INT64_C(31536000000), 0);
    assert_string_equal(limits.rule[RULE_OF_AGE], "tmout.conf:4");
}

static void notices(void **state)
{
    struct user_limits limits;

    (void)state;
    limits = limits_of("default { disconnect = 10m warn = none }", "kim", NULL);
    assert_limits(limits.terminal, 600000, NEVER_MS, 0);
    limits = limits_of("default { disconnect = 10m warn = 5m }", "kim", NULL);
    assert_limits(limits.terminal, 600000, NEVER_MS, 300000);
    /* without a terminal there is nowhere to show a notice */
    limits = limits_of("default { disconnect_notty = 10m warn = 5m }", "kim", NULL);
    assert_limits(limits.notty, 600000, NEVER_MS, 0);
}

static void activities(void **state)
{
    (void)state;
    assert_true(limits_of("default { activity = any }", "kim", NULL).any_activity);
    assert_false(limits_of("default { activity = input }", "kim", NULL).any_activity);
}

static void what_counts_without_a_terminal(void **state)
{
    (void)state;
    assert_false(limits_of("default { }", "kim", NULL).only_client);
    assert_false(limits_of("default { notty_activity = any }", "kim", NULL).only_client);
    assert_true(limits_of("default { notty_activity = client }", "kim", NULL).only_client);
}

static struct user_limits local_limits_of(const char *text)
{
    struct snapshot snapshot;
    struct resolution resolution;
    struct user_limits limits;

    open_text(&snapshot, text);
    assert_int_equal(resolve(&snapshot, "kim", NULL, 0, &resolution), 0);
    user_limits_find(&snapshot, &resolution, false, &limits);
    snapshot_close(&snapshot);
    return limits;
}

static void what_a_login_leaves_behind(void **state)
{
    struct user_limits limits;

    (void)state;
    limits = limits_of("default { }", "kim", NULL);
    assert_int_equal(limits.leftovers, LEFTOVERS_KEEP);
    assert_string_equal(limits.rule[RULE_OF_LEFTOVERS], "-");
    limits = limits_of("default { leftovers = end }\ngroup \"g\" {\n leftovers = watch\n}\n", "kim",
                       "g");
    assert_int_equal(limits.leftovers, LEFTOVERS_WATCH);
    assert_string_equal(limits.rule[RULE_OF_LEFTOVERS], "tmout.conf:3");
    limits = limits_of("default { leftovers = end }", "kim", NULL);
    assert_int_equal(limits.leftovers, LEFTOVERS_END);
    /* A login that the policy does not cover leaves behind what it likes. */
    assert_int_equal(local_limits_of("default { leftovers = end }").leftovers, LEFTOVERS_KEEP);
    assert_int_equal(local_limits_of("default { leftovers = end sessions = all }").leftovers,
                     LEFTOVERS_END);
}

static void which_are_looser(void **state)
{
    static const struct user_limits strict = {.terminal = {1000, 5000, 0},
                                              .notty = {2000, 5000, 0},
                                              .only_client = true,
                                              .leftovers = LEFTOVERS_WATCH};
    struct user_limits looser[7];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(looser); i++)
        looser[i] = strict;
    looser[0].terminal.idle_ms++;
    looser[1].terminal.age_ms = NEVER_MS;
    looser[2].notty.idle_ms = NEVER_MS;
    looser[3].notty.age_ms++;
    looser[4].any_activity = true;
    looser[5].only_client = false;
    looser[6].leftovers = LEFTOVERS_KEEP;
    for (size_t i = 0; i < COUNT_OF(looser); i++) {
        assert_true(user_limits_are_looser(&looser[i], &strict));
        assert_false(user_limits_are_looser(&strict, &looser[i]));
        looser[i].terminal.idle_ms = 1; /* stricter in one respect, looser in another */
        assert_true(i == 0 || user_limits_are_looser(&looser[i], &strict));
    }
    assert_false(user_limits_are_looser(&strict, &strict));
}

/* Each with the rule that sets it. */
static void rules(void **state)
{
    static const char text[] = "default {\n disconnect = 10m\n max_session = 8h\n}\n"
                               "group \"g\" {\n disconnect = 5m\n disconnect_notty = 30m\n}\n"
                               "user \"kim\" { max_session = none }\n";
    struct user_limits limits;

    (void)state;
    limits = limits_of(text, "kim", "g");
    assert_limits(limits.terminal, 300000, NEVER_MS, 60000);
    assert_limits(limits.notty, 1800000, NEVER_MS, 0);
    assert_string_equal(limits.rule[RULE_OF_DISCONNECT], "tmout.conf:6");
    assert_string_equal(limits.rule[RULE_OF_NOTTY], "tmout.conf:7");
    assert_string_equal(limits.rule[RULE_OF_AGE], "tmout.conf:9");
    limits = limits_of(text, "eve", NULL);
    assert_limits(limits.terminal, 600000, 28800000, 60000);
    assert_limits(limits.notty, NEVER_MS, 28800000, 0);
    assert_string_equal(limits.rule[RULE_OF_DISCONNECT], "tmout.conf:2");
    assert_string_equal(limits.rule[RULE_OF_NOTTY], "-");
    assert_string_equal(limits.rule[RULE_OF_AGE], "tmout.conf:3");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_limits_set),
        cmocka_unit_test(each_alone),
        cmocka_unit_test(notices),
        cmocka_unit_test(activities),
        cmocka_unit_test(what_counts_without_a_terminal),
        cmocka_unit_test(what_a_login_leaves_behind),
        cmocka_unit_test(which_are_looser),
        cmocka_unit_test(rules),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
