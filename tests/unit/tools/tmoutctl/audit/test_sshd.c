/* The audit of sshd's configuration: its text, and what sshd itself prints. */
#include "tests/unit/tools/tmoutctl/audit/audited_host.h"

#define CONFIG "/etc/ssh/sshd_config"

/* sshd_config, what sshd makes of it, and what is found. */
struct sshd_case {
    const char *config;
    const char *effective;
    struct expected expected;
};

static void assert_cases(struct audited_host *host, const struct sshd_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        put(host->root, CONFIG, cases[i].config);
        put_sshd(host, "9.2p1", cases[i].effective);
        assert_only(audit_area(host, audit_sshd), &cases[i].expected);
    }
}

static void a_host_as_the_manual_says(void **state)
{
    assert_all_pass(audit_area(*state, audit_sshd));
}

static void a_host_without_sshd(void **state)
{
    struct audited_host *host = *state;

    remove_file(host, "/usr/sbin/sshd");
    assert_only(
        audit_area(host, audit_sshd),
        &(struct expected){CHECK_SSHD_INSTALLED, AUDIT_WARN, NULL, 0, "/usr/sbin/sshd", NO_FIX});
    assert_int_equal(host->audit.findings.count, 1);
}

/* --- can it start ----------------------------------------------------------- */

/* An sshd that gives up with this message. */
static void put_failing_sshd(const struct audited_host *host, const char *message)
{
    char *script = NULL;

    assert_true(asprintf(&script,
                         "#!/bin/sh\ncase $1 in -V) echo OpenSSH_9.2p1 >&2; exit;; esac\n"
                         "echo '%s' >&2\nexit 255\n",
                         message) > 0);
    put_script(host, "/usr/sbin/sshd", script);
    free(script);
}

/* One that does not know this option in the file that it is asked about, and prints
 * its own ones without a file. */
static void put_sshd_without(const struct audited_host *host, const char *option)
{
    char *script = NULL;

    assert_true(asprintf(&script,
                         "#!/bin/sh\ncase $* in\n-V) echo OpenSSH_9.2p1 >&2; exit;;\n"
                         "*/dev/null*) echo clientaliveinterval 0; exit;;\nesac\n"
                         "for file; do :; done\n"
                         "grep -n '^ *%s' $file | {\nIFS=:\nif read -r line rest; then\n"
                         "echo \"$file: line $line: Bad configuration option: %s\" >&2\n"
                         "echo \"$file: terminating, 1 bad configuration options\" >&2\nexit 255\n"
                         "fi\necho usepam yes\ncat %s/sshd-alive\n}\n",
                         option, option, host->root) > 0);
    put(host->root, "/sshd-alive", "clientaliveinterval 300\n");
    put_script(host, "/usr/sbin/sshd", script);
    free(script);
}

