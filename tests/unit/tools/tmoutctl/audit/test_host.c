/* The audit of the kernel, logind, pam_faillock, and of our own files. */
#include "tests/unit/tools/tmoutctl/audit/audited_host.h"

#include "tools/tmoutctl/shells/files.h"

#include "lib/paths.h"

#define TIOCSTI  "/proc/sys/dev/tty/legacy_tiocsti"
#define SSHD_PAM "/etc/pam.d/sshd"
#define FAILLOCK "/etc/security/faillock.conf"

static void a_host_as_the_manual_says(void **state)
{
    assert_all_pass(audit_area(*state, audit_host));
}

/* --- the kernel, logind ----------------------------------------------------- */

static void fake_terminal_input(void **state)
{
    struct audited_host *host = *state;

    put(host->root, TIOCSTI, "1\n");
    assert_only(audit_area(host, audit_host),
                &(struct expected){CHECK_HOST_TIOCSTI, AUDIT_WARN, NULL, 0,
                                   "dev.tty.legacy_tiocsti is 1", "+dev.tty.legacy_tiocsti = 0\n"});
    put(host->root, TIOCSTI, "");
    trouble_of(audit_area(host, audit_host), CHECK_HOST_TIOCSTI);
    remove_file(host, TIOCSTI);
    assert_only(
        audit_area(host, audit_host),
        &(struct expected){CHECK_HOST_TIOCSTI, AUDIT_WARN, NULL, 0, "this kernel cannot", NO_FIX});
}

static void put_logind(const struct audited_host *host, const char *bus, const char *file)
{
    char script[256];

    put(host->root, "/usr/lib/systemd/systemd-logind", "");
    snprintf(script, sizeof script, "#!/bin/sh\necho %s\n", bus);
    put_script(host, "/usr/bin/busctl", script);
    snprintf(
        script, sizeof script,
        "#!/bin/sh\nprintf '# /etc/systemd/logind.conf\\n[Login]\\nStopIdleSessionSec=%s\\n'\n",
        file);
    put_script(host, "/usr/bin/systemd-analyze", script);
}

/* The policy ends idle terminals after 20 minutes. */
static void logind_that_is_faster(void **state)
{
    struct audited_host *host = *state;

    put_logind(host, "t 1200000000", "20min");
    assert_all_pass(audit_area(host, audit_host));
    put_logind(host, "t 1199000000", "1199");
    assert_only(audit_area(host, audit_host),
                &(struct expected){CHECK_HOST_LOGIND, AUDIT_NOTE, "/etc/systemd/logind.conf", 2,
                                   "after 1199 s, sooner than default (20m)", NO_FIX});
    /* What the files have applies from the next start on. */
    put_logind(host, "t 18446744073709551615", "10min");
    assert_only(audit_area(host, audit_host),
                &(struct expected){CHECK_HOST_LOGIND, AUDIT_NOTE, "/etc/systemd/logind.conf", 2,
                                   "after 600 s", NO_FIX});
    put_logind(host, "t 600000000", "infinity");
    assert_only(audit_area(host, audit_host),
                &(struct expected){CHECK_HOST_LOGIND, AUDIT_NOTE, NULL, 0, "the running logind",
                                   "systemctl restart systemd-logind"});
    /* Without disconnect the limit is the shell's. */
    put_policy(host, "default { tmout = 5m }\nuser \"root\" { tmout = 10m }\n");
    assert_all_pass(audit_area(host, audit_host));
    put_policy(host, "default { tmout = 5m }\nuser \"root\" { tmout = 11m }\n");
    assert_non_null(strstr(trouble_of(audit_area(host, audit_host), CHECK_HOST_LOGIND)->message,
                           "user \"root\" (11m)"));
}

static void logind_that_cannot_be_queried(void **state)
{
    struct audited_host *host = *state;

    put(host->root, "/usr/lib/systemd/systemd-logind", "");
    assert_only(audit_area(host, audit_host),
                &(struct expected){CHECK_HOST_LOGIND, AUDIT_WARN, NULL, 0,
                                   "cannot find out whether logind", NO_FIX});
}

