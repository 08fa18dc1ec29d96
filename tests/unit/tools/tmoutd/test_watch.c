/* All logins, and the policy that governs them. */
#include "tests/unit/tools/tmoutd/log_capture.h"
#include "tests/unit/tools/tmoutd/shell.h"
#include "tests/unit/tools/tmoutd/world.h"

#include "lib/sessions/schedule.h"
#include "tools/tmoutd/watch.h"

#include <sys/epoll.h>

enum { DAY_MS = 24 * 60 * 60 * 1000 };

struct scene {
    struct world world;
    struct watch *watch;
    int epoll_fd;
};

static void scene_begin(struct scene *scene, const char *directory, const char *policy)
{
    memset(scene, 0, sizeof *scene);
    world_begin(&scene->world, directory);
    if (policy != NULL)
        put_policy(&scene->world, policy);
    scene->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    assert_true(scene->epoll_fd >= 0);
    scene->watch = watch_new(scene->world.sessions_dir, scene->world.state_dir, scene->epoll_fd);
    assert_non_null(scene->watch);
    log_clear();
}

static void scene_end(struct scene *scene)
{
    watch_free(scene->watch);
    close(scene->epoll_fd);
}

static int64_t now_ms(void)
{
    return clock_ms(CLOCK_BOOTTIME);
}

/* Waits for the end of a login, and hands it on as the main loop does. */
static void await_end(struct scene *scene, pid_t pid)
{
    struct epoll_event event;

    assert_int_equal(epoll_wait(scene->epoll_fd, &event, 1, -1), 1);
    assert_true(event.data.u64 == (uint64_t)pid);
    watch_clock(scene->watch);
    watch_login_ended(scene->watch, pid);
}

static void nothing_to_do(void **state)
{
    struct scene scene;

    scene_begin(&scene, *state, "default { }");
    assert_true(watch_run(scene.watch) == NEVER_MS);
    assert_string_equal(logged, "");
    scene_end(&scene);
}

/* A login that is there at the start, until it ends. */
static void from_the_registry_to_the_end(void **state)
{
    struct scene scene;
    const pid_t pid = begin_process();

    scene_begin(&scene, *state, "default { max_session = 1d }");
    put_login(&scene.world, pid);
    const int64_t next_ms = watch_run(scene.watch);
    assert_true(next_ms > now_ms() + DAY_MS - 60000 && next_ms <= now_ms() + DAY_MS);
    end_process(pid);
    await_end(&scene, pid);
    assert_false(is_registered(&scene.world, pid));
    assert_true(watch_run(scene.watch) == NEVER_MS);
    assert_string_equal(logged, "");
    scene_end(&scene);
}

/* The event of the registry, even if it comes twice or without a reason. */
static void a_login_that_appears(void **state)
{
    struct scene scene;
    const pid_t pid = begin_process();

    scene_begin(&scene, *state, "default { max_session = 1d }");
    assert_true(watch_run(scene.watch) == NEVER_MS);
    watch_login(scene.watch, pid); /* no record */
    assert_true(watch_run(scene.watch) == NEVER_MS);
    put_login(&scene.world, pid);
    watch_login(scene.watch, pid);
    watch_login(scene.watch, pid);
    assert_true(watch_run(scene.watch) < NEVER_MS);
    end_process(pid);
    await_end(&scene, pid);
    watch_login_ended(scene.watch, pid);
    assert_true(watch_run(scene.watch) == NEVER_MS);
    scene_end(&scene);
}

static void a_stale_end_event(void **state)
{
    struct scene scene;
    const pid_t pid = begin_process();

    scene_begin(&scene, *state, "default { max_session = 1d }");
    put_login(&scene.world, pid);
    watch_run(scene.watch);
    watch_login_ended(scene.watch, pid);
    assert_true(watch_run(scene.watch) < NEVER_MS);
    assert_true(is_registered(&scene.world, pid));
    end_process(pid);
    scene_end(&scene);
}

/* An end without an event is found by a scan. */
static void events_that_were_lost(void **state)
{
    struct scene scene;
    const pid_t pid = begin_process(), later = begin_process();

    scene_begin(&scene, *state, "default { max_session = 1d }");
    put_login(&scene.world, pid);
    watch_run(scene.watch);
    end_process(pid);
    put_login(&scene.world, later);
    watch_events_lost(scene.watch);
    const int64_t next_ms = watch_run(scene.watch); /* soon, but not immediately */
    assert_true(is_registered(&scene.world, pid));
    assert_true(next_ms <= now_ms() + 5000);
    watch_everything(scene.watch);
    watch_run(scene.watch);
    assert_false(is_registered(&scene.world, pid));
    end_process(later);
    await_end(&scene, later);
    assert_false(is_registered(&scene.world, later));
    scene_end(&scene);
}

static void polling(void **state)
{
    struct scene scene;

    scene_begin(&scene, *state, "default { }");
    watch_run(scene.watch);
    watch_set_polling(scene.watch, true);
    const int64_t next_ms = watch_run(scene.watch);
    assert_true(next_ms > now_ms() + 20000 && next_ms <= now_ms() + 30000);
    watch_set_polling(scene.watch, false);
    watch_everything(scene.watch);
    assert_true(watch_run(scene.watch) == NEVER_MS);
    scene_end(&scene);
}

/* --- the policy ------------------------------------------------------------ */

