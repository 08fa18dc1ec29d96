/* What to do about a terminal, second by second. */
#include "tests/unit/check.h"

#include "tools/tmoutd/decide_terminal.h"

#include <string.h>

/* The boot clock starts with the wall clock, which makes the numbers below easy
 * to follow: all are seconds after the login, at T0. */
enum { T0_SEC = 1000000000, LIMIT_SEC = 60, WARN_SEC = 10 };

struct scene {
    struct terminal_state state;
    struct user_limits limits;
    struct terminal_sample sample;
    struct timestamp now;
};

static struct scene scene_new(int64_t idle_sec, int64_t age_sec)
{
    struct scene scene;

    memset(&scene, 0, sizeof scene);
    scene.state = terminal_state_new();
    scene.limits.terminal =
        (struct watch_limits){idle_sec < 0 ? NEVER_MS : idle_sec * 1000,
                              age_sec < 0 ? NEVER_MS : age_sec * 1000, WARN_SEC * 1000};
    scene.sample.st.st_mode = S_IFCHR | 0620;
    return scene;
}

/* The kernel rounds down to eight seconds: all times here are multiples. */
static void read_input(struct scene *scene, int64_t sec)
{
    scene->sample.st.st_atim = (struct timespec){.tv_sec = T0_SEC + sec};
}

static void change_mode(struct scene *scene, int64_t sec)
{
    scene->sample.st.st_ctim = (struct timespec){.tv_sec = T0_SEC + sec};
    scene->sample.st.st_mode ^= 020;
}

static struct terminal_decision at(struct scene *scene, int64_t sec)
{
    scene->now.boot_ms = scene->now.wall_ms = (T0_SEC + sec) * (int64_t)1000;
    return terminal_decide(&scene->state, &scene->limits, T0_SEC * (int64_t)1000, &scene->sample,
                           &scene->now);
}

#define assert_decision(decision, wanted, next_sec)                                                \
    do {                                                                                           \
        const struct terminal_decision d_ = (decision);                                            \
        assert_int_equal(d_.action, (wanted));                                                     \
        assert_true(d_.next_ms == ((int64_t)(next_sec) + T0_SEC) * 1000);                          \
    } while (0)

/* The first second belongs to the kernel's interval [0, 8): the user counts as
 * active until its end. */
enum { ACTIVE_SEC = 8 };

static struct scene begun(int64_t idle_sec, int64_t age_sec)
{
    struct scene scene = scene_new(idle_sec, age_sec);

    read_input(&scene, 0);
    at(&scene, 1);
    return scene;
}

static void nothing_to_do(void **state)
{
    struct scene scene = scene_new(-1, -1);

    (void)state;
    read_input(&scene, 0);
    const struct terminal_decision decision = at(&scene, 1);
    assert_int_equal(decision.action, TERMINAL_KEEP);
    assert_true(decision.next_ms == NEVER_MS);
    assert_false(decision.tampered);
    assert_false(decision.withdraw_notice);
}

static void warned_and_hung_up(void **state)
{
    struct scene scene = scene_new(LIMIT_SEC, -1);
    const int64_t end_sec = ACTIVE_SEC + LIMIT_SEC, warn_sec = end_sec - WARN_SEC;

    (void)state;
    read_input(&scene, 0);
    assert_decision(at(&scene, 1), TERMINAL_KEEP, warn_sec);
    struct terminal_decision decision = at(&scene, warn_sec);
    assert_decision(decision, TERMINAL_WARN, warn_sec + 1);
    assert_true(decision.end_ms == (T0_SEC + end_sec) * (int64_t)1000);
    assert_int_equal(decision.reason, REASON_IDLE);
    terminal_note_notice(&scene.state, &decision, 0);
    scene.sample.notice_is_out = true;
    assert_decision(at(&scene, warn_sec + 1), TERMINAL_KEEP, warn_sec + 2);
    assert_decision(at(&scene, end_sec - 1), TERMINAL_KEEP, end_sec);
    decision = at(&scene, end_sec);
    assert_int_equal(decision.action, TERMINAL_HANG_UP);
    assert_int_equal(decision.reason, REASON_IDLE);
    assert_true(decision.withdraw_notice);
}

static void input_starts_over(void **state)
{
    struct scene scene = begun(LIMIT_SEC, -1);

    (void)state;
    read_input(&scene, 40);
    assert_decision(at(&scene, 58), TERMINAL_KEEP, 48 + LIMIT_SEC - WARN_SEC);
}

static void input_withdraws_the_notice(void **state)
{
    struct scene scene = begun(LIMIT_SEC, -1);

    (void)state;
    struct terminal_decision decision = at(&scene, 58);
    terminal_note_notice(&scene.state, &decision, 0);
    scene.sample.notice_is_out = true;
    read_input(&scene, 56);
    decision = at(&scene, 60);
    assert_int_equal(decision.action, TERMINAL_KEEP);
    assert_true(decision.withdraw_notice);
    assert_true(scene.state.noticed_end_ms == NEVER_MS);
    /* No notice is out any more: the next sample can wait for the next one. */
    assert_true(decision.next_ms == (T0_SEC + 64 + LIMIT_SEC - WARN_SEC) * (int64_t)1000);
    /* Which is shown in its turn. */
    scene.sample.notice_is_out = false;
    assert_int_equal(at(&scene, 64 + LIMIT_SEC - WARN_SEC).action, TERMINAL_WARN);
}

