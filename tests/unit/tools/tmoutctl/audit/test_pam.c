/* The audit of the PAM stacks: each check, on a host that one line breaks. */
#include "tests/unit/tools/tmoutctl/audit/audited_host.h"
#include "tests/unit/tools/tmoutctl/put_module.h"

#include "tools/tmoutctl/pam/modules.h"

#include <unistd.h>

#define SSHD_PAM "/etc/pam.d/sshd"

/* A stack for sshd, what is found in it, and the stack with the edits; NULL: none
 * is offered. */
struct stack_case {
    const char *stack;
    struct expected expected;
    const char *edited;
};

/* The host's file at path with the edits of all findings, to be freed; NULL if
 * there are no edits. */
static char *edited_file(const struct audited_host *host, const struct findings *findings,
                         const char *path)
{
    struct edits edits = {0};
    const struct host edited = {.root = host->root, .edits = &edits};
    struct text_file file = {0};

    assert_int_equal(patch_collect(findings, 0, &edits), 0);
    if (edits.count > 0)
        assert_int_equal(host_read_text(&edited, path, 0, TEXT_FILE_SIZE_MAX, &file), 0);
    edits_free(&edits);
    return file.text;
}

static void assert_edited(const struct audited_host *host, const struct findings *findings,
                          const char *path, const char *expected)
{
    char *text = edited_file(host, findings, path);

    if ((text == NULL) != (expected == NULL) || (text != NULL && strcmp(text, expected) != 0)) {
        print_findings(findings);
        fail_msg("%s with the edits:\n%s", path, text != NULL ? text : "(there are none)");
    }
    free(text);
}

/* After the edits, everything passes. */
static void assert_edits_help(struct audited_host *host, const char *path, const char *edited)
{
    size_t size;
    char *full = real_path(host, path), *before = read_bytes(full, &size);

    put(host->root, path, edited);
    assert_all_pass(audit_area(host, audit_pam));
    put(host->root, path, before);
    free(before);
    free(full);
}

static void assert_cases(struct audited_host *host, const struct stack_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        put(host->root, SSHD_PAM, cases[i].stack);
        const struct findings *findings = audit_area(host, audit_pam);
        assert_only(findings, &cases[i].expected);
        assert_edited(host, findings, SSHD_PAM, cases[i].edited);
        if (cases[i].edited != NULL)
            assert_edits_help(host, SSHD_PAM, cases[i].edited);
    }
}

static void assert_stacks_pass(struct audited_host *host, const char *const *stacks, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        put(host->root, SSHD_PAM, stacks[i]);
        assert_all_pass(audit_area(host, audit_pam));
    }
}

/* Lines that are inserted. */
#define NEW_AUTH    "auth       requisite    pam_tmout.so\n"
#define NEW_SESSION "session    optional     pam_tmout.so\n"

#define REST "auth include common-auth\nsession include common-session\n"

static void a_host_as_the_manual_says(void **state)
{
    const struct findings *findings = audit_area(*state, audit_pam);

    assert_all_pass(findings);
    assert_int_equal(findings->count, CHECK_PAM_OTHER_SERVICES - CHECK_PAM_STACK + 1);
    for (size_t i = 0; i < findings->count; i++)
        assert_string_equal(findings->item[i]->message,
                            audit_checks[findings->item[i]->check].passed);
}

static void stacks_that_libpam_cannot_read(void **state)
{
    struct audited_host *host = *state;

    put(host->root, SSHD_PAM, GOOD_STACK "auth include nowhere\n");
    assert_only(audit_area(host, audit_pam),
                &(struct expected){CHECK_PAM_STACK, AUDIT_FAIL, SSHD_PAM, 5, "nowhere", NULL});
    put(host->root, SSHD_PAM, GOOD_STACK "session include nowhere\n");
    assert_only(audit_area(host, audit_pam),
                &(struct expected){CHECK_PAM_STACK, AUDIT_FAIL, SSHD_PAM, 5, "nowhere", NULL});
    remove_file(host, SSHD_PAM);
    assert_only(
        audit_area(host, audit_pam),
        &(struct expected){CHECK_PAM_STACK, AUDIT_FAIL, SSHD_PAM, 0, "does not exist", NULL});
    char *fifo = real_path(host, SSHD_PAM);
    assert_int_equal(mkfifo(fifo, 0644), 0);
    free(fifo);
    assert_only(audit_area(host, audit_pam),
                &(struct expected){CHECK_PAM_STACK, AUDIT_FAIL, SSHD_PAM, 0,
                                   "is not a regular file", NULL});
    remove_file(host, SSHD_PAM);
    put(host->root, SSHD_PAM, GOOD_STACK);
    fifo = real_path(host, "/etc/pam.d/other-program");
    assert_int_equal(mkfifo(fifo, 0644), 0);
    assert_only(audit_area(host, audit_pam),
                &(struct expected){CHECK_PAM_STACK, AUDIT_FAIL, "/etc/pam.d/other-program", 0,
                                   "logins that read it hang or fail", NULL});
    assert_int_equal(unlink(fifo), 0);
    free(fifo);
    remove_file(host, SSHD_PAM);
    /* Without sshd nothing is missing. */
    remove_file(host, "/usr/sbin/sshd");
    assert_all_pass(audit_area(host, audit_pam));
}

static void the_module_itself(void **state)
{
    struct audited_host *host = *state;

    remove_file(host, audit_module_path);
    assert_only(
        audit_area(host, audit_pam),
        &(struct expected){CHECK_PAM_MODULE, AUDIT_FAIL, audit_module_path, 0, "is missing", NULL});
}

