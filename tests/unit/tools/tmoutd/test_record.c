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

static char *file_of(const char *directory, pid_t pid)
{
    char name[16];

    snprintf(name, sizeof name, "%d", (int)pid);
    return path_in(directory, name);
}

/* Looks, as a helper does, and does what follows. */
static void assert_settled(const char *directory, pid_t pid, enum record_verdict verdict,
                           bool stays)
{
    const struct record_question question = {.pid = pid, .now = now_of_test()};
    static struct answer answer;
    struct record_finding finding;
    char *path = file_of(directory, pid);

    answer = (struct answer){.presence = PRESENT};
    record_look(&question, -1, &answer);
    assert_true(answer_get(&answer, &finding, sizeof finding));
    assert_int_equal(finding.verdict, verdict);
    record_settle(directory, pid, &finding);
    assert_int_equal(access(path, F_OK) == 0, stays);
    free(path);
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
    assert_settled(*state, pid, is_root ? RECORD_KEEP : RECORD_REMOVE, is_root);
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
    assert_settled(*state, pid, RECORD_REMOVE, false);
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
    assert_settled(*state, pid, is_root ? RECORD_KEEP : RECORD_REMOVE, is_root);
    assert_logged(is_root ? "the process is not a login; ignoring it\n" : "removing it\n", 1);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    close(ready);
}

/* No helper could look, or not in time. */
static void without_a_finding(void **state)
{
    const struct record_finding finding = {.verdict = RECORD_RETRY};
    const pid_t pid = getpid();
    char *path = file_of(*state, pid);

    log_clear();
    damage(*state, pid);
    record_settle(*state, pid, &finding);
    assert_logged("the login is not watched for now\n", 1);
    assert_int_equal(access(path, F_OK), 0);
    free(path);
}

static void rebuilt(void **state)
{
    struct record_finding finding = {.verdict = RECORD_REBUILD};
    struct session_record record;

    log_clear();
    damage(*state, 4711);
    finding.record.pid = 4711;
    strcpy(finding.record.user, "kim");
    record_settle(*state, 4711, &finding);
    assert_logged("/4711: was damaged, rebuilt from /proc user=kim\n", 1);
    assert_int_equal(registry_get(*state, geteuid(), 4711, &record), REGISTRY_OK);
    assert_string_equal(record.user, "kim");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(verdicts),
        WITH_DIRECTORY(a_damaged_record_of_no_login),
        WITH_DIRECTORY(a_damaged_record_of_an_ended_process),
        WITH_DIRECTORY(a_damaged_record_of_a_false_sshd),
        WITH_DIRECTORY(without_a_finding),
        WITH_DIRECTORY(rebuilt),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
