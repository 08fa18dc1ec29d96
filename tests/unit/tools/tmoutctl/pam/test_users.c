/* Kinds of users: what modules answer for each, and whose password distributions'
 * stacks check without our line. */
#include "tests/unit/host_tree.h"

#include "tools/tmoutctl/pam/propose.h"

#include <stdlib.h>

#define OURS                                                                                       \
    "auth [success=ok new_authtok_reqd=ok ignore=ignore module_unknown=ignore default=die] "       \
    "pam_tmout.so\n"
#define SESSION "session optional pam_tmout.so\n"
#define SSHD    "/etc/pam.d/sshd"

/* --- what modules answer --------------------------------------------------- */

/* For each kind of user, in their order: y, n, or ? if it may be either; - if it fails
 * with any error. */
struct answer_case {
    const char *line, *answers;
};

static char answer_of(const struct pam_user *user, const struct pam_line *line)
{
    const bool yes = pam_user_may_get(user, line, PAM_SUCCESS);
    bool no = false, any = true;

    for (int result = PAM_SUCCESS + 1; result < PAM_RESULTS; result++) {
        const bool may = pam_user_may_get(user, line, result);
        no |= may;
        any &= may;
    }
    return yes ? (no ? '?' : 'y') : any ? '-' : 'n';
}

static void answers(void **state)
{
    static const struct answer_case cases[] = {
        {"pam_localuser.so", "yny"},
        {"pam_localuser.so file=/etc/passwd.local", "yny"},
        {"/usr/lib/security/pam_localuser.so", "yny"},
        {"pam_usertype.so isregular", "yyn"},
        {"pam_usertype.so issystem", "nny"},
        {"pam_usertype.so issystem use_uid", "???"},
        {"pam_usertype.so", "???"},
        {"pam_succeed_if.so uid >= 1000 quiet_success", "yyn"},
        {"pam_succeed_if.so quiet uid >= 500", "yy?"},
        {"pam_succeed_if.so uid > 999 quiet", "yyn"},
        {"pam_succeed_if.so uid < 1000", "nny"},
        {"pam_succeed_if.so uid lt 1000 uid ge 0", "nny"},
        {"pam_succeed_if.so uid <= 999", "nny"},
        {"pam_succeed_if.so uid = 0", "nn?"},
        {"pam_succeed_if.so uid ne 0", "yy?"},
        {"pam_succeed_if.so uid != 0 user != root", "yy?"},
        {"pam_succeed_if.so uid >= 10000", "??n"},
        {"pam_succeed_if.so UID GE 1000", "yyn"},
        {"pam_succeed_if.so uid >= 1000 use_uid", "???"},
        {"pam_succeed_if.so uid >= many", "???"},
        {"pam_succeed_if.so uid >=", "???"},
        {"pam_succeed_if.so user = root", "nn?"},
        {"pam_succeed_if.so login notin root:root", "yy?"},
        {"pam_succeed_if.so user in root:anna", "???"},
        {"pam_succeed_if.so user ingroup wheel", "???"},
        {"pam_succeed_if.so user ingroup wheel uid < 1000", "--?"},
        {"pam_succeed_if.so shell = /bin/sh", "???"},
        {"pam_succeed_if.so service in crond:sshd", "yyy"},
        {"pam_succeed_if.so service in crond quiet use_uid", "nnn"},
        {"pam_succeed_if.so service !~ gdm* service !~ ss* quiet", "nnn"},
        {"pam_succeed_if.so service notin login:gdm", "yyy"},
        {"pam_succeed_if.so", "yyy"},
        {"pam_wheel.so", "???"},
        {"pam_access.so", "???"},
        {"pam_unix.so", "???"},
    };
    const struct host host = {.root = *state};

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct pam_user user = {.uids = {999, 1000}, .service = "sshd"};
        char found[PAM_USER_KINDS + 1] = "", *text = NULL;
        struct pam_stack stack;
        assert_true(asprintf(&text, "auth required %s\n", cases[i].line) > 0);
        put(*state, SSHD, text);
        free(text);
        assert_int_equal(pam_stack_read(&host, "sshd", "auth", &stack), PAM_STACK_OK);
        for (user.kind = 0; user.kind < PAM_USER_KINDS; user.kind++)
            found[user.kind] = answer_of(&user, &stack.line[0]);
        pam_stack_free(&stack);
        if (strcmp(found, cases[i].answers) != 0)
            fail_msg("%s: %s, not %s", cases[i].line, found, cases[i].answers);
    }
}

