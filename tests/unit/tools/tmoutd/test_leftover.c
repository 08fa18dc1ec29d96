/*
 * What a login has left behind, with a clock of the test's own. Which processes
 * these are takes root to try (tests/e2e/leftovers.t): here, most tests say.
 */
#include "tests/unit/tools/tmoutd/log_capture.h"
#include "tests/unit/tools/tmoutd/shell.h"

#include "tools/tmoutd/leftover.h"
#include "tools/tmoutd/leftover_work.h"
#include "tools/tmoutd/terminal_cut.h"

enum { LIMIT_MS = 60 * 1000, AGE_MS = 600 * 1000 };

struct scene {
    struct loop loop;
    struct map terminals;
    struct leftover *leftover;
    bool is_gone;
};

/* What the helpers find. */
static struct leftovers_view found;
static uint64_t left;
static unsigned terminated, stopped, killed, moving_rounds;
static int look_error;

static void say_found(const void *input, int fd, struct answer *answer)
{
    (void)input;
    (void)fd;
    if (look_error != 0)
        answer_fail(answer, look_error);
    else
        answer_put(answer, &found, sizeof found);
}

static void say_ended(struct answer *answer, uint64_t moving)
{
    const struct leftovers_ended ended = {left, moving};

    answer_put(answer, &ended, sizeof ended);
}

static void say_terminated(const void *input, int fd, struct answer *answer)
{
    (void)input;
    (void)fd;
    terminated++;
    say_ended(answer, 0);
}

static void say_stopped(const void *input, int fd, struct answer *answer)
{
    (void)input;
    (void)fd;
    say_ended(answer, stopped++ < moving_rounds);
}

static void say_killed(const void *input, int fd, struct answer *answer)
{
    (void)input;
    (void)fd;
    killed++;
    say_ended(answer, 0);
}

static const struct leftover_work told = {NULL, say_found, say_terminated, say_stopped, say_killed};

static void on_gone(void *context, struct leftover *leftover)
{
    struct scene *scene = context;

    assert_ptr_equal(leftover, scene->leftover);
    leftover_free(leftover);
    scene->leftover = NULL;
    scene->is_gone = true;
}

/* Everything that is due in this time, in steps of half a second. */
static void pass(struct scene *scene, int64_t ms)
{
    enum { STEP_MS = 500 };

    for (int64_t passed = 0; passed <= ms; passed += STEP_MS) {
        do {
            loop_ring(&scene->loop);
            helpers_answer_all(scene->loop.helpers);
        } while (loop_next_ms(&scene->loop) <= scene->loop.now.boot_ms);
        if (passed < ms) {
            scene->loop.now.boot_ms += STEP_MS;
            scene->loop.now.wall_ms += STEP_MS;
        }
    }
}

static void scene_begin(struct scene *scene, enum leftovers leftovers,
                        const struct leftover_work *work)
{
    enum { INTERVAL_MS = 8000 };
    /* The unit of no session. */
    const struct login_trace trace = {NO_AUDIT_SESSION, getuid(), "session-nobodys.scope"};
    struct session_record record = own_login();
    struct failure failure = {""};

    memset(scene, 0, sizeof *scene);
    memset(&found, 0, sizeof found);
    left = terminated = stopped = killed = moving_rounds = 0;
    look_error = 0;
    assert_int_equal(loop_init(&scene->loop, NULL, &failure), 0);
    const int64_t ahead_ms = INTERVAL_MS - scene->loop.now.wall_ms % INTERVAL_MS;
    scene->loop.now.boot_ms += ahead_ms;
    scene->loop.now.wall_ms += ahead_ms;
    record.since = scene->loop.now;
    record.limits.terminal = (struct watch_limits){LIMIT_MS, AGE_MS, 0};
    record.limits.leftovers = leftovers;
    strcpy(record.limits.rule[RULE_OF_DISCONNECT], "a.conf:1");
    strcpy(record.limits.rule[RULE_OF_AGE], "a.conf:2");
    strcpy(record.limits.rule[RULE_OF_LEFTOVERS], "a.conf:3");
    scene->leftover = leftover_new(&scene->loop, &scene->terminals, &record, &trace);
    assert_non_null(scene->leftover);
    scene->leftover->gone = on_gone;
    scene->leftover->context = scene;
    if (work != NULL)
        scene->leftover->work = work;
    log_clear();
}

