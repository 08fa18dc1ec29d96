/* Logins among the processes of the host: which are some, and that nobody can
 * pretend to be one. */
#include "tests/unit/lib/sessions/false_sshd.h"

#include "lib/sessions/login_search.h"

#include <errno.h>
#include <sched.h>

/* --- what follows from the evidence ---------------------------------------- */

enum { KIM = 1000, LEE = 1001, PRIVSEP = 105 };

struct row {
    const char *what;
    struct login_evidence evidence;
    enum login_verdict verdict;
    uid_t uid;
};

#define NO_SESSION       .audit_session = NO_AUDIT_SESSION, .login_uid = NO_UID
#define OWN_SESSION      .audit_session = 7, .parent_audit_session = NO_AUDIT_SESSION, .login_uid = KIM
#define INHERITED        .audit_session = 7, .parent_audit_session = 7, .login_uid = LEE
#define SSHD             .is_root = true, .is_of_host = true, .program = PROGRAM_SSHD
#define NO_CHILD         .child_uid = NO_UID
#define CHILD(uid, name) .has_child = true, .child_uid = (uid), .child_title = (name)

static const struct row rows[] = {
    /* OpenSSH, with pam_loginuid and without */
    {"user",
     {SSHD, OWN_SESSION, .title = "sshd: kim [priv]", CHILD(KIM, "sshd: kim@pts/1")},
     LOGIN_OPEN,
     KIM},
    {"user, no terminal",
     {SSHD, OWN_SESSION, .title = "sshd: kim [priv]", NO_CHILD},
     LOGIN_OPEN,
     KIM},
    {"user, no audit",
     {SSHD, NO_SESSION, .title = "sshd: kim [priv]", CHILD(KIM, "sshd: kim@notty")},
     LOGIN_OPEN,
     KIM},
    {"user, by hand",
     {SSHD, INHERITED, .title = "sshd: kim [priv]", CHILD(KIM, "sshd: kim")},
     LOGIN_OPEN,
     KIM},
    {"root", {SSHD, NO_SESSION, .title = "sshd: root@pts/1", NO_CHILD}, LOGIN_OPEN, 0},
    {"root, by hand",
     {SSHD, INHERITED, .title = "sshd-session: root@notty", CHILD(KIM, "")},
     LOGIN_OPEN,
     0},
    {"other service",
     {SSHD, NO_SESSION, .title = "bastion: kim [priv]", CHILD(KIM, "bastion: kim@pts/1")},
     LOGIN_OPEN,
     KIM},
    /* before admission */
    {"accepted",
     {SSHD, NO_SESSION, .title = "sshd: [accepted]", CHILD(PRIVSEP, "sshd: [net]")},
     LOGIN_PENDING,
     0},
    {"accepted, inherited",
     {SSHD, INHERITED, .title = "sshd: kim [priv]", CHILD(PRIVSEP, "sshd: kim [net]")},
     LOGIN_PENDING,
     0},
    {"its listener ended",
     {SSHD, OWN_SESSION, .title = "sshd: kim [priv]", CHILD(PRIVSEP, "sshd: kim [net]")},
     LOGIN_PENDING,
     0},
    {"between", {SSHD, NO_SESSION, .title = "sshd: kim [priv]", NO_CHILD}, LOGIN_PENDING, 0},
    {"9.8",
     {SSHD, NO_SESSION, .title = "sshd-session: kim [priv]",
      CHILD(PRIVSEP, "sshd-session: kim [preauth]")},
     LOGIN_PENDING,
     0},
    /* listening, also where an administrator has started it */
    {"listener",
     {SSHD, NO_SESSION, .title = "sshd: /usr/sbin/sshd -D [listener] 0 of 10-100 startups",
      NO_CHILD},
     LOGIN_NONE,
     0},
    {"listener, by hand",
     {SSHD, OWN_SESSION, .title = "sshd: /usr/sbin/sshd [listener] 0 of", NO_CHILD},
     LOGIN_NONE,
     0},
    {"listener, old", {SSHD, OWN_SESSION, .title = "/usr/sbin/sshd", NO_CHILD}, LOGIN_NONE, 0},
    /* Dropbear */
    {"dropbear",
     {.is_root = true, .is_of_host = true, .program = PROGRAM_DROPBEAR, NO_SESSION, CHILD(KIM, "")},
     LOGIN_OPEN,
     KIM},
    {"dropbear listens",
     {.is_root = true,
      .is_of_host = true,
      .program = PROGRAM_DROPBEAR,
      OWN_SESSION,
      .has_child = true,
      NO_CHILD},
     LOGIN_NONE,
     0},
    /* login(1) */
    {"console",
     {.is_root = true, .is_of_host = true, .program = PROGRAM_LOGIN, OWN_SESSION, CHILD(KIM, "")},
     LOGIN_OPEN,
     KIM},
    {"console, no audit",
     {.is_root = true, .is_of_host = true, .program = PROGRAM_LOGIN, NO_SESSION, CHILD(KIM, "")},
     LOGIN_OPEN,
     KIM},
    {"console, root",
     {.is_root = true,
      .is_of_host = true,
      .program = PROGRAM_LOGIN,
      NO_SESSION,
      .has_child = true,
      NO_CHILD},
     LOGIN_OPEN,
     0},
    {"console, password",
     {.is_root = true, .is_of_host = true, .program = PROGRAM_LOGIN, NO_SESSION, NO_CHILD},
     LOGIN_PENDING,
     0},
    /* no logins of this host */
    {"a user's",
     {.is_of_host = true, .program = PROGRAM_SSHD, OWN_SESSION, .title = "sshd: kim [priv]"},
     LOGIN_NONE,
     0},
    {"sudo",
     {.is_root = true,
      .is_of_host = true,
      .program = PROGRAM_OTHER,
      OWN_SESSION,
      .title = "sshd: kim [priv]"},
     LOGIN_NONE,
     0},
    {"a container's",
     {.is_root = true,
      .program = PROGRAM_SSHD,
      OWN_SESSION,
      .title = "sshd: kim [priv]",
      CHILD(KIM, "sshd: kim@pts/1")},
     LOGIN_NONE,
     0},
    /* not to be read */
    {"ended", {.error = ESRCH}, LOGIN_NONE, 0},
    {"ended", {.error = ENOENT, SSHD}, LOGIN_NONE, 0},
    {"EIO", {.error = EIO}, LOGIN_UNREADABLE, 0},
    {"EMFILE", {.error = EMFILE, SSHD, OWN_SESSION}, LOGIN_UNREADABLE, 0},
    {"EACCES", {.error = EACCES, SSHD}, LOGIN_UNREADABLE, 0},
};

