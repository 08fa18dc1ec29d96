/* All logins, and the policy that governs them. */
#include "tests/unit/tools/tmoutd/log_capture.h"
#include "tests/unit/tools/tmoutd/shell.h"
#include "tests/unit/tools/tmoutd/world.h"

#include "tools/tmoutd/watch.h"

enum { DAY_MS = 24 * 60 * 60 * 1000 };

struct scene {
    struct world world;
    struct loop loop;
    struct watch *watch;
};

static void scene_begin(struct scene *scene, const char *directory, const char *policy)
{
    struct failure failure = {""};

    memset(scene, 0, sizeof *scene);
    world_begin(&scene->world, directory);
    if (policy != NULL)
        put_policy(&scene->world, policy);
    assert_int_equal(loop_init(&scene->loop, NULL, &failure), 0);
    scene->watch = watch_new(scene->world.sessions_dir, scene->world.state_dir, &scene->loop);
    assert_non_null(scene->watch);
    log_clear();
}

static void scene_end(struct scene *scene)
{
    watch_free(scene->watch);
    loop_free(&scene->loop);
}

static int64_t now_ms(const struct scene *scene)
{
    return scene->loop.now.boot_ms;
}

/* Does all that is due, and returns when there is more to do. */
static int64_t run(struct scene *scene)
{
    do {
        loop_ring(&scene->loop);
        helpers_answer_all(scene->loop.helpers);
    } while (loop_next_ms(&scene->loop) <= now_ms(scene));
    return loop_next_ms(&scene->loop);
}

static void nothing_to_do(void **state)
{
    struct scene scene;

    scene_begin(&scene, *state, "default { }");
    assert_true(run(&scene) == NEVER_MS);
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
    const int64_t next_ms = run(&scene);
    assert_true(next_ms > now_ms(&scene) + DAY_MS - 60000 && next_ms <= now_ms(&scene) + DAY_MS);
    assert_int_equal(watch_count(scene.watch), 1);
    end_process(pid);
    watch_everything(scene.watch);
    assert_true(run(&scene) == NEVER_MS);
    assert_int_equal(watch_count(scene.watch), 0);
    assert_false(is_registered(&scene.world, pid));
    assert_string_equal(logged, "");
    scene_end(&scene);
}

/* The event of the registry, even if it comes twice or without a reason. */
static void a_login_that_appears(void **state)
{
    struct scene scene;
    const pid_t pid = begin_process();

    scene_begin(&scene, *state, "default { max_session = 1d }");
    assert_true(run(&scene) == NEVER_MS);
    watch_login(scene.watch, pid); /* no record */
    assert_true(run(&scene) == NEVER_MS);
    put_login(&scene.world, pid);
    watch_login(scene.watch, pid);
    watch_login(scene.watch, pid);
    assert_true(run(&scene) < NEVER_MS);
    assert_int_equal(watch_count(scene.watch), 1);
    end_process(pid);
    scene_end(&scene);
}

/* A record of a process that ended before it was read, or whose pid was reused. */
static void a_record_of_no_login(void **state)
{
    struct scene scene;
    const pid_t pid = begin_process();
    struct session_record record;
    struct failure failure = {""};

    scene_begin(&scene, *state, "default { max_session = 1d }");
    record = put_login(&scene.world, pid);
    record.start_ticks--;
    assert_int_equal(registry_put(scene.world.sessions_dir, geteuid(), &record, &failure), 0);
    assert_true(run(&scene) == NEVER_MS);
    assert_false(is_registered(&scene.world, pid));
    assert_int_equal(watch_count(scene.watch), 0);
    end_process(pid);
    scene_end(&scene);
}

/* A later login has the pid by the time that the end of the first one is noticed. */
static void the_record_of_a_later_login(void **state)
{
    struct scene scene;
    const pid_t pid = begin_process();
    struct session_record record;
    struct failure failure = {""};

    scene_begin(&scene, *state, "default { max_session = 1d }");
    record = put_login(&scene.world, pid);
    record.start_ticks--;
    assert_int_equal(registry_put(scene.world.sessions_dir, geteuid(), &record, &failure), 0);
    loop_ring(&scene.loop);
    put_login(&scene.world, pid);
    run(&scene);
    assert_true(is_registered(&scene.world, pid));
    watch_login(scene.watch, pid);
    run(&scene);
    assert_int_equal(watch_count(scene.watch), 1);
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
    run(&scene);
    end_process(pid);
    put_login(&scene.world, later);
    watch_events_lost(scene.watch);
    const int64_t next_ms = run(&scene); /* soon, but not immediately */
    assert_true(is_registered(&scene.world, pid));
    assert_true(next_ms <= now_ms(&scene) + 5010);
    watch_everything(scene.watch);
    run(&scene);
    assert_false(is_registered(&scene.world, pid));
    assert_int_equal(watch_count(scene.watch), 1);
    end_process(later);
    scene_end(&scene);
}

