/* Logins without a usable record: found, named, registered, and watched. The
 * helpers' work is done in this process, on processes that are sshd for all that
 * the kernel knows. */
#include "tests/unit/tools/tmoutd/log_capture.h"

#include "tests/unit/lib/sessions/false_sshd.h"

#include "lib/sessions/login_search.h"
#include "lib/sessions/registry_format.h"
#include "tools/tmoutd/announced.h"
#include "tools/tmoutd/reconcile.h"

#include <dlfcn.h>
#include <errno.h>
#include <pwd.h>

/* The name service, which may call every user root. */
static bool calls_all_root;

__attribute__((visibility("default"))) int getpwuid_r(uid_t uid, struct passwd *entry, char *buffer,
                                                      size_t size, struct passwd **result)
{
    int (*next)(uid_t, struct passwd *, char *, size_t, struct passwd **);
    static char root[] = "root";

    *(void **)&next = dlsym(RTLD_NEXT, "getpwuid_r");
    const int error = next(uid, entry, buffer, size, result);
    if (calls_all_root && *result != NULL)
        entry->pw_name = root;
    return error;
}

enum { FOUND_MAX = FOUND_LOGINS_MAX + 4, WATCHED_MAX = 2 * FOUND_MAX };

static struct {
    struct loop loop;
    struct record_store *store;
    struct reconcile *reconcile;
    char *sessions, *sshd;
    pid_t watched[WATCHED_MAX];
    size_t watched_count, on_machine;
    struct session_record found[FOUND_MAX];
    size_t found_count;
} scene;

static ssize_t give_watched(void *context, pid_t **pids)
{
    assert_ptr_equal(context, &scene);
    *pids = calloc(WATCHED_MAX, sizeof **pids);
    assert_non_null(*pids);
    memcpy(*pids, scene.watched, sizeof scene.watched);
    return (ssize_t)scene.watched_count;
}

static bool is_given(void *context, pid_t pid)
{
    assert_ptr_equal(context, &scene);
    for (size_t i = 0; i < scene.watched_count; i++)
        if (scene.watched[i] == pid)
            return true;
    return false;
}

static void take_found(void *context, const struct session_record *record)
{
    struct process process;

    assert_ptr_equal(context, &scene);
    assert_true(scene.watched_count < WATCHED_MAX);
    scene.watched[scene.watched_count++] = record->pid;
    if (process_read(record->pid, &process) != 0 || process.parent != getpid())
        return; /* of another test that runs now */
    assert_true(scene.found_count < FOUND_MAX);
    scene.found[scene.found_count++] = *record;
}

/* Whoever is logged in on the machine that runs the test is none of its business. */
static void watch_the_machine(void)
{
    static struct login_search search;

    assert_int_equal(login_search(NULL, 0, 0, &search), 0);
    for (uint32_t i = 0; i < search.count; i++)
        scene.watched[scene.watched_count++] = search.login[i].pid;
    scene.on_machine = scene.watched_count;
}

static void scene_begin(const char *directory)
{
    static const struct reconcile_hooks hooks = {&scene, give_watched, is_given, take_found};
    struct failure failure = {""};

    log_clear();
    memset(&scene, 0, sizeof scene);
    watch_the_machine();
    scene.sessions = path_in(directory, "sessions");
    scene.sshd = path_in(directory, "sshd");
    copy_program(scene.sshd);
    assert_int_equal(loop_init(&scene.loop, NULL, &failure), 0);
    scene.store = record_store_new(&scene.loop, scene.sessions);
    assert_non_null(scene.store);
    scene.reconcile = reconcile_new(&scene.loop, scene.store, &hooks);
    assert_non_null(scene.reconcile);
}

static void scene_end(void)
{
    reconcile_free(scene.reconcile);
    record_store_free(scene.store);
    loop_free(&scene.loop);
    free(scene.sshd);
    free(scene.sessions);
}

/* Time passes until the next alarm, and helpers answer. */
static void next(void)
{
    const int64_t next_ms = loop_next_ms(&scene.loop);

    assert_true(next_ms != NEVER_MS);
    if (next_ms > scene.loop.now.boot_ms)
        scene.loop.now.boot_ms = next_ms;
    loop_ring(&scene.loop);
    helpers_answer_all(scene.loop.helpers);
}

static void until_found(size_t count)
{
    for (int i = 0; i < 20 && scene.found_count < count; i++)
        next();
    assert_int_equal(scene.found_count, count);
}

static bool is_watched(pid_t pid)
{
    for (size_t i = 0; i < scene.found_count; i++)
        if (scene.found[i].pid == pid)
            return true;
    return false;
}

