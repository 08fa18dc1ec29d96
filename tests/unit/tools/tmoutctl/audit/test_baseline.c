/* The policy and the host against a preset. */
#include "tests/unit/tools/tmoutctl/audit/audited_host.h"

#include "tools/tmoutctl/host/preset_file.h"

static void put_preset(const struct audited_host *host, const char *text)
{
    put(host->root, PRESET_DIR "/xyz.conf", text);
}

/* Compares with the preset; other areas have found what the test put there. */
static const struct findings *compare_with_preset(struct audit *audit)
{
    struct failure failure = {""};

    assert_int_equal(audit_baseline(audit, "xyz", &failure), 0);
    char *patch = patch_make(audit);
    assert_non_null(patch);
    free(patch);
    assert_false(audit->findings.out_of_memory);
    return &audit->findings;
}

static const struct findings *compare(struct audited_host *host)
{
    return compare_with_preset(start_audit(host));
}

/* The policy of this preset and of this text, and the one finding. */
static void assert_one(struct audited_host *host, const char *preset, const char *policy,
                       const struct expected *expected)
{
    put_preset(host, preset);
    put_policy(host, policy);
    assert_only(compare(host), expected);
}

static void assert_met(struct audited_host *host, const char *preset, const char *policy)
{
    put_preset(host, preset);
    put_policy(host, policy);
    assert_all_pass(compare(host));
}

static void presets_that_cannot_be_used(void **state)
{
    static const char *const names[] = {"nothing", "../xyz", "", "xyz.conf", "/etc/passwd", "XYZ"};
    struct audited_host *host = *state;
    struct failure failure = {""};

    put_preset(host, "default { }\n");
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        assert_int_equal(audit_baseline(start_audit(host), names[i], &failure), -1);
        assert_non_null(strstr(failure.text, "xyz"));
    }
    put_preset(host, "default {\n    tmuot = 1\n}\n");
    assert_int_equal(audit_baseline(start_audit(host), "xyz", &failure), -1);
    assert_non_null(strstr(failure.text, "xyz.conf:2"));
}

static void controls_of_a_preset(void **state)
{
    struct audited_host *host = *state;
    static const char *const controls[] = {"XYZ 5.4", "XYZ 5.3", NULL, "XYZ 5.5"};

    put_preset(host, "default {\n    tmout = 15m  # XYZ 5.4\n"
                     "    max_attempts = 5 #XYZ 5.3: and why\n    lock_time = 10m\n"
                     "    disconnect = 20m  #  XYZ 5.5\r\n}\n");
    const struct findings *findings = compare(host);
    assert_all_pass(findings);
    assert_int_equal(findings->count, COUNT_OF(controls));
    for (size_t i = 0; i < COUNT_OF(controls); i++) {
        const struct finding *f = findings->item[i];
        assert_int_equal(f->check, CHECK_BASELINE);
        if (controls[i] == NULL)
            assert_null(f->control);
        else
            assert_string_equal(f->control, controls[i]);
    }
    assert_string_equal(findings->item[0]->message, "tmout is 15m or stricter");
}

#define DEFAULT(text) "default {\n    " text "\n}\n"

static void values_that_are_too_loose(void **state)
{
    static const struct {
        const char *asked, *policy;
        unsigned line;
        const char *message, *fix;
    } cases[] = {
        {"tmout = 10m", DEFAULT("tmout = 15m"), 2, "tmout of default is 15m; xyz requires 10m",
         "-    tmout = 15m\n+    tmout = 10m\n"},
        {"tmout = 10m", "default { }\n", 1, "none (not set)", NO_FIX},
        {"tmout = 10m", "default {\n}\n", 1, "(not set)", "+    tmout = 10m\n }\n"},
        {"tmout = 10m", "user \"root\" { warn = 2m }\n", 0, "none (not set)",
         "+default {\n+    tmout = 10m\n+}\n"},
        {"max_attempts = 3", DEFAULT("max_attempts = 4"), 2, "4; xyz requires 3",
         "+    max_attempts = 3\n"},
        {"lock_time = 15m", DEFAULT("lock_time = 10m"), 2, "10m; xyz requires 15m",
         "+    lock_time = 15m\n"},
        {"enforce = true", DEFAULT("tmout = 1m"), 1, "enforce of default is false",
         "     tmout = 1m\n+    enforce = true\n }\n"},
        {"login_grace_time = 1m", DEFAULT("login_grace_time = 2m"), 2, "2m; xyz requires 1m",
         "+    login_grace_time = 1m\n"},
        {"max_startups = \"10:30:60\"", DEFAULT("max_startups = \"10:30:100\""), 2,
         "10:30:100; xyz requires 10:30:60", "+    max_startups = 10:30:60\n"},
        {"max_startups = \"10:30:60\"", DEFAULT("max_startups = \"11:30:60\""), 2, "11:30:60",
         "+    max_startups = 10:30:60\n"},
        {"max_startups = \"10:30:60\"", DEFAULT("max_startups = \"10:29:60\""), 2, "10:29:60",
         "+    max_startups = 10:30:60\n"},
        {"channel_timeout = \"session:*=10m\"", DEFAULT("channel_timeout = \"session:*=20m\""), 2,
         "session:*=20m; xyz requires session:*=10m", "+    channel_timeout = \"session:*=10m\"\n"},
        {"channel_timeout = \"session:*=10m\"", "default {\n    warn = 2m # x\n}\n", 1, "(not set)",
         "     warn = 2m # x\n+    channel_timeout = \"session:*=10m\"\n }\n"},
    };
    struct audited_host *host = *state;
    char preset[256];

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        snprintf(preset, sizeof preset, "default { %s } # XYZ 1\n", cases[i].asked);
        assert_one(host, preset, cases[i].policy,
                   &(struct expected){CHECK_BASELINE, AUDIT_FAIL, host->context.config_path,
                                      cases[i].line, cases[i].message, cases[i].fix});
        assert_string_equal(trouble_of(&host->audit.findings, CHECK_BASELINE)->control, "XYZ 1");
    }
}

