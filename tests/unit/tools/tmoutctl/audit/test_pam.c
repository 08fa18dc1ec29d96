/* The audit of the PAM stacks: each check, on a host that one line breaks. */
#include "tests/unit/tools/tmoutctl/audit/audited_host.h"

#define SSHD_PAM "/etc/pam.d/sshd"

/* A stack for sshd, and what is found in it. */
struct stack_case {
    const char *stack;
    struct expected expected;
};

static void assert_cases(struct audited_host *host, const struct stack_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        put(host->root, SSHD_PAM, cases[i].stack);
        assert_only(audit_area(host, audit_pam), &cases[i].expected);
    }
}

static void assert_stacks_pass(struct audited_host *host, const char *const *stacks, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        put(host->root, SSHD_PAM, stacks[i]);
        assert_all_pass(audit_area(host, audit_pam));
    }
}

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
        {line, {CHECK_PAM_MODULE, AUDIT_FAIL, SSHD_PAM, 4, "does not exist", "sed -i '4s|"}},
        {AUTH_LINE REST "session optional x/pam_tmout.so\n",
         {CHECK_PAM_MODULE, AUDIT_FAIL, SSHD_PAM, 4, "x/pam_tmout.so, which does not exist",
          "sed -i '4s|"}},
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
         {CHECK_PAM_SESSION_LINE, AUDIT_FAIL, SSHD_PAM, 0, "no session line",
          "sed -i '$a session"}},
        {REST SESSION_LINE,
         {CHECK_PAM_AUTH_LINE, AUDIT_FAIL, SSHD_PAM, 0, "no auth line", "sed -i '1i auth"}},
        {"# " AUTH_LINE "\n" REST SESSION_LINE,
         {CHECK_PAM_AUTH_LINE, AUDIT_FAIL, SSHD_PAM, 0, "no auth line", "sed -i '3i auth"}},
        {SESSION_LINE,
         {CHECK_PAM_AUTH_LINE, AUDIT_FAIL, SSHD_PAM, 0, "no auth line", "sed -i '1i auth"}},
    };

    assert_cases(host, cases, COUNT_OF(cases));
    put(host->root, SSHD_PAM, AUTH_LINE REST);
    put(host->root, "/etc/pam.d/common-session-noninteractive", "\n" SESSION_LINE);
    assert_non_null(strstr(trouble_of(audit_area(host, audit_pam), CHECK_PAM_SESSION_LINE)->message,
                           "it is in /etc/pam.d/common-session-noninteractive:2"));
    /* Without limited attempts nothing needs the auth line. */
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
          "sed -i -e 4d -e '$a session"}},
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
    assert_only(audit_area(host, audit_pam),
                &(struct expected){CHECK_PAM_SESSION_ORDER, AUDIT_FAIL, "/etc/pam.d/inner", 1,
                                   "user_readenv=1", "sed -i '$a session"});
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
        assert_only(audit_area(host, audit_pam),
                    &(struct expected){CHECK_PAM_SESSION_CONTROL, AUDIT_WARN, SSHD_PAM, 4, bad[i],
                                       "sed -i '4c session    optional"});
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
        assert_only(audit_area(host, audit_pam),
                    &(struct expected){CHECK_PAM_AUTH_CONTROL, AUDIT_FAIL, SSHD_PAM, 1, bad[i],
                                       "sed -i '1c auth       requisite"});
    }
}