static char *record_path(pid_t pid)
{
    char name[16];

    snprintf(name, sizeof name, "%d", (int)pid);
    return path_in(scene.sessions, name);
}

static void write_record(pid_t pid, const void *bytes, size_t size)
{
    char *path = record_path(pid);

    write_bytes(path, bytes, size);
    assert_int_equal(chmod(path, 0600), 0);
    free(path);
}

/* --- without a record ------------------------------------------------------------ */

static void found_by(void **state, enum login_source reason, const char *name)
{
    char line[128];
    struct session_record record;

    scene_begin(*state);
    const pid_t pid = start_program(scene.sshd, "sshd: kim [priv]", "sshd: kim@pts/9");
    const int64_t begin_ms = scene.loop.now.boot_ms;
    reconcile_search(scene.reconcile, reason, 0);
    next();
    assert_int_equal(scene.found_count, 0); /* the module may be about to register it */
    until_found(1);
    assert_true(scene.loop.now.boot_ms - begin_ms <= 15 * 1000);
    assert_int_equal(scene.found[0].pid, pid);
    assert_int_equal(scene.found[0].source, reason);
    assert_int_equal(scene.found[0].uid, NOBODY);
    assert_string_equal(scene.found[0].user, "nobody");
    assert_true(scene.found[0].policy == 0);
    assert_int_equal(registry_get(scene.sessions, geteuid(), pid, &record), REGISTRY_OK);
    assert_int_equal(record.source, reason);
    assert_string_equal(record.user, "nobody");
    snprintf(line, sizeof line,
             "a login had no record; it is watched from now on; see tmout-recovery(7) user=nobody "
             "service=sshd pid=%d "
             "found_by=%s\n",
             (int)pid, name);
    assert_logged(line, 1);
    /* and that is the end of it, for this login */
    reconcile_search(scene.reconcile, LOGIN_FROM_SCAN, 0);
    next();
    assert_int_equal(scene.found_count, 1);
    end_program(pid);
    scene_end();
}

static void found_by_everything(void **state)
{
    NEEDS_ROOT();
    found_by(state, LOGIN_FROM_SCAN, "scan");
    found_by(state, LOGIN_FROM_TERMINAL, "terminal");
    found_by(state, LOGIN_FROM_LOGIND, "logind");
}

/* Nothing is done while nothing is noticed, and only so much while much is. */
static void not_too_often(void **state)
{
    NEEDS_ROOT();
    scene_begin(*state);
    assert_int_equal(loop_next_ms(&scene.loop), NEVER_MS);
    for (int i = 0; i < 100; i++)
        reconcile_search(scene.reconcile, LOGIN_FROM_TERMINAL, 0);
    assert_int_equal(loop_next_ms(&scene.loop), scene.loop.now.boot_ms);
    next();
    reconcile_search(scene.reconcile, LOGIN_FROM_TERMINAL, 0);
    assert_in_range(loop_next_ms(&scene.loop) - scene.loop.now.boot_ms, 1, RECONCILE_PAUSE_MS);
    scene_end();
}

/* More than one answer has room for: in parts, and as soon as a single one. */
static void more_than_a_part(void **state)
{
    enum { LOGINS = FOUND_LOGINS_MAX + 3 };
    static pid_t pid[LOGINS];

    NEEDS_ROOT();
    scene_begin(*state);
    for (size_t i = 0; i < LOGINS; i++)
        pid[i] = start_program(scene.sshd, "sshd: root@notty", NULL);
    const int64_t begin_ms = scene.loop.now.boot_ms;
    reconcile_search(scene.reconcile, LOGIN_FROM_SCAN, 0);
    next();
    assert_int_equal(scene.found_count, 0);
    until_found(LOGINS);
    assert_true(scene.loop.now.boot_ms - begin_ms <= 15 * 1000);
    for (size_t i = 0; i < LOGINS; i++) {
        assert_true(is_watched(pid[i]));
        end_program(pid[i]);
    }
    scene_end();
}

static void registered_meanwhile(void **state)
{
    struct session_record record;
    struct failure failure = {""};

    NEEDS_ROOT();
    scene_begin(*state);
    const pid_t pid = start_program(scene.sshd, "sshd: kim [priv]", "sshd: kim@pts/9");
    reconcile_search(scene.reconcile, LOGIN_FROM_TERMINAL, 0);
    next();
    /* and watched: */
    scene.watched[scene.watched_count++] = pid;
    next();
    assert_int_equal(scene.found_count, 0);
    assert_logged("had no record", 0);
    /* or not yet, because the event was lost: its own record counts */
    scene.watched_count = scene.on_machine;
    reconcile_search(scene.reconcile, LOGIN_FROM_TERMINAL, 0);
    next();
    struct process process;
    assert_int_equal(process_read(pid, &process), 0);
    record = (struct session_record){
        .pid = pid, .start_ticks = process.start_ticks, .uid = 1, .user = "by the module"};
    assert_int_equal(registry_put(scene.sessions, geteuid(), &record, &failure), 0);
    until_found(1);
    assert_string_equal(scene.found[0].user, "by the module");
    assert_logged("had no record", 0);
    end_program(pid);
    scene_end();
}