/* An edit would make the policy need a tmoutd that does not run. */
static void a_value_that_needs_tmoutd(void **state)
{
    struct audited_host *host = *state;
    const struct expected edit = {
        CHECK_BASELINE,           AUDIT_FAIL, host->context.config_path, 1, "none (not set)",
        "+    disconnect = 20m\n"};
    struct expected command = edit;

    command.fix = "systemctl enable --now tmoutd";
    assert_one(host, "default { disconnect = 20m }\n", DEFAULT("tmout = 15m"), &edit);
    host->no_tmoutd = true;
    assert_one(host, "default { disconnect = 20m }\n", DEFAULT("tmout = 15m"), &command);
    assert_null(trouble_of(&host->audit.findings, CHECK_BASELINE)->diff);
    /* The same rule's other values do not wait for it. */
    put_preset(host, "default {\n    tmout = 10m\n    disconnect = 20m\n}\n");
    const struct findings *findings = compare(host);
    assert_non_null(strstr(fix_of(findings->item[0]), "+    tmout = 10m\n"));
    assert_null(findings->item[1]->diff);
}

static void values_that_are_strict_enough(void **state)
{
    static const struct {
        const char *asked, *policy;
    } cases[] = {
        {"tmout = 10m", DEFAULT("tmout = 10m")},
        {"tmout = 10m", DEFAULT("tmout = 5m")},
        {"max_attempts = 3", DEFAULT("max_attempts = 1")},
        {"lock_time = 15m", DEFAULT("lock_time = forever")},
        {"warn = none", DEFAULT("tmout = 5m")},
    };
    struct audited_host *host = *state;
    char preset[256];

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        snprintf(preset, sizeof preset, "default { %s }\n", cases[i].asked);
        assert_met(host, preset, cases[i].policy);
    }
}

/* Rules of the policy that are looser than a preset's default section. */
static void rules_of_the_policy(void **state)
{
    struct audited_host *host = *state;

    assert_one(host, "default { tmout = 15m }\n",
               "default { tmout = 15m }\ngroup \"ops\" { tmout = 30m }\n"
               "group \"sys\" { tmout = 5m }\nuser \"root\" { warn = 2m }\n",
               &(struct expected){CHECK_BASELINE, AUDIT_FAIL, host->context.config_path, 2,
                                  "tmout of group \"ops\" is 30m",
                                  "-group \"ops\" { tmout = 30m }\n"
                                  "+group \"ops\" { tmout = 15m }\n"});
    /* Two settings that look the same in one line have to be fixed by hand. */
    assert_one(host, "default { tmout = 15m }\n", "default { /* tmout = 1m */ tmout = 30m }\n",
               &(struct expected){CHECK_BASELINE, AUDIT_FAIL, host->context.config_path, 1, "30m",
                                  NO_FIX});
}

/* A longer word that ends like the setting does not look like it. */
static void a_word_that_ends_like_the_setting(void **state)
{
    struct audited_host *host = *state;

    assert_one(host, "default { tmout = 15m }\n",
               "default { /* my_tmout = 1m xtmout = 1m */ tmout = 30m }\n",
               &(struct expected){CHECK_BASELINE, AUDIT_FAIL, host->context.config_path, 1, "30m",
                                  "xtmout = 1m */ tmout = 15m }\n"});
}

