/* Records of logins, whole and damaged. */
#include "tests/unit/tools/tmoutd/log_capture.h"

#include "tests/unit/child.h"
#include "tests/unit/temporary.h"

#include "tools/tmoutd/record.h"

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>

/* --- what follows from the evidence ---------------------------------------- */

static struct record_evidence evidence_of(const char *name)
{
    struct record_evidence evidence = {
        .is_read = true,
        .process = {.pid = 700, .parent = 1, .session = 700, .state = 'S', .start_ticks = 12345},
        .is_root = true,
        .terminal = 34816 + 3, /* pts/3 */
        .audit_session = 8,
        .user = "kim",
    };

    snprintf(evidence.name, sizeof evidence.name, "%s", name);
    return evidence;
}

static void verdicts(void **state)
{
    struct record_evidence e;

    (void)state;
    e = evidence_of("sshd");
    assert_int_equal(record_judge(&e), RECORD_REBUILD);
    e = evidence_of("sshd-session");
    assert_int_equal(record_judge(&e), RECORD_REBUILD);
    e = evidence_of("login");
    assert_int_equal(record_judge(&e), RECORD_REBUILD);
    e.user[0] = '\0';
    assert_int_equal(record_judge(&e), RECORD_RETRY);
    e = evidence_of("cron");
    assert_int_equal(record_judge(&e), RECORD_KEEP);
    e = evidence_of("logind");
    assert_int_equal(record_judge(&e), RECORD_KEEP);
    e = evidence_of("");
    assert_int_equal(record_judge(&e), RECORD_KEEP);
    e = evidence_of("sshd"); /* a name that a user's process has chosen */
    e.is_root = false;
    assert_int_equal(record_judge(&e), RECORD_REMOVE);
}

/* Only a process that is certainly gone is not a login. */
static void verdicts_without_a_process(void **state)
{
    static const struct {
        int error;
        enum record_verdict verdict;
    } rows[] = {{ENOENT, RECORD_REMOVE},
                {ESRCH, RECORD_REMOVE},
                {EMFILE, RECORD_RETRY},
                {ENOMEM, RECORD_RETRY}};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const struct record_evidence e = {.error = rows[i].error};
        assert_int_equal(record_judge(&e), rows[i].verdict);
    }
}

static void rebuilt_for_sshd(void **state)
{
    const struct timestamp now = {.boot_ms = 999999, .wall_ms = 5};
    const struct record_evidence evidence = evidence_of("sshd");
    struct session_record record;

    (void)state;
    record_rebuild(&evidence, &now, 100, &record);
    assert_int_equal(record.pid, 700);
    assert_true(record.start_ticks == 12345);
    assert_true(record.is_ssh);
    assert_int_equal(record.audit_session, 8);
    assert_true(record.since.boot_ms == 123450);
    assert_true(record.since.wall_ms == 5);
    assert_string_equal(record.user, "kim");
    assert_string_equal(record.service, "sshd");
    assert_string_equal(record.address, "unknown");
    assert_string_equal(record.terminal, ""); /* sshd's are found by their masters */
}

static void rebuilt_for_login(void **state)
{
    const struct timestamp now = {.boot_ms = 999999};
    struct record_evidence evidence = evidence_of("login");
    struct session_record record;

    (void)state;
    record_rebuild(&evidence, &now, 100, &record);
    assert_false(record.is_ssh);
    assert_string_equal(record.service, "login");
    assert_string_equal(record.address, "local");
    assert_string_equal(record.terminal, "pts/3");
    evidence.terminal = 0;
    record_rebuild(&evidence, &now, 100, &record);
    assert_string_equal(record.terminal, "");
}

/* --- the files ------------------------------------------------------------- */

static struct timestamp now_of_test(void)
{
    struct timestamp now;
    struct failure failure;

    assert_int_equal(clock_now(&now, &failure), 0);
    return now;
}

static struct session_record record_of(pid_t pid)
{
    struct session_record record;
    struct process process;

    memset(&record, 0, sizeof record);
    assert_int_equal(process_read(pid, &process), 0);
    record.pid = process.pid;
    record.start_ticks = process.start_ticks;
    record.since = now_of_test();
    strcpy(record.user, "kim");
    return record;
}

static void put_record(const char *directory, const struct session_record *record)
{
    struct failure failure = {""};

    if (registry_put(directory, geteuid(), record, &failure) != 0)
        fail_msg("%s", failure.text);
}