/* Unread input answers a notice if there is more of it than ever before. */
static void unread_input_answers(void **state)
{
    struct scene scene = begun(LIMIT_SEC, -1);

    (void)state;
    struct terminal_decision decision = at(&scene, 58);
    terminal_note_notice(&scene.state, &decision, 5); /* waited before the notice */
    scene.sample.notice_is_out = true;
    scene.sample.unread = 5;
    assert_false(at(&scene, 59).withdraw_notice);
    scene.sample.unread = 4;
    assert_false(at(&scene, 60).withdraw_notice);
    scene.sample.unread = 6;
    decision = at(&scene, 61);
    assert_true(decision.withdraw_notice);
    assert_true(scene.state.idle.active_ms == (T0_SEC + 61) * (int64_t)1000);
}

/* After a program has read, what waits is new again. */
static void read_input_forgets_the_unread(void **state)
{
    struct scene scene = begun(LIMIT_SEC, -1);

    (void)state;
    struct terminal_decision decision = at(&scene, 58);
    terminal_note_notice(&scene.state, &decision, 500);
    read_input(&scene, 56);
    scene.sample.notice_is_out = true;
    scene.sample.unread = 1;
    at(&scene, 60);
    assert_int_equal(scene.state.unread_max, 1);
}

static void unread_input_without_a_notice(void **state)
{
    struct scene scene = begun(LIMIT_SEC, -1);

    (void)state;
    scene.sample.unread = 100;
    assert_int_equal(at(&scene, ACTIVE_SEC + LIMIT_SEC).action, TERMINAL_HANG_UP);
}

/* A notice because of the login's age is not answered by typing. */
static void age_is_not_postponed(void **state)
{
    struct scene scene = begun(-1, 100);

    (void)state;
    struct terminal_decision decision = at(&scene, 90);
    assert_int_equal(decision.action, TERMINAL_WARN);
    assert_int_equal(decision.reason, REASON_AGE);
    terminal_note_notice(&scene.state, &decision, 0);
    scene.sample.notice_is_out = true;
    read_input(&scene, 88);
    decision = at(&scene, 95);
    assert_false(decision.withdraw_notice);
    read_input(&scene, 96);
    decision = at(&scene, 100);
    assert_int_equal(decision.action, TERMINAL_HANG_UP);
    assert_int_equal(decision.reason, REASON_AGE);
}

/* --- suspect times --------------------------------------------------------- */

static void a_ctime_change_makes_suspect(void **state)
{
    struct scene scene = begun(LIMIT_SEC, -1);

    (void)state;
    change_mode(&scene, 20);
    for (int64_t sec = 21; sec < 51; sec++)
        assert_decision(at(&scene, sec), TERMINAL_KEEP, sec + 1);
    assert_decision(at(&scene, 51), TERMINAL_KEEP, ACTIVE_SEC + LIMIT_SEC - WARN_SEC);
}

static void the_grace_period(void **state)
{
    struct scene scene = begun(LIMIT_SEC, -1);
    const int64_t end_sec = ACTIVE_SEC + LIMIT_SEC;

    (void)state;
    change_mode(&scene, 60);
    at(&scene, 61);
    for (int64_t sec = end_sec; sec < end_sec + 29; sec++)
        assert_decision(at(&scene, sec), TERMINAL_KEEP, sec + 1);
    assert_int_equal(at(&scene, end_sec + 29).action, TERMINAL_HANG_UP);
}

/* Changing the mode again and again buys one grace period. */
static void there_is_only_one_grace_period(void **state)
{
    struct scene scene = begun(LIMIT_SEC, -1);
    const int64_t end_sec = ACTIVE_SEC + LIMIT_SEC;

    (void)state;
    for (int64_t sec = 2; sec < end_sec + 29; sec++) {
        change_mode(&scene, sec - 1);
        assert_int_not_equal(at(&scene, sec).action, TERMINAL_HANG_UP);
    }
    change_mode(&scene, end_sec + 28);
    assert_int_equal(at(&scene, end_sec + 29).action, TERMINAL_HANG_UP);
}

static void input_in_the_grace_period_shows(void **state)
{
    struct scene scene = begun(LIMIT_SEC, -1);

    (void)state;
    change_mode(&scene, 60);
    at(&scene, 61);
    assert_int_equal(at(&scene, 68).action, TERMINAL_KEEP);
    read_input(&scene, 72);
    at(&scene, 75);
    assert_true(scene.state.grace_end_ms == 0);
    assert_true(scene.state.idle.active_ms == (T0_SEC + 80) * (int64_t)1000);
    /* Its time is up again, and it is no longer suspect. */
    assert_int_equal(at(&scene, 80 + LIMIT_SEC).action, TERMINAL_HANG_UP);
}