/* A preset's rule for one user or group. */
static void rules_of_the_preset(void **state)
{
    struct audited_host *host = *state;

    assert_one(host, "user \"root\" { tmout = 5m }\n", "default { tmout = 15m }\n",
               &(struct expected){CHECK_BASELINE, AUDIT_FAIL, host->context.config_path, 1,
                                  "tmout of default is 15m",
                                  "+user \"root\" {\n+    tmout = 5m\n+}\n"});
    assert_one(host, "user \"root\" { tmout = 5m }\n",
               "default { tmout = 1m }\nuser \"root\" { tmout = 15m }\n",
               &(struct expected){CHECK_BASELINE, AUDIT_FAIL, host->context.config_path, 2,
                                  "tmout of user \"root\" is 15m",
                                  "+user \"root\" { tmout = 5m }\n"});
    assert_met(host, "user \"root\" { tmout = 5m }\n", "default { tmout = 1m }\n");
    /* The default section does not limit root's attempts. */
    assert_one(host, "user \"root\" { max_attempts = 3 }\n", "default { max_attempts = 3 }\n",
               &(struct expected){CHECK_BASELINE, AUDIT_FAIL, host->context.config_path, 0,
                                  "max_attempts of user \"root\" is none",
                                  "+user \"root\" {\n+    max_attempts = 3\n+}\n"});
    assert_met(host, "user \"root\" { max_attempts = 3 }\n",
               "user \"root\" { max_attempts = 3 }\n");
    /* A name is quoted as the policy's syntax requires. */
    assert_one(host, "\ngroup 'CORP\\\\new' { tmout = 5m }\n", "default { tmout = 15m }\n",
               &(struct expected){CHECK_BASELINE, AUDIT_FAIL, host->context.config_path, 1, "15m",
                                  "+group 'CORP\\\\new' {\n"});
}

/* Several settings that the policy lacks, on one line or in one new section. */
static void all_at_once(void **state)
{
    static const struct {
        const char *preset, *policy, *patch;
    } cases[] = {
        {"default { tmout = 5m\n max_attempts = 3\n lock_time = 15m }\n",
         "default { tmout = 15m max_attempts = 9 } # x\n",
         "-default { tmout = 15m max_attempts = 9 } # x\n"
         "+default { tmout = 5m   lock_time = 15m max_attempts = 3 } # x\n"},
        {"default { tmout = 5m\n enforce = true }\n", "group \"a\" { }\n",
         " group \"a\" { }\n+default {\n+    tmout = 5m\n+    enforce = true\n+}\n"},
        {"default { tmout = 5m\n enforce = true }\n", "default {\n    tmout = 9m\n}\n",
         " default {\n-    tmout = 9m\n+    tmout = 5m\n+    enforce = true\n }\n"},
    };
    struct audited_host *host = *state;
    struct failure failure = {""};

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        put_preset(host, cases[i].preset);
        put_policy(host, cases[i].policy);
        struct audit *audit = start_audit(host);
        assert_int_equal(audit_baseline(audit, "xyz", &failure), 0);
        char *patch = patch_make(audit);
        assert_non_null(strstr(patch, CONFIG_NAME));
        if (strstr(patch, cases[i].patch) == NULL)
            fail_msg("\"%s\" has no \"%s\"", patch, cases[i].patch);
        free(patch);
    }
}

/* The lines of a policy that was rejected are no longer where they were. */
static void a_policy_that_was_read_from_the_snapshot(void **state)
{
    struct audited_host *host = *state;

    put_policy(host, DEFAULT("tmout = 15m"));
    apply_policy(host);
    assert_one(host, "default { tmout = 5m }\n", "broken\n",
               &(struct expected){CHECK_BASELINE, AUDIT_FAIL, host->context.config_path, 2, "15m",
                                  NO_FIX});
}

/* --- what the host does ------------------------------------------------------ */

/* A setting has no effect where a check that it needs has failed. */
static void checks_that_have_failed(void **state)
{
    static const struct {
        const char *preset, *policy;
        enum audit_check check;
    } cases[] = {
        {"default { tmout = 15m }\n", "default { tmout = 15m }\n", CHECK_SHELLS_OTHERS},
        {"default { enforce = true }\n", "default { enforce = true }\n", CHECK_PAM_SESSION_LINE},
        {"default { disconnect = 15m }\n", "default { disconnect = 15m }\n", CHECK_POLICY_TMOUTD},
        {"default { max_session = 8h }\n", "default { max_session = 8h }\n", CHECK_PAM_MODULE},
        {"default { max_attempts = 3 }\n", "default { max_attempts = 3 }\n", CHECK_PAM_AUTH_LINE},
        {"default { lock_time = 15m }\n", "default { lock_time = 15m }\n", CHECK_SSHD_USE_PAM},
    };
    struct audited_host *host = *state;
    char message[128];

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        put_preset(host, cases[i].preset);
        put_policy(host, cases[i].policy);
        struct audit *audit = start_audit(host);
        struct finding *cause =
            findings_add(&audit->findings, cases[i].check, AUDIT_WARN, "only a warning");
        assert_null(
            findings_first(compare_with_preset(audit), CHECK_BASELINE, AUDIT_WARN, SETTING_COUNT));
        cause->status = AUDIT_FAIL;
        finding_set_place(cause, "/the/file", 7);
        finding_set_command(cause, "the fix");
        snprintf(message, sizeof message, "not enforced on this host: %s: only a warning",
                 audit_checks[cases[i].check].id);
        compare_with_preset(audit);
        assert_true(is_expected(
            trouble_of(&audit->findings, CHECK_BASELINE),
            &(struct expected){CHECK_BASELINE, AUDIT_FAIL, "/the/file", 7, message, "the fix"}));
    }
}