static void assert_uids(const char *root, long long system_max, long long people_min)
{
    struct pam_uids uids;

    pam_uids_read(&(struct host){.root = root}, &uids);
    assert_int_equal(uids.system_max, system_max);
    assert_int_equal(uids.people_min, people_min);
}

static void where_people_begin(void **state)
{
    assert_uids(*state, 999, 1000);
    put(*state, "/usr/etc/login.defs", "UID_MIN 2000\nSYS_UID_MAX 499\n");
    assert_uids(*state, 499, 2000);
    put(*state, "/etc/login.defs", "# UID_MIN 7\n\tUID_MIN\t\t500\nUID_MIN_X 3\n");
    assert_uids(*state, 499, 500);
    put(*state, "/etc/login.defs", "UID_MIN 500\nSYS_UID_MAX 999\n");
    assert_uids(*state, 499, 500);
    put(*state, "/etc/login.defs", "UID_MIN many\nSYS_UID_MAX 4294967295\n");
    assert_uids(*state, 999, 1000);
}

/* --- stacks of distributions ------------------------------------------------ */

#define REGULAR "auth [default=1 ignore=ignore success=ok] pam_usertype.so isregular\n"
#define LOCAL   "auth [default=1 ignore=ignore success=ok] pam_localuser.so\n"
#define UNIX    "auth sufficient pam_unix.so nullok\n"
#define SSS     "auth sufficient pam_sss.so forward_pass\n"
#define DENY    "auth required pam_deny.so\n"
#define PREAUTH "auth required pam_env.so\nauth required pam_faillock.so preauth silent\n"
#define CARD                                                                                       \
    "auth [success=done authinfo_unavail=ignore user_unknown=ignore ignore=ignore default=die] "   \
    "pam_sss.so try_cert_auth\n"
#define DEBIAN_SSS(first, second)                                                                  \
    "auth [success=" first " default=ignore] pam_unix.so nullok\n"                                 \
    "auth [success=" second " default=ignore] pam_sss.so use_first_pass\n"                         \
    "auth requisite pam_deny.so\nauth required pam_permit.so\n"
#define SUSE_SSS                                                                                   \
    "auth [default=1 ignore=ignore success=ok] pam_localuser.so\n"                                 \
    "auth sufficient pam_unix.so try_first_pass\nauth required pam_sss.so use_first_pass\n"

/* Whose passwords are checked without our line, or whose sessions open: l, d, s. */
struct stack_case {
    const char *what, *type, *stack, *gaps;
};