static char *file_of(const char *directory, pid_t pid)
{
    char name[16];

    snprintf(name, sizeof name, "%d", (int)pid);
    return path_in(directory, name);
}

static void assert_read(const char *directory, pid_t pid, enum record_status status, bool stays)
{
    const struct timestamp now = now_of_test();
    struct session_record record;
    char *path = file_of(directory, pid);

    assert_int_equal(record_read(directory, pid, &now, &record), status);
    assert_int_equal(access(path, F_OK) == 0, stays);
    free(path);
}

static void whole_records(void **state)
{
    const struct session_record own = record_of(0);

    log_clear();
    assert_read(*state, own.pid, RECORD_NONE, false);
    put_record(*state, &own);
    assert_read(*state, own.pid, RECORD_FOUND, true);
    assert_string_equal(logged, "");
}

/* The process has ended, or its pid was reused. */
static void stale_records(void **state)
{
    struct session_record own = record_of(0);

    log_clear();
    own.start_ticks++;
    put_record(*state, &own);
    assert_read(*state, own.pid, RECORD_NONE, false);
    assert_string_equal(logged, "");
}

static void damage(const char *directory, pid_t pid)
{
    char *path = file_of(directory, pid);

    write_text(path, "not a record");
    assert_int_equal(chmod(path, 0600), 0);
    free(path);
}

/* A process without a login in its place: one of ours. */
static void a_damaged_record_of_no_login(void **state)
{
    const pid_t pid = getpid();
    const bool is_root = process_is_roots(pid);

    log_clear();
    damage(*state, pid);
    assert_read(*state, pid, RECORD_NONE, is_root);
    assert_logged(is_root ? "damaged, and the process is not a login; ignoring it\n"
                          : "damaged, and there is no such login process; removing it\n",
                  1);
}

static void a_damaged_record_of_an_ended_process(void **state)
{
    const pid_t pid = child_begin();

    if (pid == 0)
        _exit(0);
    assert_true(child_end(pid));
    log_clear();
    damage(*state, pid);
    assert_read(*state, pid, RECORD_NONE, false);
    assert_logged("damaged, and there is no such login process; removing it\n", 1);
}

/* A process that calls itself sshd, until it is ended. */
static pid_t begin_false_sshd(int *ready)
{
    int ends[2];

    assert_int_equal(pipe(ends), 0);
    const pid_t pid = child_begin();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        prctl(PR_SET_NAME, "sshd");
        send_byte(ends[1], 'r');
        for (;;)
            pause();
    }
    close(ends[1]);
    assert_int_equal(await_byte(ends[0]), 'r');
    *ready = ends[0];
    return pid;
}

/* What becomes of it depends on who runs the test: root's is one whose user the
 * kernel may know, by the login uid. */
static void a_damaged_record_of_a_false_sshd(void **state)
{
    const struct timestamp now = now_of_test();
    struct session_record record;
    int ready;
    const pid_t pid = begin_false_sshd(&ready);
    uid_t uid;

    log_clear();
    damage(*state, pid);
    const enum record_status status = record_read(*state, pid, &now, &record);
    if (!process_is_roots(pid)) {
        assert_int_equal(status, RECORD_NONE);
        assert_logged("removing it\n", 1);
    } else if (process_login_uid(pid, &uid)) {
        assert_int_equal(status, RECORD_FOUND);
        assert_logged("was damaged, rebuilt from /proc user=", 1);
        assert_int_equal(registry_get(*state, geteuid(), pid, &record), REGISTRY_OK);
    } else {
        assert_int_equal(status, RECORD_LATER);
        assert_logged("the login is not watched for now\n", 1);
    }
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    close(ready);
}

static void a_registry_that_cannot_be_read(void **state)
{
    char *path = path_in(*state, "file");
    const struct timestamp now = now_of_test();
    struct session_record record;

    log_clear();
    write_text(path, "");
    assert_int_equal(record_read(path, 1, &now, &record), RECORD_LATER);
    assert_logged("/1: cannot read: ", 1);
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(verdicts),
        cmocka_unit_test(verdicts_without_a_process),
        cmocka_unit_test(rebuilt_for_sshd),
        cmocka_unit_test(rebuilt_for_login),
        WITH_DIRECTORY(whole_records),
        WITH_DIRECTORY(stale_records),
        WITH_DIRECTORY(a_damaged_record_of_no_login),
        WITH_DIRECTORY(a_damaged_record_of_an_ended_process),
        WITH_DIRECTORY(a_damaged_record_of_a_false_sshd),
        WITH_DIRECTORY(a_registry_that_cannot_be_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