static void modules_that_are_named_by_a_path(void **state)
{
    struct audited_host *host = *state;
    const char *line = AUTH_LINE REST "session optional /opt/pam_tmout.so\n";
    const struct stack_case cases[] = {
        {line, {CHECK_PAM_MODULE, AUDIT_FAIL, SSHD_PAM, 4, "does not exist", NULL}, NULL},
        {AUTH_LINE REST "session optional x/pam_tmout.so\n",
         {CHECK_PAM_MODULE, AUDIT_FAIL, SSHD_PAM, 4, "x/pam_tmout.so, which does not exist", NULL},
         NULL},
    };

    assert_cases(host, cases, COUNT_OF(cases));
    /* Each of two lines that follow each other. */
    put(host->root, SSHD_PAM,
        AUTH_LINE REST "session optional x/pam_tmout.so\n"
                       "session optional y/pam_tmout.so\n");
    const struct findings *findings = audit_area(host, audit_pam);
    assert_true(findings_have(findings, CHECK_PAM_MODULE, SSHD_PAM, 4));
    assert_true(findings_have(findings, CHECK_PAM_MODULE, SSHD_PAM, 5));
    put(host->root, SSHD_PAM, line);
    put(host->root, "/opt/pam_tmout.so", "");
    assert_all_pass(audit_area(host, audit_pam));
    set_mode(host, "/opt/pam_tmout.so", 0666);
    trouble_of(audit_area(host, audit_pam), CHECK_PAM_MODULE);
    set_mode(host, "/opt/pam_tmout.so", 0644);
    set_mode(host, "/opt", 0777);
    trouble_of(audit_area(host, audit_pam), CHECK_PAM_MODULE);
    set_mode(host, "/opt", 0755);
    remove_file(host, "/opt/pam_tmout.so");
    put_directory(host->root, "/opt/pam_tmout.so");
    assert_non_null(strstr(trouble_of(audit_area(host, audit_pam), CHECK_PAM_MODULE)->message,
                           "not a regular file"));
}

static void lines_that_are_missing(void **state)
{
    struct audited_host *host = *state;
    const struct stack_case cases[] = {
        {AUTH_LINE REST,
         {CHECK_PAM_SESSION_LINE, AUDIT_FAIL, SSHD_PAM, 0, "no session line", NULL},
         AUTH_LINE REST NEW_SESSION},
        {REST SESSION_LINE,
         {CHECK_PAM_AUTH_LINE, AUDIT_FAIL, SSHD_PAM, 0, "no auth line", NULL},
         NEW_AUTH REST SESSION_LINE},
        {"# " AUTH_LINE "\n" REST SESSION_LINE,
         {CHECK_PAM_AUTH_LINE, AUDIT_FAIL, SSHD_PAM, 0, "passwords can be guessed", NULL},
         "# " AUTH_LINE "\n" NEW_AUTH REST SESSION_LINE},
        /* Who asks for what is checked decides. */
        {"auth required pam_oath.so\n" SESSION_LINE "session required pam_unix.so\n",
         {CHECK_PAM_AUTH_LINE, AUDIT_FAIL, SSHD_PAM, 0, "one-time codes can be guessed", NULL},
         "auth       requisite    pam_tmout.so noprompt\nauth required pam_oath.so\n" SESSION_LINE
         "session required pam_unix.so\n"},
        {AUTH_LINE "auth required pam_oath.so\n" SESSION_LINE,
         {CHECK_PAM_PROMPT, AUDIT_WARN, SSHD_PAM, 1,
          "pam_oath.so (/etc/pam.d/sshd:2) asks for a "
          "one-time code itself",
          NULL},
         "auth requisite pam_tmout.so noprompt\nauth required pam_oath.so\n" SESSION_LINE},
    };

    assert_cases(host, cases, COUNT_OF(cases));
    put(host->root, SSHD_PAM, AUTH_LINE REST);
    put(host->root, "/etc/pam.d/common-session-noninteractive", "\n" SESSION_LINE);
    assert_non_null(strstr(trouble_of(audit_area(host, audit_pam), CHECK_PAM_SESSION_LINE)->message,
                           "it is in /etc/pam.d/common-session-noninteractive:2"));
    /* Where nothing is checked that can be guessed, nothing needs the auth line. */
    put(host->root, SSHD_PAM,
        "auth sufficient pam_u2f.so\nauth required pam_deny.so\n"
        "session required pam_unix.so\n" SESSION_LINE);
    assert_all_pass(audit_area(host, audit_pam));
    /* Nor where no attempts are limited. */
    put(host->root, SSHD_PAM, REST SESSION_LINE);
    put_policy(host, "default { tmout = 15m }\n");
    assert_all_pass(audit_area(host, audit_pam));
}

#define USER_ENVIRONMENT "session required pam_env.so user_readenv=1\n"

static void a_session_line_before_pam_env(void **state)
{
    struct audited_host *host = *state;
    const struct stack_case cases[] = {
        {AUTH_LINE REST SESSION_LINE USER_ENVIRONMENT,
         {CHECK_PAM_SESSION_ORDER, AUDIT_FAIL, SSHD_PAM, 4, "user_readenv=1 (/etc/pam.d/sshd:5)",
          NULL},
         AUTH_LINE REST USER_ENVIRONMENT NEW_SESSION},
    };
    const char *const good[] = {AUTH_LINE REST USER_ENVIRONMENT SESSION_LINE,
                                AUTH_LINE REST SESSION_LINE "session required pam_env.so\n",
                                /* A second line after it is correct. */
                                AUTH_LINE REST SESSION_LINE USER_ENVIRONMENT SESSION_LINE};

    assert_cases(host, cases, COUNT_OF(cases));
    assert_stacks_pass(host, good, COUNT_OF(good));
    /* Of several that follow each other the last one counts. */
    put(host->root, SSHD_PAM, AUTH_LINE REST SESSION_LINE SESSION_LINE USER_ENVIRONMENT);
    assert_int_equal(trouble_of(audit_area(host, audit_pam), CHECK_PAM_SESSION_ORDER)->line, 5);
    put(host->root, SSHD_PAM, AUTH_LINE REST "session include inner\n" USER_ENVIRONMENT);
    put(host->root, "/etc/pam.d/inner", SESSION_LINE);
    const struct findings *findings = audit_area(host, audit_pam);
    assert_only(findings, &(struct expected){CHECK_PAM_SESSION_ORDER, AUDIT_FAIL,
                                             "/etc/pam.d/inner", 1, "user_readenv=1", NULL});
    assert_edited(host, findings, SSHD_PAM,
                  AUTH_LINE REST "session include inner\n" USER_ENVIRONMENT NEW_SESSION);
}