static void keywords_that_sshd_does_not_know(void **state)
{
    static const struct {
        const char *config, *option;
        struct expected expected;
    } cases[] = {
        {"Port 22\nClientAliveInerval 300\n",
         "ClientAliveInerval",
         {CHECK_SSHD_KEYWORD, AUDIT_FAIL, CONFIG, 2, "did you mean ClientAliveInterval?",
          "-ClientAliveInerval 300\n+ClientAliveInterval 300\n"}},
        {"ClientAliveInerval = 300 # why\n",
         "ClientAliveInerval",
         {CHECK_SSHD_KEYWORD, AUDIT_FAIL, CONFIG, 1, "did you mean ClientAliveInterval?",
          "+ClientAliveInterval 300 # why\n"}},
        {"ServerAliveInterval 60\n",
         "ServerAliveInterval",
         {CHECK_SSHD_KEYWORD, AUDIT_FAIL, CONFIG, 1, "a client option",
          "+ClientAliveInterval 60\n"}},
        {"Match User kim\n    ServerAliveInterval 0\n",
         "ServerAliveInterval",
         {CHECK_SSHD_KEYWORD, AUDIT_FAIL, CONFIG, 2, "a client option",
          "+    ClientAliveInterval 300\n"}},
        /* The other line counts today. */
        {"ServerAliveInterval 60\nClientAliveInterval 300\n",
         "ServerAliveInterval",
         {CHECK_SSHD_KEYWORD, AUDIT_FAIL, CONFIG, 1, "a client option",
          "+# ServerAliveInterval 60\n"}},
        {"StrictHostKeyChecking no\nPort 22\n",
         "StrictHostKeyChecking",
         {CHECK_SSHD_KEYWORD, AUDIT_FAIL, CONFIG, 1, "a client option",
          "+# StrictHostKeyChecking no\n"}},
        {"Port 22\n\tFrobnicateAll 1 # x\n",
         "\tFrobnicateAll",
         {CHECK_SSHD_KEYWORD, AUDIT_FAIL, CONFIG, 2, "not an sshd option",
          "+# \tFrobnicateAll 1 # x\n"}},
    };
    struct audited_host *host = *state;

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        put(host->root, CONFIG, cases[i].config);
        put_sshd_without(host, cases[i].option);
        assert_only(audit_area(host, audit_sshd), &cases[i].expected);
    }
    /* What sshd would do without such an option is wrong, too, where it is not what was meant. */
    put(host->root, CONFIG, "ClientAliveInterval 0\nServerAliveInterval 60\n");
    put_sshd_without(host, "ServerAliveInterval");
    put(host->root, "/sshd-alive", "clientaliveinterval 0\n");
    const struct findings *findings = audit_area(host, audit_sshd);
    assert_int_equal(trouble_of(findings, CHECK_SSHD_KEYWORD)->line, 2);
    assert_int_equal(trouble_of(findings, CHECK_SSHD_CLIENT_ALIVE)->line, 1);
    /* If sshd starts, a keyword that only we do not know is valid. */
    put(host->root, CONFIG, GOOD_SSHD_CONFIG "OptionOfTomorrow yes\n");
    put_sshd(host, "99.1", GOOD_SSHD_T);
    assert_all_pass(audit_area(host, audit_sshd));
}

static void an_sshd_that_gives_up(void **state)
{
    static const struct {
        const char *message, *file;
        unsigned line;
    } cases[] = {
        {"/etc/ssh/sshd_config.d/x.conf line 2: invalid time value.",
         "/etc/ssh/sshd_config.d/x.conf", 2},
        {"/etc/ssh/x: line 12: Bad configuration option", "/etc/ssh/x", 12},
        {"something else", CONFIG, 0},
        {"line 3 of /etc/x", CONFIG, 0},
    };
    struct audited_host *host = *state;

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        put_failing_sshd(host, cases[i].message);
        assert_only(audit_area(host, audit_sshd),
                    &(struct expected){CHECK_SSHD_CONFIG, AUDIT_FAIL, cases[i].file, cases[i].line,
                                       cases[i].message, "sshd -t"});
    }
}

/* Its files are read instead. */
static void an_sshd_that_was_not_started_since_boot(void **state)
{
    struct audited_host *host = *state;

    put_failing_sshd(host, "Missing privilege separation directory: /run/sshd");
    assert_only(audit_area(host, audit_sshd),
                &(struct expected){CHECK_SSHD_CONFIG, AUDIT_WARN, NULL, 0,
                                   "has not been started since boot", NO_FIX});
    put(host->root, CONFIG, "UsePAM no\n");
    const struct findings *findings = audit_area(host, audit_sshd);
    assert_int_equal(trouble_of(findings, CHECK_SSHD_USE_PAM)->line, 1);
    /* sshd's own default, which no line sets. */
    assert_int_equal(trouble_of(findings, CHECK_SSHD_CLIENT_ALIVE)->line, 0);
    /* What only sshd knows is not compared. */
    put_policy(host, GOOD_POLICY "group \"ops\" { max_sessions = 5 }\n");
    assert_int_equal(trouble_of(audit_area(host, audit_sshd), CHECK_SSHD_DROP_IN)->status,
                     AUDIT_WARN);
}