static void an_auth_line_after_the_passwords(void **state)
{
    struct audited_host *host = *state;
    const struct stack_case cases[] = {
        {"auth required pam_sss.so\n" AUTH_LINE REST SESSION_LINE,
         {CHECK_PAM_AUTH_ORDER, AUDIT_FAIL, SSHD_PAM, 2, "pam_sss.so (/etc/pam.d/sshd:1)",
          "sed -i -e '1i auth       requisite    pam_tmout.so' -e 2d /etc/pam.d/sshd"}},
        {"auth include common-auth\n" AUTH_LINE SESSION_LINE,
         {CHECK_PAM_AUTH_ORDER, AUDIT_FAIL, SSHD_PAM, 2, "(/etc/pam.d/common-auth:1)",
          "sed -i -e '1i auth"}},
        {"auth substack inner\n" REST SESSION_LINE,
         {CHECK_PAM_AUTH_ORDER, AUDIT_FAIL, "/etc/pam.d/inner", 1, "substack",
          "sed -i 1d /etc/pam.d/inner && sed -i '2i auth"}},
        /* The password module is in the same file, one line before ours. */
        {"auth include behind\n" SESSION_LINE,
         {CHECK_PAM_AUTH_ORDER, AUDIT_FAIL, "/etc/pam.d/behind", 2, "pam_unix.so",
          "sed -i -e '1i auth       requisite    pam_tmout.so' -e 2d /etc/pam.d/behind"}},
    };

    put(host->root, "/etc/pam.d/inner", AUTH_LINE);
    put(host->root, "/etc/pam.d/behind", "auth required pam_unix.so\n" AUTH_LINE);
    assert_cases(host, cases, COUNT_OF(cases));
}

static void lines_that_bypass_ours(void **state)
{
    struct audited_host *host = *state;
    const struct stack_case cases[] = {
        {"session sufficient pam_permit.so\n" GOOD_STACK,
         {CHECK_PAM_JUMP, AUDIT_FAIL, SSHD_PAM, 5, "pam_permit.so (/etc/pam.d/sshd:1)",
          "1s/sufficient/optional/I"}},
        {"session [success=done default=ignore] pam_exec.so\n" GOOD_STACK,
         {CHECK_PAM_JUMP, AUDIT_FAIL, SSHD_PAM, 5, "[success=done default=ignore]",
          "s/=done/=ok/g"}},
        {"session [ignore=done default=bad] pam_exec.so\n" GOOD_STACK,
         {CHECK_PAM_JUMP, AUDIT_FAIL, SSHD_PAM, 5, "ends the stack", "=ok"}},
        {"session [success=ok default=done] pam_exec.so\n" GOOD_STACK,
         {CHECK_PAM_JUMP, AUDIT_FAIL, SSHD_PAM, 5, "ends the stack", "=ok"}},
        {"auth sufficient pam_permit.so\n" GOOD_STACK,
         {CHECK_PAM_JUMP, AUDIT_FAIL, SSHD_PAM, 2, "ends the stack", "sed -i -e '1i auth"}},
        {"auth [success=1 default=ignore] pam_exec.so\n" GOOD_STACK,
         {CHECK_PAM_JUMP, AUDIT_WARN, SSHD_PAM, 2, "jumps over it", NULL}},
        {"auth [success=2 default=ignore] pam_exec.so\nauth optional pam_exec.so\n" GOOD_STACK,
         {CHECK_PAM_JUMP, AUDIT_WARN, SSHD_PAM, 3, "jumps over it", NULL}},
    };
    const char *const good[] = {
        "session required pam_permit.so\n" GOOD_STACK,
        "auth sufficient pam_deny.so\n" GOOD_STACK,
        "auth requisite pam_nologin.so\n" GOOD_STACK,
        "session [default=die] pam_nologin.so\n" GOOD_STACK,
        "auth [success=1 default=ignore] pam_exec.so\nauth optional pam_exec.so\n" GOOD_STACK,
        "session substack inner\n" GOOD_STACK};

    assert_cases(host, cases, COUNT_OF(cases));
    put(host->root, "/etc/pam.d/inner", "session sufficient pam_permit.so\n");
    assert_stacks_pass(host, good, COUNT_OF(good));
    put(host->root, SSHD_PAM, "session include inner\n" GOOD_STACK);
    assert_only(audit_area(host, audit_pam),
                &(struct expected){CHECK_PAM_JUMP, AUDIT_FAIL, SSHD_PAM, 5, "/etc/pam.d/inner:1",
                                   "/etc/pam.d/inner"});
}