static void session_controls(void **state)
{
    static const char *const good[] = {"optional", "OPTIONAL", "[default=ignore]",
                                       "[success=ok default=ignore]",
                                       "[success=ok new_authtok_reqd=ok default=ignore]"};
    static const char *const bad[] = {"required",
                                      "requisite",
                                      "[success=ok]",
                                      "[default=ok]",
                                      "[success=done default=ignore]",
                                      "[success=1 default=ignore]",
                                      "[success=ok session_err=bad default=ignore]",
                                      "[default=die]",
                                      "[success=ok default=bad]"};
    struct audited_host *host = *state;
    char text[256];

    for (size_t i = 0; i < COUNT_OF(good); i++) {
        snprintf(text, sizeof text, AUTH_LINE REST "session %s pam_tmout.so\n", good[i]);
        put(host->root, SSHD_PAM, text);
        assert_all_pass(audit_area(host, audit_pam));
    }
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        snprintf(text, sizeof text, AUTH_LINE REST "session %s pam_tmout.so\n", bad[i]);
        put(host->root, SSHD_PAM, text);
        const struct findings *findings = audit_area(host, audit_pam);
        assert_only(findings, &(struct expected){CHECK_PAM_SESSION_CONTROL, AUDIT_WARN, SSHD_PAM, 4,
                                                 bad[i], NULL});
        /* Where no session opens at all, that must be changed knowingly. */
        assert_edited(host, findings, SSHD_PAM,
                      strstr(bad[i], "=1") == NULL && strcmp(bad[i], "[default=die]") != 0
                          ? AUTH_LINE REST SESSION_LINE
                          : NULL);
    }
}

static void auth_controls(void **state)
{
    static const char *const good[] = {"requisite", "[success=ok ignore=ignore default=die]",
                                       "[auth_err=die service_err=die ignore=ignore]"};
    static const char *const bad[] = {"required",      "optional",
                                      "sufficient",    "[success=ok default=bad]",
                                      "[default=die]", "[auth_err=die ignore=ignore]"};
    struct audited_host *host = *state;
    char text[256];

    for (size_t i = 0; i < COUNT_OF(good); i++) {
        snprintf(text, sizeof text, "auth %s pam_tmout.so\n" REST SESSION_LINE, good[i]);
        put(host->root, SSHD_PAM, text);
        assert_all_pass(audit_area(host, audit_pam));
    }
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        snprintf(text, sizeof text, "auth %s pam_tmout.so\n" REST SESSION_LINE, bad[i]);
        put(host->root, SSHD_PAM, text);
        const struct findings *findings = audit_area(host, audit_pam);
        assert_only(findings, &(struct expected){CHECK_PAM_AUTH_CONTROL, AUDIT_FAIL, SSHD_PAM, 1,
                                                 bad[i], NULL});
        /* Where PAM_IGNORE is a failure, nobody gets in: that must be changed knowingly. */
        assert_edited(host, findings, SSHD_PAM,
                      bad[i][0] != '[' || strstr(bad[i], "ignore=ignore") != NULL
                          ? AUTH_LINE REST SESSION_LINE
                          : NULL);
    }
}

static void an_auth_line_after_the_passwords(void **state)
{
    struct audited_host *host = *state;
    const struct stack_case cases[] = {
        {"auth required pam_sss.so\n" AUTH_LINE REST SESSION_LINE,
         {CHECK_PAM_AUTH_ORDER, AUDIT_FAIL, SSHD_PAM, 2, "pam_sss.so (/etc/pam.d/sshd:1)", NULL},
         NEW_AUTH "auth required pam_sss.so\n" REST SESSION_LINE},
        {"auth include common-auth\n" AUTH_LINE SESSION_LINE,
         {CHECK_PAM_AUTH_ORDER, AUDIT_FAIL, SSHD_PAM, 2, "(/etc/pam.d/common-auth:1)", NULL},
         NEW_AUTH "auth include common-auth\n" SESSION_LINE},
    };

    assert_cases(host, cases, COUNT_OF(cases));
    put(host->root, "/etc/pam.d/inner", AUTH_LINE);
    put(host->root, SSHD_PAM, "auth substack inner\n" REST SESSION_LINE);
    assert_only(audit_area(host, audit_pam),
                &(struct expected){CHECK_PAM_AUTH_ORDER, AUDIT_FAIL, "/etc/pam.d/inner", 1,
                                   "substack", NULL});
    /* The password module is in the same file, one line before ours. */
    put(host->root, "/etc/pam.d/inner", "auth required pam_unix.so\n" AUTH_LINE);
    put(host->root, SSHD_PAM, "auth include inner\n" SESSION_LINE);
    const struct findings *findings = audit_area(host, audit_pam);
    assert_only(findings, &(struct expected){CHECK_PAM_AUTH_ORDER, AUDIT_FAIL, "/etc/pam.d/inner",
                                             2, "pam_unix.so", NULL});
    assert_edited(host, findings, "/etc/pam.d/inner", NEW_AUTH "auth required pam_unix.so\n");
}