static void a_policy_that_changes(void **state)
{
    struct scene scene;
    const pid_t pid = begin_process();

    scene_begin(&scene, *state, "default { max_session = 1d }");
    put_login(&scene.world, pid);
    watch_run(scene.watch);
    watch_policy(scene.watch); /* the same */
    assert_true(watch_run(scene.watch) > now_ms() + DAY_MS - 60000);
    put_policy(&scene.world, "default { max_session = 1h }");
    watch_policy(scene.watch);
    assert_true(watch_run(scene.watch) <= now_ms() + DAY_MS / 24);
    put_policy(&scene.world, "default { }");
    watch_policy(scene.watch);
    assert_true(watch_run(scene.watch) == NEVER_MS);
    end_process(pid);
    scene_end(&scene);
}

/* Logged once; the limits that are known stay. */
static void no_policy(void **state)
{
    struct scene scene;
    const pid_t pid = begin_process();
    char *path;

    scene_begin(&scene, *state, "default { max_session = 1h }");
    path = path_in(scene.world.state_dir, "policy.v1");
    put_login(&scene.world, pid);
    watch_run(scene.watch);
    assert_int_equal(unlink(path), 0);
    for (int i = 0; i < 3; i++) {
        watch_everything(scene.watch);
        const int64_t next_ms = watch_run(scene.watch);
        assert_true(next_ms <= now_ms() + 30000); /* asks again */
    }
    assert_logged("<3> no policy is in force: ", 1);
    assert_logged("; run tmoutctl apply\n", 1);
    put_policy(&scene.world, "default { }");
    watch_policy(scene.watch);
    assert_true(watch_run(scene.watch) == NEVER_MS);
    assert_int_equal(unlink(path), 0);
    watch_everything(scene.watch);
    watch_run(scene.watch);
    assert_logged("no policy is in force: ", 2);
    end_process(pid);
    free(path);
    scene_end(&scene);
}

static void a_user_who_is_unknown(void **state)
{
    struct scene scene;
    const pid_t pid = begin_process();

    scene_begin(&scene, *state, "default { max_session = 1h }");
    strcpy(scene.world.user, "nobody-of-this-name");
    put_login(&scene.world, pid);
    for (int i = 0; i < 3; i++) {
        watch_everything(scene.watch);
        assert_true(watch_run(scene.watch) <= now_ms() + 30000);
    }
    assert_logged("<3> cannot look up user: no such user; the login is not watched for now "
                  "user=nobody-of-this-name\n",
                  1);
    end_process(pid);
    scene_end(&scene);
}

/* More logins of one user than are looked up in one turn. */
static void many_logins(void **state)
{
    enum { LOGINS = 70 };
    struct scene scene;
    pid_t pid[LOGINS];

    need_pidfd();
    scene_begin(&scene, *state, "default { max_session = 1d }");
    for (int i = 0; i < LOGINS; i++) {
        pid[i] = begin_process();
        put_login(&scene.world, pid[i]);
    }
    assert_true(watch_run(scene.watch) <= now_ms()); /* there is more to do immediately */
    assert_true(watch_run(scene.watch) > now_ms() + DAY_MS - 60000);
    for (int i = 0; i < LOGINS; i++) {
        end_process(pid[i]);
        watch_login_ended(scene.watch, pid[i]);
    }
    assert_true(watch_run(scene.watch) == NEVER_MS);
    scene_end(&scene);
}

/* --- terminals ------------------------------------------------------------- */

/* This process is the login, and holds the masters. */
static void terminals_that_come_and_go(void **state)
{
    need_pidfd();
    struct scene scene;

    scene_begin(&scene, *state, "default { disconnect = 1d }");
    put_login(&scene.world, getpid());
    assert_true(watch_run(scene.watch) == NEVER_MS);
    struct shell shell = shell_begin(SHELL_PLAIN);
    watch_terminal_appeared(scene.watch, shell.index);
    int64_t next_ms = watch_run(scene.watch);
    assert_true(next_ms <= now_ms() + 1000); /* look for it soon */
    watch_everything(scene.watch);
    next_ms = watch_run(scene.watch);
    assert_true(next_ms <= now_ms() + 1000); /* sample it soon */
    watch_terminal_touched(scene.watch, shell.index);
    watch_terminal_touched(scene.watch, 1048575); /* nobody's */
    assert_true(watch_run(scene.watch) <= now_ms() + 1000);
    watch_terminal_vanished(scene.watch, shell.index);
    shell_end(&shell);
    assert_true(watch_run(scene.watch) == NEVER_MS);
    watch_terminal_appeared(scene.watch, 1048575);
    assert_true(watch_run(scene.watch) == NEVER_MS);
    assert_string_equal(logged, "");
    scene_end(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_DIRECTORY(nothing_to_do),
        WITH_DIRECTORY(from_the_registry_to_the_end),
        WITH_DIRECTORY(a_login_that_appears),
        WITH_DIRECTORY(a_stale_end_event),
        WITH_DIRECTORY(events_that_were_lost),
        WITH_DIRECTORY(polling),
        WITH_DIRECTORY(a_policy_that_changes),
        WITH_DIRECTORY(no_policy),
        WITH_DIRECTORY(a_user_who_is_unknown),
        WITH_DIRECTORY(many_logins),
        WITH_DIRECTORY(terminals_that_come_and_go),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