static void polling(void **state)
{
    struct scene scene;

    scene_begin(&scene, *state, "default { }");
    run(&scene);
    watch_set_polling(scene.watch, true);
    const int64_t next_ms = run(&scene);
    assert_true(next_ms > now_ms(&scene) + 20000 && next_ms <= now_ms(&scene) + 30000);
    watch_set_polling(scene.watch, false);
    watch_everything(scene.watch);
    assert_true(run(&scene) == NEVER_MS);
    scene_end(&scene);
}

/* --- the policy ------------------------------------------------------------ */

static void a_policy_that_changes(void **state)
{
    static const int64_t minutes[] = {1, 10, 60};
    struct scene scene;
    const pid_t pid = begin_process();

    scene_begin(&scene, *state, "default { max_session = 1d }");
    put_login(&scene.world, pid);
    run(&scene);
    watch_policy(scene.watch); /* the same */
    assert_true(run(&scene) > now_ms(&scene) + DAY_MS - 60000);
    put_policy(&scene.world, "default { max_session = 1h }");
    watch_policy(scene.watch);
    assert_true(run(&scene) <= now_ms(&scene) + DAY_MS / 24);
    put_policy(&scene.world, "default { }");
    watch_policy(scene.watch);
    /* looser: looked up again after one, ten, and 60 minutes */
    for (size_t i = 0; i < COUNT_OF(minutes); i++) {
        const int64_t next_ms = run(&scene);
        assert_int_equal(next_ms - now_ms(&scene), minutes[i] * 60 * 1000);
        scene.loop.now.boot_ms = next_ms;
    }
    assert_true(run(&scene) == NEVER_MS);
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
    run(&scene);
    assert_int_equal(unlink(path), 0);
    for (int i = 0; i < 3; i++) {
        watch_everything(scene.watch);
        const int64_t next_ms = run(&scene);
        assert_true(next_ms <= now_ms(&scene) + 30000); /* asks again */
    }
    assert_logged("<3> no policy is in force: ", 1);
    assert_logged("; run tmoutctl apply\n", 1);
    put_policy(&scene.world, "default { }");
    watch_policy(scene.watch);
    assert_true(run(&scene) > now_ms(&scene) + 30000);
    assert_int_equal(unlink(path), 0);
    watch_everything(scene.watch);
    run(&scene);
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
        assert_true(run(&scene) <= now_ms(&scene) + 30000);
    }
    assert_logged("<3> cannot look up user: no such user; the login is not watched for now; see "
                  "tmout-recovery(7) "
                  "user=nobody-of-this-name\n",
                  1);
    end_process(pid);
    scene_end(&scene);
}

/* One lookup is for all logins of a user. */
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
    assert_true(run(&scene) > now_ms(&scene) + DAY_MS - 60000);
    assert_int_equal(watch_count(scene.watch), LOGINS);
    for (int i = 0; i < LOGINS; i++)
        end_process(pid[i]);
    watch_everything(scene.watch);
    assert_true(run(&scene) == NEVER_MS);
    assert_int_equal(watch_count(scene.watch), 0);
    scene_end(&scene);
}

/* --- terminals ------------------------------------------------------------- */

static void pass(struct scene *scene, int64_t ms)
{
    scene->loop.now.boot_ms += ms;
    scene->loop.now.wall_ms += ms;
}

/* This process is the login, and holds the masters. */
static void terminals_that_come_and_go(void **state)
{
    need_pidfd();
    struct scene scene;

    scene_begin(&scene, *state, "default { disconnect = 1d }");
    put_login(&scene.world, getpid());
    assert_true(run(&scene) == NEVER_MS);
    struct shell shell = shell_begin(SHELL_PLAIN);
    watch_terminal_appeared(scene.watch, shell.index);
    watch_terminal_touched(scene.watch, shell.index);
    int64_t next_ms = run(&scene);
    assert_true(next_ms == now_ms(&scene) + 1000); /* look for it soon */
    pass(&scene, 1000);
    next_ms = run(&scene);
    assert_true(next_ms == now_ms(&scene) + 1000); /* sample it soon */
    watch_terminal_touched(scene.watch, shell.index);
    watch_terminal_touched(scene.watch, 1048575); /* nobody's */
    assert_true(run(&scene) <= now_ms(&scene) + 1000);
    watch_terminal_vanished(scene.watch, shell.index);
    shell_end(&shell);
    assert_true(run(&scene) == NEVER_MS);
    watch_terminal_appeared(scene.watch, 1048575);
    watch_terminal_vanished(scene.watch, 1048575);
    assert_true(run(&scene) == NEVER_MS);
    assert_string_equal(logged, "");
    scene_end(&scene);
}