/* --- pam_faillock ----------------------------------------------------------- */

static void put_faillock(const struct audited_host *host, const char *arguments, const char *config)
{
    char stack[512];

    snprintf(stack, sizeof stack, "auth required pam_faillock.so preauth%s\n" GOOD_STACK,
             arguments);
    put(host->root, SSHD_PAM, stack);
    put(host->root, FAILLOCK, config);
}

/* The policy: max_attempts 5, attempt_window 15m, lock_time 10m. */
static void one_rule_and_faillock(void **state)
{
    static const struct {
        const char *arguments, *config;
        struct expected expected;
    } cases[] = {
        {"",
         "# deny = 5\n",
         {CHECK_HOST_FAILLOCK, AUDIT_NOTE, FAILLOCK, 0, "deny = 3 (its default) is stricter",
          NO_FIX}},
        {"",
         "\ndeny = 10\n",
         {CHECK_HOST_FAILLOCK, AUDIT_WARN, FAILLOCK, 2, "looser than max_attempts of default (5)",
          "-deny = 10\n+deny = 5\n"}},
        {"",
         "deny = 0\n",
         {CHECK_HOST_FAILLOCK, AUDIT_WARN, FAILLOCK, 1, "deny = 0 (never) is looser",
          "-deny = 0\n+deny = 5\n"}},
        {"",
         "deny = -1\n",
         {CHECK_HOST_FAILLOCK, AUDIT_WARN, FAILLOCK, 1, "(never) is looser", "+deny = 5\n"}},
        {" deny=9", "deny = 5\n", {CHECK_HOST_FAILLOCK, AUDIT_WARN, SSHD_PAM, 1, "looser", NO_FIX}},
        {" deny=2",
         "deny = 5\n",
         {CHECK_HOST_FAILLOCK, AUDIT_NOTE, SSHD_PAM, 1, "deny = 2 is stricter", NO_FIX}},
        {"",
         "deny = 5\nunlock_time = 0\n",
         {CHECK_HOST_FAILLOCK, AUDIT_NOTE, FAILLOCK, 2, "unlock_time = 0 is stricter", NO_FIX}},
        {"",
         "deny = 5\nfail_interval = 60\n",
         {CHECK_HOST_FAILLOCK, AUDIT_WARN, FAILLOCK, 2, "looser than attempt_window",
          "+fail_interval = 900\n"}},
        {"",
         "deny = 5\neven_deny_root\n",
         {CHECK_HOST_FAILLOCK, AUDIT_NOTE, FAILLOCK, 2, "no rule limits root's attempts", NO_FIX}},
    };
    struct audited_host *host = *state;

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        put_faillock(host, cases[i].arguments, cases[i].config);
        assert_only(audit_area(host, audit_host), &cases[i].expected);
    }
    put_faillock(host, "", "deny = 5\nunlock_time = 600\n");
    assert_all_pass(audit_area(host, audit_host));
    /* If nobody's attempts are limited, nothing is compared. */
    put_faillock(host, "", "deny = 10\n");
    put_policy(host, "default { tmout = 15m }\n");
    assert_all_pass(audit_area(host, audit_host));
}

static void root_and_faillock(void **state)
{
    struct audited_host *host = *state;

    put_policy(host, GOOD_POLICY "user \"root\" { max_attempts = 5 }\n");
    put_faillock(host, "", "deny = 5\n");
    assert_only(audit_area(host, audit_host),
                &(struct expected){CHECK_HOST_FAILLOCK, AUDIT_WARN, FAILLOCK, 0,
                                   "no even_deny_root", " deny = 5\n+even_deny_root\n"});
    put_faillock(host, "", "deny = 5\neven_deny_root\n");
    assert_all_pass(audit_area(host, audit_host));
}