/* A check that the setting does not need may fail. */
static void checks_that_do_not_matter(void **state)
{
    struct audited_host *host = *state;

    put_preset(host, "default { tmout = 15m }\n");
    put_policy(host, "default { tmout = 15m }\n");
    struct audit *audit = start_audit(host);
    findings_add(&audit->findings, CHECK_PAM_AUTH_LINE, AUDIT_FAIL, "x");
    findings_add(&audit->findings, CHECK_POLICY_TMOUTD, AUDIT_FAIL, "x");
    assert_null(
        findings_first(compare_with_preset(audit), CHECK_BASELINE, AUDIT_WARN, SETTING_COUNT));
}

/* For what sshd enforces itself, sshd is queried. */
static void settings_of_sshd(void **state)
{
    static const char preset[] = "default { max_auth_tries = 4 }\n";
    struct audited_host *host = *state;

    assert_met(host, preset, preset);
    put_sshd(host, "9.2p1", "maxauthtries 3\n");
    assert_met(host, preset, preset);
    put_sshd(host, "9.2p1", "maxauthtries 6\n");
    assert_one(host, preset, preset,
               &(struct expected){CHECK_BASELINE, AUDIT_FAIL, NULL, 0,
                                  "in the policy, but MaxAuthTries is 6 in sshd", NO_FIX});
    put_sshd(host, "9.2p1", "port 22\n");
    assert_one(
        host, preset, preset,
        &(struct expected){CHECK_BASELINE, AUDIT_FAIL, NULL, 0, "MaxAuthTries is none", NO_FIX});
    put_script(host, "/usr/sbin/sshd", "#!/bin/sh\necho broken >&2\nexit 1\n");
    assert_one(host, preset, preset,
               &(struct expected){CHECK_BASELINE, AUDIT_FAIL, NULL, 0,
                                  "configuration cannot be queried: sshd -T: broken", NO_FIX});
    put_sshd(host, "9.2p1", "maxstartups 10:30:60\n");
    assert_met(host, "default { max_startups = \"10:30:100\" }\n",
               "default { max_startups = \"10:30:60\" }\n");
}

/* The place and the fix come from the finding about the same setting. */
static void the_cause_in_sshd(void **state)
{
    static const char preset[] = "default { max_sessions = 4 }\n";
    struct audited_host *host = *state;

    put_preset(host, preset);
    put_policy(host, preset);
    put_sshd(host, "9.2p1", "maxsessions 10\n");
    struct audit *audit = start_audit(host);
    struct finding *other = findings_add(&audit->findings, CHECK_SSHD_DROP_IN, AUDIT_FAIL, "x");
    other->setting = SETTING_MAX_AUTH_TRIES;
    finding_set_command(other, "another fix");
    struct finding *cause = findings_add(&audit->findings, CHECK_SSHD_DROP_IN, AUDIT_FAIL, "x");
    cause->setting = SETTING_MAX_SESSIONS;
    finding_set_place(cause, "/the/drop-in", 0);
    finding_set_command(cause, "the fix");
    assert_true(is_expected(trouble_of(compare_with_preset(audit), CHECK_BASELINE),
                            &(struct expected){CHECK_BASELINE, AUDIT_FAIL, "/the/drop-in", 0,
                                               "MaxSessions is 10", "the fix"}));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        WITH_HOST(presets_that_cannot_be_used),
        WITH_HOST(controls_of_a_preset),
        WITH_HOST(values_that_are_too_loose),
        WITH_HOST(a_value_that_needs_tmoutd),
        WITH_HOST(values_that_are_strict_enough),
        WITH_HOST(rules_of_the_policy),
        WITH_HOST(a_word_that_ends_like_the_setting),
        WITH_HOST(rules_of_the_preset),
        WITH_HOST(all_at_once),
        WITH_HOST(a_policy_that_was_read_from_the_snapshot),
        WITH_HOST(checks_that_have_failed),
        WITH_HOST(checks_that_do_not_matter),
        WITH_HOST(settings_of_sshd),
        WITH_HOST(the_cause_in_sshd),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