static void lines_that_bypass_ours(void **state)
{
    struct audited_host *host = *state;
    const struct stack_case cases[] = {
        {"session sufficient pam_exec.so\n" GOOD_STACK,
         {CHECK_PAM_JUMP, AUDIT_FAIL, SSHD_PAM, 5, "pam_exec.so (/etc/pam.d/sshd:1)", NULL},
         "session    [default=ignore] pam_tmout.so\nsession sufficient pam_exec.so\n" AUTH_LINE
             REST},
        {"session [success=done default=ignore] pam_exec.so\n" GOOD_STACK,
         {CHECK_PAM_JUMP, AUDIT_FAIL, SSHD_PAM, 5, "[success=done default=ignore]", NULL},
         "session    [default=ignore] pam_tmout.so\n"
         "session [success=done default=ignore] pam_exec.so\n" AUTH_LINE REST},
        {"auth [success=1 default=ignore] pam_exec.so\n" GOOD_STACK,
         {CHECK_PAM_JUMP, AUDIT_FAIL, SSHD_PAM, 2, "is not reached for sshd", NULL},
         NULL},
        {"auth [success=2 default=ignore] pam_exec.so\nauth optional pam_exec.so\n" GOOD_STACK,
         {CHECK_PAM_JUMP, AUDIT_FAIL, SSHD_PAM, 3, "[success=2 default=ignore]", NULL},
         NEW_AUTH "auth [success=1 default=ignore] pam_exec.so\nauth optional pam_exec.so\n" REST
             SESSION_LINE},
    };
    const char *const good[] = {
        "session required pam_permit.so\n" GOOD_STACK, "auth sufficient pam_deny.so\n" GOOD_STACK,
        "auth requisite pam_nologin.so\n" GOOD_STACK,
        /* These need no password, and so does everybody here. */
        "auth sufficient pam_ssh_agent_auth.so\n" GOOD_STACK,
        "auth sufficient pam_permit.so\n" GOOD_STACK,
        "session [default=die] pam_nologin.so\n" GOOD_STACK,
        "auth [success=1 default=ignore] pam_exec.so\nauth optional pam_exec.so\n" GOOD_STACK,
        /* What ends without success opens no session. */
        "session [ignore=done default=bad] pam_exec.so\n" GOOD_STACK,
        "session substack inner\n" GOOD_STACK};

    assert_cases(host, cases, COUNT_OF(cases));
    put(host->root, "/etc/pam.d/inner", "session sufficient pam_exec.so\n");
    assert_stacks_pass(host, good, COUNT_OF(good));
    put(host->root, SSHD_PAM, "session include inner\n" GOOD_STACK);
    assert_only(
        audit_area(host, audit_pam),
        &(struct expected){CHECK_PAM_JUMP, AUDIT_FAIL, SSHD_PAM, 5, "/etc/pam.d/inner:1", NULL});
}

/* authselect's sssd profile with our line behind the jumps: the findings name whose
 * passwords are not counted, and it is a failure in every service. */
static void kinds_of_users_who_bypass_ours(void **state)
{
    static const char stack[] =
        "auth [default=1 ignore=ignore success=ok] pam_usertype.so isregular\n"
        "auth [default=1 ignore=ignore success=ok] pam_localuser.so\n" AUTH_LINE
        "auth sufficient pam_unix.so\n"
        "auth [default=1 ignore=ignore success=ok] pam_usertype.so isregular\n"
        "auth sufficient pam_sss.so forward_pass\nauth required pam_deny.so\n";
    struct audited_host *host = *state;

    put(host->root, SSHD_PAM,
        "auth substack password-auth\nsession include common-session\n" SESSION_LINE);
    put(host->root, "/etc/pam.d/password-auth", stack);
    assert_only(
        audit_area(host, audit_pam),
        &(struct expected){CHECK_PAM_JUMP, AUDIT_FAIL, "/etc/pam.d/password-auth", 3,
                           "pam_localuser.so (/etc/pam.d/password-auth:2), whose control is "
                           "[default=1 ignore=ignore success=ok]: passwords of directory "
                           "users are checked without being counted",
                           NULL});
    put(host->root, SSHD_PAM, GOOD_STACK);
    put(host->root, "/etc/pam.d/vsftpd",
        "auth [success=1 default=ignore] pam_succeed_if.so uid < 1000\n" AUTH_LINE
        "auth required pam_unix.so\n");
    assert_only(audit_area(host, audit_pam),
                &(struct expected){CHECK_PAM_JUMP, AUDIT_FAIL, "/etc/pam.d/vsftpd", 2,
                                   "passwords of system users are checked", NULL});
    put(host->root, "/etc/login.defs", "UID_MIN 500\n");
    assert_only(audit_area(host, audit_pam),
                &(struct expected){CHECK_PAM_JUMP, AUDIT_FAIL, "/etc/pam.d/vsftpd", 2,
                                   "passwords of local, directory and system users are checked",
                                   NULL});
}

/* Of sessions, it is a failure only in the service that sshd names. */
static void lines_that_bypass_ours_elsewhere(void **state)
{
    struct audited_host *host = *state;

    put(host->root, "/etc/pam.d/sudo", "session sufficient pam_exec.so\n" GOOD_STACK);
    assert_only(
        audit_area(host, audit_pam),
        &(struct expected){CHECK_PAM_JUMP, AUDIT_WARN, "/etc/pam.d/sudo", 5, "for sudo", NULL});
    put(host->root, "/etc/pam.d/sudo", "auth sufficient pam_rootok.so\n" GOOD_STACK);
    put(host->root, "/etc/pam.d/su", "auth sufficient pam_rootok.so\n" GOOD_STACK);
    assert_all_pass(audit_area(host, audit_pam));
}

static void a_line_before_those_who_need_no_password(void **state)
{
    struct audited_host *host = *state;

    put(host->root, "/etc/pam.d/su", AUTH_LINE "auth sufficient pam_rootok.so\n" REST SESSION_LINE);
    const struct findings *findings = audit_area(host, audit_pam);
    assert_only(findings, &(struct expected){CHECK_PAM_AUTH_ORDER, AUDIT_WARN, "/etc/pam.d/su", 1,
                                             "before pam_rootok.so (/etc/pam.d/su:2)", NULL});
    assert_edited(host, findings, "/etc/pam.d/su",
                  "auth sufficient pam_rootok.so\n" NEW_AUTH REST SESSION_LINE);
}