static void scene_end(struct scene *scene)
{
    if (scene->leftover != NULL)
        leftover_free(scene->leftover);
    terminal_cuts_free(&scene->loop);
    loop_free(&scene->loop);
    map_free(&scene->terminals);
}

static void nothing_is_left(void **state)
{
    static const enum leftovers each[] = {LEFTOVERS_WATCH, LEFTOVERS_END};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(each); i++) {
        struct scene scene;
        scene_begin(&scene, each[i], NULL);
        pass(&scene, 0);
        assert_false(scene.is_gone); /* what ends with the login has time to do so */
        pass(&scene, 2000);
        assert_true(scene.is_gone);
        assert_string_equal(logged, "");
        scene_end(&scene);
    }
}

static void ended_with_the_login(void **state)
{
    struct scene scene;

    (void)state;
    scene_begin(&scene, LEFTOVERS_END, &told);
    left = 3;
    pass(&scene, 2000);
    assert_int_equal(terminated, 1);
    assert_int_equal(killed, 0);
    assert_logged("ending what the login left behind user=kim address=192.0.2.1 service=sshd "
                  "processes=3 setting=leftovers rule=a.conf:3\n",
                  1);
    pass(&scene, 1500);
    assert_int_equal(killed, 1);
    assert_false(scene.is_gone);
    left = 0;
    pass(&scene, 2000);
    assert_int_equal(stopped, 2); /* to see that nothing is left */
    assert_int_equal(killed, 1);
    assert_true(scene.is_gone);
    assert_logged("ending what", 1);
    scene_end(&scene);
}

/* While there are new ones, they are stopped and not killed; but not for ever. */
static void stopped_before_they_are_killed(void **state)
{
    static const struct {
        unsigned moving_rounds, stopped;
    } row[] = {{0, 1}, {1, 2}, {5, 6}, {1000, 32}};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(row); i++) {
        struct scene scene;
        scene_begin(&scene, LEFTOVERS_END, &told);
        left = 3;
        moving_rounds = row[i].moving_rounds;
        pass(&scene, 3500);
        assert_int_equal(stopped, row[i].stopped);
        assert_int_equal(killed, 1);
        scene_end(&scene);
    }
}

/* Processes that do not even end for SIGKILL: less and less often. */
static void what_cannot_be_ended(void **state)
{
    struct scene scene;

    (void)state;
    scene_begin(&scene, LEFTOVERS_END, &told);
    left = 1;
    pass(&scene, 3600 * 1000);
    assert_false(scene.is_gone);
    assert_true(killed > 10 && killed < 30);
    assert_logged("ending what", 1);
    assert_logged("cannot end what the login left behind: processes do not end; trying again; see "
                  "tmout-recovery(7) "
                  "user=kim\n",
                  3); /* at once, after one minute and after ten more */
    scene_end(&scene);
}

static void too_old(void **state)
{
    struct scene scene;

    (void)state;
    scene_begin(&scene, LEFTOVERS_WATCH, &told);
    found.process_count = left = 2;
    pass(&scene, AGE_MS);
    assert_int_equal(terminated, 0);
    pass(&scene, 6000);
    assert_int_equal(terminated, 1);
    assert_logged("disconnected, the login has reached its maximum age user=kim ", 1);
    assert_logged(" setting=max_session rule=a.conf:2\n", 1);
    left = 0;
    pass(&scene, 3000);
    assert_true(scene.is_gone);
    scene_end(&scene);
}