static void verdicts(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        uid_t uid = 0;
        const enum login_verdict verdict = login_judge(&rows[i].evidence, &uid);
        if (verdict != rows[i].verdict || (verdict == LOGIN_OPEN && uid != rows[i].uid))
            fail_msg("%s: verdict %d, uid %u", rows[i].what, (int)verdict, (unsigned)uid);
    }
}

static void its_record(void **state)
{
    const struct timestamp now = {.boot_ms = 200000, .wall_ms = 5000000};
    const struct found_login found = {.pid = 700,
                                      .start_ticks = 100 * (uint64_t)sysconf(_SC_CLK_TCK),
                                      .audit_session = 8,
                                      .uid = KIM,
                                      .is_ssh = true,
                                      .service = "bastion"};
    struct session_record record;

    (void)state;
    found_login_record(&found, "kim", LOGIN_FROM_LOGIND, &now, &record);
    assert_int_equal(record.pid, 700);
    assert_true(record.start_ticks == found.start_ticks);
    assert_int_equal(record.audit_session, 8);
    assert_int_equal(record.uid, KIM);
    assert_true(record.is_ssh);
    assert_int_equal(record.source, LOGIN_FROM_LOGIND);
    assert_int_equal(record.since.boot_ms, 100000);
    assert_int_equal(record.since.wall_ms, 4900000);
    assert_string_equal(record.user, "kim");
    assert_string_equal(record.service, "bastion");
    assert_string_equal(record.address, "unknown");
    assert_string_equal(record.terminal, "");
    assert_true(record.policy == 0);
}

/* --- processes -------------------------------------------------------------- */

static const struct found_login *found_with(const struct login_search *search, pid_t pid)
{
    for (uint32_t i = 0; i < search->count; i++)
        if (search->login[i].pid == pid)
            return &search->login[i];
    return NULL;
}