static void jumps_past_the_end(void **state)
{
    struct audited_host *host = *state;

    put(host->root, SSHD_PAM,
        AUTH_LINE "auth [success=3 default=ignore] pam_unix.so\nauth requisite pam_deny.so\n"
                  "auth required pam_permit.so\nsession include common-session\n" SESSION_LINE);
    assert_only(audit_area(host, audit_pam),
                &(struct expected){CHECK_PAM_BAD_JUMP, AUDIT_FAIL, SSHD_PAM, 2,
                                   "rejects everybody who gets there", NULL});
    put(host->root, SSHD_PAM, GOOD_STACK "account [default=1] pam_unix.so\n");
    assert_only(audit_area(host, audit_pam),
                &(struct expected){CHECK_PAM_BAD_JUMP, AUDIT_FAIL, SSHD_PAM, 5, "sshd", NULL});
}

static void modules_that_are_not_installed(void **state)
{
    struct audited_host *host = *state;

    put_module(host->root, "permit");
    put_module(host->root, "unix");
    assert_all_pass(audit_area(host, audit_pam));
    put(host->root, SSHD_PAM,
        GOOD_STACK "-account optional pam_gone.so\n"
                   "account [module_unknown=ignore default=bad] pam_gone.so\n");
    assert_all_pass(audit_area(host, audit_pam));
    put(host->root, SSHD_PAM, GOOD_STACK "account required pam_gone.so\n");
    assert_only(audit_area(host, audit_pam),
                &(struct expected){CHECK_PAM_MISSING_MODULE, AUDIT_FAIL, SSHD_PAM, 5,
                                   "pam_gone.so is not installed", NULL});
    put(host->root, SSHD_PAM, GOOD_STACK "account required pam_permit.so\r\n");
    assert_only(audit_area(host, audit_pam),
                &(struct expected){CHECK_PAM_MISSING_MODULE, AUDIT_FAIL, SSHD_PAM, 5,
                                   "carriage return", NULL});
}

/* A line of a file that many services read is as serious as it is for sshd, whatever comes
 * before it by name. */
static void lines_that_sshd_shares(void **state)
{
    static const struct {
        enum audit_check check;
        const char *line;
    } cases[] = {
        {CHECK_PAM_MISSING_MODULE, "account required pam_gone.so\n"},
        {CHECK_PAM_BAD_JUMP, "account [default=1] pam_permit.so\n"},
        {CHECK_PAM_MODULE, "account required pam_tmout.so\n"},
    };
    struct audited_host *host = *state;

    put_module(host->root, "permit");
    put_module(host->root, "unix");
    put(host->root, "/etc/pam.d/aaa", "account include common-account\n");
    put(host->root, SSHD_PAM, GOOD_STACK "account include common-account\n");
    put(host->root, "/etc/pam.d/zzz", "account include common-account\n");
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        put(host->root, "/etc/pam.d/common-account", cases[i].line);
        assert_only(audit_area(host, audit_pam),
                    &(struct expected){cases[i].check, AUDIT_FAIL, "/etc/pam.d/common-account", 1,
                                       "sshd", NO_FIX});
    }
}

/* What keeps somebody out because its module is not there must not let them in, and nobody
 * is asked for a password for a module that is not there. */
static void edits_around_modules_that_are_not_installed(void **state)
{
    static const struct {
        const char *stack, *edited;
    } cases[] = {
        {"auth sufficient pam_gone.so\nauth requisite /opt/pam_tmout.so\n"
         "auth sufficient pam_unix.so\n",
         NULL},
        {"auth required pam_unix.so\nauth requisite /lib/security/$ISA/pam_tmout.so\n", NULL},
        {"auth sufficient pam_ldap.so\n", "auth       requisite    pam_tmout.so noprompt\n"},
        {"auth sufficient $ISA/pam_ldap.so\n", "auth       requisite    pam_tmout.so noprompt\n"},
        {"auth sufficient pam_unix.so\n", "auth       requisite    pam_tmout.so\n"},
    };
    struct audited_host *host = *state;

    put_module(host->root, "permit");
    put_module(host->root, "unix");
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char text[512], edited[512];
        snprintf(text, sizeof text, "%ssession include common-session\n" SESSION_LINE,
                 cases[i].stack);
        snprintf(edited, sizeof edited, "%s%s", cases[i].edited, text);
        put(host->root, SSHD_PAM, text);
        const struct findings *findings = audit_area(host, audit_pam);
        assert_non_null(findings_first(findings, AUDIT_CHECKS, AUDIT_FAIL, SETTING_COUNT));
        assert_edited(host, findings, SSHD_PAM, cases[i].edited != NULL ? edited : NULL);
    }
}

/* What is good for one service takes nothing from another that reads the same files, and two
 * services that have the same finding keep their edits. */
static void services_that_share_a_line(void **state)
{
    struct audited_host *host = *state;

    /* The second line of su is the only one of sshd, whose own files nobody may edit. */
    put(host->root, "/etc/pam.d/one", "auth required pam_unix.so\n" AUTH_LINE);
    put(host->root, SSHD_PAM,
        "# Generated by authselect\nauth required pam_unix.so\nauth include one\n"
        "session include common-session\n" SESSION_LINE);
    put(host->root, "/etc/pam.d/su",
        AUTH_LINE "auth include one\nsession include common-session\n" SESSION_LINE);
    char *one = edited_file(host, audit_area(host, audit_pam), "/etc/pam.d/one");
    assert_non_null(strstr(one, PAM_OUR_MODULE));
    free(one);
    /* A line that nobody may edit is the second one of each: each loses its own. */
    put(host->root, "/etc/pam.d/common-auth",
        "# Generated by authselect\n" AUTH_LINE "auth required pam_unix.so\n");
    put(host->root, SSHD_PAM, GOOD_STACK);
    put(host->root, "/etc/pam.d/su", GOOD_STACK);
    const struct findings *findings = audit_area(host, audit_pam);
    assert_edited(host, findings, SSHD_PAM, REST SESSION_LINE);
    assert_edited(host, findings, "/etc/pam.d/su", REST SESSION_LINE);
    assert_edited(host, findings, "/etc/pam.d/sudo", REST SESSION_LINE);
}

