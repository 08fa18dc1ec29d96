/*
 * A login that is ended while helpers do not begin, or have no answer, with a clock of the
 * test's own.
 */
#include "tests/unit/tools/tmoutd/busy_login.h"
#include "tests/unit/tools/tmoutd/few_descriptors.h"
#include "tests/unit/tools/tmoutd/log_capture.h"

#include "lib/host/pidfd.h"
#include "tools/tmoutd/login_cut.h"

enum { CHILDREN = 2, LOOK_MS = 3000, EXIT_MS = 1000, CLOSE_MS = 2000, STOPPED_MS = 60 * 1000 };

struct scene {
    struct loop loop;
    pid_t pid; /* of the login */
    int ready; /* at its end when all that runs below the login has ended */
    bool is_over;
};

static void note_over(void *context)
{
    *(bool *)context = true;
}

static void scene_begin(struct scene *scene)
{
    struct failure failure = {""};

    *scene = (struct scene){.pid = begin_login(CHILDREN, &scene->ready)};
    struct session_record login = login_of(scene->pid);
    const int ready = scene->ready, pidfd = pidfd_of(scene->pid);
    *scene = (struct scene){.pid = login.pid, .ready = ready};
    login.is_ssh = true;
    strcpy(login.user, "kim");
    assert_int_equal(loop_init(&scene->loop, NULL, &failure), 0);
    log_clear();
    assert_non_null(login_cut_begin(&scene->loop, &login, (const int[]){pidfd, -1}, note_over,
                                    &scene->is_over));
    close(pidfd);
}

static void scene_end(struct scene *scene)
{
    login_cuts_free(&scene->loop);
    loop_free(&scene->loop);
    kill(scene->pid, SIGKILL);
    waitpid(scene->pid, NULL, 0);
    close(scene->ready);
}

/* Everything that is due in this time, but no helper begins. */
static void pass(struct scene *scene, int64_t ms)
{
    const int64_t end_ms = scene->loop.now.boot_ms + ms;

    loop_ring(&scene->loop);
    while (loop_next_ms(&scene->loop) <= end_ms) {
        scene->loop.now.boot_ms = loop_next_ms(&scene->loop);
        loop_ring(&scene->loop);
    }
    scene->loop.now.boot_ms = end_ms;
}

static void begin_helpers(struct scene *scene)
{
    helpers_answer_all(scene->loop.helpers);
}

/* Helpers begin, but can open nothing. */
static void begin_helpers_in_vain(struct scene *scene)
{
    struct rlimit before, few;

    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    few = before;
    few.rlim_cur = 0;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    begin_helpers(scene);
    few_descriptors_end(&before);
}

static int await_change(const struct scene *scene)
{
    int status;

    assert_int_equal(waitpid(scene->pid, &status, WUNTRACED), scene->pid);
    return status;
}

static bool has_changed(const struct scene *scene)
{
    siginfo_t info = {.si_pid = 0};

    assert_int_equal(waitid(P_PID, (id_t)scene->pid, &info, WEXITED | WSTOPPED | WNOHANG | WNOWAIT),
                     0);
    return info.si_pid != 0;
}

static void assert_rest_lives(const struct scene *scene)
{
    struct pollfd end = {.fd = scene->ready};

    assert_int_equal(poll(&end, 1, 0), 0);
}

static void assert_ended_by(int status, int signal_number)
{
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), signal_number);
}

static void in_time(void **state)
{
    need_pidfd();
    struct scene scene;

    (void)state;
    scene_begin(&scene);
    pass(&scene, LOOK_MS - 1);
    assert_false(has_changed(&scene));
    begin_helpers(&scene);
    assert_ended_by(await_change(&scene), SIGTERM);
    pass(&scene, EXIT_MS);
    begin_helpers(&scene);
    assert_all_end(scene.ready);
    pass(&scene, CLOSE_MS);
    assert_true(scene.is_over);
    assert_true(LIST_EMPTY(&scene.loop.login_cuts));
    assert_string_equal(logged, "");
    scene_end(&scene);
}

/* The host is so busy that no helper begins: nobody works on through the connection, and
 * what runs below it is found all the same. */
static void no_helper_begins_for_long(void **state)
{
    need_pidfd();
    struct scene scene;

    (void)state;
    scene_begin(&scene);
    pass(&scene, LOOK_MS);
    assert_true(WIFSTOPPED(await_change(&scene)));
    kill(scene.pid, SIGCONT); /* as its user can */
    pass(&scene, EXIT_MS);
    assert_true(WIFSTOPPED(await_change(&scene)));
    pass(&scene, STOPPED_MS - LOOK_MS - EXIT_MS - 1);
    assert_false(has_changed(&scene));
    begin_helpers(&scene);
    assert_ended_by(await_change(&scene), SIGTERM);
    assert_rest_lives(&scene);
    pass(&scene, EXIT_MS);
    begin_helpers(&scene);
    assert_all_end(scene.ready);
    assert_string_equal(logged, "");
    scene_end(&scene);
}

