/* Whose turn it is among questions that wait for a helper. */
#include "tests/unit/check.h"

#include "tools/tmoutd/question_queue.h"

#include <errno.h>

enum { BATCH = 64 };

static struct question_queue queue;
static struct inquiry *batch[BATCH];
static unsigned woken;

static void on_wake(void *context)
{
    (void)context;
    woken++;
}

static void nothing(void *context, const struct answer *answer)
{
    (void)context;
    (void)answer;
}

static int queue_begin(void **state)
{
    (void)state;
    queue_init(&queue, on_wake, NULL);
    woken = 0;
    return 0;
}

static int queue_end(void **state)
{
    (void)state;
    queue_free(&queue);
    return 0;
}

static struct lane *add(about_t about, size_t count, bool is_patient)
{
    const struct question question = {.about = about, .is_patient = is_patient, .done = nothing};
    struct inquiry *inquiry = NULL;

    for (size_t i = 0; i < count; i++) {
        inquiry = queue_add(&queue, &question);
        assert_non_null(inquiry);
    }
    return inquiry->lane;
}

static size_t about_in_batch(size_t count, about_t about)
{
    size_t found = 0;

    for (size_t i = 0; i < count; i++)
        found += batch[i]->question.about == about;
    return found;
}

static void drop_batch(size_t count)
{
    for (size_t i = 0; i < count; i++)
        queue_drop(&queue, batch[i]);
}

static void lanes_take_turns(void **state)
{
    (void)state;
    add(about_user(1), 1000, false);
    add(about_user(2), 3, false);
    assert_true(woken > 0);
    const size_t count = queue_take_shared(&queue, batch, BATCH);
    assert_int_equal(count, BATCH);
    assert_int_equal(about_in_batch(count, about_user(2)), 3);
    assert_int_equal(about_in_batch(count, about_user(1)), BATCH - 3);
    drop_batch(count);
}

/* What a helper did not begin comes before what others asked in the meantime, in
 * the old order. */
static void what_comes_back_is_next(void **state)
{
    const struct inquiry *first, *second;

    (void)state;
    add(about_user(1), 1, false);
    add(about_user(2), 1, false);
    assert_int_equal(queue_take_shared(&queue, batch, BATCH), 2);
    first = batch[0];
    second = batch[1];
    add(about_user(2), 1, false);
    for (unsigned i = 0; i < BATCH; i++)
        add(about_user(10 + i), 1, false);
    queue_give_back(&queue, batch[1]);
    queue_give_back(&queue, batch[0]);
    assert_int_equal(queue_take_shared(&queue, batch, 2), 2);
    assert_ptr_equal(batch[0], first);
    assert_ptr_equal(batch[1], second);
    drop_batch(2);
}

/* A question that was taken back is nobody's any more, nor is its lane. */
static void what_was_taken_back_is_dropped(void **state)
{
    (void)state;
    struct lane *lane = add(about_user(1), 2, false);
    TAILQ_FIRST(&lane->questions)->question.done = NULL;
    assert_int_equal(queue_take_shared(&queue, batch, BATCH), 1);
    drop_batch(1);
    assert_null(map_find(&queue.lanes, about_user(1)));
    assert_int_equal(queue_take_shared(&queue, batch, BATCH), 0);
}

/* What a lane has to itself, and what it shares. */
static void kinds(void **state)
{
    static const struct {
        about_t about;
        bool is_patient, is_slow, is_blocked, is_answered;
        enum kind expected;
    } row[] = {{7, false, false, false, false, KIND_SHARED},
               {8, false, true, false, false, KIND_APART},
               {9, false, false, true, false, KIND_BLOCKED},
               {10, false, false, true, true, KIND_APART},
               {11, true, false, false, false, KIND_PATIENT},
               {12, true, false, true, false, KIND_PATIENT},
               {(about_t)1 << 32 | 7, false, false, false, false, KIND_SHARED},
               {(about_t)2 << 32, true, false, false, false, KIND_NAMES},
               {(about_t)3 << 32, true, false, false, false, KIND_HOST}};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(row); i++) {
        struct lane *lane = add(row[i].about, 1, row[i].is_patient);
        bool allowed[KIND_COUNT] = {false};
        if (row[i].is_slow)
            lane_mark_slow(lane);
        if (row[i].is_blocked)
            lane_mark_blocked(lane);
        if (row[i].is_answered)
            lane_mark_answered(lane);
        assert_int_equal(lane_is_apart(lane), row[i].is_slow || row[i].is_blocked);
        assert_int_equal(lane_kind(lane, helpers_now_ms()), row[i].expected);
        allowed[row[i].expected] = row[i].expected != KIND_SHARED;
        const struct lane *own = queue_own_lane(&queue, allowed);
        assert_true(row[i].expected == KIND_SHARED ? own == NULL : own == lane);
        assert_int_equal(queue_take_shared(&queue, batch, BATCH), row[i].expected == KIND_SHARED);
        if (row[i].expected != KIND_SHARED)
            assert_int_equal(queue_take_own(&queue, lane, batch, BATCH), 1);
        drop_batch(1);
    }
}