static void files_that_cannot_be_read(void **state)
{
    struct audited_host *host = *state;

    put(host->root, CONFIG, GOOD_SSHD_CONFIG "Include " CONFIG "\n");
    assert_only(audit_area(host, audit_sshd),
                &(struct expected){CHECK_SSHD_CONFIG, AUDIT_FAIL, CONFIG, 4, "", NO_FIX});
}

/* --- the environment -------------------------------------------------------- */

#define REST_T "clientaliveinterval 300\nclientalivecountmax 3\nmaxauthtries 4\n"
#define YES_T  "usepam yes\n"
#define NO_T   "permituserenvironment no\n"

static void ways_around_the_limit(void **state)
{
    static const struct sshd_case cases[] = {
        {"# UsePAM yes\nUsePAM no\n",
         "usepam no\n" NO_T REST_T,
         {CHECK_SSHD_USE_PAM, AUDIT_FAIL, CONFIG, 2, "UsePAM is no", NO_FIX}},
        {"PermitUserEnvironment yes  # ticket #17\n",
         YES_T "permituserenvironment yes\n" REST_T,
         {CHECK_SSHD_USER_ENVIRONMENT, AUDIT_FAIL, CONFIG, 1, "POSIXLY_CORRECT",
          "-PermitUserEnvironment yes  # ticket #17\n+PermitUserEnvironment no  # ticket #17\n"}},
        {"\n",
         "usepam no\n" NO_T REST_T,
         {CHECK_SSHD_USE_PAM, AUDIT_FAIL, CONFIG, 0, "UsePAM is no", NO_FIX}},
        {"PermitUserEnvironment yes\n",
         YES_T "permituserenvironment yes\n" REST_T,
         {CHECK_SSHD_USER_ENVIRONMENT, AUDIT_FAIL, CONFIG, 1, "POSIXLY_CORRECT",
          "+PermitUserEnvironment no\n"}},
        {"\nPermitUserEnvironment LANG,BASH*\n",
         YES_T "permituserenvironment LANG,BASH*\n" REST_T,
         {CHECK_SSHD_USER_ENVIRONMENT, AUDIT_FAIL, CONFIG, 2, "such as BASHOPTS",
          "+PermitUserEnvironment no\n"}},
        {"AcceptEnv LANG *\n",
         YES_T NO_T REST_T,
         {CHECK_SSHD_ACCEPT_ENV, AUDIT_FAIL, CONFIG, 1, "AcceptEnv *",
          "-AcceptEnv LANG *\n+AcceptEnv LANG\n"}},
        {"Match User kim\n    AcceptEnv \"SHELL*\"\n",
         YES_T NO_T REST_T,
         {CHECK_SSHD_ACCEPT_ENV, AUDIT_FAIL, CONFIG, 2, "SHELLOPTS",
          "+#     AcceptEnv \"SHELL*\"\n"}},
        {"SetEnv LANG=C TMOUT=0\n",
         YES_T NO_T REST_T,
         {CHECK_SSHD_SET_ENV, AUDIT_FAIL, CONFIG, 1, "SetEnv TMOUT",
          "-SetEnv LANG=C TMOUT=0\n+SetEnv LANG=C\n"}},
    };
    struct audited_host *host = *state;

    assert_cases(host, cases, COUNT_OF(cases));
    put(host->root, CONFIG, "AcceptEnv LANG LC_*\nSetEnv LANG=C\n");
    put_sshd(host, "9.2p1", YES_T "permituserenvironment LANG,LC_*\n" REST_T);
    assert_all_pass(audit_area(host, audit_sshd));
}

/* --- dead connections, tries, channels -------------------------------------- */