static void a_login_among_the_processes(void **state)
{
    NEEDS_ROOT();
    static struct login_search search;
    char *sshd = path_in(*state, "sshd");
    copy_program(sshd);
    const pid_t pid = start_program(sshd, "sshd: kim [priv]", "sshd: kim@pts/9");
    assert_int_equal(login_search(NULL, 0, 0, &search), 0);
    const struct found_login *found = found_with(&search, pid);
    assert_non_null(found);
    assert_int_equal(found->uid, 65534);
    assert_true(found->is_ssh);
    assert_string_equal(found->service, "sshd");
    assert_true(found->start_ticks > 0);
    /* not among those that are known */
    const pid_t known[] = {1, pid, INT32_MAX};
    assert_int_equal(login_search(known, COUNT_OF(known), 0, &search), 0);
    assert_null(found_with(&search, pid));
    /* a package that is upgraded replaces the program */
    assert_int_equal(unlink(sshd), 0);
    assert_int_equal(login_search(NULL, 0, 0, &search), 0);
    assert_non_null(found_with(&search, pid));
    end_program(pid);
    assert_int_equal(login_search(NULL, 0, 0, &search), 0);
    assert_null(found_with(&search, pid));
    free(sshd);
}

static void one_that_is_not_admitted_yet(void **state)
{
    NEEDS_ROOT();
    static struct login_search search;
    char *sshd = path_in(*state, "sshd-session");
    copy_program(sshd);
    assert_int_equal(login_search(NULL, 0, 0, &search), 0);
    const uint32_t before = search.unsettled_count;
    const pid_t pid = start_program(sshd, "sshd-session: kim [priv]", "sshd-session: kim [net]");
    assert_int_equal(login_search(NULL, 0, 0, &search), 0);
    assert_null(found_with(&search, pid));
    assert_int_equal(search.unsettled_count, before + 1);
    end_program(pid);
    free(sshd);
}

/* Whatever it calls itself. */
static void another_program(void **state)
{
    NEEDS_ROOT();
    static struct login_search search;
    char *program = path_in(*state, "mksshd"), *link_to = path_in(*state, "sshd");
    struct login_evidence evidence;
    copy_program(program);
    assert_int_equal(symlink(program, link_to), 0);
    const pid_t pid = start_program(link_to, "sshd: kim [priv]", "sshd: kim@pts/9");
    login_evidence_find(pid, &evidence);
    assert_int_equal(evidence.error, 0);
    assert_true(evidence.is_root);
    assert_int_equal(evidence.program, PROGRAM_OTHER);
    assert_int_equal(login_search(NULL, 0, 0, &search), 0);
    assert_null(found_with(&search, pid));
    end_program(pid);
    free(link_to);
    free(program);
}

static void in_a_namespace_of_its_own(void *argument)
{
    static struct login_search search;
    const char *sshd = argument;
    struct login_evidence evidence;
    int status;

    if (unshare(CLONE_NEWPID) != 0)
        _exit(CHILD_CANNOT);
    const pid_t pid = start_program(sshd, "sshd: kim [priv]", "sshd: kim@pts/9");
    login_evidence_find(pid, &evidence);
    assert_int_equal(evidence.error, 0);
    assert_true(evidence.is_root);
    assert_int_equal(evidence.program, PROGRAM_SSHD);
    assert_false(evidence.is_of_host);
    assert_int_equal(login_search(NULL, 0, 0, &search), 0);
    assert_null(found_with(&search, pid));
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, &status, 0), pid);
}

static void of_a_container(void **state)
{
    NEEDS_ROOT();
    char *sshd = path_in(*state, "sshd");
    copy_program(sshd);
    if (!in_child(in_a_namespace_of_its_own, sshd))
        LEFT_OUT("no namespace possible");
    free(sshd);
}

static void what_is_gone(void **state)
{
    struct login_evidence evidence;
    uid_t uid;

    (void)state;
    const pid_t pid = child_begin();
    if (pid == 0)
        _exit(0);
    assert_true(child_end(pid));
    login_evidence_find(pid, &evidence);
    assert_int_equal(evidence.error, ENOENT);
    assert_int_equal(login_judge(&evidence, &uid), LOGIN_NONE);
    /* no login either: this process */
    login_evidence_find(getpid(), &evidence);
    assert_int_equal(evidence.error, 0);
    assert_int_equal(login_judge(&evidence, &uid), LOGIN_NONE);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(verdicts),
        cmocka_unit_test(its_record),
        WITH_DIRECTORY(a_login_among_the_processes),
        WITH_DIRECTORY(one_that_is_not_admitted_yet),
        WITH_DIRECTORY(another_program),
        WITH_DIRECTORY(of_a_container),
        cmocka_unit_test(what_is_gone),
    };

    if (is_stand_in(argc, argv))
        return stand_in(argv);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