/* The record of a process that had the pid before. */
static void a_stale_record_in_the_way(void **state)
{
    struct session_record record;
    struct failure failure = {""};

    NEEDS_ROOT();
    scene_begin(*state);
    const pid_t pid = start_program(scene.sshd, "sshd: kim [priv]", "sshd: kim@pts/9");
    record = (struct session_record){.pid = pid, .start_ticks = 1, .user = "before"};
    assert_int_equal(registry_put(scene.sessions, geteuid(), &record, &failure), 0);
    reconcile_search(scene.reconcile, LOGIN_FROM_SCAN, 0);
    until_found(1);
    assert_string_equal(scene.found[0].user, "nobody");
    assert_int_equal(registry_get(scene.sessions, geteuid(), pid, &record), REGISTRY_OK);
    assert_string_equal(record.user, "nobody");
    end_program(pid);
    scene_end();
}

/* Who is admitted only after the search is found by a look at its process, unasked. */
static void admitted_later(void **state)
{
    int ready;

    NEEDS_ROOT();
    scene_begin(*state);
    const pid_t pid = begin_program(scene.sshd, "sshd: kim [priv]", NULL, 0, &ready);
    assert_int_equal(await_byte(ready), 'r');
    reconcile_search(scene.reconcile, LOGIN_FROM_SCAN, 0);
    for (int i = 0; i < 10; i++)
        next();
    assert_int_equal(scene.found_count, 0);
    const int64_t begin_ms = scene.loop.now.boot_ms;
    kill(pid, SIGUSR1);
    assert_int_equal(await_byte(ready), 'r');
    until_found(1);
    assert_true(is_watched(pid));
    assert_true(scene.loop.now.boot_ms - begin_ms <= 15 * 1000);
    end_program(pid);
    close(ready);
    scene_end();
}

/* --- announced by its process -------------------------------------------------------- */

/* Nothing else is looked at: not even a login that nobody announced. */
static void a_process_that_announces_itself(void **state)
{
    NEEDS_ROOT();
    scene_begin(*state);
    const pid_t other = start_program(scene.sshd, "sshd: kim [priv]", "sshd: kim@pts/8");
    const pid_t pid = start_program(scene.sshd, "sshd: kim [priv]", "sshd: kim@pts/9");
    const int64_t begin_ms = scene.loop.now.boot_ms;
    reconcile_look(scene.reconcile, pid, LOGIN_FROM_LOGIND, 4000);
    next();
    assert_int_equal(scene.found_count, 0); /* the module may be about to register it */
    until_found(1);
    assert_true(scene.loop.now.boot_ms - begin_ms <= 15 * 1000);
    assert_int_equal(scene.found[0].pid, pid);
    assert_int_equal(scene.found[0].source, LOGIN_FROM_LOGIND);
    while (loop_next_ms(&scene.loop) != NEVER_MS)
        next();
    assert_int_equal(scene.found_count, 1);
    end_program(other);
    end_program(pid);
    scene_end();
}

/* Most are, by the time of the look: then nothing is looked at. */
static void one_that_is_registered(void **state)
{
    NEEDS_ROOT();
    scene_begin(*state);
    const pid_t pid = start_program(scene.sshd, "sshd: kim [priv]", "sshd: kim@pts/9");
    reconcile_look(scene.reconcile, pid, LOGIN_FROM_SCAN, 4000);
    scene.watched[scene.watched_count++] = pid;
    next();
    assert_int_equal(loop_next_ms(&scene.loop), NEVER_MS);
    assert_int_equal(scene.found_count, 0);
    end_program(pid);
    scene_end();
}