static void client_alive(void **state)
{
    static const struct sshd_case cases[] = {
        {"ClientAliveInterval 0\n",
         YES_T NO_T "clientaliveinterval 0\nmaxauthtries 4\n",
         {CHECK_SSHD_CLIENT_ALIVE, AUDIT_WARN, CONFIG, 1, "is 0", "ClientAliveInterval 300"}},
        {"Match User kim\n    ClientAliveInterval 0m0s\n",
         YES_T NO_T REST_T,
         {CHECK_SSHD_CLIENT_ALIVE, AUDIT_WARN, CONFIG, 2, "in this Match block",
          "+    ClientAliveInterval 300\n"}},
        {"ClientAliveCountMax 00\n",
         YES_T NO_T REST_T,
         {CHECK_SSHD_CLIENT_ALIVE_COUNT, AUDIT_FAIL, CONFIG, 1, "ClientAliveCountMax 00",
          "ClientAliveCountMax 3"}},
        {"Match User kim\n    ClientAliveCountMax 0\n",
         YES_T NO_T REST_T,
         {CHECK_SSHD_CLIENT_ALIVE_COUNT, AUDIT_FAIL, CONFIG, 2, "since OpenSSH 8.2",
          "    ClientAliveCountMax 3"}},
    };

    assert_cases(*state, cases, COUNT_OF(cases));
}

/* The policy allows five attempts. */
static void more_tries_than_attempts(void **state)
{
    static const struct sshd_case cases[] = {
        {"MaxAuthTries 6\n",
         YES_T NO_T "clientaliveinterval 300\nmaxauthtries 6\n",
         {CHECK_SSHD_MAX_AUTH_TRIES, AUDIT_WARN, CONFIG, 1, "max_attempts of default is 5",
          "MaxAuthTries 5"}},
        {"Match User bob\n    MaxAuthTries 6\n",
         YES_T NO_T REST_T,
         {CHECK_SSHD_MAX_AUTH_TRIES, AUDIT_WARN, CONFIG, 2, "MaxAuthTries is 6",
          "    MaxAuthTries 5"}},
    };
    struct audited_host *host = *state;

    assert_cases(host, cases, COUNT_OF(cases));
    /* root is a user on every machine. */
    put_policy(host, GOOD_POLICY "user \"root\" { max_attempts = 3 }\n");
    put(host->root, CONFIG, GOOD_SSHD_CONFIG);
    put_sshd(host, "9.2p1", GOOD_SSHD_T);
    assert_non_null(
        strstr(trouble_of(audit_area(host, audit_sshd), CHECK_SSHD_MAX_AUTH_TRIES)->message,
               "MaxAuthTries is 4 for root, but max_attempts of user \"root\" is 3"));
    put_policy(host, "default { tmout = 15m }\n");
    assert_all_pass(audit_area(host, audit_sshd));
}

static void match_blocks_of_the_site(void **state)
{
    struct audited_host *host = *state;

    put_policy(host, "default {\n    max_auth_tries = 4\n}\n");
    put(host->root, CONFIG, GOOD_SSHD_CONFIG "Match User bob\n    MaxAuthTries 5\n");
    assert_only(audit_area(host, audit_sshd),
                &(struct expected){CHECK_SSHD_MATCH, AUDIT_WARN, CONFIG, 5,
                                   "MaxAuthTries 5, in a Match block", "    MaxAuthTries 4"});
    put(host->root, CONFIG,
        GOOD_SSHD_CONFIG "Match User bob\n    MaxAuthTries 3\n"
                         "    MaxSessions 100\n");
    assert_all_pass(audit_area(host, audit_sshd));
}

static void channel_timeouts_in_match_blocks(void **state)
{
    static const char config[] = "ChannelTimeout session:*=1h\n"
                                 "Match User kim\n  ChannelTimeout session:*=5m\n";
    struct audited_host *host = *state;

    put(host->root, CONFIG, config);
    assert_only(audit_area(host, audit_sshd),
                &(struct expected){CHECK_SSHD_CHANNEL_TIMEOUT, AUDIT_FAIL, CONFIG, 3,
                                   "before OpenSSH 10.5", "+#   ChannelTimeout session:*=5m\n"});
    put_sshd(host, "10.5p1", GOOD_SSHD_T);
    assert_all_pass(audit_area(host, audit_sshd));
    put_sshd(host, "nothing", GOOD_SSHD_T); /* no version: it may be an old one */
    trouble_of(audit_area(host, audit_sshd), CHECK_SSHD_CHANNEL_TIMEOUT);
}

/* --- the drop-in ------------------------------------------------------------ */