/* Many at the same time, of which some are the login's. */
static void many_terminals(void **state)
{
    enum { SHELLS = 3, FOREIGN = 100 };
    need_pidfd();
    struct scene scene;
    struct shell shell[SHELLS];

    scene_begin(&scene, *state, "default { disconnect = 1d }");
    put_login(&scene.world, getpid());
    run(&scene);
    for (int i = 0; i < SHELLS; i++) {
        shell[i] = shell_begin(SHELL_PLAIN);
        for (int touched = 0; touched < FOREIGN; touched++)
            watch_terminal_touched(scene.watch, shell[0].index);
        watch_terminal_touched(scene.watch, shell[i].index);
    }
    pass(&scene, 1000);
    run(&scene);
    for (int i = 0; i < SHELLS; i++) {
        /* Each is sampled when it is touched. */
        pass(&scene, 5000);
        run(&scene);
        pass(&scene, 2000);
        watch_terminal_touched(scene.watch, shell[i].index);
        assert_true(loop_next_ms(&scene.loop) <= now_ms(&scene));
        run(&scene);
    }
    for (int i = 0; i < SHELLS; i++)
        shell_end(&shell[i]);
    scene_end(&scene);
}

/* --- records ------------------------------------------------------------------- */

static struct session_record stored_record(const struct scene *scene, pid_t pid)
{
    struct session_record record;

    assert_int_equal(registry_get(scene->world.sessions_dir, geteuid(), pid, &record), REGISTRY_OK);
    return record;
}

/* The limits of a record from the policy in force need no look-up; they apply even to
 * a user whom nobody knows. */
static void limits_of_the_record(void **state)
{
    struct scene scene;
    const pid_t pid = begin_process();
    struct session_record record;
    struct snapshot snapshot;
    struct failure failure = {""};

    scene_begin(&scene, *state, "default { max_session = 1h }");
    record = put_login(&scene.world, pid);
    snprintf(record.user, sizeof record.user, "no such user");
    record.uid = 4711;
    assert_int_equal(
        snapshot_open(scene.world.state_dir, SNAPSHOT_POLICY, geteuid(), &snapshot, &failure),
        SNAPSHOT_OK);
    record.policy = snapshot_identity(&snapshot);
    snapshot_close(&snapshot);
    record.limits.terminal = (struct watch_limits){NEVER_MS, DAY_MS, 0};
    record.limits.notty = (struct watch_limits){NEVER_MS, DAY_MS, 0};
    assert_int_equal(registry_put(scene.world.sessions_dir, geteuid(), &record, &failure), 0);
    const int64_t next_ms = run(&scene);
    assert_true(next_ms > now_ms(&scene) + DAY_MS - 60000 && next_ms <= now_ms(&scene) + DAY_MS);
    assert_string_equal(logged, "");
    /* those known last, where the policy in force is another one */
    put_policy(&scene.world, "default { max_session = 2h }");
    watch_policy(scene.watch);
    assert_true(run(&scene) != NEVER_MS);
    assert_logged("cannot look up user: no such user; the previous limits stay in force; see "
                  "tmout-recovery(7) "
                  "user=no such user\n",
                  1);
    assert_true(stored_record(&scene, pid).policy == record.policy);
    end_process(pid);
    scene_end(&scene);
}

/* The limits of a record whose policy is not in force any more, so that they are looked
 * up, for a user whose record says this uid. */
static void put_old_limits(const struct scene *scene, pid_t pid, uid_t uid)
{
    struct session_record record = put_login(&scene->world, pid);
    struct failure failure = {""};

    record.uid = uid;
    record.policy = 1;
    record.limits.terminal = (struct watch_limits){NEVER_MS, DAY_MS, 0};
    record.limits.notty = (struct watch_limits){NEVER_MS, DAY_MS, 0};
    assert_int_equal(registry_put(scene->world.sessions_dir, geteuid(), &record, &failure), 0);
}

/* The name service answers with somebody else's entry: neither their limits nor their uid
 * are taken, and the truth is when it is told. */