/* What is announced may be no login, or have ended: that is settled after a while. */
static void no_login(void **state)
{
    NEEDS_ROOT();
    scene_begin(*state);
    const pid_t ended = start_program(scene.sshd, "sshd: kim [priv]", "sshd: kim@pts/9");
    const pid_t listens = start_program(scene.sshd, "sshd: sshd -D [listener]", NULL);
    const pid_t users = start_program_of(scene.sshd, "sshd", "sshd: kim [priv]", NOBODY);
    end_program(ended);
    const int64_t begin_ms = scene.loop.now.boot_ms;
    for (int i = 0; i < 3; i++) {
        reconcile_look(scene.reconcile, ended, LOGIN_FROM_SCAN, 4000);
        reconcile_look(scene.reconcile, listens, LOGIN_FROM_SCAN, 4000);
    }
    next();
    assert_int_equal(loop_next_ms(&scene.loop), NEVER_MS);
    /* before its execution is over, it may be anything */
    reconcile_look(scene.reconcile, getpid(), LOGIN_FROM_SCAN, 4000);
    while (loop_next_ms(&scene.loop) != NEVER_MS)
        next();
    assert_in_range(scene.loop.now.boot_ms - begin_ms, 15 * 1000, 40 * 1000);
    assert_int_equal(scene.found_count, 0);
    end_program(listens);
    end_program(users);
    scene_end();
}

/* More than there is room for: they are looked at at once, and the rest are searched for. */
static void too_many_announce_themselves(void **state)
{
    NEEDS_ROOT();
    scene_begin(*state);
    const pid_t pid = start_program(scene.sshd, "sshd: kim [priv]", "sshd: kim@pts/9");
    for (pid_t none = INT32_MAX; none > INT32_MAX - ANNOUNCED_MAX + 1; none--)
        reconcile_look(scene.reconcile, none, LOGIN_FROM_SCAN, 4000);
    assert_true(loop_next_ms(&scene.loop) > scene.loop.now.boot_ms);
    reconcile_look(scene.reconcile, 1, LOGIN_FROM_SCAN, 4000);
    assert_int_equal(loop_next_ms(&scene.loop), scene.loop.now.boot_ms);
    reconcile_look(scene.reconcile, pid, LOGIN_FROM_SCAN, 4000);
    until_found(1);
    assert_int_equal(scene.found[0].pid, pid);
    end_program(pid);
    scene_end();
}

/* Asked again until they can be, and logged once. */
static void a_user_who_cannot_be_looked_up(void **state)
{
    NEEDS_ROOT();
    scene_begin(*state);
    const pid_t pid = start_program_of(scene.sshd, "sshd: kim [priv]", "sshd: kim@notty", 64321);
    reconcile_search(scene.reconcile, LOGIN_FROM_SCAN, 0);
    for (int i = 0; i < 10; i++)
        next();
    assert_int_equal(scene.found_count, 0);
    assert_logged(
        "a login has no record, and its user cannot be looked up: no such user; it is not "
        "watched for now; see tmout-recovery(7) uid=64321 ",
        1);
    end_program(pid);
    /* until it ends */
    reconcile_search(scene.reconcile, LOGIN_FROM_SCAN, 0);
    for (int i = 0; i < 10 && loop_next_ms(&scene.loop) != NEVER_MS; i++)
        next();
    assert_int_equal(loop_next_ms(&scene.loop), NEVER_MS);
    scene_end();
}

/* A login that was given another user's name would have that user's limits. */
static void a_name_that_is_another_users(void **state)
{
    NEEDS_ROOT();
    scene_begin(*state);
    calls_all_root = true;
    const pid_t pid = start_program(scene.sshd, "sshd: kim [priv]", "sshd: kim@pts/9");
    reconcile_search(scene.reconcile, LOGIN_FROM_SCAN, 0);
    for (int i = 0; i < 10; i++)
        next();
    assert_int_equal(scene.found_count, 0);
    assert_logged(
        "a login has no record, and its user cannot be looked up: the name service gave "
        "an impossible answer; it is not watched for now; see tmout-recovery(7) uid=65534 ",
        1);
    calls_all_root = false;
    until_found(1);
    assert_string_equal(scene.found[0].user, "nobody");
    end_program(pid);
    scene_end();
}

/* --- with one that cannot be used -------------------------------------------------- */

static void a_damaged_record(void **state)
{
    struct session_record record;

    NEEDS_ROOT();
    scene_begin(*state);
    const pid_t pid = start_program(scene.sshd, "sshd: kim [priv]", "sshd: kim@pts/9");
    write_record(pid, "damaged", 7);
    reconcile_replace(scene.reconcile, pid, false);
    until_found(1);
    assert_int_equal(scene.found[0].pid, pid);
    assert_int_equal(scene.found[0].source, LOGIN_REBUILT);
    assert_int_equal(registry_get(scene.sessions, geteuid(), pid, &record), REGISTRY_OK);
    assert_string_equal(record.user, "nobody");
    assert_logged(": was damaged, rebuilt from /proc; see tmout-recovery(7) user=nobody\n", 1);
    end_program(pid);
    scene_end();
}

