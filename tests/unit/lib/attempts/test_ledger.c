/*
 * The ledger on disk: used by many processes and threads at once, by processes
 * that are killed or stopped, and with anything else that may be in its place.
 * The test sets the clock.
 */
#include "tests/unit/temporary.h"

#include "lib/attempts/ledger_lock.h"
#include "lib/attempts/ledger.h"
#include "lib/attempts/ledger_format.h"
#include "lib/attempts/ledger_queue.h"
#include "lib/attempts/ledger_remove.h"
#include "lib/attempts/ledger_sources.h"
#include "lib/attempts/ledger_unlock.h"
#include "lib/host/failure.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

enum { USER = 4711, SECOND = 1000, MINUTE = 60 * SECOND };

static const struct origin local = {.kind = ORIGIN_LOCAL};
static const struct origin network = {.kind = ORIGIN_NETWORK};

/* Three failures within 15 minutes lock for ten. */
static const struct attempt_limits by_user = {
    .max_attempts = 3, .window_ms = 15 * MINUTE, .lock_ms = 10 * MINUTE};
static const struct attempt_limits by_source = {
    .max_attempts = 3, .window_ms = 15 * MINUTE, .lock_ms = 10 * MINUTE, .by_source = true};

static struct timestamp at(int64_t ms)
{
    return (struct timestamp){.boot_id = {1}, .boot_ms = ms, .wall_ms = 1000000000 + ms};
}

/* --- one attempt, with its own struct ledger, as in a login ----------------- */

struct attempt {
    struct ledger ledger;
    struct attempt_report report;
    struct failure failure;
};

static enum ledger_status open_ledger(const char *directory, int64_t ms, struct ledger *ledger,
                                      struct failure *failure)
{
    const struct timestamp now = at(ms);

    failure_set(failure, "%s", "");
    return ledger_open(directory, USER, geteuid(), &now, ledger, failure);
}

static enum ledger_status ask(struct attempt *a, const struct origin *origin,
                              const struct attempt_limits *limits, int64_t ms)
{
    const struct timestamp now = at(ms);

    return ledger_admit(&a->ledger, origin, limits, &now, &a->report, &a->failure);
}

static enum ledger_status settle(struct attempt *a, enum attempt_outcome outcome,
                                 const struct attempt_limits *limits, int64_t ms)
{
    const struct timestamp now = at(ms);

    return ledger_settle(&a->ledger, outcome, limits, &now, &a->report, &a->failure);
}

static void begin(const char *directory, struct attempt *a, const struct origin *origin,
                  const struct attempt_limits *limits, int64_t ms)
{
    const enum ledger_status opened = open_ledger(directory, ms, &a->ledger, &a->failure);

    if (opened != LEDGER_OK)
        fail_msg("opened: %d: %s", (int)opened, a->failure.text);
    if (ask(a, origin, limits, ms) != LEDGER_OK)
        fail_msg("asked: %s", a->failure.text);
}

static void begin_admitted(const char *directory, struct attempt *a, const struct origin *origin,
                           const struct attempt_limits *limits, int64_t ms)
{
    begin(directory, a, origin, limits, ms);
    assert_int_equal(a->report.admission, ADMITTED);
}

static void end(struct attempt *a, enum attempt_outcome outcome,
                const struct attempt_limits *limits, int64_t ms)
{
    if (settle(a, outcome, limits, ms) != LEDGER_OK)
        fail_msg("settled: %s", a->failure.text);
    assert_int_equal(a->report.admission, ADMITTED);
    ledger_close(&a->ledger);
}

static void attempt_once(const char *directory, const struct origin *origin,
                         const struct attempt_limits *limits, int64_t ms, bool success)
{
    struct attempt a;

    begin_admitted(directory, &a, origin, limits, ms);
    end(&a, success, limits, ms);
}

static void fail_times(const char *directory, const struct origin *origin,
                       const struct attempt_limits *limits, int64_t ms, unsigned times)
{
    for (unsigned i = 0; i < times; i++)
        attempt_once(directory, origin, limits, ms, false);
}

static enum admission ask_once(const char *directory, const struct origin *origin,
                               const struct attempt_limits *limits, int64_t ms)
{
    struct attempt a;

    begin(directory, &a, origin, limits, ms);
    if (a.report.admission == ADMITTED)
        end(&a, true, limits, ms);
    else
        ledger_close(&a.ledger);
    return a.report.admission;
}

/* What a caller sees that only looks. */
static struct attempt_state look_at(const char *directory, const struct origin *origin,
                                    const struct attempt_limits *limits, int64_t ms)
{
    const struct timestamp now = at(ms);
    struct attempt_state state = {0};
    struct failure failure = {""};
    struct ledger view;

    const enum ledger_status status = ledger_open_view(directory, USER, geteuid(), &view, &failure);
    if (status == LEDGER_ABSENT)
        return state;
    if (status != LEDGER_OK)
        fail_msg("looked: %d: %s", (int)status, failure.text);
    assert_int_equal(ledger_look_at(&view, origin, limits, &now, &state), 0);
    ledger_close(&view);
    return state;
}

static struct ledger_unlocking unlocking_until(const char *directory, int64_t now_ms,
                                               int64_t until_ms)
{
    return (struct ledger_unlocking){.state_dir = directory,
                                     .uid = USER,
                                     .owner = geteuid(),
                                     .now = at(now_ms),
                                     .until_ms = until_ms};
}

/* Unlocks as root. *had: whether there was anything to clear. */
static enum ledger_status unlock(const char *directory, int64_t ms, bool *had)
{
    const struct ledger_unlocking unlocking = unlocking_until(directory, ms, UNLOCK_ALL);
    struct ledger_unlocked unlocked;
    struct failure failure = {""};
    const enum ledger_status status = ledger_unlock(&unlocking, &unlocked, &failure);

    assert_int_equal(unlocked.replaced, strlen(failure.text) > 0 && status == LEDGER_OK);
    *had = unlocked.failures > 0 || unlocked.locked || unlocked.replaced;
    return status;
}

static char *ledger_path(const char *directory)
{
    return path_in(directory, LEDGER_DIRECTORY "/4711");
}

static char *evidence_path(const char *directory)
{
    return path_in(directory, LEDGER_DIRECTORY "/4711.damaged");
}

static struct origin address(const char *text)
{
    return origin_of_address(text);
}

/* --- processes -------------------------------------------------------------- */

/* Memory that the test shares with its children. */
static void *shared(size_t size)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    assert_true(memory != MAP_FAILED);
    return memory;
}

/* Forks a child that does not outlive the test. */
static pid_t child(void)
{
    const pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0)
        prctl(PR_SET_PDEATHSIG, SIGKILL);
    return pid;
}