static void another_user_in_the_place_of_this_one(void **state)
{
    struct scene scene;
    const pid_t lied = begin_process(), true_one = begin_process();
    char expected[512];

    scene_begin(&scene, *state, "default { max_session = 1h }");
    put_old_limits(&scene, lied, geteuid() + 1);
    for (int i = 0; i < 3; i++) {
        watch_everything(scene.watch);
        const int64_t next_ms = run(&scene);
        assert_true(next_ms > now_ms(&scene) && next_ms <= now_ms(&scene) + 30000);
    }
    snprintf(expected, sizeof expected,
             "<3> cannot look up user: the name service says uid %u, but said %u at login; the "
             "previous limits stay in force; see tmout-recovery(7) user=%s\n",
             geteuid(), geteuid() + 1, scene.world.user);
    assert_logged(expected, 1);
    assert_int_equal(stored_record(&scene, lied).uid, geteuid() + 1);
    assert_true(stored_record(&scene, lied).limits.notty.age_ms == DAY_MS);
    /* another login of that name, which has the other uid */
    put_old_limits(&scene, true_one, geteuid());
    watch_login(scene.watch, true_one);
    run(&scene);
    assert_true(stored_record(&scene, true_one).limits.notty.age_ms == DAY_MS / 24);
    assert_true(stored_record(&scene, lied).limits.notty.age_ms == DAY_MS);
    end_process(lied);
    end_process(true_one);
    scene_end(&scene);
}

/* What was looked up is stored. */
static void limits_are_written_back(void **state)
{
    struct scene scene;
    const pid_t pid = begin_process();

    scene_begin(&scene, *state, "default { max_session = 1d }");
    put_login(&scene.world, pid);
    assert_true(stored_record(&scene, pid).policy == 0);
    run(&scene);
    const struct session_record first = stored_record(&scene, pid);
    assert_true(first.policy != 0);
    assert_true(first.limits.notty.age_ms == DAY_MS);
    assert_true(first.uid == geteuid());
    put_policy(&scene.world, "default { max_session = 2d }");
    watch_policy(scene.watch);
    run(&scene);
    const struct session_record second = stored_record(&scene, pid);
    assert_true(second.policy != first.policy);
    assert_true(second.limits.notty.age_ms == 2 * (int64_t)DAY_MS);
    end_process(pid);
    scene_end(&scene);
}

/* A record that disappears while its login goes on is written again; at a logout it
 * goes first. */
static void a_record_that_disappears(void **state)
{
    struct scene scene;
    const pid_t pid = begin_process();

    scene_begin(&scene, *state, "default { max_session = 1d }");
    put_login(&scene.world, pid);
    run(&scene);
    registry_remove(scene.world.sessions_dir, geteuid(), pid);
    watch_record_removed(scene.watch, pid);
    scene.loop.now.boot_ms = run(&scene);
    run(&scene);
    assert_true(is_registered(&scene.world, pid));
    assert_logged(
        ": was removed, but the login goes on; written again; see tmout-recovery(7) user=", 1);
    registry_remove(scene.world.sessions_dir, geteuid(), pid);
    watch_record_removed(scene.watch, pid);
    end_process(pid);
    watch_everything(scene.watch);
    assert_true(run(&scene) == NEVER_MS);
    assert_false(is_registered(&scene.world, pid));
    scene_end(&scene);
}

/* It says what tmoutd knows of the login already. */
static void a_record_that_is_damaged(void **state)
{
    struct scene scene;
    const pid_t pid = begin_process();
    char name[16];

    scene_begin(&scene, *state, "default { max_session = 1d }");
    const struct session_record record = put_login(&scene.world, pid);
    run(&scene);
    snprintf(name, sizeof name, "%d", (int)pid);
    char *path = path_in(scene.world.sessions_dir, name);
    write_text(path, "damaged");
    free(path);
    watch_login(scene.watch, pid);
    assert_string_equal(stored_record(&scene, pid).user, record.user);
    assert_logged(": was damaged, written again; see tmout-recovery(7) user=", 1);
    assert_int_equal(watch_count(scene.watch), 1);
    end_process(pid);
    scene_end(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_DIRECTORY(limits_of_the_record),
        WITH_DIRECTORY(limits_are_written_back),
        WITH_DIRECTORY(another_user_in_the_place_of_this_one),
        WITH_DIRECTORY(a_record_that_disappears),
        WITH_DIRECTORY(a_record_that_is_damaged),
        WITH_DIRECTORY(nothing_to_do),
        WITH_DIRECTORY(from_the_registry_to_the_end),
        WITH_DIRECTORY(a_login_that_appears),
        WITH_DIRECTORY(a_record_of_no_login),
        WITH_DIRECTORY(the_record_of_a_later_login),
        WITH_DIRECTORY(events_that_were_lost),
        WITH_DIRECTORY(polling),
        WITH_DIRECTORY(a_policy_that_changes),
        WITH_DIRECTORY(no_policy),
        WITH_DIRECTORY(a_user_who_is_unknown),
        WITH_DIRECTORY(many_logins),
        WITH_DIRECTORY(terminals_that_come_and_go),
        WITH_DIRECTORY(many_terminals),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