static void a_newer_record(void **state)
{
    const struct session_record record = {.pid = 1};
    struct session_record found;
    struct stored_record stored;

    NEEDS_ROOT();
    scene_begin(*state);
    const pid_t pid = start_program(scene.sshd, "sshd: kim [priv]", "sshd: kim@pts/9");
    record_encode(&record, &stored);
    stored.version++;
    write_record(pid, &stored, sizeof stored);
    reconcile_replace(scene.reconcile, pid, true);
    until_found(1);
    assert_int_equal(scene.found[0].pid, pid);
    assert_string_equal(scene.found[0].user, "nobody");
    /* its file is left to the version that can read it */
    assert_int_equal(registry_get(scene.sessions, geteuid(), pid, &found), REGISTRY_NEWER);
    assert_logged(": written by a newer version of pam_tmout; the login is watched as /proc shows "
                  "it, until tmoutd is restarted; see tmout-recovery(7) user=nobody\n",
                  1);
    assert_logged("damaged", 0);
    end_program(pid);
    scene_end();
}

/* What is damaged may name any process. */
static void a_damaged_record_of_no_login(void **state)
{
    NEEDS_ROOT();
    scene_begin(*state);
    char *own = record_path(getpid());
    write_record(getpid(), "damaged", 7);
    reconcile_replace(scene.reconcile, getpid(), false);
    next();
    assert_logged(": damaged, and the process is not a login; ignoring it; see tmout-recovery(7)\n",
                  1);
    assert_int_equal(access(own, F_OK), 0);
    /* of a user's process, and of one that has ended */
    const pid_t pid = start_program(scene.sshd, "sshd: kim [priv]", NULL);
    end_program(pid);
    char *ended = record_path(pid);
    write_record(pid, "damaged", 7);
    reconcile_replace(scene.reconcile, pid, false);
    next();
    assert_logged(
        ": damaged, and there is no such login process; removing it; see tmout-recovery(7)\n", 1);
    assert_int_equal(access(ended, F_OK), -1);
    assert_int_equal(scene.found_count, 0);
    free(ended);
    free(own);
    scene_end();
}

static void verdicts(void **state)
{
    static const struct {
        struct login_evidence evidence;
        enum record_verdict verdict;
    } rows[] = {
        {{.is_root = true,
          .is_of_host = true,
          .program = PROGRAM_SSHD,
          .title = "sshd: kim [priv]",
          .child_uid = 1000,
          .child_title = "sshd: kim@pts/1",
          .audit_session = NO_AUDIT_SESSION,
          .login_uid = NO_UID},
         RECORD_REBUILD},
        {{.is_root = true, .is_of_host = true, .program = PROGRAM_OTHER}, RECORD_KEEP},
        {{.is_root = true, .program = PROGRAM_SSHD}, RECORD_KEEP},      /* of a container */
        {{.is_of_host = true, .program = PROGRAM_SSHD}, RECORD_REMOVE}, /* a user's */
        /* only a process that is certainly gone is not a login */
        {{.error = ENOENT}, RECORD_REMOVE},
        {{.error = ESRCH, .is_root = true}, RECORD_REMOVE},
        {{.error = EMFILE}, RECORD_RETRY},
        {{.error = ENOMEM, .is_root = true}, RECORD_RETRY},
        {{.error = EIO}, RECORD_RETRY},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        uid_t uid = NO_UID;
        const enum record_verdict verdict = record_judge(&rows[i].evidence, &uid);
        if (verdict != rows[i].verdict || (verdict == RECORD_REBUILD && uid != 1000))
            fail_msg("row %zu: %d", i, (int)verdict);
    }
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        WITH_DIRECTORY(found_by_everything),
        WITH_DIRECTORY(more_than_a_part),
        WITH_DIRECTORY(not_too_often),
        WITH_DIRECTORY(registered_meanwhile),
        WITH_DIRECTORY(a_stale_record_in_the_way),
        WITH_DIRECTORY(admitted_later),
        WITH_DIRECTORY(a_process_that_announces_itself),
        WITH_DIRECTORY(one_that_is_registered),
        WITH_DIRECTORY(no_login),
        WITH_DIRECTORY(too_many_announce_themselves),
        WITH_DIRECTORY(a_user_who_cannot_be_looked_up),
        cmocka_unit_test(verdicts),
        WITH_DIRECTORY(a_damaged_record),
        WITH_DIRECTORY(a_name_that_is_another_users),
        WITH_DIRECTORY(a_newer_record),
        WITH_DIRECTORY(a_damaged_record_of_no_login),
    };

    if (is_stand_in(argc, argv))
        return stand_in(argv);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
