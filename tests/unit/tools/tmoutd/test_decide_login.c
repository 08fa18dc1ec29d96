/* When to end a login as a whole. */
#include "tests/unit/check.h"

#include "tools/tmoutd/decide_login.h"

static void age_of_a_login_with_terminals(void **state)
{
    const struct watch_limits limits = {NEVER_MS, 60000, 0};

    (void)state;
    struct login_decision decision = login_decide_age(&limits, 1000, 60999);
    assert_false(decision.end);
    assert_true(decision.next_ms == 66000); /* its terminals end first */
    assert_false(login_decide_age(&limits, 1000, 65999).end);
    decision = login_decide_age(&limits, 1000, 66000);
    assert_true(decision.end);
    assert_int_equal(decision.reason, REASON_AGE);
}

static void no_age(void **state)
{
    const struct watch_limits limits = {60000, NEVER_MS, 0};

    (void)state;
    const struct login_decision decision = login_decide_age(&limits, 1000, INT64_MAX - 1);
    assert_false(decision.end);
    assert_true(decision.next_ms == NEVER_MS);
}

static struct login_decision moved(struct traffic_state *traffic, int64_t idle_ms, uint64_t bytes,
                                   int64_t now_ms)
{
    const struct watch_limits limits = {idle_ms, NEVER_MS, 0};
    const struct traffic_sample sample = {.is_known = true, .bytes = bytes};

    return login_decide_traffic(traffic, &limits, 0, &sample, now_ms);
}

static void without_traffic(void **state)
{
    struct traffic_state traffic = {0};

    (void)state;
    assert_false(moved(&traffic, 80000, 5, 1000).end);
    assert_true(traffic.moved_ms == 1000);
    struct login_decision decision = moved(&traffic, 80000, 5, 2000);
    assert_true(decision.next_ms == 12000); /* an eighth of the limit */
    assert_false(moved(&traffic, 80000, 5, 80999).end);
    decision = moved(&traffic, 80000, 5, 80000);
    assert_true(decision.next_ms == 81000); /* the end, which comes first */
    decision = moved(&traffic, 80000, 5, 81000);
    assert_true(decision.end);
    assert_int_equal(decision.reason, REASON_IDLE);
}

static void traffic_postpones_the_end(void **state)
{
    struct traffic_state traffic = {.bytes = 5, .moved_ms = 1000};

    (void)state;
    assert_false(moved(&traffic, 80000, 6, 81000).end);
    assert_true(traffic.moved_ms == 81000);
    assert_true(moved(&traffic, 80000, 6, 161000).end);
}

static void short_limits_are_not_sampled_all_the_time(void **state)
{
    struct traffic_state traffic = {.bytes = 5, .moved_ms = 0};

    (void)state;
    assert_true(moved(&traffic, 1000, 5, 10).next_ms == 510);
}

/* Better to miss an idle login than to cut off a transfer. */
static void unknown_traffic_counts_as_traffic(void **state)
{
    const struct watch_limits limits = {80000, NEVER_MS, 0};
    const struct traffic_sample unknown = {0};
    struct traffic_state traffic = {0};

    (void)state;
    for (int64_t now_ms = 0; now_ms < 1000000; now_ms += 10000)
        assert_false(login_decide_traffic(&traffic, &limits, 0, &unknown, now_ms).end);
}

/* But not if that is how somebody tries to stay. */
static void withheld_traffic_is_none(void **state)
{
    const struct watch_limits limits = {80000, NEVER_MS, 0};
    const struct traffic_sample withheld = {.is_withheld = true};
    struct traffic_state traffic = {.bytes = 5, .moved_ms = 1000};

    (void)state;
    assert_false(login_decide_traffic(&traffic, &limits, 0, &withheld, 80999).end);
    assert_true(traffic.moved_ms == 1000);
    assert_true(login_decide_traffic(&traffic, &limits, 0, &withheld, 81000).end);
}

/* After a stall there is time to show activity, and to see it. */
static void not_right_after_a_stall(void **state)
{
    const struct watch_limits limits = {80000, NEVER_MS, 0};
    struct traffic_sample sample = {.is_known = true, .bytes = 5, .not_before_ms = 93000};
    struct traffic_state traffic = {.bytes = 5, .moved_ms = 1000};

    (void)state;
    struct login_decision decision = login_decide_traffic(&traffic, &limits, 0, &sample, 90000);
    assert_false(decision.end);
    assert_true(decision.next_ms <= 93000);
    sample.bytes = 6;
    assert_false(login_decide_traffic(&traffic, &limits, 0, &sample, 93000).end);
    assert_true(traffic.moved_ms == 93000);
    assert_true(login_decide_traffic(&traffic, &limits, 0, &sample, 173000).end);
}

static void too_old_without_a_terminal(void **state)
{
    const struct watch_limits limits = {NEVER_MS, 60000, 0};
    const struct traffic_sample unknown = {0};
    struct traffic_state traffic = {0};

    (void)state;
    struct login_decision decision = login_decide_traffic(&traffic, &limits, 1000, &unknown, 2000);
    assert_false(decision.end);
    assert_true(decision.next_ms == 61000);
    assert_true(traffic.moved_ms == 0); /* nobody asks for its traffic */
    decision = login_decide_traffic(&traffic, &limits, 1000, &unknown, 61000);
    assert_true(decision.end);
    assert_int_equal(decision.reason, REASON_AGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(age_of_a_login_with_terminals),
        cmocka_unit_test(no_age),
        cmocka_unit_test(without_traffic),
        cmocka_unit_test(traffic_postpones_the_end),
        cmocka_unit_test(short_limits_are_not_sampled_all_the_time),
        cmocka_unit_test(unknown_traffic_counts_as_traffic),
        cmocka_unit_test(withheld_traffic_is_none),
        cmocka_unit_test(not_right_after_a_stall),
        cmocka_unit_test(too_old_without_a_terminal),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