static void assert_ended_well(pid_t pid)
{
    int status;

    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void kill_and_reap(pid_t pid)
{
    int status;

    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

/* A pipe on which one process notifies another that it has reached a certain
 * point. */
static void notify(int fd)
{
    if (write(fd, "x", 1) != 1)
        _exit(90);
}

static void await_notification(int fd)
{
    char c;

    if (read(fd, &c, 1) != 1)
        _exit(91);
}

/* A child that has been admitted and then only waits to be killed. */
static pid_t child_in_flight(const char *directory, const struct origin *origin, int64_t ms)
{
    int ready[2];

    assert_int_equal(pipe(ready), 0);
    const pid_t pid = child();
    if (pid == 0) {
        struct attempt a;
        if (open_ledger(directory, ms, &a.ledger, &a.failure) != LEDGER_OK ||
            ask(&a, origin, &by_user, ms) != LEDGER_OK || a.report.admission != ADMITTED)
            _exit(1);
        notify(ready[1]);
        for (;;)
            pause();
    }
    await_notification(ready[0]);
    close(ready[0]);
    close(ready[1]);
    return pid;
}

/* --- the file ---------------------------------------------------------------- */

/* The file is private to root, whatever the umask of the login. */
static void creates_with_any_umask(void **state)
{
    static const mode_t masks[] = {0, 022, 077, 0777};

    for (size_t i = 0; i < COUNT_OF(masks); i++) {
        char name[16];
        struct failure failure = {""};
        struct ledger ledger;
        struct stat st;

        snprintf(name, sizeof name, "%zu", i);
        char *directory = path_in(*state, name), *attempts = path_in(directory, LEDGER_DIRECTORY);
        char *path = ledger_path(directory);
        assert_int_equal(mkdir(directory, 0755), 0);
        const mode_t before = umask(masks[i]);
        assert_int_equal(open_ledger(directory, 0, &ledger, &failure), LEDGER_OK);
        umask(before);
        assert_int_equal(fcntl(ledger.fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
        ledger_close(&ledger);

        assert_int_equal(stat(attempts, &st), 0);
        assert_int_equal(st.st_mode, S_IFDIR | 0755);
        assert_int_equal(lstat(path, &st), 0);
        assert_int_equal(st.st_mode, S_IFREG | 0600);
        assert_int_equal(st.st_uid, geteuid());
        assert_int_equal(st.st_nlink, 1);
        assert_int_equal(st.st_size, ledger_file_size(RECORDS_WITHOUT_SOURCES));
        free(path);
        free(attempts);
        free(directory);
    }
}

static unsigned files_in(const char *directory)
{
    char *path = path_in(directory, LEDGER_DIRECTORY);
    DIR *listing = opendir(path);
    unsigned files = 0;

    assert_non_null(listing);
    for (const struct dirent *d; (d = readdir(listing)) != NULL;)
        files += d->d_name[0] != '.';
    closedir(listing);
    free(path);
    return files;
}

static void leaves_no_other_files(void **state)
{
    for (int i = 0; i < 5; i++)
        attempt_once(*state, &network, &by_user, 0, true);
    assert_int_equal(files_in(*state), 1);
}

/* Records are on disk: changing their size changes the format. */
static void layout_is_unchanged(void **state)
{
    (void)state;
    assert_int_equal(sizeof(struct attempt_count), 840);
    assert_int_equal(sizeof(struct file_bank), 1024);
    assert_int_equal(sizeof(struct file_record), 2048);
    assert_int_equal(sizeof(struct source_entry), 28);
    assert_int_equal(sizeof(struct index_bank), 3648);
    assert_int_equal(sizeof(struct ledger_successor), 64);
    assert_int_equal(ledger_file_size(RECORDS_WITHOUT_SOURCES), 7 * 1024);
    assert_int_equal(ledger_file_size(RECORDS_WITH_SOURCES), 276 * 1024);
}

static void fails_in_unusable_directories(void **state)
{
    struct failure failure = {""};
    struct ledger ledger;
    bool had;

    char *absent = path_in(*state, "absent");
    assert_int_equal(open_ledger(absent, 0, &ledger, &failure), LEDGER_FAILED);
    assert_non_null(strstr(failure.text, "No such file"));
    assert_int_equal(unlock(absent, 0, &had), LEDGER_ABSENT);
    free(absent);

    /* others could place their own ledger there */
    assert_int_equal(chmod(*state, 0777), 0);
    assert_int_equal(open_ledger(*state, 0, &ledger, &failure), LEDGER_FAILED);
    assert_true(strlen(failure.text) > 0);
    assert_int_equal(chmod(*state, 0755), 0);
    char *attempts = path_in(*state, LEDGER_DIRECTORY);
    assert_int_equal(access(attempts, F_OK), -1);

    assert_int_equal(mkdir(attempts, 0755), 0);
    assert_int_equal(chmod(attempts, 0775), 0);
    assert_int_equal(open_ledger(*state, 0, &ledger, &failure), LEDGER_FAILED);
    assert_int_equal(unlock(*state, 0, &had), LEDGER_FAILED);
    assert_int_equal(rmdir(attempts), 0);
    write_text(attempts, "");
    assert_int_equal(open_ledger(*state, 0, &ledger, &failure), LEDGER_FAILED);
    assert_int_equal(ledger_open_view(*state, USER, geteuid(), &ledger, &failure), LEDGER_FAILED);
    free(attempts);

    char deep[PATH_MAX + 10];
    memset(deep, 'd', sizeof deep);
    deep[0] = '/';
    deep[sizeof deep - 1] = '\0';
    assert_int_equal(open_ledger(deep, 0, &ledger, &failure), LEDGER_FAILED);
}

/* --- sequential attempts ------------------------------------------------------ */

static void counts_and_locks(void **state)
{
    struct attempt a;

    begin_admitted(*state, &a, &network, &by_user, 0);
    assert_int_equal(a.report.in_flight, 1);
    assert_int_equal(a.report.failures, 0);
    end(&a, false, &by_user, 0);
    assert_int_equal(a.report.failures, 1);
    assert_int_equal(a.report.in_flight, 0);
    attempt_once(*state, &network, &by_user, MINUTE, true);
    assert_int_equal(look_at(*state, &network, &by_user, MINUTE).failures, 0);

    fail_times(*state, &network, &by_user, MINUTE, 2);
    begin_admitted(*state, &a, &network, &by_user, 2 * MINUTE);
    end(&a, false, &by_user, 2 * MINUTE);
    assert_true(a.report.changes.locked);
    assert_int_equal(a.report.lock_left_ms, 10 * MINUTE);
    begin(*state, &a, &network, &by_user, 5 * MINUTE);
    assert_int_equal(a.report.admission, REJECTED_LOCKED);
    assert_int_equal(a.report.lock_left_ms, 7 * MINUTE);
    assert_int_equal(a.report.failures, 3);
    ledger_close(&a.ledger);
    assert_int_equal(look_at(*state, &network, &by_user, 5 * MINUTE).lock_left_ms, 7 * MINUTE);
    assert_int_equal(ask_once(*state, &network, &by_user, 12 * MINUTE), ADMITTED);
    assert_int_equal(look_at(*state, &network, &by_user, 12 * MINUTE).failures, 0);
}

/* A lock over the network never affects the console, nor vice versa. */
static void local_and_network_are_separate(void **state)
{
    const struct origin remote = address("192.0.2.1");

    fail_times(*state, &network, &by_user, 0, 3);
    assert_int_equal(ask_once(*state, &network, &by_user, 0), REJECTED_LOCKED);
    assert_int_equal(ask_once(*state, &remote, &by_user, 0),
                     REJECTED_LOCKED); /* one count for all addresses */
    assert_int_equal(look_at(*state, &local, &by_user, 0).failures, 0);
    fail_times(*state, &local, &by_user, 0, 2);
    assert_int_equal(ask_once(*state, &local, &by_user, 0), ADMITTED);
    assert_int_equal(ask_once(*state, &network, &by_user, 0),
                     REJECTED_LOCKED); /* a local success does not clear it */
    fail_times(*state, &local, &by_user, 0, 3);
    assert_int_equal(ask_once(*state, &local, &by_user, 0), REJECTED_LOCKED);
    assert_int_equal(ask_once(*state, &network, &by_user, 10 * MINUTE), ADMITTED);
}

static void users_are_separate(void **state)
{
    const struct timestamp now = at(0);
    struct failure failure = {""};
    struct attempt a;

    fail_times(*state, &network, &by_user, 0, 3);
    assert_int_equal(ledger_open(*state, USER + 1, geteuid(), &now, &a.ledger, &failure),
                     LEDGER_OK);
    assert_int_equal(ask(&a, &network, &by_user, 0), LEDGER_OK);
    assert_int_equal(a.report.admission, ADMITTED);
    end(&a, true, &by_user, 0);
    assert_int_equal(ask_once(*state, &network, &by_user, 0), REJECTED_LOCKED);
    /* the largest uid possible */
    assert_int_equal(ledger_open(*state, (uid_t)-2, geteuid(), &now, &a.ledger, &failure),
                     LEDGER_OK);
    ledger_close(&a.ledger);
    char *path = path_in(*state, LEDGER_DIRECTORY "/4294967294");
    assert_int_equal(access(path, F_OK), 0);
    free(path);
}

static void rejects_as_busy_until_one_settles(void **state)
{
    struct attempt a[3], next;

    for (size_t i = 0; i < COUNT_OF(a); i++)
        begin_admitted(*state, &a[i], &network, &by_user, 0);
    begin(*state, &next, &network, &by_user, 0);
    assert_int_equal(next.report.admission, REJECTED_BUSY);
    assert_int_equal(next.report.in_flight, 3);
    assert_int_equal(look_at(*state, &network, &by_user, 0).in_flight, 3);
    end(&a[1], true, &by_user, 0);
    assert_int_equal(ask(&next, &network, &by_user, 0), LEDGER_OK);
    assert_int_equal(next.report.admission, ADMITTED);
    end(&a[0], false, &by_user, 0);
    end(&a[2], false, &by_user, 0);
    end(&next, false, &by_user, 0);
    assert_int_equal(ask_once(*state, &network, &by_user, 0), REJECTED_LOCKED);
}

/* Closed without a result: none will follow. */
static void closing_without_a_result_counts_as_failure(void **state)
{
    struct attempt a;

    begin_admitted(*state, &a, &local, &by_user, 0);
    assert_int_equal(look_at(*state, &local, &by_user, 0).in_flight, 1);
    ledger_close(&a.ledger);
    ledger_close(&a.ledger); /* does nothing */
    const struct attempt_state after = look_at(*state, &local, &by_user, 0);
    assert_int_equal(after.in_flight, 0);
    assert_int_equal(after.failures, 1);
}

static void survives_reboots(void **state)
{
    struct timestamp now = {.boot_id = {2}, .boot_ms = 20 * SECOND, .wall_ms = 1000000000 + MINUTE};
    struct failure failure = {""};
    struct attempt a;

    fail_times(*state, &network, &by_user, 0, 2);
    begin_admitted(*state, &a, &network, &by_user, 0);
    ledger_close(&a.ledger);
    assert_int_equal(ledger_open(*state, USER, geteuid(), &now, &a.ledger, &failure), LEDGER_OK);
    assert_int_equal(ledger_admit(&a.ledger, &network, &by_user, &now, &a.report, &failure),
                     LEDGER_OK);
    assert_int_equal(a.report.admission, REJECTED_LOCKED);
    assert_int_equal(a.report.changes.died, 1);
    assert_int_equal(a.report.lock_left_ms, 9 * MINUTE);
    now.wall_ms -= 100 * MINUTE; /* the clock is set back, and another boot */
    now.boot_id[0] = 3;
    assert_int_equal(ledger_admit(&a.ledger, &network, &by_user, &now, &a.report, &failure),
                     LEDGER_OK);
    assert_int_equal(a.report.lock_left_ms, 9 * MINUTE - 20 * SECOND);
    ledger_close(&a.ledger);
}

/* --- concurrent attempts ------------------------------------------------------ */

struct crowd {
    const char *directory;
    const struct origin *origin;
    const struct attempt_limits *limits;
    bool success;
    unsigned inside, inside_max; /* admitted and not settled yet */
    unsigned admitted, rejected, errors;
};

/* In place of the password check: counts the attempts between admission and
 * settlement. */
static void check_password(struct crowd *crowd)
{
    const unsigned inside = __atomic_add_fetch(&crowd->inside, 1, __ATOMIC_SEQ_CST);
    unsigned max = __atomic_load_n(&crowd->inside_max, __ATOMIC_SEQ_CST);

    while (inside > max && !__atomic_compare_exchange_n(&crowd->inside_max, &max, inside, false,
                                                        __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
        ;
    for (int i = 0; i < 20; i++)
        sched_yield();
    __atomic_sub_fetch(&crowd->inside, 1, __ATOMIC_SEQ_CST);
}

/* Asks until it is admitted or locked out. Returns false on an error. */
static bool await_admission(struct attempt *a, const struct crowd *crowd)
{
    while (ask(a, crowd->origin, crowd->limits, 0) == LEDGER_OK) {
        if (a->report.admission != REJECTED_BUSY)
            return true;
        ledger_wait(&a->ledger, &a->report, 250);
    }
    return false;
}

/* One login among many. */
static void *login(void *argument)
{
    struct crowd *crowd = argument;
    struct attempt a;

    if (open_ledger(crowd->directory, 0, &a.ledger, &a.failure) != LEDGER_OK ||
        !await_admission(&a, crowd)) {
        __atomic_add_fetch(&crowd->errors, 1, __ATOMIC_SEQ_CST);
    } else if (a.report.admission == REJECTED_LOCKED) {
        __atomic_add_fetch(&crowd->rejected, 1, __ATOMIC_SEQ_CST);
    } else {
        __atomic_add_fetch(&crowd->admitted, 1, __ATOMIC_SEQ_CST);
        check_password(crowd);
        if (settle(&a, crowd->success, crowd->limits, 0) != LEDGER_OK ||
            a.report.admission != ADMITTED)
            __atomic_add_fetch(&crowd->errors, 1, __ATOMIC_SEQ_CST);
    }
    ledger_close(&a.ledger);
    return NULL;
}

/* All processes wait at a pipe until its other end is closed. */
static void run_processes(struct crowd *crowd, unsigned count)
{
    pid_t *pid = calloc(count, sizeof *pid);
    int start[2];
    char c;

    assert_non_null(pid);
    assert_int_equal(pipe2(start, O_CLOEXEC), 0);
    for (unsigned i = 0; i < count; i++) {
        pid[i] = child();
        if (pid[i] == 0) {
            close(start[1]);
            if (read(start[0], &c, 1) != 0)
                _exit(1);
            login(crowd);
            _exit(0);
        }
    }
    close(start[0]);
    close(start[1]);
    for (unsigned i = 0; i < count; i++)
        assert_ended_well(pid[i]);
    free(pid);
}

static void run_threads(struct crowd *crowd, unsigned count)
{
    pthread_t *thread = calloc(count, sizeof *thread);

    assert_non_null(thread);
    for (unsigned i = 0; i < count; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, login, crowd), 0);
    for (unsigned i = 0; i < count; i++)
        assert_int_equal(pthread_join(thread[i], NULL), 0);
    free(thread);
}

typedef void run_crowd(struct crowd *crowd, unsigned count);

/*
 * Both halves of the guarantee: of N wrong passwords exactly as many as the
 * limit are admitted, and of N right ones all are, though never more than the
 * limit at once.
 */
static void assert_guarantee(const char *directory, const struct origin *origin, run_crowd *run,
                             unsigned count, const struct attempt_limits *limits)
{
    struct crowd *crowd = shared(sizeof *crowd);
    bool had;

    *crowd =
        (struct crowd){.directory = directory, .origin = origin, .limits = limits, .success = true};
    run(crowd, count);
    assert_int_equal(crowd->errors, 0);
    assert_int_equal(crowd->admitted, count);
    assert_true(crowd->inside_max <= limits->max_attempts);
    assert_int_equal(look_at(directory, origin, limits, 0).failures, 0);

    *crowd = (struct crowd){.directory = directory, .origin = origin, .limits = limits};
    run(crowd, count);
    assert_int_equal(crowd->errors, 0);
    assert_int_equal(crowd->admitted, limits->max_attempts);
    assert_int_equal(crowd->rejected, count - limits->max_attempts);
    assert_true(crowd->inside_max <= limits->max_attempts);
    assert_int_equal(look_at(directory, origin, limits, 0).failures, limits->max_attempts);
    assert_int_equal(look_at(directory, origin, limits, 0).in_flight, 0);

    assert_int_equal(unlock(directory, 0, &had), LEDGER_OK);
    assert_true(had);
    munmap(crowd, sizeof *crowd);
}

/* The first ones create the ledger, all at once, and even that loses nothing. */
static void crowds(const char *directory, run_crowd *run)
{
    static const unsigned numbers[] = {50, 100, 200}, slow_numbers[] = {12, 20};
    static const unsigned max[] = {1, 3, 10};
    const unsigned *n = is_slow() ? slow_numbers : numbers;
    const struct origin remote = address("2001:db8::1");
    struct attempt_limits limits = by_user;

    for (size_t i = 0; i < (is_slow() ? COUNT_OF(slow_numbers) : COUNT_OF(numbers)); i++) {
        limits.max_attempts = max[i];
        limits.by_source = i == 1;
        assert_guarantee(directory, i == 0 ? &local : &remote, run, n[i], &limits);
    }
    assert_int_equal(files_in(directory), 1);
}

static void many_processes(void **state)
{
    crowds(*state, run_processes);
}

static void many_threads(void **state)
{
    crowds(*state, run_threads);
}

/* --- waiting ------------------------------------------------------------------ */

/* The attempt is settled before the wait begins: it must not sleep. */
static void does_not_wait_if_already_settled(void **state)
{
    struct attempt first, second;
    struct attempt_limits limits = by_user;

    limits.max_attempts = 1;
    for (int success = 1; success >= 0; success--) {
        begin_admitted(*state, &first, &network, &limits, 0);
        begin(*state, &second, &network, &limits, 0);
        assert_int_equal(second.report.admission, REJECTED_BUSY);
        assert_false(ledger_wait(&second.ledger, &second.report, 1)); /* nothing yet */
        end(&first, success ? ATTEMPT_SUCCEEDED : ATTEMPT_FAILED, &limits, 0);
        assert_true(ledger_wait(&second.ledger, &second.report, INT_MAX));
        assert_true(ledger_wait(&second.ledger, &second.report, INT_MAX));
        ledger_close(&second.ledger);
    }
}

/* On a 32-bit host the kernel must read the timeout as the C library wrote it. */
static void waits_until_the_timeout(void **state)
{
    enum { TIMEOUT_MS = 50 };
    struct attempt first, second;
    struct attempt_limits limits = by_user;

    limits.max_attempts = 1;
    begin_admitted(*state, &first, &network, &limits, 0);
    begin(*state, &second, &network, &limits, 0);
    const int64_t start_ms = clock_ms(CLOCK_MONOTONIC);
    assert_false(ledger_wait(&second.ledger, &second.report, TIMEOUT_MS));
    assert_true(clock_ms(CLOCK_MONOTONIC) - start_ms >= TIMEOUT_MS);
    ledger_close(&first.ledger);
    ledger_close(&second.ledger);
}

/* Waits, and succeeds if it was woken by a settlement. */
static pid_t waiting_child(const char *directory, const struct attempt_limits *limits, int about_to)
{
    const pid_t pid = child();

    if (pid == 0) {
        struct attempt a;
        if (open_ledger(directory, 0, &a.ledger, &a.failure) != LEDGER_OK ||
            ask(&a, &network, limits, 0) != LEDGER_OK || a.report.admission != REJECTED_BUSY)
            _exit(1);
        notify(about_to);
        _exit(ledger_wait(&a.ledger, &a.report, INT_MAX) ? 0 : 2);
    }
    return pid;
}

/* Waits until the kernel reports the process as sleeping, most likely in the
 * call that is to be tested. */
static void await_sleep(pid_t pid)
{
    char path[64], text[256], how = '?';

    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    while (how != 'S') {
        const int fd = open(path, O_RDONLY | O_CLOEXEC);
        assert_true(fd >= 0);
        const ssize_t size = read(fd, text, sizeof text - 1);
        close(fd);
        assert_true(size > 0);
        text[size] = '\0';
        how = strrchr(text, ')')[2];
        assert_int_not_equal(how, 'Z');
        sched_yield();
    }
}

/* Woken by another process's settlement, not by a time-out, which would take
 * weeks. A lock wakes all of them. */
static void settlement_wakes_waiters(void **state)
{
    struct attempt_limits limits = by_user;
    int ready[2];

    limits.max_attempts = 1;
    assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
    for (int round = 0; round < (is_slow() ? 4 : 40); round++) {
        const enum attempt_outcome outcome = (enum attempt_outcome)(round % 3);
        const int waiters = outcome == ATTEMPT_FAILED ? 3 : 1;
        struct attempt a;
        pid_t pid[3];
        bool had;

        begin_admitted(*state, &a, &network, &limits, 0);
        for (int i = 0; i < waiters; i++) {
            pid[i] = waiting_child(*state, &limits, ready[1]);
            await_notification(ready[0]);
            await_sleep(pid[i]);
        }
        end(&a, outcome, &limits, 0);
        for (int i = 0; i < waiters; i++)
            assert_ended_well(pid[i]);
        assert_int_equal(unlock(*state, 0, &had), LEDGER_OK);
        assert_int_equal(had, outcome == ATTEMPT_FAILED);
    }
    close(ready[0]);
    close(ready[1]);
}

/* Root's unlock wakes all waiters. */
static void unlock_wakes_waiters(void **state)
{
    struct attempt_limits limits = by_user;
    struct attempt a;
    int ready[2];
    bool had;

    limits.max_attempts = 2;
    attempt_once(*state, &network, &limits, 0, false);
    begin_admitted(*state, &a, &network, &limits, 0);
    assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
    const pid_t pid = waiting_child(*state, &limits, ready[1]);
    await_notification(ready[0]);
    await_sleep(pid);
    assert_int_equal(unlock(*state, 0, &had), LEDGER_OK);
    assert_true(had);
    assert_ended_well(pid);
    end(&a, true, &limits, 0);
    close(ready[0]);
    close(ready[1]);
}

static enum admission asks(struct attempt *a, const struct attempt_limits *limits, int64_t ms)
{
    assert_int_equal(ask(a, &network, limits, ms), LEDGER_OK);
    return a->report.admission;
}

/* Whoever comes while others wait, waits as well; of those, the longest is next. A waiter
 * that is gone is not waited for. */
static void longest_waiter_goes_first(void **state)
{
    struct attempt_limits limits = by_user;
    struct attempt first, waiter[4], late;

    limits.max_attempts = 1;
    begin_admitted(*state, &first, &network, &limits, 0);
    for (int i = 0; i < 4; i++) {
        begin(*state, &waiter[i], &network, &limits, i);
        assert_int_equal(waiter[i].report.admission, REJECTED_BUSY);
    }
    end(&first, true, &limits, 5);
    begin(*state, &late, &network, &limits, 6);
    assert_int_equal(late.report.admission, REJECTED_BUSY);
    for (int i = 3; i > 0; i--)
        assert_int_equal(asks(&waiter[i], &limits, 6), REJECTED_BUSY);
    assert_int_equal(asks(&waiter[0], &limits, 6), ADMITTED);
    end(&waiter[0], true, &limits, 7);
    ledger_close(&waiter[1].ledger); /* gives up */
    assert_int_equal(asks(&waiter[3], &limits, 8), REJECTED_BUSY);
    assert_int_equal(asks(&waiter[2], &limits, 8), ADMITTED);
    end(&waiter[2], true, &limits, 9);
    assert_int_equal(asks(&late, &limits, 9), REJECTED_BUSY);
    assert_int_equal(asks(&waiter[3], &limits, 9), ADMITTED);
    end(&waiter[3], true, &limits, 9);
    assert_int_equal(asks(&late, &limits, 9), ADMITTED);
    end(&late, true, &limits, 9);
}

/* Its process is stopped: it loses its turn after a second, once and for all. */
static void stopped_waiter_loses_its_turn(void **state)
{
    struct attempt_limits limits = by_user;
    struct attempt first, stopped, waiter[2];

    limits.max_attempts = 1;
    begin_admitted(*state, &first, &network, &limits, 0);
    begin(*state, &stopped, &network, &limits, 0);
    for (int i = 0; i < 2; i++)
        begin(*state, &waiter[i], &network, &limits, 1 + i);
    end(&first, true, &limits, 10);
    assert_int_equal(asks(&waiter[0], &limits, 9 + QUEUE_PATIENCE_MS), REJECTED_BUSY);
    assert_int_equal(asks(&waiter[0], &limits, 10 + QUEUE_PATIENCE_MS), ADMITTED);
    end(&waiter[0], true, &limits, 11 + QUEUE_PATIENCE_MS);
    assert_int_equal(asks(&waiter[1], &limits, 11 + QUEUE_PATIENCE_MS), ADMITTED);
    end(&waiter[1], true, &limits, 12 + QUEUE_PATIENCE_MS);
    assert_int_equal(asks(&stopped, &limits, 12 + QUEUE_PATIENCE_MS), ADMITTED);
    end(&stopped, true, &limits, 13 + QUEUE_PATIENCE_MS);
}

/* Nothing is charged, and nothing is forgotten. */
static void withdrawal_changes_nothing(void **state)
{
    static const struct origin *const origins[] = {&local, &network};
    const struct origin source = address("192.0.2.1");
    struct attempt a;

    for (size_t i = 0; i < COUNT_OF(origins); i++) {
        fail_times(*state, origins[i], &by_user, 0, 2);
        for (int n = 0; n < 10; n++) {
            begin_admitted(*state, &a, origins[i], &by_user, n);
            end(&a, ATTEMPT_WITHDRAWN, &by_user, n);
        }
        const struct attempt_state after = look_at(*state, origins[i], &by_user, 10);
        assert_int_equal(after.failures, 2);
        assert_int_equal(after.in_flight, 0);
        assert_int_equal(after.lock_left_ms, 0);
    }
    attempt_once(*state, &source, &by_source, 10, false);
    begin_admitted(*state, &a, &source, &by_source, 10);
    end(&a, ATTEMPT_WITHDRAWN, &by_source, 10);
    assert_int_equal(look_at(*state, &source, &by_source, 10).failures, 1);
}

/* Also where the ledger was replaced between the admission and the withdrawal, or the
 * withdrawal itself was written to a ledger that no longer counted. */
static void withdrawal_survives_replacement(void **state)
{
    struct attempt a, other;

    begin_admitted(*state, &a, &network, &by_user, 0);
    assert_int_equal(open_ledger(*state, 0, &other.ledger, &other.failure), LEDGER_OK);
    const struct timestamp now = at(0);
    assert_int_equal(ledger_renew(&other.ledger, &now, &other.failure), LEDGER_OK);
    assert_int_equal(look_at(*state, &network, &by_user, 0).in_flight, 1);
    end(&a, ATTEMPT_WITHDRAWN, &by_user, 0);
    assert_int_equal(look_at(*state, &network, &by_user, 0).in_flight, 0);
    assert_int_equal(look_at(*state, &network, &by_user, 0).failures, 0);
    ledger_close(&other.ledger);
}

/* Waiters see it, and it does not extend the turn of one that is stopped. */
static void progress_elsewhere_shows(void **state)
{
    struct attempt_limits limits = by_user;
    struct attempt first, second, stopped, waiter;

    limits.max_attempts = 2;
    begin_admitted(*state, &first, &network, &limits, 0);
    begin_admitted(*state, &second, &network, &limits, 0);
    begin(*state, &stopped, &network, &limits, 0);
    begin(*state, &waiter, &network, &limits, 1);
    const uint32_t seen = waiter.report.seen;
    assert_false(ledger_wait(&waiter.ledger, &waiter.report, 0));
    ledger_show_progress(&first.ledger);
    assert_true(ledger_wait(&waiter.ledger, &waiter.report, 0));
    assert_int_equal(asks(&waiter, &limits, 2), REJECTED_BUSY);
    assert_int_not_equal(waiter.report.seen, seen);
    assert_int_equal(waiter.report.in_flight, 2);
    assert_int_equal(waiter.report.failures, 0);

    end(&second, ATTEMPT_WITHDRAWN, &limits, 10);
    ledger_show_progress(&first.ledger);
    assert_int_equal(asks(&waiter, &limits, 9 + QUEUE_PATIENCE_MS), REJECTED_BUSY);
    ledger_show_progress(&first.ledger);
    assert_int_equal(asks(&waiter, &limits, 10 + QUEUE_PATIENCE_MS), ADMITTED);
    end(&waiter, ATTEMPT_SUCCEEDED, &limits, 10 + QUEUE_PATIENCE_MS);
    end(&first, ATTEMPT_SUCCEEDED, &limits, 10 + QUEUE_PATIENCE_MS);
    ledger_close(&stopped.ledger);
}

/* --- killed, stopped, forked --------------------------------------------------- */

static void killed_process_counts_as_failure(void **state)
{
    static const struct origin *const origins[] = {&local, &network};

    for (size_t i = 0; i < COUNT_OF(origins); i++) {
        const pid_t pid = child_in_flight(*state, origins[i], 0);
        assert_int_equal(look_at(*state, origins[i], &by_user, 0).in_flight, 1);
        kill_and_reap(pid);
        const struct attempt_state after = look_at(*state, origins[i], &by_user, 0);
        assert_int_equal(after.in_flight, 0);
        assert_int_equal(after.failures, 1);

        struct attempt next;
        begin_admitted(*state, &next, origins[i], &by_user, 0);
        assert_int_equal(next.report.changes.died, 1);
        assert_int_equal(next.report.failures, 1);
        end(&next, false, &by_user, 0);
        assert_int_equal(next.report.failures, 2);
    }
}

/* A stopped process is still alive, but not without limit, and a result after
 * that does not count. */
static void stopped_process_counts_as_failure_eventually(void **state)
{
    int ready[2], go[2], status;

    assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
    assert_int_equal(pipe2(go, O_CLOEXEC), 0);
    const pid_t pid = child();
    if (pid == 0) {
        struct attempt a;
        if (open_ledger(*state, 0, &a.ledger, &a.failure) != LEDGER_OK ||
            ask(&a, &local, &by_user, 0) != LEDGER_OK || a.report.admission != ADMITTED)
            _exit(1);
        notify(ready[1]);
        await_notification(go[0]);
        if (settle(&a, true, &by_user, ATTEMPT_AGE_MAX_MS) != LEDGER_OK)
            _exit(2);
        _exit(a.report.admission == REJECTED_LOCKED && a.report.failures == 1 ? 0 : 3);
    }
    await_notification(ready[0]);
    assert_int_equal(kill(pid, SIGSTOP), 0);
    assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
    assert_true(WIFSTOPPED(status));
    assert_int_equal(look_at(*state, &local, &by_user, ATTEMPT_AGE_MAX_MS - 1).in_flight, 1);
    const struct attempt_state later = look_at(*state, &local, &by_user, ATTEMPT_AGE_MAX_MS);
    assert_int_equal(later.in_flight, 0);
    assert_int_equal(later.failures, 1);
    notify(go[1]);
    assert_int_equal(kill(pid, SIGCONT), 0);
    assert_ended_well(pid);
    assert_int_equal(look_at(*state, &local, &by_user, ATTEMPT_AGE_MAX_MS).failures, 1);
    close(ready[0]);
    close(ready[1]);
    close(go[0]);
    close(go[1]);
}

/* The entry was given to another attempt, which must not be affected. */
static void late_result_does_not_affect_the_new_owner_of_the_entry(void **state)
{
    struct attempt old, new;

    begin_admitted(*state, &old, &local, &by_user, 0);
    assert_int_equal(ask_once(*state, &local, &by_user, ATTEMPT_AGE_MAX_MS), ADMITTED);
    begin_admitted(*state, &new, &local, &by_user, ATTEMPT_AGE_MAX_MS);
    assert_int_equal(new.ledger.slot.entry.entry,
                     old.ledger.slot.entry.entry); /* otherwise the test proves nothing */
    for (int outcome = ATTEMPT_FAILED; outcome <= ATTEMPT_WITHDRAWN; outcome++) {
        assert_int_equal(settle(&old, (enum attempt_outcome)outcome, &by_user, ATTEMPT_AGE_MAX_MS),
                         LEDGER_OK);
        assert_int_equal(old.report.admission, REJECTED_LOCKED);
        assert_int_equal(old.report.in_flight, 1);
        assert_int_equal(old.report.failures, 0);
    }
    ledger_close(&old.ledger);
    end(&new, true, &by_user, ATTEMPT_AGE_MAX_MS);
}

/* The slot belongs to the open file description: it lives until the last
 * holder, possibly a forked child, is gone, or until it is too old. */
static void forked_child_keeps_the_attempt_alive(void **state)
{
    int ready[2];
    pid_t *grandchild = shared(sizeof *grandchild);

    NEEDS_OWN_ARCHITECTURE();
    assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
    assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
    const pid_t pid = child();
    if (pid == 0) {
        struct attempt a;
        if (open_ledger(*state, 0, &a.ledger, &a.failure) != LEDGER_OK ||
            ask(&a, &local, &by_user, 0) != LEDGER_OK || a.report.admission != ADMITTED)
            _exit(1);
        const pid_t forked = fork();
        if (forked != 0) {
            *grandchild = forked;
            notify(ready[1]);
        }
        for (;;)
            pause();
    }
    await_notification(ready[0]);
    kill_and_reap(pid);
    assert_int_equal(look_at(*state, &local, &by_user, ATTEMPT_AGE_MAX_MS - 1).in_flight, 1);
    assert_int_equal(look_at(*state, &local, &by_user, ATTEMPT_AGE_MAX_MS).failures, 1);
    assert_int_equal(look_at(*state, &local, &by_user, 0).in_flight, 1);
    kill_and_reap(*grandchild);
    assert_int_equal(look_at(*state, &local, &by_user, 0).in_flight, 0);
    assert_int_equal(look_at(*state, &local, &by_user, 0).failures, 1);
    prctl(PR_SET_CHILD_SUBREAPER, 0);
    munmap(grandchild, sizeof *grandchild);
    close(ready[0]);
    close(ready[1]);
}

enum killed_while { FAILING, MAKING, ADDING_SOURCES, KILLINGS };

static const struct attempt_limits wide = {
    .max_attempts = 64, .window_ms = MINUTE, .lock_ms = MINUTE};

/* Fails repeatedly, and counts each failure that was settled. */
static void fail_until_killed(const char *directory, enum killed_while what, unsigned *settled)
{
    struct attempt_limits limits = wide;

    limits.by_source = what == ADDING_SOURCES;
    for (unsigned i = 0; i < 60; i++) {
        struct attempt a;
        char text[32];

        snprintf(text, sizeof text, "192.0.2.%u", i);
        const struct origin origin = what == FAILING ? local : address(text);
        if (open_ledger(directory, 0, &a.ledger, &a.failure) != LEDGER_OK ||
            ask(&a, &origin, &limits, 0) != LEDGER_OK || a.report.admission != ADMITTED ||
            settle(&a, false, &limits, 0) != LEDGER_OK)
            _exit(1);
        ledger_close(&a.ledger);
        __atomic_add_fetch(settled, 1, __ATOMIC_SEQ_CST);
    }
    for (;;)
        pause();
}

static unsigned failures_in_all(const char *directory)
{
    const struct timestamp now = at(0);
    struct failure failure = {""};
    unsigned failures = 0;
    struct ledger view;

    const enum ledger_status status = ledger_open_view(directory, USER, geteuid(), &view, &failure);
    if (status == LEDGER_ABSENT)
        return 0;
    if (status != LEDGER_OK)
        fail_msg("view: status %d: %s", (int)status, failure.text);
    for (uint32_t i = 1; i < view.record_count; i++) {
        struct attempt_state state;
        const int used = ledger_look(&view, i, &wide, &now, &state);
        assert_true(used >= 0);
        failures += used ? state.failures : 0;
        assert_int_equal(state.in_flight, 0);
        assert_int_equal(state.lock_left_ms, 0);
    }
    ledger_close(&view);
    return failures;
}

static void remove_ledger(const char *directory)
{
    char *path = ledger_path(directory);

    assert_true(unlink(path) == 0 || errno == ENOENT);
    free(path);
}

/* SIGKILL after a random number of attempts and another random delay: the
 * ledger is intact, and contains every failure that was settled. */
static void survives_kills_at_any_moment(void **state)
{
    unsigned *settled = shared(sizeof *settled), random = 1, during_an_attempt = 0;

    for (int round = 0; round < (is_slow() ? 60 : 2100); round++) {
        const enum killed_while what = (enum killed_while)(round % KILLINGS);

        remove_ledger(*state);
        if (what == FAILING)
            attempt_once(*state, &local, &by_user, 0, true);
        *settled = 0;
        random = random * 1103515245U + 12345U;
        const unsigned target = what == FAILING ? random >> 16 & 31 : random >> 16 & 3;
        const pid_t pid = child();
        if (pid == 0)
            fail_until_killed(*state, what, settled);
        while (__atomic_load_n(settled, __ATOMIC_SEQ_CST) < target)
            sched_yield();
        for (volatile unsigned spin = random >> 8 & (is_slow() ? 255 : 0xffff); spin > 0; spin--)
            ;
        kill_and_reap(pid);
        const unsigned failures = failures_in_all(*state);
        assert_in_range(failures, *settled, *settled + 1);
        during_an_attempt += failures > *settled;
    }
    assert_true(is_slow() || during_an_attempt > 0); /* otherwise it never hit an attempt */
    munmap(settled, sizeof *settled);
}

/* --- damage -------------------------------------------------------------------- */

/* Locked for every origin, as if the limit had just been reached. */
static void assert_sealed(const char *directory, int64_t ms, int64_t left_ms)
{
    const struct origin source = address("198.51.100.1");
    const struct origin *const origins[] = {&local, &network, &source};

    for (size_t i = 0; i < COUNT_OF(origins); i++) {
        struct attempt a;

        begin(directory, &a, origins[i], i == 2 ? &by_source : &by_user, ms);
        assert_int_equal(a.report.admission, REJECTED_LOCKED);
        assert_int_equal(a.report.lock_left_ms, left_ms);
        assert_int_equal(a.report.failures, 3);
        ledger_close(&a.ledger);
        const struct attempt_state looked =
            look_at(directory, origins[i], i == 2 ? &by_source : &by_user, ms);
        assert_int_equal(looked.lock_left_ms, left_ms);
    }
}

/* The file is not a valid ledger: this is detected, the user is locked, and the
 * file is kept as evidence. The lock lasts for lock_time, or until root
 * unlocks. */
static void assert_detected(const char *directory)
{
    char *evidence = evidence_path(directory), *path = ledger_path(directory);
    struct failure failure = {""};
    struct ledger ledger;
    struct stat before, after, new;

    assert_int_equal(lstat(path, &before), 0);
    assert_int_equal(ledger_open_view(directory, USER, geteuid(), &ledger, &failure),
                     LEDGER_DAMAGED);
    assert_true(strlen(failure.text) > 0);
    assert_int_equal(lstat(path, &after), 0);
    assert_int_equal(before.st_ino, after.st_ino); /* looking does not change anything */

    assert_int_equal(open_ledger(directory, 0, &ledger, &failure), LEDGER_DAMAGED);
    assert_true(strlen(failure.text) > 0);
    ledger_close(&ledger);
    assert_int_equal(lstat(evidence, &after), 0);
    assert_int_equal(before.st_ino, after.st_ino);
    assert_int_equal(lstat(path, &new), 0);
    assert_int_equal(new.st_mode, S_IFREG | 0600);
    assert_int_equal(new.st_uid, geteuid());
    free(path);
    free(evidence);
}

static void assert_detected_and_sealed(const char *directory)
{
    bool had;

    assert_detected(directory);
    assert_sealed(directory, MINUTE, 9 * MINUTE);
    assert_int_equal(unlock(directory, MINUTE, &had), LEDGER_OK);
    assert_true(had);
    assert_int_equal(ask_once(directory, &local, &by_user, MINUTE), ADMITTED);
    assert_int_equal(ask_once(directory, &network, &by_user, MINUTE), ADMITTED);
}

/* Creates a ledger with something in each kind of record, and with both banks
 * written. */
static void make_used(const char *directory, bool sources)
{
    const struct origin source = address("192.0.2.1");

    fail_times(directory, &network, &by_user, 0, 2);
    fail_times(directory, &local, &by_user, 0, 1);
    if (sources)
        fail_times(directory, &source, &by_source, 0, 2);
}

/* All that can be learnt from a ledger. */
struct all_states {
    enum ledger_status status;
    uint32_t records;
    struct attempt_state state[RECORDS_WITH_SOURCES];
};

static void look_at_all(const char *directory, struct all_states *all_states)
{
    const struct timestamp now = at(SECOND);
    struct failure failure = {""};
    struct ledger view;

    memset(all_states, 0, sizeof *all_states);
    all_states->status = ledger_open_view(directory, USER, geteuid(), &view, &failure);
    if (all_states->status != LEDGER_OK)
        return;
    all_states->records = view.record_count;
    for (uint32_t i = 1; i < view.record_count; i++)
        assert_true(ledger_look(&view, i, &by_source, &now, &all_states->state[i]) >= 0);
    ledger_close(&view);
}

/* Either the damage is detected or nothing has changed. Returns whether it was
 * detected. */
static bool detected_or_unchanged(const char *directory, const struct all_states *before,
                                  size_t where)
{
    static struct all_states after;

    look_at_all(directory, &after);
    if (after.status == LEDGER_DAMAGED)
        return true;
    if (after.status != LEDGER_OK || memcmp(before, &after, sizeof after) != 0)
        fail_msg("byte %zu: undetected change", where);
    return false;
}

/* Where the pair of banks begins that this byte belongs to, and how large they are;
 * -1 where there are none. */
static off_t banks_around(size_t where, size_t *bank_size)
{
    *bank_size = where >= INDEX_OFFSET && where < SOURCES_OFFSET ? INDEX_BANK_SIZE : BANK_SIZE;
    if (where < RECORDS_OFFSET)
        return -1;
    if (where < INDEX_OFFSET)
        return where < (size_t)ledger_record_offset(RECORD_OTHER_IPV6) + 2 * BANK_SIZE
                   ? (off_t)((where - RECORDS_OFFSET) / (2 * *bank_size) * 2 * *bank_size) +
                         RECORDS_OFFSET
                   : -1;
    return where < SOURCES_OFFSET
               ? INDEX_OFFSET
               : (off_t)((where - SOURCES_OFFSET) / (2 * *bank_size) * 2 * *bank_size) +
                     SOURCES_OFFSET;
}

/* Is this byte in force, so that it must not change undetected? What tells which
 * bank is in force must not change either. */
static bool in_force(const char *bytes, size_t where)
{
    size_t bank_size;
    const off_t start = banks_around(where, &bank_size);
    uint64_t lead[2];

    if (start < 0)
        return where < sizeof(struct ledger_head);
    const size_t within = (where - (size_t)start) % bank_size;
    const size_t size =
        bank_size == BANK_SIZE ? sizeof(struct file_bank) : sizeof(struct index_bank);
    if (within >= size)
        return false;
    for (unsigned i = 0; i < 2; i++)
        memcpy(&lead[i], bytes + start + i * bank_size, sizeof lead[i]);
    return within < sizeof(uint64_t) || within >= size - sizeof(uint64_t) ||
           (where - (size_t)start) / bank_size == ((uint32_t)lead[1] > (uint32_t)lead[0]);
}

/* Flips every byte in turn, and each bit of those that select the bank. */
static void flip_every_byte(const char *directory, size_t step)
{
    char *path = ledger_path(directory);
    size_t size, found = 0;
    char *bytes = read_bytes(path, &size);
    static struct all_states before;

    look_at_all(directory, &before);
    assert_int_equal(before.status, LEDGER_OK);
    const int fd = open(path, O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    for (size_t where = 0; where < size; where += step) {
        const unsigned char flips[] = {0xff, 0x80, 0x01};
        for (size_t f = 0; f < COUNT_OF(flips); f++) {
            const char flipped = (char)(bytes[where] ^ flips[f]);
            assert_int_equal(pwrite(fd, &flipped, 1, (off_t)where), 1);
            const bool was_detected = detected_or_unchanged(directory, &before, where);
            if (was_detected != in_force(bytes, where))
                fail_msg("byte %zu, flip %02x: detected: %d", where, flips[f], was_detected);
            found += was_detected;
        }
        assert_int_equal(pwrite(fd, &bytes[where], 1, (off_t)where), 1);
    }
    assert_true(found > 0);
    assert_false(detected_or_unchanged(directory, &before, 0)); /* intact again */
    close(fd);
    free(bytes);
    free(path);
}

static void detects_every_flipped_byte(void **state)
{
    make_used(*state, false);
    flip_every_byte(*state, is_slow() ? 13 : 1);
}

static void detects_flipped_bytes_with_sources(void **state)
{
    make_used(*state, true);
    flip_every_byte(*state, is_slow() ? 4999 : 97);
}

/* Flips every bit of the number that selects the bank in force: it must not be
 * taken for the previous number, when the failure had not been counted. */
static void detects_every_flipped_bit_of_the_bank_number(void **state)
{
    static struct all_states before;
    char *path = ledger_path(*state);
    const int fd =
        (attempt_once(*state, &network, &by_user, 0, false), open(path, O_RDWR | O_CLOEXEC));
    struct attempt a[2];
    uint64_t current;

    assert_true(fd >= 0);
    for (unsigned round = 0; round < 4; round++) {
        const off_t where = ledger_record_offset(RECORD_NETWORK) + round % 2 * BANK_SIZE +
                            (round / 2 == 0 ? 0 : (off_t)offsetof(struct file_bank, trail));
        if (round < COUNT_OF(a))
            begin_admitted(*state, &a[round], &network, &by_user, 0);
        look_at_all(*state, &before);
        assert_int_equal(pread(fd, &current, sizeof current, where), sizeof current);
        for (unsigned bit = 0; bit < 64; bit++) {
            const uint64_t flipped = current ^ UINT64_C(1) << bit;
            assert_int_equal(pwrite(fd, &flipped, sizeof flipped, where), sizeof flipped);
            if (!detected_or_unchanged(*state, &before, bit / 8))
                fail_msg("bit %u of %ju undetected", bit, (uintmax_t)current);
        }
        assert_int_equal(pwrite(fd, &current, sizeof current, where), sizeof current);
    }
    ledger_close(&a[0].ledger);
    ledger_close(&a[1].ledger);
    close(fd);
    free(path);
}

/* A change that was cut short, by a kill or a power cut, leaves what was in force:
 * whatever number of words arrived, and in whatever order the disk wrote them. */
static void survives_torn_changes(void **state)
{
    enum { SECTOR = 512 };
    char *path = ledger_path(*state);
    const off_t where = ledger_record_offset(RECORD_NETWORK);
    static struct all_states before, after;
    struct file_record old, new;

    attempt_once(*state, &network, &by_user, 0, false);
    look_at_all(*state, &before);
    const int fd = open(path, O_RDWR | O_CLOEXEC);
    assert_int_equal(pread(fd, &old, sizeof old, where), sizeof old);
    struct attempt a;
    begin_admitted(*state, &a, &network, &by_user, 0);
    assert_int_equal(pread(fd, &new, sizeof new, where), sizeof new);
    const unsigned changed = new.bank[1].lead != old.bank[1].lead;
    for (size_t size = 0; size <= sizeof(struct file_bank); size += sizeof(uint64_t)) {
        struct file_record torn = old;
        memcpy(&torn.bank[changed], &new.bank[changed], size);
        assert_int_equal(pwrite(fd, &torn, sizeof torn, where), sizeof torn);
        look_at_all(*state, &after);
        assert_int_equal(after.status, LEDGER_OK);
        /* an attempt whose process does not hold the lock is a failure */
        assert_int_equal(after.state[RECORD_NETWORK].failures +
                             after.state[RECORD_NETWORK].in_flight,
                         size < sizeof(struct file_bank) ? 1 : 2);
    }
    struct file_record torn = old;
    memcpy((char *)&torn.bank[changed] + SECTOR, (char *)&new.bank[changed] + SECTOR, SECTOR);
    assert_int_equal(pwrite(fd, &torn, sizeof torn, where), sizeof torn);
    look_at_all(*state, &after);
    assert_memory_equal(&before, &after, sizeof after);
    /* the next change goes over it */
    ledger_close(&a.ledger);
    attempt_once(*state, &network, &by_user, 0, false);
    assert_int_equal(look_at(*state, &network, &by_user, 0).failures, 2);
    close(fd);
    free(path);
}

/* A login detects the damage, too; and what was not in force does not matter. */
static void login_detects_flipped_bytes(void **state)
{
    char *path = ledger_path(*state);
    size_t size;

    make_used(*state, false);
    char *bytes = read_bytes(path, &size);
    for (size_t where = 0; where < size; where += is_slow() ? 1201 : 53) {
        const bool bad = in_force(bytes, where);

        bytes[where] ^= 0x55;
        remove_ledger(*state);
        write_bytes(path, bytes, size);
        if (bad) {
            assert_detected_and_sealed(*state);
        } else {
            assert_int_equal(look_at(*state, &network, &by_user, 0).failures, 2);
            assert_int_equal(ask_once(*state, &local, &by_user, 0), ADMITTED);
        }
        bytes[where] ^= 0x55;
    }
    free(bytes);
    free(path);
}

/* Truncated at the boundaries of records, next to them, and anywhere. */
static void detects_truncation(void **state)
{
    const size_t record = BANK_SIZE, max = (size_t)ledger_file_size(RECORDS_WITH_SOURCES);
    char *path = ledger_path(*state);
    size_t size;

    make_used(*state, true);
    char *bytes = read_bytes(path, &size);
    assert_int_equal(size, max);
    for (size_t at_size = 0; at_size < max; at_size += record) {
        const size_t sizes[] = {at_size, at_size + 1, at_size + record - 1, at_size + record / 2};
        for (size_t i = 0; i < COUNT_OF(sizes); i++) {
            /* dense enough to show that no size goes undetected, and not too
             * slow */
            if (at_size > 12 * record && at_size < max - 2 * record &&
                (at_size / record + i) % (is_slow() ? 64 : 8) != 0)
                continue;
            remove_ledger(*state);
            write_bytes(path, bytes, sizes[i]);
            assert_detected_and_sealed(*state);
        }
    }
    /* without sources, what follows is not in force */
    remove_ledger(*state);
    make_used(*state, false);
    assert_int_equal(truncate(path, ledger_file_size(RECORDS_WITHOUT_SOURCES) + 100), 0);
    assert_int_equal(look_at(*state, &network, &by_user, 0).failures, 2);
    assert_int_equal(truncate(path, ledger_file_size(RECORDS_WITHOUT_SOURCES) - 1), 0);
    assert_detected_and_sealed(*state);
    free(bytes);
    free(path);
}

static void detects_zeroed_pages(void **state)
{
    enum { PAGE = 4096 };
    static const unsigned char zeros[PAGE];
    static struct all_states before;
    char *path = ledger_path(*state);
    size_t size, found = 0;

    make_used(*state, true);
    char *bytes = read_bytes(path, &size);
    look_at_all(*state, &before);
    for (size_t page = 0; page < size; page += is_slow() ? 16 * PAGE : PAGE) {
        const size_t n = size - page < PAGE ? size - page : PAGE;
        const int fd = open(path, O_WRONLY | O_CLOEXEC);
        assert_true(fd >= 0);
        assert_int_equal(pwrite(fd, zeros, n, (off_t)page), n);
        found += detected_or_unchanged(*state, &before, page);
        assert_int_equal(pwrite(fd, bytes + page, n, (off_t)page), n);
        close(fd);
    }
    assert_true(found > 0);
    write_bytes(path, zeros, PAGE);
    assert_int_equal(truncate(path, (off_t)size), 0); /* all zeros */
    assert_detected_and_sealed(*state);
    free(bytes);
    free(path);
}

/* Intact records in the wrong place: of another user, or of another origin. */
static void detects_records_in_the_wrong_place(void **state)
{
    const struct timestamp now = at(0);
    char *path = ledger_path(*state);
    struct failure failure = {""};
    char *other = path_in(*state, LEDGER_DIRECTORY "/1234");
    struct ledger ledger;
    size_t size;

    assert_int_equal(ledger_open(*state, 1234, geteuid(), &now, &ledger, &failure), LEDGER_OK);
    ledger_close(&ledger);
    make_used(*state, false);
    char *bytes = read_bytes(path, &size), *foreign = read_bytes(other, &size);
    remove_ledger(*state);
    write_bytes(path, foreign, size);
    assert_detected_and_sealed(*state);

    const size_t record = sizeof(struct file_record);
    remove_ledger(*state);
    write_bytes(path, bytes, size);
    const int fd = open(path, O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, bytes + ledger_record_offset(RECORD_NETWORK), record,
                            ledger_record_offset(RECORD_LOCAL)),
                     record);
    close(fd);
    assert_detected_and_sealed(*state);
    free(foreign);
    free(bytes);
    free(other);
    free(path);
}

/* Makes a record, or what else begins there, select no valid bank. */
static void spoil(const char *directory, off_t where)
{
    char *path = ledger_path(directory);
    const uint64_t junk = 12345678;
    const int fd = open(path, O_WRONLY | O_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, &junk, sizeof junk, where), sizeof junk);
    close(fd);
    free(path);
}

/* Damaged while a login has it open: the login sets it aside, opens the new
 * one, and is rejected. */
static void detects_damage_while_open(void **state)
{
    const struct origin source = address("192.0.2.1"), stranger = address("192.0.2.2");
    const struct {
        off_t where;
        const struct origin *origin;
    } cases[] = {{ledger_record_offset(RECORD_NETWORK), &network},
                 {ledger_record_offset(RECORD_SOURCES), &source},
                 {ledger_record_offset(RECORD_OTHER_IPV4), &stranger},
                 {ledger_record_offset(RECORD_SOURCES + 1), &stranger},
                 {INDEX_OFFSET, &stranger}};
    char *evidence = evidence_path(*state);

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct attempt_limits *limits = i == 0 ? &by_user : &by_source;
        struct attempt a;

        remove_ledger(*state);
        make_used(*state, true);
        assert_int_equal(ask_once(*state, &source, &by_source, 0), ADMITTED);
        assert_int_equal(open_ledger(*state, 0, &a.ledger, &a.failure), LEDGER_OK);
        spoil(*state, cases[i].where);
        assert_int_equal(ask(&a, cases[i].origin, limits, 0), LEDGER_DAMAGED);
        assert_true(strlen(a.failure.text) > 0);
        assert_int_equal(access(evidence, F_OK), 0);
        assert_int_equal(unlink(evidence), 0);
        /* goes on with the new one */
        assert_int_equal(ask(&a, cases[i].origin, limits, 0), LEDGER_OK);
        assert_int_equal(a.report.admission, REJECTED_LOCKED);
        ledger_close(&a.ledger);
        assert_sealed(*state, 0, 10 * MINUTE);
    }
    free(evidence);
}

/* Damaged while an attempt is in flight: its result is not lost silently. */
static void detects_damage_with_an_attempt_in_flight(void **state)
{
    struct attempt a;

    for (int success = 0; success <= 1; success++) {
        remove_ledger(*state);
        begin_admitted(*state, &a, &network, &by_user, 0);
        spoil(*state, ledger_record_offset(RECORD_NETWORK));
        assert_int_equal(settle(&a, success ? ATTEMPT_SUCCEEDED : ATTEMPT_FAILED, &by_user, 0),
                         LEDGER_DAMAGED);
        ledger_close(&a.ledger);
        assert_detected(*state);
        assert_sealed(*state, 0, 10 * MINUTE);
    }
}

static void notices_removal_while_open(void **state)
{
    struct attempt a;

    assert_int_equal(open_ledger(*state, 0, &a.ledger, &a.failure), LEDGER_OK);
    remove_ledger(*state);
    assert_int_equal(ask(&a, &network, &by_user, 0), LEDGER_ABSENT);
    fail_times(*state, &network, &by_user, 0, 1);
    assert_int_equal(ask(&a, &network, &by_user, 0), LEDGER_OK);
    assert_int_equal(a.report.failures, 1);
    ledger_close(&a.ledger);
}

/* --- how long a seal lasts ------------------------------------------------------ */

static void damage_ledger(const char *directory)
{
    char *path = ledger_path(directory);

    remove_ledger(directory);
    write_text(path, "no ledger");
    free(path);
}

static void seal_expires(void **state)
{
    struct attempt_limits forever = by_user;

    attempt_once(*state, &local, &by_user, 0, true);
    damage_ledger(*state);
    assert_detected(*state);
    forever.lock_ms = SETTING_FOREVER;
    assert_sealed(*state, 0, 10 * MINUTE);
    assert_int_equal(ask_once(*state, &local, &forever, 100 * MINUTE), REJECTED_LOCKED);
    assert_sealed(*state, 10 * MINUTE - 1, 1);
    assert_int_equal(ask_once(*state, &local, &by_user, 10 * MINUTE), ADMITTED);
    assert_int_equal(ask_once(*state, &network, &by_user, 10 * MINUTE), ADMITTED);
    fail_times(*state, &network, &by_user, 11 * MINUTE, 3);
    assert_int_equal(ask_once(*state, &network, &by_user, 11 * MINUTE), REJECTED_LOCKED);
    assert_int_equal(ask_once(*state, &local, &by_user, 11 * MINUTE), ADMITTED);
}

/* An expired seal does not come back with a longer lock_time: the damage is
 * over. */
static void expired_seal_does_not_come_back(void **state)
{
    struct attempt_limits longer = by_user;

    attempt_once(*state, &local, &by_user, 0, true);
    damage_ledger(*state);
    assert_detected(*state);
    assert_int_equal(ask_once(*state, &network, &by_user, 20 * MINUTE), ADMITTED);
    longer.lock_ms = SETTING_FOREVER;
    assert_int_equal(ask_once(*state, &network, &longer, 30 * MINUTE), ADMITTED);
}

/* For every origin, the number of failures shown is the limit. */
static void seal_shows_the_limit_as_failures(void **state)
{
    const struct origin source = address("198.51.100.1");

    attempt_once(*state, &local, &by_user, 0, true);
    damage_ledger(*state);
    assert_detected(*state);
    assert_int_equal(look_at(*state, &local, &by_user, 0).failures, 3);
    assert_int_equal(look_at(*state, &network, &by_user, 0).failures, 3);
    assert_int_equal(look_at(*state, &source, &by_user, 0).failures, 3);
    assert_int_equal(look_at(*state, &source, &by_source, 0).failures, 3);
}

/* Damaged again while sealed: it is sealed again and never opens. */
static void seals_again_after_more_damage(void **state)
{
    attempt_once(*state, &local, &by_user, 0, true);
    for (int i = 0; i < 3; i++) {
        damage_ledger(*state);
        assert_detected(*state);
        assert_sealed(*state, 0, 10 * MINUTE);
    }
    assert_int_equal(files_in(*state), 2); /* the ledger and the last evidence */
}

/* --- files that root did not create ---------------------------------------------- */

static void does_not_follow_a_link(void **state)
{
    char *path = ledger_path(*state), *target = path_in(*state, "target");
    size_t size;

    attempt_once(*state, &local, &by_user, 0, true);
    char *bytes = read_bytes(path, &size);
    write_bytes(target, bytes, size); /* even a valid ledger */
    assert_int_equal(chmod(target, 0600), 0);
    remove_ledger(*state);
    assert_int_equal(symlink(target, path), 0);
    assert_detected_and_sealed(*state);
    char *after = read_bytes(target, &size);
    assert_memory_equal(bytes, after, size); /* the link was not followed */
    free(after);

    remove_ledger(*state);
    assert_int_equal(symlink("/nonexistent/nowhere", path), 0);
    assert_detected_and_sealed(*state);
    free(bytes);
    free(target);
    free(path);
}

static void replaces_a_fifo(void **state)
{
    char *path = ledger_path(*state);

    attempt_once(*state, &local, &by_user, 0, true);
    remove_ledger(*state);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_detected_and_sealed(*state);
    free(path);
}

/* A directory with something in it, and again when such evidence exists
 * already. */
static void replaces_a_directory(void **state)
{
    char *path = ledger_path(*state), *inside = path_in(path, "inside");
    char *kept = path_in(*state, LEDGER_DIRECTORY "/4711.damaged/inside");

    attempt_once(*state, &local, &by_user, 0, true);
    remove_ledger(*state);
    assert_int_equal(mkdir(path, 0700), 0);
    write_text(inside, "evidence");
    assert_detected_and_sealed(*state);
    assert_int_equal(access(kept, F_OK), 0);
    free(kept);
    free(inside);
    free(path);
}

static void replaces_a_second_directory(void **state)
{
    char *path = ledger_path(*state), *inside = path_in(path, "inside");
    struct failure failure = {""};
    struct ledger ledger;

    for (int i = 0; i < 2; i++) {
        attempt_once(*state, &local, &by_user, 0, true);
        remove_ledger(*state);
        assert_int_equal(mkdir(path, 0700), 0);
        write_text(inside, "evidence");
        assert_int_equal(open_ledger(*state, 0, &ledger, &failure), LEDGER_DAMAGED);
        ledger_close(&ledger);
        bool had;
        assert_int_equal(unlock(*state, 0, &had), LEDGER_OK);
    }
    free(inside);
    free(path);
}

/* Others could have written it, so its contents do not matter. */
static void rejects_a_wrong_mode(void **state)
{
    static const mode_t modes[] = {0620, 0602, 0622, 0660, 0666, 0777};
    char *path = ledger_path(*state);

    for (size_t i = 0; i < COUNT_OF(modes); i++) {
        attempt_once(*state, &local, &by_user, MINUTE, true);
        assert_int_equal(chmod(path, modes[i]), 0);
        assert_detected_and_sealed(*state);
    }
    free(path);
}

static void rejects_a_wrong_owner(void **state)
{
    char *path = ledger_path(*state);

    if (geteuid() != 0)
        LEFT_OUT("needs root to change the owner of a file");
    attempt_once(*state, &local, &by_user, 0, true);
    assert_int_equal(chown(path, USER, (gid_t)-1), 0);
    assert_detected_and_sealed(*state);
    free(path);
}

/* --- evidence --------------------------------------------------------------------- */

static void assert_text_in(const char *path, const char *expected)
{
    size_t size;
    char *text = read_bytes(path, &size);

    assert_string_equal(text, expected);
    free(text);
}

/* The latest evidence replaces earlier evidence, whatever that was. */
static void keeps_evidence(void **state)
{
    char *path = ledger_path(*state), *evidence = evidence_path(*state);

    attempt_once(*state, &local, &by_user, 0, true);
    remove_ledger(*state);
    write_text(path, "first");
    assert_detected(*state);
    assert_text_in(evidence, "first");
    remove_ledger(*state);
    write_text(path, "second");
    assert_detected(*state);
    assert_text_in(evidence, "second");

    assert_int_equal(unlink(evidence), 0);
    assert_int_equal(symlink("/nonexistent", evidence), 0);
    remove_ledger(*state);
    write_text(path, "third");
    assert_detected_and_sealed(*state);
    assert_text_in(evidence, "third");
    free(evidence);
    free(path);
}

/* Many concurrent logins find the damage. */
static void log_in_to_a_damaged_ledger(const char *directory, struct crowd *crowd)
{
    char *path = ledger_path(directory);

    attempt_once(directory, &local, &by_user, 0, true);
    remove_ledger(directory);
    write_text(path, "the damaged one");
    *crowd = (struct crowd){.directory = directory, .origin = &network, .limits = &by_user};
    run_processes(crowd, is_slow() ? 6 : 30);
    free(path);
}

/* None of them is admitted at any time. */
static void admits_nobody_after_damage(void **state)
{
    struct crowd *crowd = shared(sizeof *crowd);

    for (int round = 0; round < (is_slow() ? 2 : 40); round++) {
        bool had;

        log_in_to_a_damaged_ledger(*state, crowd);
        assert_int_equal(crowd->admitted, 0);
        assert_sealed(*state, 0, 10 * MINUTE);
        assert_int_equal(unlock(*state, 0, &had), LEDGER_OK);
    }
    munmap(crowd, sizeof *crowd);
}

/* None of them moves another's new ledger aside as evidence. */
static void keeps_evidence_if_many_find_the_damage(void **state)
{
    struct crowd *crowd = shared(sizeof *crowd);
    char *evidence = evidence_path(*state);

    for (int round = 0; round < (is_slow() ? 2 : 20); round++) {
        bool had;

        log_in_to_a_damaged_ledger(*state, crowd);
        assert_text_in(evidence, "the damaged one");
        assert_int_equal(files_in(*state), 2);
        assert_int_equal(unlock(*state, 0, &had), LEDGER_OK);
    }
    munmap(crowd, sizeof *crowd);
    free(evidence);
}

/* --- root's unlock ------------------------------------------------------------------ */

static void unlock_clears_failures(void **state)
{
    const struct origin source = address("192.0.2.1");
    const struct ledger_unlocking unlocking = unlocking_until(*state, 0, UNLOCK_ALL);
    struct ledger_unlocked unlocked;
    struct failure failure = {""};
    struct attempt a;
    bool had = true;

    assert_int_equal(unlock(*state, 0, &had), LEDGER_ABSENT);
    assert_false(had);
    char *attempts = path_in(*state, LEDGER_DIRECTORY);
    assert_int_equal(access(attempts, F_OK), -1); /* nothing was created */
    free(attempts);
    attempt_once(*state, &local, &by_user, 0, true);
    assert_int_equal(unlock(*state, 0, &had), LEDGER_OK);
    assert_false(had);
    attempt_once(*state, &local, &by_user, 0, false);
    assert_int_equal(unlock(*state, 0, &had), LEDGER_OK);
    assert_true(had);
    assert_int_equal(unlock(*state, 0, &had), LEDGER_OK);
    assert_false(had);

    fail_times(*state, &local, &by_user, 0, 3);
    fail_times(*state, &network, &by_user, 0, 3);
    fail_times(*state, &source, &by_source, 0, 2);
    begin_admitted(*state, &a, &source, &by_source, 0);
    assert_int_equal(ledger_unlock(&unlocking, &unlocked, &failure), LEDGER_OK);
    assert_int_equal(unlocked.failures, 3 + 3 + 2);
    assert_true(unlocked.locked);
    assert_false(unlocked.replaced);
    assert_int_equal(ask_once(*state, &local, &by_user, 0), ADMITTED);
    assert_int_equal(ask_once(*state, &network, &by_user, 0), ADMITTED);
    assert_int_equal(look_at(*state, &source, &by_source, 0).failures, 0);
    /* an attempt in flight continues */
    assert_int_equal(look_at(*state, &source, &by_source, 0).in_flight, 1);
    end(&a, false, &by_source, 0);
    assert_int_equal(look_at(*state, &source, &by_source, 0).failures, 1);
}

/* What another host has unlocked: up to then, in all records, and as often as it is told. */
static void forgetting_leaves_what_failed_later(void **state)
{
    const struct ledger_unlocking unlocking = unlocking_until(*state, 5000, at(2000).boot_ms);
    struct ledger_unlocked unlocked;
    struct failure failure = {""};
    struct attempt a;

    assert_int_equal(ledger_unlock(&unlocking, &unlocked, &failure), LEDGER_ABSENT);
    fail_times(*state, &local, &by_user, 1000, 3);
    fail_times(*state, &network, &by_user, 3000, 2);
    begin_admitted(*state, &a, &network, &by_user, 1000);
    assert_int_equal(ledger_unlock(&unlocking, &unlocked, &failure), LEDGER_OK);
    assert_int_equal(unlocked.failures, 3);
    assert_true(unlocked.locked);
    assert_int_equal(look_at(*state, &local, &by_user, 5000).failures, 0);
    assert_int_equal(look_at(*state, &network, &by_user, 5000).failures, 2);
    assert_int_equal(look_at(*state, &network, &by_user, 5000).in_flight, 1);
    end(&a, false, &by_user, 5000);
    assert_int_equal(ask_once(*state, &network, &by_user, 5000), REJECTED_LOCKED);
    assert_int_equal(ledger_unlock(&unlocking, &unlocked, &failure), LEDGER_OK);
    assert_int_equal(unlocked.failures, 0);
    assert_false(unlocked.locked);
    assert_int_equal(ask_once(*state, &network, &by_user, 5000), REJECTED_LOCKED);
}

/* Another host cannot make this one throw evidence away. */
static void forgetting_leaves_a_damaged_ledger(void **state)
{
    const struct ledger_unlocking unlocking = unlocking_until(*state, 5000, at(5000).boot_ms);
    struct ledger_unlocked unlocked;
    struct failure failure = {""};

    fail_times(*state, &local, &by_user, 1000, 3);
    damage_ledger(*state);
    assert_int_equal(ledger_unlock(&unlocking, &unlocked, &failure), LEDGER_FAILED);
    assert_true(strlen(failure.text) > 0);
    assert_detected_and_sealed(*state);
}

/* Attempts of dead processes are failures, even if nobody has looked since:
 * they cause the lock, and unlocking clears it. */
static void unlock_clears_failures_of_dead_processes(void **state)
{
    bool had = false;

    /* all three at once, so that none of them detects the others */
    pid_t pid[3];
    for (size_t i = 0; i < COUNT_OF(pid); i++)
        pid[i] = child_in_flight(*state, &local, 0);
    for (size_t i = 0; i < COUNT_OF(pid); i++)
        kill_and_reap(pid[i]);
    assert_int_equal(look_at(*state, &local, &by_user, 0).failures, 3);
    assert_int_equal(look_at(*state, &local, &by_user, 0).lock_left_ms, 10 * MINUTE);
    assert_int_equal(unlock(*state, 0, &had), LEDGER_OK);
    assert_true(had);
    assert_int_equal(look_at(*state, &local, &by_user, 0).failures, 0);
    assert_int_equal(ask_once(*state, &local, &by_user, 0), ADMITTED);
}

/* So are attempts that take too long, perhaps because their user stopped them. */
static void unlock_clears_failures_of_slow_attempts(void **state)
{
    const int64_t later = ATTEMPT_AGE_MAX_MS;
    struct attempt a[3];
    bool had = false;

    for (size_t i = 0; i < COUNT_OF(a); i++)
        begin_admitted(*state, &a[i], &local, &by_user, 0);
    assert_int_equal(look_at(*state, &local, &by_user, later).failures, 3);
    assert_int_equal(unlock(*state, later, &had), LEDGER_OK);
    assert_true(had);
    assert_int_equal(ask_once(*state, &local, &by_user, later), ADMITTED);
    for (size_t i = 0; i < COUNT_OF(a); i++)
        ledger_close(&a[i].ledger);
}

/* Whatever is in the ledger's place, unlocking leaves a valid and unlocked one. */
static void unlock_repairs(void **state)
{
    enum { TEXT, EMPTY, LINK, FIFO, DIRECTORY, MODE, SEALED, WAYS };
    char *path = ledger_path(*state), *evidence = evidence_path(*state);

    for (int way = 0; way < WAYS; way++) {
        bool had = false;

        attempt_once(*state, &local, &by_user, 0, true);
        if (way != MODE)
            remove_ledger(*state);
        if (way == TEXT || way == SEALED)
            write_text(path, "text");
        else if (way == EMPTY)
            write_text(path, "");
        else if (way == LINK)
            assert_int_equal(symlink("/nonexistent", path), 0);
        else if (way == FIFO)
            assert_int_equal(mkfifo(path, 0600), 0);
        else if (way == DIRECTORY)
            assert_int_equal(mkdir(path, 0755), 0);
        else
            assert_int_equal(chmod(path, 0666), 0);
        if (way == SEALED)
            assert_detected(*state);
        assert_int_equal(unlock(*state, 0, &had), LEDGER_OK);
        assert_true(had);
        assert_int_equal(ask_once(*state, &local, &by_user, 0), ADMITTED);
        assert_int_equal(ask_once(*state, &network, &by_user, 0), ADMITTED);
        struct stat st;
        assert_int_equal(lstat(evidence, &st), 0);
        assert_int_equal(remove(evidence), 0);
    }
    free(evidence);
    free(path);
}

/* A process that holds a lock of a ledger and does nothing else. It is stopped,
 * as its user could do, which does not release the lock. */
static pid_t lock_holder(const char *directory, int64_t byte)
{
    char *path = ledger_path(directory);
    int ready[2], status;

    assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
    const pid_t pid = child();
    if (pid == 0) {
        struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};
        const int fd = open(path, O_RDWR | O_CLOEXEC);
        if (fd < 0 || fcntl(fd, F_OFD_SETLK, &lock) != 0)
            _exit(1);
        notify(ready[1]);
        for (;;)
            pause();
    }
    await_notification(ready[0]);
    assert_int_equal(kill(pid, SIGSTOP), 0);
    assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
    close(ready[0]);
    close(ready[1]);
    free(path);
    return pid;
}

/* Opens the ledger without any change, and asks only whether the attempt is rejected. */
static bool is_rejected_at_once(const char *directory, const struct origin *origin,
                                const struct attempt_limits *limits, int64_t ms,
                                struct attempt_report *report)
{
    const struct timestamp now = at(ms);
    struct ledger ledger;
    struct file_bank bank;
    const bool rejected = ledger_open_existing(directory, USER, geteuid(),
                                               ledger_shared_record(origin), &ledger, &bank) &&
                          ledger_rejects(&ledger, &bank, origin, limits, &now, report);

    ledger_close(&ledger);
    return rejected;
}

/* A locked user's attempts do not wait for anybody, and change nothing. */
static void locked_users_are_rejected_without_a_lock(void **state)
{
    struct attempt_report report;
    struct attempt a;

    assert_false(is_rejected_at_once(*state, &network, &by_user, 0, &report)); /* no ledger */
    fail_times(*state, &network, &by_user, 0, 2);
    begin_admitted(*state, &a, &network, &by_user, 0);
    assert_false(is_rejected_at_once(*state, &network, &by_user, 0, &report));
    end(&a, false, &by_user, 0);
    const pid_t pid = lock_holder(*state, LOCK_NETWORK);
    assert_true(is_rejected_at_once(*state, &network, &by_user, MINUTE, &report));
    assert_int_equal(report.admission, REJECTED_LOCKED);
    assert_int_equal(report.failures, 3);
    assert_int_equal(report.lock_left_ms, 9 * MINUTE);
    kill_and_reap(pid);
    /* What only ledger_admit() can tell. */
    assert_false(is_rejected_at_once(*state, &local, &by_user, MINUTE, &report));
    assert_false(is_rejected_at_once(*state, &network, &by_user, 10 * MINUTE, &report));
    const struct origin source = address("192.0.2.1");
    assert_false(is_rejected_at_once(*state, &source, &by_source, MINUTE, &report));
    assert_int_equal(ask_once(*state, &network, &by_user, MINUTE), REJECTED_LOCKED);
}

/* If a lock is never released, root's unlock works nevertheless, on a copy; those
 * who wait for the old one find it replaced. */
static void unlock_works_while_a_lock_is_held(void **state)
{
    struct attempt a;
    bool had = false;

    fail_times(*state, &network, &by_user, 0, 3);
    assert_int_equal(open_ledger(*state, 0, &a.ledger, &a.failure), LEDGER_OK);
    const pid_t pid = lock_holder(*state, LOCK_NETWORK);
    assert_int_equal(unlock(*state, 0, &had), LEDGER_OK);
    assert_true(had);
    assert_int_equal(ask_once(*state, &network, &by_user, 0), ADMITTED);
    kill_and_reap(pid);
    assert_int_equal(ask(&a, &network, &by_user, 0), LEDGER_OK);
    assert_int_equal(a.report.admission, ADMITTED);
    end(&a, true, &by_user, 0);
}

/* Many logins on a busy host pass the lock on, and each waits longer than for a holder
 * who is stuck: the ledger changes, and is not replaced. */
static void waits_while_the_ledger_changes(void **state)
{
    enum { STEP_MS = 100 };
    struct failure failure;
    struct ledger ledger;
    int told[2];
    char c;

    if (is_slow())
        LEFT_OUT("takes seconds");
    attempt_once(*state, &network, &by_user, 0, true);
    assert_int_equal(open_ledger(*state, 0, &ledger, &failure), LEDGER_OK);
    assert_int_equal(pipe2(told, O_CLOEXEC), 0);
    const pid_t pid = child();
    if (pid == 0) {
        struct ledger own;
        const bool locked = open_ledger(*state, 0, &own, &failure) == LEDGER_OK &&
                            ledger_lock(&own, RECORD_NETWORK, &failure) == 0;
        if (!locked || write(told[1], "l", 1) != 1)
            _exit(1);
        for (int ms = 0; ms < LEDGER_LOCK_WAIT_MS + 10 * STEP_MS; ms += STEP_MS) {
            futimens(own.fd, NULL);
            usleep(STEP_MS * 1000);
        }
        _exit(0);
    }
    assert_int_equal(read(told[0], &c, 1), 1);
    assert_int_equal(ledger_lock(&ledger, RECORD_NETWORK, &failure), 0);
    assert_ended_well(pid);
    close(told[0]);
    close(told[1]);
    ledger_close(&ledger);
}

/* A su that its user has stopped does not block the network, and a stopped sshd
 * does not block the console. */
static void held_lock_does_not_block_other_origins(void **state)
{
    struct attempt a;

    attempt_once(*state, &local, &by_user, 0, true);
    pid_t pid = lock_holder(*state, LOCK_LOCAL);
    attempt_once(*state, &network, &by_user, 0, false);
    const struct origin source = address("192.0.2.1");
    attempt_once(*state, &source, &by_source, 0, false);
    assert_int_equal(look_at(*state, &local, &by_user, 0).failures, 0); /* looking needs no lock */
    kill_and_reap(pid);

    pid = lock_holder(*state, LOCK_NETWORK);
    attempt_once(*state, &local, &by_user, 0, false);
    assert_int_equal(look_at(*state, &network, &by_user, 0).failures, 1);
    /* an attempt that needs the lock goes on with a copy after a while */
    begin_admitted(*state, &a, &network, &by_user, 0);
    assert_int_equal(a.report.failures, 1);
    kill_and_reap(pid);
    end(&a, false, &by_user, 0);
    assert_int_equal(look_at(*state, &network, &by_user, 0).failures, 2);
    assert_int_equal(look_at(*state, &local, &by_user, 0).failures, 1);
    assert_int_equal(files_in(*state), 1);
}

/* --- sources -------------------------------------------------------------------------- */

static struct origin numbered(unsigned i)
{
    char text[64];

    if (i % 3 == 0)
        snprintf(text, sizeof text, "2001:db8:%x:%x::%x", i >> 16, i & 0xffff, i);
    else
        snprintf(text, sizeof text, "10.%u.%u.%u", i >> 16 & 255, i >> 8 & 255, i & 255);
    return address(text);
}

static off_t size_of(const char *directory)
{
    char *path = ledger_path(directory);
    struct stat st;

    assert_int_equal(stat(path, &st), 0);
    free(path);
    return st.st_size;
}

static void sources_are_separate(void **state)
{
    const struct origin a = address("192.0.2.1"), b = address("192.0.2.2");
    const struct origin c = address("2001:db8::1"), same = address("2001:db8::2:3:4:5");
    const struct origin other = address("2001:db8:0:1::1");

    fail_times(*state, &a, &by_source, 0, 3);
    fail_times(*state, &b, &by_source, 0, 2);
    fail_times(*state, &c, &by_source, 0, 2);
    assert_int_equal(ask_once(*state, &a, &by_source, 0), REJECTED_LOCKED);
    /* all addresses of a /64 are one source */
    assert_int_equal(look_at(*state, &same, &by_source, 0).failures, 2);
    fail_times(*state, &same, &by_source, 0, 1);
    assert_int_equal(ask_once(*state, &c, &by_source, 0), REJECTED_LOCKED);
    assert_int_equal(ask_once(*state, &other, &by_source, 0), ADMITTED);
    /* a success clears its own source only */
    assert_int_equal(ask_once(*state, &b, &by_source, 0), ADMITTED);
    assert_int_equal(look_at(*state, &b, &by_source, 0).failures, 0);
    assert_int_equal(ask_once(*state, &a, &by_source, 0), REJECTED_LOCKED);
    /* separate from logins without an address, and from local ones */
    assert_int_equal(look_at(*state, &network, &by_source, 0).failures, 0);
    assert_int_equal(ask_once(*state, &network, &by_source, 0), ADMITTED);
    assert_int_equal(ask_once(*state, &local, &by_source, 0), ADMITTED);
    fail_times(*state, &local, &by_source, 0, 3);
    assert_int_equal(ask_once(*state, &b, &by_source, 0), ADMITTED);
}

static struct origin ipv4(unsigned i)
{
    struct origin origin = {
        .kind = ORIGIN_IPV4,
        .address = {10, (unsigned char)(i >> 16), (unsigned char)(i >> 8), (unsigned char)i}};
    return origin;
}

/* The i-th /64 network of a network with this many bits: neighbours differ in
 * their first bits, so that they share as few larger networks as can be. */
static struct origin ipv6(unsigned bits, unsigned i)
{
    struct origin origin = {.kind = ORIGIN_IPV6, .address = {0x20, 0x01, 0x0d, 0xb8, 1, 2, 3, 4}};

    for (unsigned bit = bits; bit < 64; bit++, i >>= 1) {
        const unsigned char mask = (unsigned char)(0x80 >> bit % 8);
        origin.address[bit / 8] =
            (unsigned char)((origin.address[bit / 8] & ~mask) | ((i & 1) != 0 ? mask : 0));
    }
    return origin;
}

/* How many wrong passwords somebody with this many addresses can have checked. */
struct stranger {
    const char *what;
    unsigned bits; /* of their network; 0: IPv4 */
    unsigned addresses;
    unsigned guesses; /* of the highest number, in max_attempts */
};

static const struct stranger strangers[] = {
    {"a /64", 64, 1000, 1},
    {"a /56", 56, 256, 8},
    {"a /48", 48, 3000, 16},
    {"a /32", 32, 3000, 32},
    {"IPv4", 0, 10000, SOURCES_IPV4_MAX + 1},
    {"an IPv4", 0, 1, 1},
};

static struct origin address_of(const struct stranger *stranger, unsigned i)
{
    return stranger->bits == 0 ? ipv4(i) : ipv6(stranger->bits, i);
}

/* Guesses as often as is possible: at_once from each address before the next one. */
static unsigned guess(const char *directory, const struct stranger *stranger,
                      const struct attempt_limits *limits, unsigned at_once)
{
    unsigned guesses = 0;
    struct attempt a;

    assert_int_equal(open_ledger(directory, 0, &a.ledger, &a.failure), LEDGER_OK);
    for (unsigned i = 0; i < stranger->addresses * limits->max_attempts / at_once; i++) {
        const struct origin origin = address_of(stranger, i % stranger->addresses);
        for (unsigned k = 0; k < at_once; k++) {
            if (ask(&a, &origin, limits, 0) != LEDGER_OK)
                fail_msg("%s, address %u: %s", stranger->what, i, a.failure.text);
            if (a.report.admission != ADMITTED)
                break;
            assert_int_equal(settle(&a, false, limits, 0), LEDGER_OK);
            guesses++;
        }
    }
    ledger_close(&a.ledger);
    return guesses;
}

/* The numbers in tmout.conf(5). */
static void guesses_of_a_stranger_are_limited(void **state)
{
    for (size_t n = 0; n < COUNT_OF(strangers); n++) {
        const struct stranger *stranger = &strangers[n];
        for (unsigned max = 1; max <= 5; max += 2) {
            struct attempt_limits limits = by_source;
            limits.max_attempts = max;
            if (is_slow() && max != 3)
                continue;
            for (unsigned at_once = 1; at_once <= max; at_once += max > 1 ? max - 1 : 1) {
                remove_ledger(*state);
                attempt_once(*state, &local, &limits, 0, true);
                const unsigned guesses = guess(*state, stranger, &limits, at_once);
                /* one record less where the last one starts with what was merged */
                const unsigned expected = stranger->bits != 0 && stranger->bits != 64
                                              ? stranger->guesses - 1
                                              : stranger->guesses;
                if (guesses > stranger->guesses * max ||
                    (at_once == max && guesses != expected * max))
                    fail_msg("%s, max_attempts %u, %u at once: %u guesses", stranger->what, max,
                             at_once, guesses);
            }
        }
        assert_int_equal(ask_once(*state, &local, &by_source, 0), ADMITTED);
        assert_int_equal(ask_once(*state, &network, &by_source, 0), ADMITTED);
    }
}

/* Records with attempts in flight cannot be merged; that wins nothing. */
static void attempts_in_flight_do_not_add_guesses(void **state)
{
    for (size_t n = 1; n < 4; n++) {
        const struct stranger *stranger = &strangers[n];
        struct attempt held[NETWORK_32_MAX];
        const unsigned holds = stranger->guesses - 1;

        remove_ledger(*state);
        for (unsigned i = 0; i < holds; i++) {
            const struct origin origin = address_of(stranger, i);
            begin_admitted(*state, &held[i], &origin, &by_source, 0);
        }
        unsigned guesses = guess(*state, stranger, &by_source, 3) + holds;
        for (unsigned i = 0; i < holds; i++)
            end(&held[i], false, &by_source, 0);
        guesses += guess(*state, stranger, &by_source, 3);
        assert_int_equal(guesses, stranger->guesses * by_source.max_attempts);
    }
}

/* Who has just logged in gets in, whatever strangers do; and so do those of the other
 * family, and of another network. */
static void strangers_do_not_lock_out_others(void **state)
{
    static const char *const innocent[] = {"192.0.2.1", "2001:db8:102:304:5::6",
                                           "2001:db8:ffff::1"};
    const struct origin new_ipv4 = address("198.51.100.1"), new_ipv6 = address("2001:470:1::1");

    for (size_t n = 2; n < 5; n++) {
        remove_ledger(*state);
        for (size_t i = 0; i < COUNT_OF(innocent); i++) {
            const struct origin origin = address(innocent[i]);
            attempt_once(*state, &origin, &by_source, 0, true);
        }
        guess(*state, &strangers[n], &by_source, n == 2 ? 1 : 3);
        for (size_t i = 0; i < COUNT_OF(innocent); i++) {
            const struct origin origin = address(innocent[i]);
            if (ask_once(*state, &origin, &by_source, SECOND) != ADMITTED)
                fail_msg("%s is locked out by %s", innocent[i], strangers[n].what);
            fail_times(*state, &origin, &by_source, SECOND, 2);
            attempt_once(*state, &origin, &by_source, SECOND, true);
        }
        const struct origin *other = strangers[n].bits == 0 ? &new_ipv6 : &new_ipv4;
        fail_times(*state, other, &by_source, SECOND, 3);
        assert_int_equal(ask_once(*state, other, &by_source, SECOND), REJECTED_LOCKED);
        if (strangers[n].bits != 0)
            attempt_once(*state, &new_ipv6, &by_source, SECOND, true);
    }
}

/* Those who logged in last; an earlier one counts as a stranger again. */
static void remembers_the_latest_logins(void **state)
{
    const unsigned many = SOURCES_SUCCEEDED_MAX + 5;

    for (unsigned i = 0; i < many; i++) {
        const struct origin origin = i % 2 == 0 ? ipv4(100000 + i) : ipv6(32, 0x55000 + i);
        attempt_once(*state, &origin, &by_source, 0, true);
    }
    guess(*state, &strangers[4], &by_source, 3); /* IPv4 */
    for (unsigned i = 0; i < many; i += 2) {
        const struct origin origin = ipv4(100000 + i);
        assert_int_equal(ask_once(*state, &origin, &by_source, 0),
                         i < many - SOURCES_SUCCEEDED_MAX ? REJECTED_LOCKED : ADMITTED);
    }
}

/* Whoever logs in while their attempts are counted with those of others gets a record,
 * and clears what is theirs only. */
static void success_on_a_shared_record(void **state)
{
    const struct origin lucky = ipv4(50000), other = ipv4(50001);
    struct stranger first = strangers[4];

    first.addresses = SOURCES_IPV4_MAX;
    guess(*state, &first, &by_source, 1);
    fail_times(*state, &other, &by_source, 0, 1);
    fail_times(*state, &lucky, &by_source, 0, 1);
    assert_int_equal(look_at(*state, &lucky, &by_source, 0).failures, 2);
    attempt_once(*state, &lucky, &by_source, 0, true);
    assert_int_equal(look_at(*state, &lucky, &by_source, 0).failures, 0);
    assert_int_equal(look_at(*state, &other, &by_source, 0).failures, 1);
    fail_times(*state, &other, &by_source, 0, 2);
    assert_int_equal(ask_once(*state, &other, &by_source, 0), REJECTED_LOCKED);
    assert_int_equal(ask_once(*state, &lucky, &by_source, 0), ADMITTED);
}

/* What was counted while there was no record for a source is not forgotten once there
 * is one. */
static void shared_failures_come_with_the_source(void **state)
{
    const struct origin late = ipv4(50000), other = ipv4(50001);
    const int64_t later = 14 * MINUTE, freed = 15 * MINUTE;

    for (unsigned i = 0; i < SOURCES_IPV4_MAX; i++) {
        const struct origin origin = ipv4(i);
        attempt_once(*state, &origin, &by_source, 0, false);
    }
    fail_times(*state, &late, &by_source, later, 2);
    assert_int_equal(look_at(*state, &other, &by_source, later).failures, 2);
    attempt_once(*state, &late, &by_source, freed, false);
    assert_int_equal(ask_once(*state, &late, &by_source, freed), REJECTED_LOCKED);
    assert_int_equal(look_at(*state, &other, &by_source, freed).failures, 0);
    fail_times(*state, &other, &by_source, freed, 3);
    assert_int_equal(ask_once(*state, &other, &by_source, freed), REJECTED_LOCKED);
}

/* Also when the policy begins to count by source, and in a user's first minutes. */
static void failures_by_user_come_with_the_source(void **state)
{
    const struct origin one = address("192.0.2.1"), other = address("192.0.2.2");

    fail_times(*state, &one, &by_user, 0, 2);
    fail_times(*state, &one, &by_source, 0, 1);
    assert_int_equal(ask_once(*state, &one, &by_source, 0), REJECTED_LOCKED);
    fail_times(*state, &other, &by_source, 0, 3);
}

/* Failures and locks that have expired do not occupy a record. */
static void expired_sources_free_their_records(void **state)
{
    const int64_t later = 16 * MINUTE;

    for (unsigned i = 0; i < SOURCES_IPV4_MAX; i++) {
        const struct origin origin = ipv4(i);
        fail_times(*state, &origin, &by_source, 0, i % 2 == 0 ? 1 : 3);
    }
    for (unsigned i = 1000; i < 1000 + SOURCES_IPV4_MAX; i++) {
        const struct origin origin = ipv4(i);
        fail_times(*state, &origin, &by_source, later, 2);
    }
    for (unsigned i = 1000; i < 1000 + SOURCES_IPV4_MAX; i++) {
        const struct origin origin = ipv4(i);
        const struct attempt_state looked = look_at(*state, &origin, &by_source, later);
        assert_int_equal(looked.failures, 2);
        assert_memory_equal(&looked.origin, &origin, sizeof origin);
    }
    const struct origin next = ipv4(5000);
    assert_int_equal(look_at(*state, &next, &by_source, later).failures, 0);
    assert_int_equal(size_of(*state), ledger_file_size(RECORDS_WITH_SOURCES));
}

/* An attempt in flight keeps its record as long as its process lives. */
static void source_with_an_attempt_in_flight_keeps_its_record(void **state)
{
    const struct origin patient = numbered(5000);
    struct attempt a;

    begin_admitted(*state, &a, &patient, &by_source, 0);
    for (unsigned i = 0; i < SOURCES + 5; i++) {
        const struct origin origin = numbered(i);
        assert_int_not_equal(ask_once(*state, &origin, &by_source, 0), REJECTED_LOCKED);
    }
    assert_int_equal(look_at(*state, &patient, &by_source, 0).in_flight, 1);
    end(&a, false, &by_source, 0);
    assert_int_equal(look_at(*state, &patient, &by_source, 0).failures, 1);
}

/* The record was given to another source: a late result of its previous owner
 * changes nothing. */
static void late_result_does_not_affect_another_source(void **state)
{
    const struct origin late = numbered(1), next = numbered(2);
    const int64_t long_after = ATTEMPT_AGE_MAX_MS + 15 * MINUTE;
    struct attempt a, b;

    begin_admitted(*state, &a, &late, &by_source, 0);
    begin_admitted(*state, &b, &next, &by_source, long_after);
    assert_int_equal(a.ledger.slot.record,
                     b.ledger.slot.record); /* otherwise the test proves nothing */
    assert_int_equal(settle(&a, true, &by_source, long_after), LEDGER_OK);
    assert_int_equal(a.report.admission, REJECTED_LOCKED);
    assert_int_equal(look_at(*state, &next, &by_source, long_after).in_flight, 1);
    ledger_close(&a.ledger);
    end(&b, false, &by_source, long_after);
    assert_int_equal(look_at(*state, &next, &by_source, long_after).failures, 1);
    assert_int_equal(look_at(*state, &late, &by_source, long_after).failures, 0);
}

/* A flood of addresses: the file does not grow, and no more attempts are
 * admitted than the records allow. */
static void flood_of_addresses_is_bounded(void **state)
{
    const bool soak = is_soak();
    const unsigned addresses = is_slow() ? 2000 : soak ? 100000 : 20000;
    /* all IPv4 addresses, and a /32 network */
    const unsigned max = (SOURCES_IPV4_MAX + 1 + NETWORK_32_MAX) * by_source.max_attempts;
    struct attempt a;
    unsigned admitted = 0;

    assert_int_equal(open_ledger(*state, 0, &a.ledger, &a.failure), LEDGER_OK);
    for (unsigned i = 0; i < addresses; i++) {
        const struct origin origin = numbered(i % 7 == 0 ? i / 7 : i);
        if (ask(&a, &origin, &by_source, 0) != LEDGER_OK)
            fail_msg("address %u: %s", i, a.failure.text);
        if (a.report.admission == ADMITTED) {
            admitted++;
            assert_int_equal(settle(&a, false, &by_source, 0), LEDGER_OK);
        }
    }
    ledger_close(&a.ledger);
    assert_true(admitted > SOURCES_IPV4_MAX && admitted <= max);
    assert_int_equal(size_of(*state), ledger_file_size(RECORDS_WITH_SOURCES));
    assert_int_equal(files_in(*state), 1);
    const struct origin more = numbered(addresses);
    assert_int_equal(ask_once(*state, &more, &by_source, 0), REJECTED_LOCKED);
    assert_int_equal(ask_once(*state, &more, &by_source, 15 * MINUTE), ADMITTED);
}

/* One login has mapped the file before it contained sources. */
static void finds_sources_that_another_login_added(void **state)
{
    const struct origin source = address("192.0.2.1");
    struct attempt early;
    bool had;

    assert_int_equal(open_ledger(*state, 0, &early.ledger, &early.failure), LEDGER_OK);
    fail_times(*state, &source, &by_source, 0, 3);
    assert_int_equal(ask(&early, &source, &by_source, 0), LEDGER_OK);
    assert_int_equal(early.report.admission, REJECTED_LOCKED);
    ledger_close(&early.ledger);
    assert_int_equal(unlock(*state, 0, &had), LEDGER_OK);
    assert_int_equal(ask_once(*state, &source, &by_source, 0), ADMITTED);
}

/* --- views ---------------------------------------------------------------------------- */

static void view_creates_nothing(void **state)
{
    char *attempts = path_in(*state, LEDGER_DIRECTORY);
    struct failure failure = {""};
    struct ledger view;

    assert_int_equal(ledger_open_view(*state, USER, geteuid(), &view, &failure), LEDGER_ABSENT);
    assert_int_equal(access(attempts, F_OK), -1);
    assert_int_equal(mkdir(attempts, 0755), 0);
    assert_int_equal(ledger_open_view(*state, USER, geteuid(), &view, &failure), LEDGER_ABSENT);
    assert_int_equal(files_in(*state), 0);
    free(attempts);
}

/* Although there is something to do: a dead attempt, an expired lock. */
static void view_changes_nothing(void **state)
{
    const struct origin source = address("192.0.2.1");
    const struct timestamp now = at(60 * MINUTE);
    char *path = ledger_path(*state);
    struct failure failure = {""};
    struct attempt_state looked;
    struct ledger view;
    struct attempt a;
    size_t size, size_after;
    unsigned used = 0;

    make_used(*state, true);
    fail_times(*state, &local, &by_user, 0, 2);
    begin_admitted(*state, &a, &network, &by_user, 0);
    ledger_close(&a.ledger);
    char *before = read_bytes(path, &size);
    assert_int_equal(ledger_open_view(*state, USER, geteuid(), &view, &failure), LEDGER_OK);
    assert_int_equal(fcntl(view.fd, F_GETFL) & O_ACCMODE, O_RDONLY);
    assert_int_equal(fcntl(view.fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    for (uint32_t i = 1; i < view.record_count; i++)
        used += ledger_look(&view, i, &by_user, &now, &looked) == 1;
    assert_int_equal(used, 5); /* two of them are shared by what has no record */
    assert_int_equal(ledger_look_at(&view, &source, &by_source, &now, &looked), 0);
    assert_int_equal(ledger_look_at(&view, &local, &by_user, &now, &looked), 0);
    assert_int_equal(looked.lock_left_ms, 0);
    ledger_close(&view);
    char *after = read_bytes(path, &size_after);
    assert_int_equal(size, size_after);
    assert_memory_equal(before, after, size);
    assert_int_equal(files_in(*state), 1);
    free(after);
    free(before);
    free(path);
}

/* A view shows, record by record, what each origin sees. */
static void view_shows_every_origin(void **state)
{
    const struct timestamp now = at(MINUTE);
    struct failure failure = {""};
    struct attempt_state looked;
    struct ledger view;

    for (unsigned i = 0; i < 5; i++) {
        const struct origin origin = numbered(i);
        fail_times(*state, &origin, &by_source, 0, i % 4);
    }
    fail_times(*state, &local, &by_source, 0, 3);
    assert_int_equal(ledger_open_view(*state, USER, geteuid(), &view, &failure), LEDGER_OK);
    assert_int_equal(ledger_look(&view, RECORD_LOCAL, &by_source, &now, &looked), 1);
    assert_int_equal(looked.origin.kind, ORIGIN_LOCAL);
    assert_int_equal(looked.failures, 3);
    assert_int_equal(looked.lock_left_ms, 9 * MINUTE);
    assert_int_equal(ledger_look(&view, RECORD_NETWORK, &by_source, &now, &looked), 1);
    assert_int_equal(looked.failures, 0);
    for (unsigned i = 0; i < 5; i++) {
        const struct origin origin = numbered(i);
        assert_int_equal(ledger_look_at(&view, &origin, &by_source, &now, &looked), 0);
        assert_int_equal(looked.failures, i % 4);
        assert_int_equal(looked.lock_left_ms, i % 4 == 3 ? 9 * MINUTE : 0);
        assert_memory_equal(&looked.origin, &origin, sizeof origin);
    }
    const struct origin never = numbered(99);
    assert_int_equal(ledger_look_at(&view, &never, &by_source, &now, &looked), 0);
    assert_int_equal(looked.failures + looked.in_flight, 0);
    assert_int_equal(looked.lock_left_ms, 0);
    ledger_close(&view);
}

/* --- a full disk ---------------------------------------------------------------------- */

/* A hostile limit of the caller's (who ignores SIGXFSZ). */
static void admits_nobody_under_a_file_size_limit(void **state)
{
    const struct origin source = address("192.0.2.1");
    struct rlimit before, none;
    struct failure failure = {""};
    struct ledger ledger;

    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    none = before;
    none.rlim_cur = 0;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
    const enum ledger_status made = open_ledger(*state, 0, &ledger, &failure);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(made, LEDGER_FAILED);
    assert_non_null(strstr(failure.text, "file size limit"));
    assert_int_equal(files_in(*state), 0);

    /* with an existing ledger, nobody is admitted uncounted, and nothing is lost */
    fail_times(*state, &local, &by_user, 0, 2);
    fail_times(*state, &source, &by_source, 0, 1);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
    for (unsigned i = 0; i < 3; i++) {
        struct attempt a;
        const struct origin *const origin[] = {&local, &network, &source};
        const enum ledger_status opened = open_ledger(*state, 0, &a.ledger, &a.failure);
        const enum ledger_status asked = ask(&a, origin[i], i < 2 ? &by_user : &by_source, 0);
        ledger_close(&a.ledger);
        if (opened != LEDGER_OK || asked != LEDGER_FAILED ||
            strcmp(a.failure.text, "cannot be written: File too large") != 0)
            none.rlim_max = 0; /* reported below, when messages can be written */
    }
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(none.rlim_max, before.rlim_max);
    assert_int_equal(look_at(*state, &local, &by_user, 0).failures, 2);
    assert_int_equal(look_at(*state, &local, &by_user, 0).in_flight, 0);
    assert_int_equal(look_at(*state, &source, &by_source, 0).failures, 1);

    /* damage cannot be repaired, but nobody is admitted */
    damage_ledger(*state);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
    const enum ledger_status damaged = open_ledger(*state, 0, &ledger, &failure);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(damaged, LEDGER_FAILED);
    assert_non_null(strstr(failure.text, "cannot be replaced"));
    signal(SIGXFSZ, SIG_DFL);
    assert_detected_and_sealed(*state);
}

/* Fills the disk to the last byte. */
static void fill(const char *directory)
{
    static const char zeros[4096];
    char *path = path_in(directory, "filler");
    const int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    for (size_t size = sizeof zeros; size > 0;)
        if (write(fd, zeros, size) < 0)
            size /= 2;
    close(fd);
    free(path);
}

/* Runs in a child with its own mount namespace, on a file system of 64 KB. A
 * failed assertion would go unnoticed there, so it returns the step that
 * failed. */
static int on_a_full_disk(const char *directory)
{
    const struct origin source = address("192.0.2.1");
    struct attempt a;
    struct failure failure = {""};
    bool had;

    if (open_ledger(directory, 0, &a.ledger, &failure) != LEDGER_OK)
        return 1;
    ledger_close(&a.ledger);
    fill(directory);
    for (int i = 0; i < 3; i++) {
        /* no room for sources: one count for all, and nothing is lost */
        if (open_ledger(directory, 0, &a.ledger, &failure) != LEDGER_OK ||
            ask(&a, &source, &by_source, 0) != LEDGER_OK || a.report.admission != ADMITTED ||
            settle(&a, false, &by_source, 0) != LEDGER_OK)
            return 2;
        ledger_close(&a.ledger);
    }
    if (open_ledger(directory, 0, &a.ledger, &failure) != LEDGER_OK ||
        ask(&a, &network, &by_source, 0) != LEDGER_OK || a.report.admission != REJECTED_LOCKED)
        return 3;
    ledger_close(&a.ledger);
    const struct timestamp now = at(0);
    if (ledger_open(directory, USER + 1, geteuid(), &now, &a.ledger, &failure) != LEDGER_FAILED ||
        strstr(failure.text, "No space") == NULL)
        return 4;
    /* with room again, the source has a record, and is still locked; others are not */
    const struct origin other = address("192.0.2.2");
    char *filler = path_in(directory, "filler");
    unlink(filler);
    if (mount("none", directory, "tmpfs", MS_REMOUNT, "size=512k") != 0 ||
        open_ledger(directory, 0, &a.ledger, &failure) != LEDGER_OK ||
        ask(&a, &source, &by_source, 0) != LEDGER_OK || a.report.admission != REJECTED_LOCKED ||
        a.ledger.record_count != RECORDS_WITH_SOURCES)
        return 6;
    ledger_close(&a.ledger);
    if (open_ledger(directory, 0, &a.ledger, &failure) != LEDGER_OK ||
        ask(&a, &other, &by_source, 0) != LEDGER_OK || a.report.admission != ADMITTED ||
        settle(&a, true, &by_source, 0) != LEDGER_OK)
        return 7;
    ledger_close(&a.ledger);
    fill(directory);
    free(filler);
    if (unlock(directory, 0, &had) != LEDGER_OK || !had)
        return 5;
    return 0;
}

/* Damaged on a full disk: the account is never open; and once there is
 * evidence, removing it makes room. */
static int damaged_on_a_full_disk(const char *directory)
{
    char *path = ledger_path(directory), *filler = path_in(directory, "filler");
    char *evidence = evidence_path(directory);
    struct attempt a;
    int step = 0;

    const int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0 || pwrite(fd, "x", 1, 0) != 1)
        step = 10;
    close(fd);
    if (step == 0 && open_ledger(directory, 0, &a.ledger, &a.failure) != LEDGER_FAILED)
        step = 11;
    if (step == 0 &&
        (unlink(filler) != 0 || open_ledger(directory, 0, &a.ledger, &a.failure) != LEDGER_DAMAGED))
        step = 12;
    ledger_close(&a.ledger);
    const int again = open(path, O_WRONLY | O_CLOEXEC);
    if (step == 0 && pwrite(again, "x", 1, 0) != 1)
        step = 13;
    close(again);
    fill(directory);
    if (step == 0 &&
        (open_ledger(directory, 0, &a.ledger, &a.failure) != LEDGER_DAMAGED ||
         ask(&a, &network, &by_user, 0) != LEDGER_OK || a.report.admission != REJECTED_LOCKED))
        step = 14;
    ledger_close(&a.ledger);
    free(evidence);
    free(filler);
    free(path);
    return step;
}

/* If nothing can be written at all, looking still works. */
static int on_a_read_only_disk(const char *directory)
{
    const struct timestamp now = at(0);
    struct failure failure = {""};
    struct attempt_state looked;
    struct ledger ledger;

    if (mount("none", directory, "tmpfs", MS_REMOUNT | MS_RDONLY, NULL) != 0)
        return 20;
    if (open_ledger(directory, 0, &ledger, &failure) != LEDGER_FAILED)
        return 21;
    if (ledger_open_view(directory, USER, geteuid(), &ledger, &failure) != LEDGER_OK ||
        ledger_look_at(&ledger, &network, &by_user, &now, &looked) != 0 || looked.failures != 3)
        return 22;
    ledger_close(&ledger);
    return 0;
}

static void keeps_counting_on_a_full_disk(void **state)
{
    int status;

    if (geteuid() != 0)
        LEFT_OUT("needs root to mount a small file system");
    const pid_t pid = child();
    if (pid == 0) {
        if (unshare(CLONE_NEWNS) != 0 ||
            mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) != 0 ||
            mount("tmpfs", *state, "tmpfs", 0, "size=64k,mode=0755") != 0)
            _exit(77);
        int step = on_a_full_disk(*state);
        if (step == 0)
            step = damaged_on_a_full_disk(*state);
        if (step == 0)
            step = on_a_read_only_disk(*state);
        _exit(step);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77)
        LEFT_OUT("no file system can be mounted here");
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* --- processes that go on later ------------------------------------------------ */

/* Called before the product's system call with this number, to act as other processes
 * do while this one is frozen. */
static struct {
    unsigned calls, at;
    void (*action)(void);
} freeze;

static void maybe_freeze(void)
{
    void (*const action)(void) = freeze.action;

    if (action == NULL || ++freeze.calls != freeze.at)
        return;
    freeze.action = NULL;
    action();
}

ssize_t __attribute__((visibility("default"))) pread(int fd, void *data, size_t size, off_t offset)
{
    maybe_freeze();
    return syscall(SYS_pread64, fd, data, size, offset);
}

ssize_t __attribute__((visibility("default")))
pwrite(int fd, const void *data, size_t size, off_t offset)
{
    maybe_freeze();
    return syscall(SYS_pwrite64, fd, data, size, offset);
}

int __attribute__((visibility("default"))) fcntl(int fd, int command, ...)
{
    va_list arguments;

    va_start(arguments, command);
    void *argument = va_arg(arguments, void *);
    va_end(arguments);
    maybe_freeze();
    return (int)syscall(SYS_fcntl, fd, command, argument);
}

int __attribute__((visibility("default"))) fchmod(int fd, mode_t mode)
{
    maybe_freeze();
    return (int)syscall(SYS_fchmod, fd, mode);
}

int __attribute__((visibility("default")))
renameat(int old_fd, const char *old, int new_fd, const char *new)
{
    maybe_freeze();
    return (int)syscall(SYS_renameat2, old_fd, old, new_fd, new, 0);
}

static const char *frozen_in;
static unsigned others_admitted;
static bool others_guess;

/* Others take the lock for stuck, replace the ledger, and guess until they are locked
 * out. */
static void others_act(void)
{
    const struct timestamp now = at(0);
    struct attempt a;

    assert_int_equal(open_ledger(frozen_in, 0, &a.ledger, &a.failure), LEDGER_OK);
    if (ledger_renew(&a.ledger, &now, &a.failure) != LEDGER_OK)
        fail_msg("%s", a.failure.text);
    while (others_guess && ask(&a, &network, &by_user, 0) == LEDGER_OK &&
           a.report.admission == ADMITTED) {
        others_admitted++;
        assert_int_equal(settle(&a, false, &by_user, 0), LEDGER_OK);
    }
    ledger_close(&a.ledger);
}

/* Returns false if there was no such call. */
static bool was_frozen(void)
{
    const bool was = freeze.action == NULL;

    freeze.action = NULL;
    return was;
}

static void freeze_at(const char *directory, unsigned call, bool guess_meanwhile)
{
    frozen_in = directory;
    others_admitted = 0;
    others_guess = guess_meanwhile;
    freeze.calls = 0;
    freeze.at = call;
    freeze.action = others_act;
}

/* Frozen anywhere between asking and the answer, and resumed when the ledger has been
 * replaced and used: there are three guesses in all, and none is lost. */
static void resumed_admission_wins_no_guess(void **state)
{
    bool frozen = true;

    for (unsigned call = 1; frozen; call++) {
        struct attempt a;

        remove_ledger(*state);
        attempt_once(*state, &network, &by_user, 0, false);
        assert_int_equal(open_ledger(*state, 0, &a.ledger, &a.failure), LEDGER_OK);
        freeze_at(*state, call, true);
        const enum ledger_status status = ask(&a, &network, &by_user, 0);
        frozen = was_frozen();
        if (status != LEDGER_OK)
            fail_msg("call %u: %s", call, a.failure.text);
        unsigned guesses = 1 + others_admitted;
        if (a.report.admission == ADMITTED) {
            guesses++;
            end(&a, false, &by_user, 0);
        } else {
            ledger_close(&a.ledger);
        }
        if (frozen && ask_once(*state, &network, &by_user, 0) == ADMITTED)
            fail_msg("call %u: not locked after %u guesses", call, guesses);
        if (frozen && guesses != by_user.max_attempts)
            fail_msg("call %u: %u guesses", call, guesses);
        assert_int_equal(files_in(*state), 1);
        assert_true(call < 1000);
    }
}

/* The same while its result is written: it is not lost, nor counted twice. */
static void resumed_settlement_counts_once(void **state)
{
    for (int success = 0; success <= 1; success++) {
        bool frozen = true;
        for (unsigned call = 1; frozen; call++) {
            struct attempt a;

            remove_ledger(*state);
            attempt_once(*state, &network, &by_user, 0, false);
            begin_admitted(*state, &a, &network, &by_user, 0);
            freeze_at(*state, call, false);
            const enum ledger_status status =
                settle(&a, success ? ATTEMPT_SUCCEEDED : ATTEMPT_FAILED, &by_user, 0);
            frozen = was_frozen();
            if (status != LEDGER_OK || a.report.admission != ADMITTED)
                fail_msg("call %u: %d: %s", call, (int)status, a.failure.text);
            ledger_close(&a.ledger);
            const struct attempt_state looked = look_at(*state, &network, &by_user, 0);
            if (looked.failures != (success ? 0 : 2) || looked.in_flight != 0)
                fail_msg("call %u: %u failures, %u in flight", call, looked.failures,
                         looked.in_flight);
            assert_int_equal(files_in(*state), 1);
        }
    }
}

/* Frozen while it replaces the ledger itself: what was counted since then stays, and so
 * does what is in flight. */
static void resumed_replacement_changes_nothing(void **state)
{
    const struct timestamp now = at(0);
    bool frozen = true;

    for (unsigned call = 1; frozen; call++) {
        struct attempt in_flight, a;

        remove_ledger(*state);
        attempt_once(*state, &network, &by_user, 0, false);
        begin_admitted(*state, &in_flight, &network, &by_user, 0);
        assert_int_equal(open_ledger(*state, 0, &a.ledger, &a.failure), LEDGER_OK);
        freeze_at(*state, call, true);
        const enum ledger_status status = ledger_renew(&a.ledger, &now, &a.failure);
        frozen = was_frozen();
        if (status != LEDGER_OK)
            fail_msg("call %u: %s", call, a.failure.text);
        unsigned guesses = 2 + others_admitted;
        while (ask(&a, &network, &by_user, 0) == LEDGER_OK && a.report.admission == ADMITTED) {
            guesses++;
            assert_int_equal(settle(&a, false, &by_user, 0), LEDGER_OK);
        }
        ledger_close(&a.ledger);
        end(&in_flight, false, &by_user, 0);
        assert_int_equal(ask_once(*state, &network, &by_user, 0), REJECTED_LOCKED);
        if (guesses != by_user.max_attempts)
            fail_msg("call %u: %u guesses", call, guesses);
        assert_int_equal(files_in(*state), 1);
    }
}

/* Others replace the ledger; then one that was frozen before that writes a lock into the
 * old one, which no longer counts. */
static void others_lock_too_late(void)
{
    const struct timestamp now = at(0);
    struct failure failure = {""};
    struct ledger late, other;
    struct file_bank bank;

    assert_int_equal(open_ledger(frozen_in, 0, &late, &failure), LEDGER_OK);
    assert_int_equal(open_ledger(frozen_in, 0, &other, &failure), LEDGER_OK);
    assert_int_equal(ledger_renew(&other, &now, &failure), LEDGER_OK);
    ledger_close(&other);
    assert_int_equal(record_load(&late, RECORD_NETWORK, &bank, &failure), LEDGER_OK);
    bank.count.locked_ms = now.boot_ms;
    assert_int_equal(record_store(&late, RECORD_NETWORK, &bank, &failure), LEDGER_OK);
    ledger_close(&late);
}

/* Frozen anywhere while it looks, without a lock, whether the user is locked: it rejects
 * nobody who was not. */
static void resumed_look_rejects_nobody(void **state)
{
    struct attempt_report report;
    bool frozen = true;
    unsigned call;

    for (call = 1; frozen; call++) {
        remove_ledger(*state);
        attempt_once(*state, &network, &by_user, 0, false);
        freeze_at(*state, call, false);
        freeze.action = others_lock_too_late;
        if (is_rejected_at_once(*state, &network, &by_user, 0, &report))
            fail_msg("call %u: rejected", call);
        frozen = was_frozen();
        assert_int_equal(ask_once(*state, &network, &by_user, 0), ADMITTED);
    }
    assert_true(call > 2);
}

/* --- files and sizes ---------------------------------------------------------- */

/* Called right after the product has asked for a ledger's size, to act as
 * another process does. */
static void (*after_fstat)(void);

int __attribute__((visibility("default"))) fstat(int fd, struct stat *st)
{
    void (*now)(void) = after_fstat;
    const int result = fstatat(fd, "", st, AT_EMPTY_PATH);

    if (result == 0 && S_ISREG(st->st_mode) && now != NULL) {
        after_fstat = NULL;
        now();
    }
    return result;
}

static const char *growing_in;

static void grow(void)
{
    const struct origin source = address("192.0.2.1");

    attempt_once(growing_in, &source, &by_source, 0, true);
}

/* Another login adds the records of sources while this one opens the ledger: it
 * must not be mistaken for damaged, which would lock the user. */
static void accepts_growth_while_opening(void **state)
{
    struct failure failure = {""};
    struct ledger ledger;
    char *evidence = evidence_path(*state), *path = ledger_path(*state);

    attempt_once(*state, &network, &by_user, 0, true);
    growing_in = *state;
    after_fstat = grow;
    assert_int_equal(open_ledger(*state, 0, &ledger, &failure), LEDGER_OK);
    after_fstat = NULL;
    ledger_close(&ledger);
    grow();
    after_fstat = grow; /* the file has already grown */
    assert_int_equal(open_ledger(*state, 0, &ledger, &failure), LEDGER_OK);
    after_fstat = NULL;
    ledger_close(&ledger);
    assert_int_equal(access(path, F_OK), 0);
    assert_int_equal(access(evidence, F_OK), -1);
    free(evidence);
    free(path);
}

/* --- versions --------------------------------------------------------------------- */

static void set_version(const char *path, uint32_t version)
{
    const uint32_t words[2] = {version, ~version};
    const int fd = open(path, O_WRONLY | O_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, words, sizeof words, (off_t)offsetof(struct ledger_head, version)),
                     sizeof words);
    close(fd);
}

/* It is no damage: nobody is admitted, but nothing is lost, and the next upgrade
 * finds everything. Nothing else than its head is known to this version. */
static void leaves_newer_ledgers_alone(void **state)
{
    char *path = ledger_path(*state), *evidence = evidence_path(*state);
    struct failure failure;
    struct ledger ledger;
    bool had;

    fail_times(*state, &network, &by_user, 0, 3);
    for (uint32_t version = LEDGER_VERSION + 1; version != 0; version *= 2) {
        set_version(path, version);
        assert_int_equal(open_ledger(*state, 0, &ledger, &failure), LEDGER_FAILED);
        assert_non_null(strstr(failure.text, "was written by a newer version of pam_tmout"));
        assert_int_equal(ledger_open_view(*state, USER, geteuid(), &ledger, &failure),
                         LEDGER_FAILED);
        assert_non_null(strstr(failure.text, "was written by a newer version of pam_tmout"));
    }
    assert_int_equal(access(evidence, F_OK), -1);
    set_version(path, LEDGER_VERSION);
    assert_int_equal(ask_once(*state, &network, &by_user, 0), REJECTED_LOCKED);
    assert_int_equal(ask_once(*state, &local, &by_user, 0), ADMITTED);

    set_version(path, LEDGER_VERSION + 1);
    assert_int_equal(truncate(path, sizeof(struct ledger_head)), 0);
    assert_int_equal(open_ledger(*state, 0, &ledger, &failure), LEDGER_FAILED);
    assert_non_null(strstr(failure.text, "was written by a newer version of pam_tmout"));
    /* going back for good takes root's decision */
    assert_int_equal(unlock(*state, 0, &had), LEDGER_OK);
    assert_true(had);
    assert_int_equal(ask_once(*state, &network, &by_user, 0), ADMITTED);
    free(evidence);
    free(path);
}

/* Puts a ledger there that the first release has written. */
static void put_version_1(const char *directory, const char *name)
{
    char sample[256];
    char *path = ledger_path(directory);
    size_t size;
    struct attempt a;

    begin(directory, &a, &local, &by_user, 0);
    ledger_close(&a.ledger);
    snprintf(sample, sizeof sample, TESTS "/unit/lib/attempts/version1/%s", name);
    char *bytes = read_bytes(sample, &size);
    remove_ledger(directory);
    write_bytes(path, bytes, size);
    assert_int_equal(chmod(path, 0600), 0);
    free(bytes);
    free(path);
}

static void assert_file_version(const char *directory, bool current)
{
    char *path = ledger_path(directory);
    size_t size;
    char *bytes = read_bytes(path, &size);
    struct stat st;

    assert_int_equal(memcmp(bytes, LEDGER_HEAD_MAGIC, strlen(LEDGER_HEAD_MAGIC)) == 0, current);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode, S_IFREG | 0600);
    assert_int_equal(files_in(directory), 1);
    free(bytes);
    free(path);
}

/* One local failure and one attempt in flight, three failures in the network. Looking
 * changes nothing, the first login converts it, and unlocking does, too. */
static void upgrade_keeps_counts_and_locks(void **state)
{
    struct attempt a;
    bool had;

    put_version_1(*state, "by_user");
    assert_int_equal(look_at(*state, &network, &by_user, MINUTE).lock_left_ms, 9 * MINUTE);
    assert_int_equal(look_at(*state, &local, &by_user, MINUTE).failures, 1);
    assert_int_equal(look_at(*state, &local, &by_user, MINUTE).in_flight, 1);
    assert_file_version(*state, false);
    begin(*state, &a, &network, &by_user, MINUTE);
    assert_int_equal(a.report.admission, REJECTED_LOCKED);
    assert_int_equal(a.report.lock_left_ms, 9 * MINUTE);
    ledger_close(&a.ledger);
    assert_file_version(*state, true);
    assert_int_equal(look_at(*state, &local, &by_user, MINUTE).in_flight, 1);
    assert_int_equal(look_at(*state, &local, &by_user, ATTEMPT_AGE_MAX_MS).failures, 2);
    attempt_once(*state, &local, &by_user, ATTEMPT_AGE_MAX_MS, false);
    assert_int_equal(ask_once(*state, &local, &by_user, ATTEMPT_AGE_MAX_MS), REJECTED_LOCKED);

    put_version_1(*state, "by_user");
    assert_int_equal(unlock(*state, MINUTE, &had), LEDGER_OK);
    assert_true(had);
    assert_file_version(*state, true);
    assert_int_equal(ask_once(*state, &network, &by_user, MINUTE), ADMITTED);
}

/* Three sources: two failures, three, and one with an attempt in flight. */
static void upgrade_keeps_sources(void **state)
{
    const struct origin two = address("192.0.2.1"), three = address("2001:db8:1:2::9"),
                        one = address("192.0.2.9");
    const int64_t later = ATTEMPT_AGE_MAX_MS;

    put_version_1(*state, "by_source");
    assert_int_equal(look_at(*state, &three, &by_source, MINUTE).lock_left_ms, 9 * MINUTE);
    assert_int_equal(look_at(*state, &one, &by_source, MINUTE).in_flight, 1);
    assert_int_equal(ask_once(*state, &three, &by_source, MINUTE), REJECTED_LOCKED);
    assert_file_version(*state, true);
    assert_int_equal(look_at(*state, &two, &by_source, MINUTE).failures, 2);
    assert_int_equal(look_at(*state, &one, &by_source, MINUTE).in_flight, 1);
    assert_int_equal(look_at(*state, &one, &by_source, later).failures, 2);
    fail_times(*state, &two, &by_source, MINUTE, 1);
    fail_times(*state, &one, &by_source, later, 1);
    assert_int_equal(ask_once(*state, &two, &by_source, later), REJECTED_LOCKED);
    assert_int_equal(ask_once(*state, &one, &by_source, later), REJECTED_LOCKED);
    assert_int_equal(ask_once(*state, &network, &by_source, later), REJECTED_LOCKED);
}

/* All at once, and with sources to add. */
static void upgrades_once(void **state)
{
    const struct origin source = address("198.51.100.7");
    struct crowd *crowd = shared(sizeof *crowd);

    for (int round = 0; round < (is_slow() ? 2 : 10); round++) {
        put_version_1(*state, "by_user");
        *crowd = (struct crowd){.directory = *state, .origin = &source, .limits = &by_source};
        run_processes(crowd, is_slow() ? 5 : 30);
        assert_int_equal(crowd->errors, 0);
        assert_int_equal(crowd->admitted, by_source.max_attempts);
        assert_file_version(*state, true);
        assert_int_equal(ask_once(*state, &network, &by_user, 0), REJECTED_LOCKED);
        assert_int_equal(look_at(*state, &local, &by_user, 0).failures, 1);
    }
    munmap(crowd, sizeof *crowd);
}

/* What a process does that has been running version 1 since before the upgrade: to it,
 * a ledger of this version is damaged. sealed_and_used is what it leaves if somebody
 * fails there after that lock has ended. The samples were made by version 1 itself. */
static void set_aside_by_version_1(const char *directory, const char *sample)
{
    char *path = ledger_path(directory), *evidence = evidence_path(directory);
    char *kept = path_in(directory, "kept");

    assert_int_equal(rename(path, kept), 0);
    put_version_1(directory, sample);
    assert_int_equal(rename(kept, evidence), 0);
    free(kept);
    free(evidence);
    free(path);
}

static void a_process_of_version_1_locks_nobody(void **state)
{
    const struct origin source = address("192.0.2.1");
    char *evidence = evidence_path(*state), *path = ledger_path(*state);
    struct attempt a;

    /* two failures, and an attempt in flight that is settled after that */
    fail_times(*state, &local, &by_user, 0, 2);
    begin_admitted(*state, &a, &network, &by_user, 0);
    set_aside_by_version_1(*state, "sealed");
    assert_int_equal(ask_once(*state, &network, &by_user, MINUTE), ADMITTED);
    end(&a, true, &by_user, MINUTE);
    assert_file_version(*state, true); /* and no other file is left */
    assert_int_equal(look_at(*state, &local, &by_user, MINUTE).failures, 2);
    assert_int_equal(look_at(*state, &local, &by_user, MINUTE).lock_left_ms, 0);
    /* no count is lost */
    fail_times(*state, &local, &by_user, MINUTE, 1);
    set_aside_by_version_1(*state, "sealed");
    assert_int_equal(ask_once(*state, &local, &by_user, MINUTE), REJECTED_LOCKED);

    /* of sources, neither */
    remove_ledger(*state);
    fail_times(*state, &source, &by_source, 0, 3);
    set_aside_by_version_1(*state, "sealed");
    assert_int_equal(ask_once(*state, &source, &by_source, MINUTE), REJECTED_LOCKED);
    assert_int_equal(ask_once(*state, &local, &by_source, MINUTE), ADMITTED);
    free(evidence);
    free(path);
}

/* Where it was used, or what is aside is damaged, or anybody's, it counts as it is. */
static void a_seal_of_version_1_holds_otherwise(void **state)
{
    char *evidence = evidence_path(*state);

    for (int wrong = 0; wrong < 4; wrong++) {
        attempt_once(*state, &local, &by_user, 0, true);
        set_aside_by_version_1(*state, wrong == 0 ? "sealed_and_used" : "sealed");
        if (wrong == 1)
            write_text(evidence, "damaged");
        if (wrong == 2) {
            const int fd = open(evidence, O_RDWR | O_CLOEXEC);
            assert_int_equal(pwrite(fd, "xxxxxxxx", 8, RECORDS_OFFSET + 64), 8);
            assert_int_equal(pwrite(fd, "xxxxxxxx", 8, RECORDS_OFFSET + 1024 + 64), 8);
            close(fd);
        }
        if (wrong == 3)
            assert_int_equal(chmod(evidence, 0666), 0);
        if (wrong == 0)
            assert_int_equal(look_at(*state, &local, &by_user, 12 * MINUTE).failures, 1);
        else
            assert_sealed(*state, MINUTE, 9 * MINUTE);
        if (wrong == 0) {
            fail_times(*state, &local, &by_user, 12 * MINUTE, 2);
            assert_int_equal(ask_once(*state, &local, &by_user, 12 * MINUTE), REJECTED_LOCKED);
        }
        assert_int_equal(unlink(evidence), 0);
        remove_ledger(*state);
    }
    free(evidence);
}

static void detects_damage_in_version_1(void **state)
{
    char *path = ledger_path(*state);

    for (off_t where = 16 + 8; where < 3 * 1760; where += 1760) {
        put_version_1(*state, "by_user");
        const int fd = open(path, O_RDWR | O_CLOEXEC);
        uint64_t current;
        assert_int_equal(pread(fd, &current, sizeof current, where - 16 - 8), sizeof current);
        assert_int_equal(pwrite(fd, "\x5a", 1, where + (current & 1 ? 872 : 0)), 1);
        close(fd);
        struct ledger ledger;
        struct failure failure;
        assert_int_equal(open_ledger(*state, 0, &ledger, &failure), LEDGER_DAMAGED);
        ledger_close(&ledger);
        assert_sealed(*state, MINUTE, 9 * MINUTE);
    }
    free(path);
}

static unsigned full_links; /* so many files cannot get their name */

__attribute__((visibility("default"))) int linkat(int from_fd, const char *from, int to_fd,
                                                  const char *to, int flags)
{
    if (full_links > 0) {
        full_links--;
        errno = ENOSPC;
        return -1;
    }
    return (int)syscall(SYS_linkat, from_fd, from, to_fd, to, flags);
}

/* Files of logins that were killed while they created a ledger: nobody looks for them,
 * among all users' ledgers, unless there is no room. */
static void strays_are_removed_for_room(void **state)
{
    char *stray = path_in(*state, LEDGER_DIRECTORY "/99.new2147483647");
    char *path = ledger_path(*state);
    bool had;

    attempt_once(*state, &network, &by_user, 0, true);
    write_text(stray, "");
    assert_int_equal(unlink(path), 0);
    attempt_once(*state, &network, &by_user, 0, true);
    assert_int_equal(access(stray, F_OK), 0);
    assert_int_equal(unlink(path), 0);
    full_links = 1;
    attempt_once(*state, &network, &by_user, 0, true);
    assert_int_equal(full_links, 0);
    assert_int_equal(access(stray, F_OK), -1);

    write_text(stray, "");
    write_text(path, "damaged");
    assert_int_equal(unlock(*state, 0, &had), LEDGER_OK);
    assert_int_equal(access(stray, F_OK), 0);
    write_text(path, "damaged");
    full_links = 1;
    assert_int_equal(unlock(*state, 0, &had), LEDGER_OK);
    assert_int_equal(access(stray, F_OK), -1);
    free(path);
    free(stray);
}

static void strays_are_removed_on_request(void **state)
{
    char *stray = path_in(*state, LEDGER_DIRECTORY "/99.new2147483647");
    char *path = ledger_path(*state);

    ledger_remove_strays(*state, geteuid()); /* no directory yet */
    attempt_once(*state, &network, &by_user, 0, true);
    write_text(stray, "");
    ledger_remove_strays(*state, geteuid());
    assert_int_equal(access(stray, F_OK), -1);
    assert_int_equal(access(path, F_OK), 0);
    free(path);
    free(stray);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_DIRECTORY(creates_with_any_umask),
        WITH_DIRECTORY(accepts_growth_while_opening),
        WITH_DIRECTORY(leaves_newer_ledgers_alone),
        WITH_DIRECTORY(upgrade_keeps_counts_and_locks),
        WITH_DIRECTORY(upgrade_keeps_sources),
        WITH_DIRECTORY(upgrades_once),
        WITH_DIRECTORY(a_process_of_version_1_locks_nobody),
        WITH_DIRECTORY(a_seal_of_version_1_holds_otherwise),
        WITH_DIRECTORY(detects_damage_in_version_1),
        WITH_DIRECTORY(strays_are_removed_for_room),
        WITH_DIRECTORY(strays_are_removed_on_request),
        WITH_DIRECTORY(leaves_no_other_files),
        WITH_DIRECTORY(layout_is_unchanged),
        WITH_DIRECTORY(fails_in_unusable_directories),
        WITH_DIRECTORY(counts_and_locks),
        WITH_DIRECTORY(local_and_network_are_separate),
        WITH_DIRECTORY(users_are_separate),
        WITH_DIRECTORY(rejects_as_busy_until_one_settles),
        WITH_DIRECTORY(closing_without_a_result_counts_as_failure),
        WITH_DIRECTORY(survives_reboots),
        WITH_DIRECTORY(many_processes),
        WITH_DIRECTORY(many_threads),
        WITH_DIRECTORY(does_not_wait_if_already_settled),
        WITH_DIRECTORY(waits_until_the_timeout),
        WITH_DIRECTORY(settlement_wakes_waiters),
        WITH_DIRECTORY(unlock_wakes_waiters),
        WITH_DIRECTORY(longest_waiter_goes_first),
        WITH_DIRECTORY(stopped_waiter_loses_its_turn),
        WITH_DIRECTORY(withdrawal_changes_nothing),
        WITH_DIRECTORY(withdrawal_survives_replacement),
        WITH_DIRECTORY(progress_elsewhere_shows),
        WITH_DIRECTORY(killed_process_counts_as_failure),
        WITH_DIRECTORY(stopped_process_counts_as_failure_eventually),
        WITH_DIRECTORY(late_result_does_not_affect_the_new_owner_of_the_entry),
        WITH_DIRECTORY(forked_child_keeps_the_attempt_alive),
        WITH_DIRECTORY(survives_kills_at_any_moment),
        WITH_DIRECTORY(detects_every_flipped_byte),
        WITH_DIRECTORY(detects_flipped_bytes_with_sources),
        WITH_DIRECTORY(detects_every_flipped_bit_of_the_bank_number),
        WITH_DIRECTORY(survives_torn_changes),
        WITH_DIRECTORY(login_detects_flipped_bytes),
        WITH_DIRECTORY(detects_truncation),
        WITH_DIRECTORY(detects_zeroed_pages),
        WITH_DIRECTORY(detects_records_in_the_wrong_place),
        WITH_DIRECTORY(detects_damage_while_open),
        WITH_DIRECTORY(detects_damage_with_an_attempt_in_flight),
        WITH_DIRECTORY(notices_removal_while_open),
        WITH_DIRECTORY(seal_expires),
        WITH_DIRECTORY(expired_seal_does_not_come_back),
        WITH_DIRECTORY(seal_shows_the_limit_as_failures),
        WITH_DIRECTORY(seals_again_after_more_damage),
        WITH_DIRECTORY(does_not_follow_a_link),
        WITH_DIRECTORY(replaces_a_fifo),
        WITH_DIRECTORY(replaces_a_directory),
        WITH_DIRECTORY(replaces_a_second_directory),
        WITH_DIRECTORY(rejects_a_wrong_mode),
        WITH_DIRECTORY(rejects_a_wrong_owner),
        WITH_DIRECTORY(keeps_evidence),
        WITH_DIRECTORY(admits_nobody_after_damage),
        WITH_DIRECTORY(keeps_evidence_if_many_find_the_damage),
        WITH_DIRECTORY(unlock_clears_failures),
        WITH_DIRECTORY(forgetting_leaves_what_failed_later),
        WITH_DIRECTORY(forgetting_leaves_a_damaged_ledger),
        WITH_DIRECTORY(unlock_clears_failures_of_dead_processes),
        WITH_DIRECTORY(unlock_clears_failures_of_slow_attempts),
        WITH_DIRECTORY(unlock_repairs),
        WITH_DIRECTORY(locked_users_are_rejected_without_a_lock),
        WITH_DIRECTORY(unlock_works_while_a_lock_is_held),
        WITH_DIRECTORY(waits_while_the_ledger_changes),
        WITH_DIRECTORY(held_lock_does_not_block_other_origins),
        WITH_DIRECTORY(resumed_admission_wins_no_guess),
        WITH_DIRECTORY(resumed_settlement_counts_once),
        WITH_DIRECTORY(resumed_replacement_changes_nothing),
        WITH_DIRECTORY(resumed_look_rejects_nobody),
        WITH_DIRECTORY(sources_are_separate),
        WITH_DIRECTORY(guesses_of_a_stranger_are_limited),
        WITH_DIRECTORY(attempts_in_flight_do_not_add_guesses),
        WITH_DIRECTORY(strangers_do_not_lock_out_others),
        WITH_DIRECTORY(remembers_the_latest_logins),
        WITH_DIRECTORY(success_on_a_shared_record),
        WITH_DIRECTORY(shared_failures_come_with_the_source),
        WITH_DIRECTORY(failures_by_user_come_with_the_source),
        WITH_DIRECTORY(expired_sources_free_their_records),
        WITH_DIRECTORY(source_with_an_attempt_in_flight_keeps_its_record),
        WITH_DIRECTORY(late_result_does_not_affect_another_source),
        WITH_DIRECTORY(flood_of_addresses_is_bounded),
        WITH_DIRECTORY(finds_sources_that_another_login_added),
        WITH_DIRECTORY(view_creates_nothing),
        WITH_DIRECTORY(view_changes_nothing),
        WITH_DIRECTORY(view_shows_every_origin),
        WITH_DIRECTORY(admits_nobody_under_a_file_size_limit),
        WITH_DIRECTORY(keeps_counting_on_a_full_disk),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