/* libpam takes brackets for quotes. */
static void arguments_in_brackets(void **state)
{
    struct audited_host *host = *state;
    const struct stack_case cases[] = {
        {"auth requisite pam_tmout.so [noprompt] [x y] [tell]\nauth required pam_oath.so\n"
         "session required pam_unix.so\n" SESSION_LINE,
         {CHECK_PAM_ARGUMENTS, AUDIT_FAIL, SSHD_PAM, 1, "rejects: x y", NULL},
         "auth requisite pam_tmout.so [noprompt] [tell]\nauth required pam_oath.so\n"
         "session required pam_unix.so\n" SESSION_LINE},
        {"auth requisite pam_tmout.so [tell]\nauth required pam_oath.so\n"
         "session required pam_unix.so\n" SESSION_LINE,
         {CHECK_PAM_PROMPT, AUDIT_WARN, SSHD_PAM, 1, "asks for a password", NULL},
         "auth requisite pam_tmout.so [tell] noprompt\nauth required pam_oath.so\n"
         "session required pam_unix.so\n" SESSION_LINE},
    };

    assert_cases(host, cases, COUNT_OF(cases));
}

/* The service that sshd names is the one that must be right. */
static void another_service_for_sshd(void **state)
{
    struct audited_host *host = *state;

    put_sshd(host, "9.9p1", GOOD_SSHD_T "pamservicename bastion\n");
    assert_only(audit_area(host, audit_pam),
                &(struct expected){CHECK_PAM_STACK, AUDIT_FAIL, "/etc/pam.d/bastion", 0,
                                   "does not exist", NULL});
    put(host->root, "/etc/pam.d/bastion", GOOD_STACK);
    assert_all_pass(audit_area(host, audit_pam));
    put(host->root, "/etc/pam.d/bastion", REST SESSION_LINE);
    assert_only(audit_area(host, audit_pam),
                &(struct expected){CHECK_PAM_AUTH_LINE, AUDIT_FAIL, "/etc/pam.d/bastion", 0,
                                   "no auth line", NULL});
}

static void lines_that_are_there_twice(void **state)
{
    struct audited_host *host = *state;
    const struct stack_case cases[] = {
        {AUTH_LINE AUTH_LINE REST SESSION_LINE,
         {CHECK_PAM_TWICE, AUDIT_FAIL, SSHD_PAM, 2, "the first is /etc/pam.d/sshd:1", NULL},
         GOOD_STACK},
        {GOOD_STACK SESSION_LINE,
         {CHECK_PAM_TWICE, AUDIT_FAIL, SSHD_PAM, 5, "the second session line", NULL},
         GOOD_STACK},
    };

    assert_cases(host, cases, COUNT_OF(cases));
    /* A file that all services include is named once, and each service's own line goes. */
    put(host->root, SSHD_PAM, GOOD_STACK);
    put(host->root, "/etc/pam.d/common-auth", AUTH_LINE "auth required pam_unix.so\n");
    const struct findings *findings = audit_area(host, audit_pam);
    assert_only(findings, &(struct expected){CHECK_PAM_TWICE, AUDIT_FAIL, "/etc/pam.d/common-auth",
                                             1, "the second auth line", NULL});
}

/* Two findings in one file: their edits do not shift each other. */
static void several_findings_in_one_file(void **state)
{
    struct audited_host *host = *state;

    put(host->root, SSHD_PAM,
        "auth include common-auth\naccount required pam_nologin.so\n" SESSION_LINE
        "session required pam_limits.so\n" SESSION_LINE);
    assert_edited(host, audit_area(host, audit_pam), SSHD_PAM,
                  NEW_AUTH
                  "auth include common-auth\naccount required pam_nologin.so\n" SESSION_LINE
                  "session required pam_limits.so\n");
}

/* What a tool writes is left to it. */
static void files_that_a_tool_writes(void **state)
{
    struct audited_host *host = *state;
    const struct finding *finding;

    put(host->root, SSHD_PAM, REST SESSION_LINE);
    put(host->root, "/etc/pam.d/common-auth",
        "# here are the per-package modules (the \"Primary\" block)\n"
        "auth required pam_unix.so\n# end of pam-auth-update config\n");
    put(host->root, "/usr/share/pam-configs/tmout", "");
    finding = trouble_of(audit_area(host, audit_pam), CHECK_PAM_AUTH_LINE);
    assert_string_equal(finding->command, "pam-auth-update --enable tmout");
    assert_int_equal(finding->edits.count, 0);
}

static void arguments_of_our_lines(void **state)
{
    struct audited_host *host = *state;
    const struct stack_case cases[] = {
        {AUTH_LINE REST "session optional pam_tmout.so debug x=1\n",
         {CHECK_PAM_ARGUMENTS, AUDIT_FAIL, SSHD_PAM, 4, "rejects: x=1", NULL},
         AUTH_LINE REST "session optional pam_tmout.so debug\n"},
        {AUTH_LINE REST "session optional pam_tmout.so config=relative\n",
         {CHECK_PAM_ARGUMENTS, AUDIT_FAIL, SSHD_PAM, 4, "rejects: config=relative", NULL},
         AUTH_LINE REST "session optional pam_tmout.so\n"},
        /* Only what is wrong goes. */
        {"auth requisite pam_tmout.so noprompt tell debgu # ours\nauth required pam_oath.so\n"
         "session required pam_unix.so\n" SESSION_LINE,
         {CHECK_PAM_ARGUMENTS, AUDIT_FAIL, SSHD_PAM, 1, "rejects: debgu", NULL},
         "auth requisite pam_tmout.so noprompt tell # ours\nauth required pam_oath.so\n"
         "session required pam_unix.so\n" SESSION_LINE},
        {AUTH_LINE REST "session optional pam_tmout.so config=/etc/other.conf\n",
         {CHECK_PAM_ARGUMENTS, AUDIT_WARN, SSHD_PAM, 4, "a different policy", NULL},
         NULL},
        {AUTH_LINE REST "session optional pam_tmout.so state=/var/other\n",
         {CHECK_PAM_ARGUMENTS, AUDIT_WARN, SSHD_PAM, 4, "a different state directory", NULL},
         NULL},
    };
    char text[512];

    assert_cases(host, cases, COUNT_OF(cases));
    snprintf(text, sizeof text,
             "auth requisite pam_tmout.so debug noprompt tell\n" REST
             "session optional pam_tmout.so config=%s state=%s\n",
             host->context.config_path, host->context.state_dir);
    put(host->root, SSHD_PAM, text);
    assert_all_pass(audit_area(host, audit_pam));
    /* A longer path that begins like the audit's is another one. */
    snprintf(text, sizeof text, AUTH_LINE REST "session optional pam_tmout.so config=%s.old\n",
             host->context.config_path);
    put(host->root, SSHD_PAM, text);
    trouble_of(audit_area(host, audit_pam), CHECK_PAM_ARGUMENTS);
}