/* Only sshd's stack makes it a failure, and root needs no password for su. */
static void lines_that_bypass_ours_elsewhere(void **state)
{
    struct audited_host *host = *state;

    put(host->root, "/etc/pam.d/sudo", "session sufficient pam_permit.so\n" GOOD_STACK);
    assert_only(
        audit_area(host, audit_pam),
        &(struct expected){CHECK_PAM_JUMP, AUDIT_WARN, "/etc/pam.d/sudo", 5, "for sudo", "sed"});
    put(host->root, "/etc/pam.d/sudo", GOOD_STACK);
    put(host->root, "/etc/pam.d/su", "auth sufficient pam_rootok.so\n" GOOD_STACK);
    assert_all_pass(audit_area(host, audit_pam));
    put(host->root, "/etc/pam.d/su", GOOD_STACK);
    put(host->root, "/etc/pam.d/sudo", "auth sufficient pam_rootok.so\n" GOOD_STACK);
    trouble_of(audit_area(host, audit_pam), CHECK_PAM_JUMP);
}

static void lines_that_are_there_twice(void **state)
{
    struct audited_host *host = *state;
    const struct stack_case cases[] = {
        {AUTH_LINE AUTH_LINE REST SESSION_LINE,
         {CHECK_PAM_TWICE, AUDIT_FAIL, SSHD_PAM, 2, "the first is /etc/pam.d/sshd:1",
          "sed -i 2d /etc/pam.d/sshd"}},
        {GOOD_STACK SESSION_LINE,
         {CHECK_PAM_TWICE, AUDIT_FAIL, SSHD_PAM, 5, "the second session line", "sed -i 5d"}},
    };

    assert_cases(host, cases, COUNT_OF(cases));
    /* A file that all services include is named once. */
    put(host->root, SSHD_PAM, GOOD_STACK);
    put(host->root, "/etc/pam.d/common-auth", AUTH_LINE "auth required pam_unix.so\n");
    assert_only(audit_area(host, audit_pam),
                &(struct expected){CHECK_PAM_TWICE, AUDIT_FAIL, "/etc/pam.d/common-auth", 1,
                                   "the second auth line", "sed -i 1d"});
}

static void arguments_of_our_lines(void **state)
{
    struct audited_host *host = *state;
    const struct stack_case cases[] = {
        {AUTH_LINE REST "session optional pam_tmout.so debug x=1\n",
         {CHECK_PAM_ARGUMENTS, AUDIT_FAIL, SSHD_PAM, 4, "rejects: x=1", "sed -i '4s/"}},
        {AUTH_LINE REST "session optional pam_tmout.so config=relative\n",
         {CHECK_PAM_ARGUMENTS, AUDIT_FAIL, SSHD_PAM, 4, "rejects: config=relative", "sed"}},
        {AUTH_LINE REST "session optional pam_tmout.so config=/etc/other.conf\n",
         {CHECK_PAM_ARGUMENTS, AUDIT_WARN, SSHD_PAM, 4, "a different policy", NULL}},
        {AUTH_LINE REST "session optional pam_tmout.so state=/var/other\n",
         {CHECK_PAM_ARGUMENTS, AUDIT_WARN, SSHD_PAM, 4, "a different state directory", NULL}},
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
                                   "no session line", "sed -i '$a session"});
    put(host->root, "/etc/pam.d/su", REST SESSION_LINE);
    assert_only(audit_area(host, audit_pam),
                &(struct expected){CHECK_PAM_OTHER_SERVICES, AUDIT_WARN, "/etc/pam.d/su", 0,
                                   "unlimited password guessing", "sed -i '1i auth"});
    remove_file(host, "/etc/pam.d/su"); /* not installed */
    assert_all_pass(audit_area(host, audit_pam));
    /* login needs a session line where the policy covers the console. */
    put(host->root, "/etc/pam.d/login", AUTH_LINE REST);
    assert_all_pass(audit_area(host, audit_pam));
    put_policy(host, GOOD_POLICY "group \"ops\" { sessions = all }\n");
    assert_only(audit_area(host, audit_pam),
                &(struct expected){CHECK_PAM_OTHER_SERVICES, AUDIT_WARN, "/etc/pam.d/login", 0,
                                   "console logins get no limit", "sed -i '$a session"});
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
        WITH_HOST(lines_that_are_there_twice),
        WITH_HOST(arguments_of_our_lines),
        WITH_HOST(other_services),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