/* One that helpers cannot look at counts as idle, and only for so long. */
static void not_to_be_seen(void **state)
{
    struct scene scene;

    (void)state;
    scene_begin(&scene, LEFTOVERS_WATCH, &told);
    look_error = ETIMEDOUT;
    left = 1;
    pass(&scene, LIMIT_MS - 5000);
    assert_int_equal(terminated, 0);
    assert_logged_error("cannot look at what a login left behind: ", ETIMEDOUT,
                        "; trying again; see tmout-recovery(7) user=kim\n", 1);
    pass(&scene, 10000);
    assert_int_equal(terminated, 1);
    scene_end(&scene);
}

static void tell_terminal(const struct shell *shell)
{
    struct process self;

    assert_int_equal(process_read(0, &self), 0);
    found.process_count = 1;
    found.terminal[found.terminal_count++] =
        (struct leftover_terminal){shell->index, self.pid, self.start_ticks};
}

/* Its terminals are those whose masters the processes hold: here, this one. */
static void an_idle_terminal(void **state)
{
    struct shell shell = shell_begin(SHELL_PLAIN);
    struct scene scene;

    NEEDS_OWN_ARCHITECTURE();
    (void)state;
    scene_begin(&scene, LEFTOVERS_WATCH, &told);
    tell_terminal(&shell);
    pass(&scene, 3000);
    assert_non_null(map_find(&scene.terminals, shell.index));
    pass(&scene, LIMIT_MS - 5000);
    assert_logged("disconnected", 0);
    pass(&scene, 20000);
    assert_int_equal(shell_await_death(&shell), SIGHUP);
    assert_logged("disconnected, idle for too long user=kim ", 1);
    assert_logged(" setting=disconnect rule=a.conf:1\n", 1);
    scene_end(&scene);
    close(shell.master);
}

static void terminals_that_go(void **state)
{
    struct shell first = shell_begin(SHELL_PLAIN), second = shell_begin(SHELL_PLAIN);
    struct scene scene;

    NEEDS_OWN_ARCHITECTURE();
    (void)state;
    scene_begin(&scene, LEFTOVERS_WATCH, &told);
    tell_terminal(&first);
    tell_terminal(&second);
    pass(&scene, 3000);
    struct terminal *terminal = map_find(&scene.terminals, second.index);
    assert_non_null(terminal);
    terminal_vanished(terminal);
    assert_null(map_find(&scene.terminals, second.index));
    found.terminal_count = 1;
    pass(&scene, 3000);
    assert_non_null(map_find(&scene.terminals, first.index));
    found.terminal_count = 0;
    leftover_look(scene.leftover, SETTLE_MS);
    pass(&scene, 3000);
    assert_null(map_find(&scene.terminals, first.index));
    assert_false(scene.is_gone);
    found.process_count = 0;
    leftover_look(scene.leftover, SETTLE_MS);
    pass(&scene, 3000);
    assert_true(scene.is_gone);
    scene_end(&scene);
    shell_end(&first);
    shell_end(&second);
}

/* A terminal of a login that still runs is judged there. */
static void a_terminal_of_another_login(void **state)
{
    struct shell shell = shell_begin(SHELL_PLAIN);
    struct scene scene;
    int owner;

    NEEDS_OWN_ARCHITECTURE();
    (void)state;
    scene_begin(&scene, LEFTOVERS_WATCH, &told);
    assert_true(map_put(&scene.terminals, shell.index, &owner));
    tell_terminal(&shell);
    pass(&scene, 3000);
    assert_ptr_equal(map_find(&scene.terminals, shell.index), &owner);
    pass(&scene, 2 * LIMIT_MS);
    assert_true(shell_lives(&shell));
    scene_end(&scene);
    shell_end(&shell);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stopped_before_they_are_killed),
        cmocka_unit_test(nothing_is_left),
        cmocka_unit_test(ended_with_the_login),
        cmocka_unit_test(what_cannot_be_ended),
        cmocka_unit_test(too_old),
        cmocka_unit_test(not_to_be_seen),
        cmocka_unit_test(an_idle_terminal),
        cmocka_unit_test(terminals_that_go),
        cmocka_unit_test(a_terminal_of_another_login),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