static void other_services(void **state)
{
    struct audited_host *host = *state;

    put(host->root, "/etc/pam.d/su", AUTH_LINE REST);
    assert_only(audit_area(host, audit_pam),
                &(struct expected){CHECK_PAM_OTHER_SERVICES, AUDIT_WARN, "/etc/pam.d/su", 0,
                                   "no session line", NULL});
    put(host->root, "/etc/pam.d/su", REST SESSION_LINE);
    const struct findings *findings = audit_area(host, audit_pam);
    assert_only(findings, &(struct expected){CHECK_PAM_OTHER_SERVICES, AUDIT_WARN, "/etc/pam.d/su",
                                             0, "unlimited password guessing", NULL});
    assert_edited(host, findings, "/etc/pam.d/su", NEW_AUTH REST SESSION_LINE);
    remove_file(host, "/etc/pam.d/su"); /* not installed */
    assert_all_pass(audit_area(host, audit_pam));
    /* login needs a session line where the policy covers the console. */
    put(host->root, "/etc/pam.d/login", AUTH_LINE REST);
    assert_all_pass(audit_area(host, audit_pam));
    put_policy(host, GOOD_POLICY "group \"ops\" { sessions = all }\n");
    assert_only(audit_area(host, audit_pam),
                &(struct expected){CHECK_PAM_OTHER_SERVICES, AUDIT_WARN, "/etc/pam.d/login", 0,
                                   "console logins get no limit", NULL});
}

/* Every service that checks passwords, wherever its file is. */
static void services_that_nobody_thought_of(void **state)
{
    struct audited_host *host = *state;

    put(host->root, "/etc/pam.d/vsftpd", "auth required pam_userdb.so db=/etc/users\n");
    const struct findings *findings = audit_area(host, audit_pam);
    assert_only(findings, &(struct expected){CHECK_PAM_OTHER_SERVICES, AUDIT_WARN,
                                             "/etc/pam.d/vsftpd", 0, "no auth line", NULL});
    assert_edited(host, findings, "/etc/pam.d/vsftpd",
                  NEW_AUTH "auth required pam_userdb.so db=/etc/users\n");
    put(host->root, "/etc/pam.d/vsftpd", "auth required pam_permit.so\n");
    put(host->root, "/usr/lib/pam.d/polkit-1", "auth include common-auth\n");
    findings = audit_area(host, audit_pam);
    assert_only(findings, &(struct expected){CHECK_PAM_OTHER_SERVICES, AUDIT_WARN,
                                             "/usr/lib/pam.d/polkit-1", 0, "no auth line", NULL});
    /* Its file in /usr is not edited. */
    assert_edited(host, findings, SSHD_PAM, NULL);
    put(host->root, "/etc/pam.d/polkit-1", AUTH_LINE "auth include common-auth\n");
    assert_all_pass(audit_area(host, audit_pam));
    /* One without auth lines of its own has those of "other". */
    put(host->root, "/etc/pam.d/newusers", "password required pam_unix.so\n");
    assert_all_pass(audit_area(host, audit_pam));
    put(host->root, "/etc/pam.d/other", "auth include common-auth\n");
    assert_only(audit_area(host, audit_pam),
                &(struct expected){CHECK_PAM_OTHER_SERVICES, AUDIT_WARN, "/etc/pam.d/other", 0,
                                   "no auth line", NULL});
    put(host->root, "/etc/pam.d/other", "auth required pam_deny.so\n");
    /* passwd(1) checks the current password. */
    put(host->root, "/etc/pam.d/passwd", "password required pam_unix.so\n");
    findings = audit_area(host, audit_pam);
    assert_only(findings, &(struct expected){CHECK_PAM_OTHER_SERVICES, AUDIT_WARN,
                                             "/etc/pam.d/passwd", 0, "no password line", NULL});
    assert_edited(host, findings, "/etc/pam.d/passwd",
                  "password   requisite    pam_tmout.so\npassword required pam_unix.so\n");
    put(host->root, "/etc/pam.d/passwd",
        "password required pam_tmout.so\n"
        "password required pam_unix.so\n");
    findings = audit_area(host, audit_pam);
    assert_only(findings, &(struct expected){CHECK_PAM_AUTH_CONTROL, AUDIT_FAIL,
                                             "/etc/pam.d/passwd", 1, "the password line", NULL});
    assert_edited(host, findings, "/etc/pam.d/passwd",
                  "password requisite pam_tmout.so\npassword required pam_unix.so\n");
    put(host->root, "/etc/pam.d/passwd",
        "password requisite pam_tmout.so\n"
        "password required pam_unix.so\n");
    assert_all_pass(audit_area(host, audit_pam));
    /* cron asks nobody. Nobody names a backup. */
    put(host->root, "/etc/pam.d/cron", "auth include common-auth\n");
    put(host->root, "/etc/pam.d/other", "auth required pam_deny.so\n");
    put(host->root, "/etc/pam.d/sshd.dpkg-old", "auth include common-auth\n");
    put(host->root, "/etc/pam.d/sshd~", "auth include common-auth\n");
    assert_all_pass(audit_area(host, audit_pam));
}