static void age_has_no_grace(void **state)
{
    struct scene scene = begun(-1, 100);

    (void)state;
    change_mode(&scene, 98);
    at(&scene, 99);
    assert_int_equal(at(&scene, 100).action, TERMINAL_HANG_UP);
}

static void forged_times_are_reported_once(void **state)
{
    struct scene scene = begun(LIMIT_SEC, -1);

    (void)state;
    for (int64_t sec = 20; sec < 30; sec += 2) {
        scene.sample.st.st_atim = (struct timespec){.tv_sec = T0_SEC + 1000};
        scene.sample.st.st_ctim = (struct timespec){.tv_sec = T0_SEC + sec};
        assert_int_equal(at(&scene, sec + 1).tampered, sec == 20);
    }
    assert_true(scene.state.idle.active_ms == (T0_SEC + ACTIVE_SEC) * (int64_t)1000);
}

/* --- hang-ups that fail ---------------------------------------------------- */

static void the_login_ends_when_hangups_fail(void **state)
{
    struct scene scene = begun(LIMIT_SEC, -1);
    const int64_t end_sec = ACTIVE_SEC + LIMIT_SEC;

    (void)state;
    assert_int_equal(at(&scene, end_sec).action, TERMINAL_HANG_UP);
    assert_int_equal(at(&scene, end_sec + 3).action, TERMINAL_HANG_UP);
    const struct terminal_decision decision = at(&scene, end_sec + 6);
    assert_int_equal(decision.action, TERMINAL_END_LOGIN);
    assert_int_equal(decision.reason, REASON_IDLE);
    assert_true(decision.next_ms == scene.now.boot_ms + SUSPECT_MS);
}

static void input_forgives_failed_hangups(void **state)
{
    struct scene scene = begun(LIMIT_SEC, -1);
    const int64_t end_sec = ACTIVE_SEC + LIMIT_SEC;

    (void)state;
    at(&scene, end_sec);
    at(&scene, end_sec + 3);
    read_input(&scene, 72);
    assert_int_equal(at(&scene, 75).action, TERMINAL_KEEP);
    assert_int_equal(scene.state.failed_hangups, 0);
    assert_int_equal(at(&scene, 80 + LIMIT_SEC).action, TERMINAL_HANG_UP);
}

/* --- output ---------------------------------------------------------------- */

static void output_counts_if_the_policy_says_so(void **state)
{
    (void)state;
    for (int any = 0; any < 2; any++) {
        struct scene scene = begun(LIMIT_SEC, -1);
        scene.limits.any_activity = any;
        scene.sample.st.st_mtim = (struct timespec){.tv_sec = T0_SEC + 40};
        at(&scene, 45);
        assert_int_equal(at(&scene, ACTIVE_SEC + LIMIT_SEC).action,
                         any ? TERMINAL_KEEP : TERMINAL_HANG_UP);
    }
}

/* After a stall there is time to show activity, and to see it. */
static void not_right_after_a_stall(void **state)
{
    struct scene scene = scene_new(LIMIT_SEC, -1);

    (void)state;
    at(&scene, 0);
    scene.sample.not_before_ms = (T0_SEC + 203) * (int64_t)1000;
    assert_decision(at(&scene, 200), TERMINAL_KEEP, 201);
    assert_int_equal(at(&scene, 203).action, TERMINAL_HANG_UP);
    scene = scene_new(LIMIT_SEC, -1);
    at(&scene, 0);
    scene.sample.not_before_ms = (T0_SEC + 203) * (int64_t)1000;
    at(&scene, 200);
    read_input(&scene, 200);
    assert_int_equal(at(&scene, 203).action, TERMINAL_KEEP);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_to_do),
        cmocka_unit_test(warned_and_hung_up),
        cmocka_unit_test(input_starts_over),
        cmocka_unit_test(input_withdraws_the_notice),
        cmocka_unit_test(unread_input_answers),
        cmocka_unit_test(read_input_forgets_the_unread),
        cmocka_unit_test(unread_input_without_a_notice),
        cmocka_unit_test(age_is_not_postponed),
        cmocka_unit_test(a_ctime_change_makes_suspect),
        cmocka_unit_test(the_grace_period),
        cmocka_unit_test(there_is_only_one_grace_period),
        cmocka_unit_test(input_in_the_grace_period_shows),
        cmocka_unit_test(age_has_no_grace),
        cmocka_unit_test(forged_times_are_reported_once),
        cmocka_unit_test(the_login_ends_when_hangups_fail),
        cmocka_unit_test(input_forgives_failed_hangups),
        cmocka_unit_test(output_counts_if_the_policy_says_so),
        cmocka_unit_test(not_right_after_a_stall),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