static void no_helper_begins(void **state)
{
    need_pidfd();
    struct scene scene;
    char line[256];

    (void)state;
    scene_begin(&scene);
    pass(&scene, STOPPED_MS - 1);
    assert_true(WIFSTOPPED(await_change(&scene)));
    assert_false(has_changed(&scene));
    pass(&scene, 1);
    assert_ended_by(await_change(&scene), SIGTERM);
    pass(&scene, EXIT_MS + CLOSE_MS);
    assert_true(scene.is_over);
    begin_helpers(&scene);
    assert_true(LIST_EMPTY(&scene.loop.login_cuts));
    snprintf(line, sizeof line,
             "login terminated, but not all processes that ran below it are known: %s; unless "
             "leftovers = end, they may go on; see tmout-recovery(7) user=kim pid=%d\n",
             strerror(ETIMEDOUT), (int)scene.pid);
    assert_logged(line, 1);
    assert_rest_lives(&scene);
    scene_end(&scene);
}

/* The end of tmoutd leaves no connection stopped. */
static void the_daemon_ends(void **state)
{
    need_pidfd();
    struct scene scene;

    (void)state;
    scene_begin(&scene);
    pass(&scene, LOOK_MS);
    assert_true(WIFSTOPPED(await_change(&scene)));
    login_cuts_free(&scene.loop);
    assert_ended_by(await_change(&scene), SIGTERM);
    scene_end(&scene);
}

/* Questions are asked again, and what could not be killed at first is killed later. */
static void helpers_fail_for_a_while(void **state)
{
    need_pidfd();
    struct scene scene;

    (void)state;
    scene_begin(&scene);
    for (int i = 0; i < 3; i++) {
        pass(&scene, 500);
        begin_helpers_in_vain(&scene);
    }
    assert_false(has_changed(&scene));
    pass(&scene, 500);
    begin_helpers(&scene);
    assert_ended_by(await_change(&scene), SIGTERM);
    pass(&scene, EXIT_MS);
    for (int i = 0; i < 5; i++) {
        begin_helpers_in_vain(&scene);
        assert_rest_lives(&scene);
        pass(&scene, 500 << i);
    }
    begin_helpers(&scene);
    assert_all_end(scene.ready);
    assert_string_equal(logged, "");
    pass(&scene, CLOSE_MS);
    assert_true(LIST_EMPTY(&scene.loop.login_cuts));
    scene_end(&scene);
}

static void helpers_cannot_look(void **state)
{
    need_pidfd();
    struct scene scene;

    (void)state;
    scene_begin(&scene);
    for (int64_t passed = 0; passed < LOOK_MS; passed += 500) {
        begin_helpers_in_vain(&scene);
        pass(&scene, 500);
    }
    assert_ended_by(await_change(&scene), SIGTERM);
    assert_logged_error("not all processes that ran below it are known: ", EMFILE, ";", 1);
    scene_end(&scene);
}

static void helpers_cannot_kill(void **state)
{
    need_pidfd();
    struct scene scene;

    (void)state;
    scene_begin(&scene);
    begin_helpers(&scene);
    assert_ended_by(await_change(&scene), SIGTERM);
    pass(&scene, EXIT_MS);
    for (int i = 0; i < 20; i++) {
        begin_helpers_in_vain(&scene);
        pass(&scene, 10 * 60 * 1000);
    }
    assert_true(scene.is_over);
    assert_true(LIST_EMPTY(&scene.loop.login_cuts));
    assert_logged_error("login terminated, but 4 processes that ran below it cannot be killed: ",
                        EMFILE, "; they may go on; see tmout-recovery(7) user=kim pid=", 1);
    scene_end(&scene);
}

/* What helpers need is left to them. */
static void there_is_no_descriptor_for_it(void **state)
{
    const struct session_record login = {.pid = getpid(), .is_ssh = true};
    struct failure failure = {""};
    struct rlimit before, few;
    struct loop loop;
    int ends[2];

    (void)state;
    assert_int_equal(loop_init(&loop, NULL, &failure), 0);
    assert_int_equal(pipe(ends), 0);
    few_descriptors_begin(0, &before);
    few = before;
    few.rlim_cur = DESCRIPTORS_FOR_HELPERS;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    errno = 0;
    assert_null(login_cut_begin(&loop, &login, ends, NULL, NULL));
    assert_int_equal(errno, EMFILE);
    assert_true(LIST_EMPTY(&loop.login_cuts));
    few_descriptors_end(&before);
    close(ends[0]);
    close(ends[1]);
    loop_free(&loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_time),
        cmocka_unit_test(there_is_no_descriptor_for_it),
        cmocka_unit_test(no_helper_begins_for_long),
        cmocka_unit_test(no_helper_begins),
        cmocka_unit_test(the_daemon_ends),
        cmocka_unit_test(helpers_fail_for_a_while),
        cmocka_unit_test(helpers_cannot_look),
        cmocka_unit_test(helpers_cannot_kill),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