/* The reason names the file, which is no longer edited. */
static void files_that_a_patch_leaves_alone(void **state)
{
    struct audited_host *host = *state;
    char *path = real_path(host, SSHD_PAM), *other = real_path(host, "/etc/sshd.saved");

    put(host->root, SSHD_PAM, "auth requisite pam_tmout.so bogus\n" REST SESSION_LINE);
    assert_int_equal(link(path, other), 0);
    const struct findings *findings = audit_area(host, audit_pam);
    assert_only(findings,
                &(struct expected){CHECK_PAM_ARGUMENTS, AUDIT_FAIL, SSHD_PAM, 1, "bogus", NO_FIX});
    assert_non_null(strstr(fix_of(trouble_of(findings, CHECK_PAM_ARGUMENTS)),
                           " The patch leaves " SSHD_PAM
                           " alone: it has more than one hard link.\n"));
    free(other);
    free(path);
}

/* The module has no account function. */
static void account_lines_of_ours(void **state)
{
    static const char stack[] = AUTH_LINE REST "account %s pam_tmout.so\n" SESSION_LINE;
    static const struct {
        const char *control, *service;
        enum audit_status status;
        const char *message;
    } cases[] = {
        {"required", "sshd", AUDIT_FAIL, "sshd rejects everybody who gets there"},
        {"requisite", "su", AUDIT_WARN, "su rejects everybody who gets there"},
        {"optional", "sshd", AUDIT_WARN, "libpam logs an error"},
        {"[default=ignore]", "su", AUDIT_WARN, "libpam logs an error"},
    };
    struct audited_host *host = *state;
    char text[512], path[64];

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        snprintf(path, sizeof path, "/etc/pam.d/%s", cases[i].service);
        snprintf(text, sizeof text, stack, cases[i].control);
        put(host->root, path, text);
        assert_only(audit_area(host, audit_pam),
                    &(struct expected){CHECK_PAM_MODULE, cases[i].status, path, 4, cases[i].message,
                                       NO_FIX});
        put(host->root, path, AUTH_LINE REST SESSION_LINE);
    }
    /* in a shared file, once */
    put(host->root, "/etc/pam.d/common-account", "account required pam_tmout.so\n");
    for (size_t i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "/etc/pam.d/%s", cases[i].service);
        put(host->root, path, AUTH_LINE REST "@include common-account\n" SESSION_LINE);
    }
    assert_only(audit_area(host, audit_pam),
                &(struct expected){CHECK_PAM_MODULE, AUDIT_FAIL, "/etc/pam.d/common-account", 1,
                                   "rejects everybody", NO_FIX});
}

/* Where the module cannot count, our line would reject everybody. */
static void services_in_a_sandbox(void **state)
{
    static const char polkit[] = "/etc/pam.d/polkit-1";
    static const char unit[] = "/usr/lib/systemd/system/polkit-agent-helper@.service";
    struct audited_host *host = *state;
    char text[512];

    put(host->root, polkit, "auth include common-auth\n");
    put(host->root, unit, "[Service]\nProtectSystem=strict\n");
    const struct findings *findings = audit_area(host, audit_pam);
    assert_only(findings, &(struct expected){CHECK_PAM_OTHER_SERVICES, AUDIT_WARN, polkit, 0,
                                             "no auth line", NO_FIX});
    assert_non_null(strstr(fix_of(trouble_of(findings, CHECK_PAM_OTHER_SERVICES)),
                           "in the sandbox of polkit-agent-helper@.service"));
    /* No edit of a file that it shares, either. */
    put(host->root, "/etc/pam.d/system-auth",
        "auth requisite pam_nologin.so\nauth required pam_unix.so\n");
    put(host->root, SSHD_PAM, "auth include system-auth\n" SESSION_LINE);
    put(host->root, polkit, "auth required pam_permit.so\n");
    assert_edited(host, audit_area(host, audit_pam), "/etc/pam.d/system-auth",
                  "auth requisite pam_nologin.so\n" NEW_AUTH "auth required pam_unix.so\n");
    put(host->root, polkit, "auth include system-auth\n");
    put(host->root, unit, "[Service]\nProcSubset=pid\n");
    assert_edited(host, audit_area(host, audit_pam), "/etc/pam.d/system-auth", NULL);
    put(host->root, SSHD_PAM, GOOD_STACK);
    /* With room for the state, the line may be added. */
    put(host->root, polkit, "auth required pam_unix.so\n");
    snprintf(text, sizeof text, "[Service]\nProtectSystem=strict\nReadWritePaths=%s\n",
             host->context.state_dir);
    put(host->root, unit, text);
    assert_edited(host, audit_area(host, audit_pam), polkit,
                  NEW_AUTH "auth required pam_unix.so\n");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        WITH_HOST(a_host_as_the_manual_says),
        WITH_HOST(stacks_that_libpam_cannot_read),
        WITH_HOST(the_module_itself),
        WITH_HOST(modules_that_are_named_by_a_path),
        WITH_HOST(lines_that_are_missing),
        WITH_HOST(a_session_line_before_pam_env),
        WITH_HOST(session_controls),
        WITH_HOST(auth_controls),
        WITH_HOST(an_auth_line_after_the_passwords),
        WITH_HOST(lines_that_bypass_ours),
        WITH_HOST(lines_that_bypass_ours_elsewhere),
        WITH_HOST(kinds_of_users_who_bypass_ours),
        WITH_HOST(lines_that_are_there_twice),
        WITH_HOST(arguments_of_our_lines),
        WITH_HOST(a_line_before_those_who_need_no_password),
        WITH_HOST(jumps_past_the_end),
        WITH_HOST(modules_that_are_not_installed),
        WITH_HOST(lines_that_sshd_shares),
        WITH_HOST(edits_around_modules_that_are_not_installed),
        WITH_HOST(services_that_share_a_line),
        WITH_HOST(arguments_in_brackets),
        WITH_HOST(another_service_for_sshd),
        WITH_HOST(several_findings_in_one_file),
        WITH_HOST(files_that_a_tool_writes),
        WITH_HOST(other_services),
        WITH_HOST(files_that_a_patch_leaves_alone),
        WITH_HOST(account_lines_of_ours),
        WITH_HOST(services_in_a_sandbox),
        WITH_HOST(services_that_nobody_thought_of),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