static const struct stack_case stack_cases[] = {
    {"RHEL 8 to 10, sssd, behind preauth", "auth", PREAUTH OURS REGULAR LOCAL UNIX REGULAR SSS DENY,
     ""},
    {"RHEL 8 to 10, sssd, before pam_unix", "auth",
     PREAUTH REGULAR LOCAL OURS UNIX REGULAR SSS DENY, "d"},
    {"RHEL 8 to 10, sssd, between the jumps", "auth",
     PREAUTH REGULAR OURS LOCAL UNIX REGULAR SSS DENY, "s"},
    {"RHEL 8 to 10, sssd, before pam_sss", "auth", PREAUTH REGULAR LOCAL UNIX REGULAR OURS SSS DENY,
     "ls"},
    {"RHEL, behind the check of a card's PIN", "auth",
     PREAUTH REGULAR
     "auth [default=2 ignore=ignore success=ok] pam_localuser.so\n" CARD OURS UNIX REGULAR SSS DENY,
     "lds"},
    {"RHEL, minimal or local", "auth", PREAUTH OURS UNIX DENY, ""},
    {"RHEL 7 and clones: pam_succeed_if before pam_sss", "auth",
     PREAUTH OURS UNIX "auth requisite pam_succeed_if.so uid >= 1000 quiet_success\n" SSS DENY, ""},
    {"RHEL 7 with a jump for the directory's people", "auth",
     PREAUTH "auth [success=1 default=ignore] pam_localuser.so\n"
             "auth [success=2 default=ignore] pam_succeed_if.so uid >= 1000\n" OURS UNIX SSS DENY,
     "d"},
    {"winbind", "auth",
     PREAUTH LOCAL OURS UNIX REGULAR "auth sufficient pam_winbind.so use_first_pass\n" DENY, "d"},
    {"Ubuntu with sssd", "auth", "auth requisite pam_tmout.so\n" DEBIAN_SSS("2", "1"), ""},
    {"Ubuntu with sssd, between", "auth",
     "auth [success=3 default=ignore] pam_unix.so nullok\nauth requisite pam_tmout.so\n"
     "auth [success=1 default=ignore] pam_sss.so use_first_pass\n"
     "auth requisite pam_deny.so\nauth required pam_permit.so\n",
     "lds"},
    {"SUSE with sssd", "auth", "auth required pam_env.so\n" OURS SUSE_SSS, ""},
    {"SUSE with sssd, before pam_unix", "auth",
     "auth required pam_env.so\nauth [default=1 ignore=ignore success=ok] pam_localuser.so\n" OURS
     "auth sufficient pam_unix.so try_first_pass\nauth required pam_sss.so use_first_pass\n",
     "d"},
    {"system accounts exempt", "auth",
     "auth [success=1 default=ignore] pam_succeed_if.so uid < 1000 quiet\n" OURS UNIX DENY, "s"},
    {"a condition that contradicts another", "auth",
     "auth [success=ignore default=3] pam_succeed_if.so uid >= 1000\n"
     "auth [success=1 default=ignore] pam_usertype.so issystem\n" OURS UNIX DENY,
     ""},
    {"people of one group exempt", "auth",
     "auth [success=1 default=ignore] pam_succeed_if.so user ingroup x\n" OURS UNIX DENY, "lds"},
    {"another service exempt", "auth",
     "auth [success=1 default=ignore] pam_succeed_if.so service in crond\n" OURS UNIX DENY, ""},
    {"this service exempt", "auth",
     "auth [success=1 default=ignore] pam_succeed_if.so service in crond:sshd\n" OURS UNIX DENY,
     "lds"},
    {"sessions that end before ours", "session",
     "session sufficient pam_localuser.so\n" SESSION "session required pam_unix.so\n", "ls"},
    {"sessions of cron alone", "session",
     "session [success=1 default=ignore] pam_succeed_if.so service in crond quiet use_uid\n" SESSION
     "session required pam_unix.so\n",
     ""},
};

static void stacks(void **state)
{
    const struct host host = {.root = *state};

    for (size_t i = 0; i < sizeof stack_cases / sizeof *stack_cases; i++) {
        const struct stack_case *now = &stack_cases[i];
        const bool is_auth = strcmp(now->type, "auth") == 0;
        const enum pam_type type = is_auth ? PAM_TYPE_AUTH : PAM_TYPE_SESSION;
        struct pam_user user = {.uids = {999, 1000}, .service = "sshd"};
        char found[PAM_USER_KINDS + 1] = "";
        struct pam_wiring wiring;
        struct pam_stack stack;
        struct pam_gaps gaps;
        put(*state, "/etc/pam.d/password-auth", now->stack);
        put(*state, SSHD, "auth substack password-auth\nsession include password-auth\n");
        assert_int_equal(pam_stack_read(&host, "sshd", now->type, &stack), PAM_STACK_OK);
        pam_wiring_look(&stack, type, &wiring);
        assert_int_equal(wiring.status, PAM_PROOF_DONE);
        assert_int_equal(pam_gaps_look(&stack, type, &wiring, &user, &gaps), 0);
        for (enum pam_user_kind kind = 0; kind < PAM_USER_KINDS; kind++)
            if (gaps.of[kind].found)
                found[strlen(found)] = pam_user_kind_word(kind)[0];
        assert_int_equal(gaps.any, found[0] != '\0');
        pam_stack_free(&stack);
        if (strcmp(found, now->gaps) != 0)
            fail_msg("%s: \"%s\", not \"%s\"", now->what, found, now->gaps);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        WITH_DIRECTORY(answers),
        WITH_DIRECTORY(where_people_begin),
        WITH_DIRECTORY(stacks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