static void two_rules_and_faillock(void **state)
{
    static const struct {
        const char *config;
        enum audit_status status;
        const char *message, *fix;
    } cases[] = {
        {"deny = 2\n", AUDIT_NOTE, "stricter than max_attempts of group \"sys\" (3)", NO_FIX},
        {"deny = 9\n", AUDIT_WARN, "looser than max_attempts of default (5)", "+deny = 5\n"},
        {"deny = 3\n", AUDIT_WARN, "cannot match both", NO_FIX},
        {"deny = 4\n", AUDIT_WARN, "cannot match both", NO_FIX},
        {"deny = 5\n", AUDIT_WARN, "cannot match both", NO_FIX},
    };
    struct audited_host *host = *state;

    put_policy(host, GOOD_POLICY "group \"sys\" { max_attempts = 3 }\n");
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        put_faillock(host, "", cases[i].config);
        assert_only(audit_area(host, audit_host),
                    &(struct expected){CHECK_HOST_FAILLOCK, cases[i].status, FAILLOCK, 1,
                                       cases[i].message, cases[i].fix});
    }
    /* A rule without attempts of its own, and with another time. */
    put_policy(host, GOOD_POLICY "group \"sys\" { lock_time = 1h }\n");
    put_faillock(host, "", "deny = 5\n");
    assert_only(audit_area(host, audit_host),
                &(struct expected){CHECK_HOST_FAILLOCK, AUDIT_WARN, FAILLOCK, 0,
                                   "cannot match both lock_time", NO_FIX});
}

/* --- our files -------------------------------------------------------------- */

static void files_that_others_can_change_or_not_read(void **state)
{
    static const struct {
        const char *path;
        mode_t mode, good;
        const char *message, *fix;
        bool below_root; /* the finding's path is the host's, not a real one */
    } cases[] = {
        {CONFIG_NAME, 0664, 0644, "mode 0664", "chmod go-w", false},
        {STATE_NAME, 0777, 0755, "mode 0777", "chmod go-w", false},
        {STATE_NAME "/policy.v1", 0666, 0644, "mode 0666", "chmod go-w", false},
        {STATE_NAME "/attempts", 0775, 0755, "mode 0775", "chmod go-w", false},
        {STATE_NAME "/attempts/4711", 0644, 0600, "accessible to users other than root",
         "chmod go=", false},
        {TMOUT_SESSIONS_DIR, 0777, 0755, "mode 0777", "chmod go-w", true},
        {TMOUT_SESSIONS_DIR "/1", 0640, 0600, "accessible to users", "chmod go=", true},
        {TMOUT_DAEMON_PATH, 0775, 0755, "mode 0775", "chmod go-w", true},
        {TMOUT_CTL_PATH, 0757, 0755, "mode 0757", "chmod go-w", true},
        {PROFILE_SH, 0666, 0644, "mode 0666", "chmod go-w", true},
        {PROFILE_SH, 0600, 0644, "not readable by all", "chmod a+rX", true},
        {PROFILE_CSH, 0640, 0644, "not readable by all", "chmod a+rX", true},
        {SHELL_FRAGMENTS "/bashrc", 0600, 0644, "not readable by all", "chmod a+rX", true},
        {SHELL_FRAGMENTS, 0700, 0755, "not readable by all", "chmod a+rX", true},
    };
    struct audited_host *host = *state;

    put(host->root, TMOUT_CTL_PATH, "");
    put(host->root, TMOUT_DAEMON_PATH, "");
    put(host->root, PROFILE_SH, "");
    put(host->root, PROFILE_CSH, "");
    put(host->root, SHELL_FRAGMENTS "/bashrc", "");
    put(host->root, TMOUT_SESSIONS_DIR "/1", "");
    put(host->root, STATE_NAME "/attempts/4711", "");
    set_mode(host, TMOUT_SESSIONS_DIR "/1", 0600);
    set_mode(host, STATE_NAME "/attempts/4711", 0600);
    assert_all_pass(audit_area(host, audit_host));
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char *path = cases[i].below_root ? strdup(cases[i].path) : real_path(host, cases[i].path);
        set_mode(host, cases[i].path, cases[i].mode);
        assert_only(audit_area(host, audit_host),
                    &(struct expected){CHECK_HOST_FILES, AUDIT_FAIL, path, 0, cases[i].message,
                                       cases[i].fix});
        set_mode(host, cases[i].path, cases[i].good);
        free(path);
    }
    assert_all_pass(audit_area(host, audit_host));
}