static void sshd_and_the_policy(void **state)
{
    static const char path[] = "/etc/ssh/sshd_config.d/00-tmout.conf";
    struct audited_host *host = *state;

    put_policy(host, "default {\n    client_alive_interval = 200\n}\n");
    assert_only(audit_area(host, audit_sshd),
                &(struct expected){CHECK_SSHD_DROP_IN, AUDIT_FAIL, path, 0,
                                   "ClientAliveInterval for all users is 300 in sshd, but 200 in "
                                   "the policy (default, ",
                                   "tmoutctl sshd-config >00-tmout.new"});
    assert_int_equal(trouble_of(&host->audit.findings, CHECK_SSHD_DROP_IN)->setting,
                     SETTING_CLIENT_ALIVE_INTERVAL);
    put_policy(host, "default {\n    client_alive_interval = 300\n}\n");
    assert_all_pass(audit_area(host, audit_sshd));
    put_policy(host, "user \"root\" { max_sessions = 5 }\n");
    assert_non_null(strstr(trouble_of(audit_area(host, audit_sshd), CHECK_SSHD_DROP_IN)->message,
                           "MaxSessions for root is none in sshd, but 5 in the policy"));
}

/* sshd_config without an Include: one is offered, unless sshd would then also read Match
 * blocks that have had no effect. */
static void an_include_and_other_drop_ins(void **state)
{
    static const char site[] = "/etc/ssh/sshd_config.d/50-site.conf";
    struct audited_host *host = *state;

    put_policy(host, "default {\n    client_alive_interval = 200\n}\n");
    put(host->root, "/etc/ssh/sshd_config.d/00-tmout.conf", "Match User backup\n");
    put(host->root, site, "X11Forwarding no\n");
    assert_only(audit_area(host, audit_sshd),
                &(struct expected){CHECK_SSHD_DROP_IN, AUDIT_FAIL,
                                   "/etc/ssh/sshd_config.d/00-tmout.conf", 0, "200 in the policy",
                                   "+Include /etc/ssh/sshd_config.d/*.conf\n"});
    put(host->root, site, "Match Address 10.0.0.0/8\n    ForceCommand /bin/false\n");
    assert_non_null(strstr(fix_of(trouble_of(audit_area(host, audit_sshd), CHECK_SSHD_DROP_IN)),
                           "There is no patch"));
    put(host->root, CONFIG, GOOD_SSHD_CONFIG "Include /etc/ssh/sshd_config.d/5*.conf\n");
    assert_null(strstr(fix_of(trouble_of(audit_area(host, audit_sshd), CHECK_SSHD_DROP_IN)),
                       "There is no patch"));
}

/* Which settings it has cannot be told: that is no agreement. */
static void an_sshd_without_a_version_and_the_policy(void **state)
{
    struct audited_host *host = *state;

    put_sshd(host, "nothing", GOOD_SSHD_T);
    put_policy(host, "default {\n    unused_connection_timeout = 5m\n}\n");
    assert_only(audit_area(host, audit_sshd),
                &(struct expected){CHECK_SSHD_DROP_IN, AUDIT_FAIL,
                                   "/etc/ssh/sshd_config.d/00-tmout.conf", 0,
                                   "cannot be compared with the policy: sshd -V does not print",
                                   "tmoutctl sshd-config --check"});
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        WITH_HOST(a_host_as_the_manual_says),
        WITH_HOST(a_host_without_sshd),
        WITH_HOST(keywords_that_sshd_does_not_know),
        WITH_HOST(an_sshd_that_gives_up),
        WITH_HOST(an_sshd_that_was_not_started_since_boot),
        WITH_HOST(files_that_cannot_be_read),
        WITH_HOST(ways_around_the_limit),
        WITH_HOST(client_alive),
        WITH_HOST(more_tries_than_attempts),
        WITH_HOST(match_blocks_of_the_site),
        WITH_HOST(channel_timeouts_in_match_blocks),
        WITH_HOST(sshd_and_the_policy),
        WITH_HOST(an_include_and_other_drop_ins),
        WITH_HOST(an_sshd_without_a_version_and_the_policy),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
