/* The events of the main loop, one turn at a time. */
#include "tests/unit/tools/tmoutd/log_capture.h"
#include "tests/unit/tools/tmoutd/shell.h"
#include "tests/unit/tools/tmoutd/world.h"

#include "tools/tmoutd/daemon.h"

#include <sys/resource.h>

struct scene {
    struct world world;
    struct options options;
    struct daemon daemon;
};

/* Handles what has happened by now. */
static void run_pending(struct scene *scene)
{
    while (sd_event_run(scene->daemon.event, 0) > 0)
        continue;
}

static void scene_begin(struct scene *scene, const char *directory, const char *policy)
{
    memset(scene, 0, sizeof *scene);
    log_clear();
    world_begin(&scene->world, directory);
    put_policy(&scene->world, policy);
    scene->options.state_dir = scene->world.state_dir;
    snprintf(scene->options.sessions_dir, sizeof scene->options.sessions_dir, "%s",
             scene->world.sessions_dir);
    assert_int_equal(daemon_start(&scene->daemon, &scene->options), 0);
    for (enum watched which = 0; which < WATCHED_OPTIONAL; which++)
        assert_true(scene->daemon.wd[which] >= 0);
    run_pending(scene); /* from now on it relies on events */
}

static void scene_end(struct scene *scene)
{
    daemon_free(&scene->daemon);
}

/* Turns until that is so; each of them waits for an event. */
#define turn_until(scene, condition)                                                               \
    do {                                                                                           \
        assert_int_equal(daemon_turn(&(scene)->daemon), 0);                                        \
    } while (!(condition))

static void signals_to_stop(void **state)
{
    static const int signals[] = {SIGTERM, SIGINT};
    struct scene scene;

    scene_begin(&scene, *state, "default { }");
    for (size_t i = 0; i < COUNT_OF(signals); i++) {
        scene.daemon.stop = false;
        raise(signals[i]);
        turn_until(&scene, scene.daemon.stop);
    }
    assert_string_equal(logged, "");
    scene_end(&scene);
}

/* A record appears, its process ends: both are events. */
static void a_login(void **state)
{
    struct scene scene;
    const pid_t pid = begin_process();

    scene_begin(&scene, *state, "default { max_session = 1d }");
    put_login(&scene.world, pid);
    turn_until(&scene, watch_count(scene.daemon.watch) == 1);
    end_process(pid);
    turn_until(&scene, !is_registered(&scene.world, pid));
    assert_int_equal(watch_count(scene.daemon.watch), 0);
    assert_string_equal(logged, "");
    scene_end(&scene);
}

/* The timer ends a login whose time is up. */
static void a_deadline(void **state)
{
    struct scene scene;
    const pid_t pid = begin_process();
    int status;

    scene_begin(&scene, *state, "default { max_session = 1s }");
    put_login(&scene.world, pid);
    turn_until(&scene, waitpid(pid, &status, WNOHANG) == pid);
    assert_logged("disconnected", 1);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
    turn_until(&scene, !is_registered(&scene.world, pid));
    scene_end(&scene);
}

/* SIGHUP rescans; the policy is an event by itself. */
static void the_policy(void **state)
{
    struct scene scene;
    const pid_t pid = begin_process();

    scene_begin(&scene, *state, "default { max_session = 1d }");
    put_login(&scene.world, pid);
    turn_until(&scene, watch_count(scene.daemon.watch) == 1);
    char *path = path_in(scene.world.state_dir, "policy.v1");
    assert_int_equal(unlink(path), 0);
    raise(SIGHUP);
    turn_until(&scene, times_logged("no policy is in force") == 1);
    put_policy(&scene.world, "default { max_session = 1s }");
    turn_until(&scene, waitpid(pid, NULL, WNOHANG) == pid);
    assert_logged("disconnected", 1);
    free(path);
    scene_end(&scene);
}

static void terminals(void **state)
{
    struct scene scene;

    scene_begin(&scene, *state, "default { disconnect = 1d }");
    struct shell shell = shell_begin(SHELL_PLAIN);
    char path[64];
    snprintf(path, sizeof path, "/dev/pts/%u", shell.index);
    assert_int_equal(chmod(path, 0600), 0); /* it has appeared, and is touched */
    assert_true(sd_event_run(scene.daemon.event, 0) > 0);
    shell_end(&shell);
    assert_true(sd_event_run(scene.daemon.event, 0) > 0); /* it vanishes */
    run_pending(&scene);
    assert_string_equal(logged, "");
    scene_end(&scene);
}

/* A directory that is removed and created again is watched again. */
static void a_directory_that_is_removed(void **state)
{
    struct scene scene;
    const pid_t pid = begin_process();

    scene_begin(&scene, *state, "default { max_session = 1d }");
    assert_int_equal(rmdir(scene.world.sessions_dir), 0);
    const int wd = scene.daemon.wd[WATCHED_SESSIONS];
    turn_until(&scene, scene.daemon.wd[WATCHED_SESSIONS] == -1);
    raise(SIGHUP);
    assert_int_equal(daemon_turn(&scene.daemon), 0);
    assert_true(scene.daemon.wd[WATCHED_SESSIONS] >= 0);
    assert_int_not_equal(scene.daemon.wd[WATCHED_SESSIONS], wd);
    put_login(&scene.world, pid);
    turn_until(&scene, watch_count(scene.daemon.watch) == 1);
    end_process(pid);
    turn_until(&scene, !is_registered(&scene.world, pid));
    scene_end(&scene);
}

/* One that cannot be watched is logged once. */
static void a_directory_that_cannot_be_watched(void **state)
{
    struct scene scene;

    scene_begin(&scene, *state, "default { }");
    char *path = path_in(scene.world.state_dir, "policy.v1");
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(scene.world.state_dir), 0);
    turn_until(&scene, scene.daemon.wd[WATCHED_POLICY] == -1);
    for (int i = 0; i < 3; i++) {
        raise(SIGHUP);
        assert_int_equal(daemon_turn(&scene.daemon), 0);
    }
    assert_logged("<4> cannot watch ", 1);
    assert_logged(
        "/state: No such file or directory; falling back to polling; see tmout-recovery(7)\n", 1);
    free(path);
    scene_end(&scene);
}

/* No descriptor for anything. */
static void without_descriptors(void **state)
{
    struct rlimit old, none;
    struct scene scene;

    if (is_slow())
        LEFT_OUT("a tool that runs the test has a limit of descriptors of its own");
    memset(&scene, 0, sizeof scene);
    world_begin(&scene.world, *state);
    scene.options.state_dir = scene.world.state_dir;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    none = (struct rlimit){3, 3};
    log_clear();
    pid_t pid = child_begin();
    if (pid == 0) {
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
        assert_int_equal(daemon_start(&scene.daemon, &scene.options), -1);
        assert_logged("<3> cannot start: ", 1);
        daemon_free(&scene.daemon);
        _exit(0);
    }
    assert_true(child_end(pid));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_DIRECTORY(signals_to_stop),
        WITH_DIRECTORY(a_login),
        WITH_DIRECTORY(a_deadline),
        WITH_DIRECTORY(the_policy),
        WITH_DIRECTORY(terminals),
        WITH_DIRECTORY(a_directory_that_is_removed),
        WITH_DIRECTORY(a_directory_that_cannot_be_watched),
        WITH_DIRECTORY(without_descriptors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