/* As root the file gets another owner; otherwise its owner is untrusted
 * already. */
static void files_of_another_owner(void **state)
{
    struct audited_host *host = *state;
    struct audit *audit = start_audit(host);

    if (geteuid() == 0)
        assert_int_equal(chown(host->context.config_path, 4711, 0), 0);
    else
        audit->owner = geteuid() + 1;
    audit_host(audit);
    assert_true(findings_have(&audit->findings, CHECK_HOST_FILES, host->context.config_path, 0));
}

static void a_directory_above(void **state)
{
    struct audited_host *host = *state;
    char *directory = real_path(host, CONFIG_DIRECTORY);

    set_mode(host, CONFIG_DIRECTORY, 0777);
    assert_only(audit_area(host, audit_host),
                &(struct expected){CHECK_HOST_FILES, AUDIT_FAIL, directory, 0, "is writable",
                                   "chmod go-w"});
    free(directory);
}

/* --- room ------------------------------------------------------------------- */

static void a_state_directory_that_is_missing(void **state)
{
    struct audited_host *host = *state;
    char *directory = real_path(host, STATE_NAME);

    remove_file(host, STATE_NAME "/policy.v1");
    assert_int_equal(rmdir(directory), 0);
    assert_only(audit_area(host, audit_host),
                &(struct expected){CHECK_HOST_STATE, AUDIT_FAIL, directory, 0, "is not a directory",
                                   "tmoutctl apply"});
    put(host->root, STATE_NAME, "a file");
    trouble_of(audit_area(host, audit_host), CHECK_HOST_STATE);
    free(directory);
}

static void file_systems(void **state)
{
    static const struct {
        struct statvfs room;
        struct expected expected;
    } cases[] = {
        {{.f_flag = ST_RDONLY, .f_bfree = 1},
         {CHECK_HOST_STATE, AUDIT_FAIL, "/d d", 0, "read-only", "read-write"}},
        {{.f_bfree = 0, .f_files = 5, .f_ffree = 5},
         {CHECK_HOST_STATE, AUDIT_FAIL, "/d d", 0, "full file system", "df -i"}},
        {{.f_bfree = 7, .f_files = 5, .f_ffree = 0},
         {CHECK_HOST_STATE, AUDIT_FAIL, "/d d", 0, "full file system", NO_FIX}},
    };
    /* Some file systems do not count files. */
    static const struct statvfs good[] = {{.f_bfree = 1},
                                          {.f_bfree = 9, .f_files = 1, .f_ffree = 1}};

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct audit *audit = start_audit(*state);
        audit_room(audit, "/d d", &cases[i].room);
        assert_only(&audit->findings, &cases[i].expected);
    }
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        struct audit *audit = start_audit(*state);
        audit_room(audit, "/d", &good[i]);
        assert_int_equal(audit->findings.count, 0);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        WITH_HOST(a_host_as_the_manual_says),
        WITH_HOST(fake_terminal_input),
        WITH_HOST(logind_that_is_faster),
        WITH_HOST(logind_that_cannot_be_queried),
        WITH_HOST(one_rule_and_faillock),
        WITH_HOST(root_and_faillock),
        WITH_HOST(two_rules_and_faillock),
        WITH_HOST(files_that_others_can_change_or_not_read),
        WITH_HOST(files_of_another_owner),
        WITH_HOST(a_directory_above),
        WITH_HOST(a_state_directory_that_is_missing),
        WITH_HOST(file_systems),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