/* Of those apart, the one that took least; one helper at a time. */
static void who_took_least_is_first(void **state)
{
    static const int64_t took_ms[] = {3000, 250, 2900, 0, 251};
    static const about_t order[] = {3, 1, 4, 2, 0};
    const bool allowed[KIND_COUNT] = {[KIND_APART] = true};
    struct lane *lane;

    (void)state;
    for (unsigned i = 0; i < COUNT_OF(took_ms); i++) {
        lane = add(i, 2, false);
        lane_mark_slow(lane);
        lane_charge(lane, took_ms[i]);
    }
    for (unsigned i = 0; i < COUNT_OF(order); i++) {
        lane = queue_own_lane(&queue, allowed);
        assert_non_null(lane);
        assert_int_equal(lane->about, order[i]);
        assert_int_equal(queue_take_own(&queue, lane, batch, 1), 1);
        lane->running++;
        drop_batch(1);
    }
    assert_null(queue_own_lane(&queue, allowed));
}

/* One that is suspected keeps no other helper waiting. */
static void suspects_wait(void **state)
{
    (void)state;
    struct lane *lane = add(about_user(1), 3, false);
    add(about_user(2), 1, false);
    assert_int_equal(queue_take_shared(&queue, batch, 1), 1);
    lane->running++;
    drop_batch(1);
    assert_int_equal(queue_take_shared(&queue, batch, BATCH), 1);
    assert_int_equal(batch[0]->question.about, about_user(2));
    drop_batch(1);
    lane->running--;
    assert_int_equal(queue_take_shared(&queue, batch, BATCH), 2);
    drop_batch(2);
}

/* What was spent is remembered, and forgiven little by little. The host pays nothing. */
static void what_was_spent(void **state)
{
    (void)state;
    struct lane *lane = add(about_user(1), 1, false);
    lane_charge(lane, 100);
    assert_in_range(lane_charge(lane, 150), 200, 250);
    assert_int_equal(queue_take_shared(&queue, batch, BATCH), 1);
    drop_batch(1);
    queue_tidy_some(&queue);
    assert_ptr_equal(map_find(&queue.lanes, about_user(1)), lane);
    lane->spent_at_ms -= 1000;
    assert_in_range(lane_charge(lane, 0), 195, 245);
    lane->spent_at_ms -= 60 * 1000;
    assert_int_equal(lane_charge(lane, 0), 0);
    queue_tidy_some(&queue);
    assert_null(map_find(&queue.lanes, about_user(1)));

    lane = add(about_host(), 1, false);
    assert_int_equal(lane_charge(lane, 100000), 0);
}

static void who_cannot_be_ended_gets_no_more(void **state)
{
    (void)state;
    struct lane *lane = add(about_user(1), 5, false);
    add(about_user(2), 1, false);
    lane->pinned = HELPERS_PINNED_MAX;
    queue_doom_pinned(&queue);
    assert_int_equal(queue_take_shared(&queue, batch, BATCH), 1);
    assert_int_equal(batch[0]->question.about, about_user(2));
    drop_batch(1);
    for (unsigned i = 0; i < 5; i++) {
        struct inquiry *inquiry = TAILQ_FIRST(&queue.doomed);
        assert_non_null(inquiry);
        assert_int_equal(inquiry->error, ETIMEDOUT);
        TAILQ_REMOVE(&queue.doomed, inquiry, link);
        queue_drop(&queue, inquiry);
    }
    assert_true(TAILQ_EMPTY(&queue.doomed));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(lanes_take_turns, queue_begin, queue_end),
        cmocka_unit_test_setup_teardown(what_comes_back_is_next, queue_begin, queue_end),
        cmocka_unit_test_setup_teardown(what_was_taken_back_is_dropped, queue_begin, queue_end),
        cmocka_unit_test_setup_teardown(kinds, queue_begin, queue_end),
        cmocka_unit_test_setup_teardown(who_took_least_is_first, queue_begin, queue_end),
        cmocka_unit_test_setup_teardown(suspects_wait, queue_begin, queue_end),
        cmocka_unit_test_setup_teardown(what_was_spent, queue_begin, queue_end),
        cmocka_unit_test_setup_teardown(who_cannot_be_ended_gets_no_more, queue_begin, queue_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
