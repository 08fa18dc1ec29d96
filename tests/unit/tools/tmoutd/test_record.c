/* Records of logins, whole and damaged. */
#include "tests/unit/tools/tmoutd/log_capture.h"

#include "tests/unit/child.h"
#include "tests/unit/temporary.h"

#include "tools/tmoutd/record.h"

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>

/* --- what follows from the evidence ---------------------------------------- */

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

/* It runs another program. */
static void a_damaged_record_of_a_false_sshd(void **state)
{
    int ready;
    const pid_t pid = begin_false_sshd(&ready);
    const bool is_root = process_is_roots(pid);

    log_clear();
    damage(*state, pid);
    assert_read(*state, pid, RECORD_NONE, is_root);
    assert_logged(is_root ? "the process is not a login; ignoring it\n" : "removing it\n", 1);
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
        WITH_DIRECTORY(whole_records),
        WITH_DIRECTORY(stale_records),
        WITH_DIRECTORY(a_damaged_record_of_no_login),
        WITH_DIRECTORY(a_damaged_record_of_an_ended_process),
        WITH_DIRECTORY(a_damaged_record_of_a_false_sshd),
        WITH_DIRECTORY(a_registry_that_cannot_be_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
