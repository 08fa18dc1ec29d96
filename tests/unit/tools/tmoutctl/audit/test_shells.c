/* The audit of the shells: which get the limit, and what undoes it. */
#include "tests/unit/tools/tmoutctl/audit/audited_host.h"

#include "tools/tmoutctl/shells/files.h"

#define BASHRC "/etc/bash.bashrc"
#define SITE   "/etc/profile.d/aa-site.sh"

/* Only bash is installed, and gets the limit everywhere. */
static int host_with_bash(void **state)
{
    if (audited_host_make(state) != 0)
        return -1;
    const struct audited_host *host = *state;
    put_script(host, "/bin/bash", "#!/bin/true\n");
    put(host->root, "/etc/shells", "# shells\n/bin/bash\n");
    put(host->root, "/etc/passwd", "root:x:0:0:root:/root:/bin/bash\n");
    put(host->root, PROFILE, "for i in /etc/profile.d/*.sh; do . \"$i\"; done\n");
    put(host->root, PROFILE_SH, "# PAM_TMOUT\nTMOUT=$PAM_TMOUT\n");
    put(host->root, PROFILE_CSH, "# PAM_TMOUT\nset x = $PAM_TMOUT\n");
    put(host->root, SHELL_FRAGMENTS "/bashrc", ". " PROFILE_SH "\n");
    put(host->root, BASHRC, ". " SHELL_FRAGMENTS "/bashrc\n");
    return 0;
}

#define WITH_BASH(test) cmocka_unit_test_setup_teardown(test, host_with_bash, audited_host_remove)

static void a_host_as_the_manual_says(void **state)
{
    assert_all_pass(audit_area(*state, audit_shells));
}

static void shells_without_the_limit(void **state)
{
    struct audited_host *host = *state;

    put(host->root, BASHRC, "PS1=x\n");
    const struct finding *found = trouble_of(audit_area(host, audit_shells), CHECK_SHELLS_HOOKS);
    assert_string_equal(found->command, "tmoutctl shells --install");
    assert_non_null(strstr(found->message, "bash gets no limit from its rc file"));
    assert_non_null(strstr(found->file, "/bin/bash"));
    put(host->root, BASHRC, ". " SHELL_FRAGMENTS "/bashrc\n");
    /* A shell that is complete does not end the list. */
    put_script(host, "/bin/zsh", "#!/bin/true\n");
    put(host->root, "/etc/shells", "/bin/bash\n/bin/zsh\n");
    found = trouble_of(audit_area(host, audit_shells), CHECK_SHELLS_HOOKS);
    assert_non_null(strstr(found->message, "zsh gets no limit"));
    put(host->root, "/etc/shells", "/bin/bash\n");
    remove_file(host, "/bin/zsh");
    put(host->root, PROFILE, "umask 022\n");
    found = trouble_of(audit_area(host, audit_shells), CHECK_SHELLS_HOOKS);
    assert_non_null(strstr(found->message, "the files of login shells"));
}

static void scripts_that_are_missing(void **state)
{
    struct audited_host *host = *state;
    const struct expected expected = {CHECK_SHELLS_HOOKS,   AUDIT_FAIL, PROFILE_SH, 0,
                                      "is missing, or not", NO_FIX};

    remove_file(host, PROFILE_SH);
    /* One script of several shells is named once. */
    put_script(host, "/bin/mksh", "#!/bin/true\n");
    put(host->root, "/etc/shells", "/bin/bash\n/bin/mksh\n");
    assert_only(audit_area(host, audit_shells), &expected);
    put(host->root, PROFILE_SH, "TMOUT=900 # the site's own\n");
    trouble_of(audit_area(host, audit_shells), CHECK_SHELLS_HOOKS);
}

/* The policy's default is fifteen minutes. */
static void other_scripts_that_set_a_limit(void **state)
{
    static const struct {
        const char *text;
        struct expected expected;
    } cases[] = {
        {"# TMOUT=1\nTMOUT=3600\nreadonly TMOUT\nexport TMOUT\n",
         {CHECK_SHELLS_OTHERS, AUDIT_FAIL, SITE, 2,
          "TMOUT=3600: ", "+: # TMOUT=3600\n+: # readonly TMOUT\n+: # export TMOUT\n"}},
        {"if true; then\n    readonly TMOUT=60\nfi\n",
         {CHECK_SHELLS_OTHERS, AUDIT_NOTE, SITE, 2, "readonly TMOUT=60: ", NO_FIX}},
        {"TMOUT=901\n",
         {CHECK_SHELLS_OTHERS, AUDIT_WARN, SITE, 1, "larger than the policy's default (15m)",
          "-TMOUT=901\n+: # TMOUT=901\n"}},
        {"umask 027; readonly TMOUT=3600\n",
         {CHECK_SHELLS_OTHERS, AUDIT_FAIL, SITE, 1, "readonly TMOUT=3600", NO_FIX}},
    };
    static const char *const good[] = {"TMOUT=900\nexport TMOUT\n", "unset TMOUT\n", "TMOUT=$X\n",
                                       "echo TMOUT\n"};
    struct audited_host *host = *state;

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        put(host->root, SITE, cases[i].text);
        assert_only(audit_area(host, audit_shells), &cases[i].expected);
    }
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        put(host->root, SITE, good[i]);
        assert_all_pass(audit_area(host, audit_shells));
    }
    /* Without a limit in the policy any is larger. */
    put_policy(host, "default { max_attempts = 5 }\n");
    put(host->root, SITE, "TMOUT=300\n");
    assert_only(audit_area(host, audit_shells),
                &(struct expected){CHECK_SHELLS_OTHERS, AUDIT_WARN, SITE, 1,
                                   "the policy's default is none", "+: # TMOUT=300\n"});
    remove_file(host, SITE);
    put(host->root, "/etc/profile.d/zz-site.sh", "export TMOUT=60\n");
    assert_int_equal(trouble_of(audit_area(host, audit_shells), CHECK_SHELLS_OTHERS)->status,
                     AUDIT_FAIL);
}

static void limits_in_minutes(void **state)
{
    static const char path[] = "/etc/csh/cshrc.d/site";
    struct audited_host *host = *state;

    put(host->root, path, "set autologout=16\n");
    assert_only(audit_area(host, audit_shells),
                &(struct expected){CHECK_SHELLS_OTHERS, AUDIT_WARN, path, 1,
                                   "larger than the policy's default (15m)",
                                   "+: # set autologout=16\n"});
    put(host->root, path, "set autologout=15\n");
    assert_all_pass(audit_area(host, audit_shells));
}

#define WITHOUT_DISCONNECT "default {\n    tmout = 15m\n}\n"

static void shells_without_a_timeout(void **state)
{
    struct audited_host *host = *state;

    put_policy(host, WITHOUT_DISCONNECT);
    assert_all_pass(audit_area(host, audit_shells));
    put_script(host, "/bin/dash", "#!/bin/true\n");
    put(host->root, "/etc/shells", "/bin/bash\n/bin/dash\n");
    const struct expected expected = {
        CHECK_SHELLS_RULES,        AUDIT_WARN,
        host->context.config_path, 2,
        "shells like /bin/dash",   "     tmout = 15m\n+    disconnect = 15m\n"};
    assert_only(audit_area(host, audit_shells), &expected);
    /* An edit would make the policy need it. */
    host->no_tmoutd = true;
    const struct finding *first = trouble_of(audit_area(host, audit_shells), CHECK_SHELLS_RULES);
    assert_string_equal(first->command, "systemctl enable --now tmoutd");
    assert_non_null(strstr(first->remediation, "then set disconnect to 15m"));
    assert_null(first->diff);
    host->no_tmoutd = false;
    put_policy(host, GOOD_POLICY);
    assert_all_pass(audit_area(host, audit_shells));
    /* One that is listed and not installed. */
    put_policy(host, WITHOUT_DISCONNECT);
    put(host->root, "/etc/shells", "/bin/bash\n/bin/fish\n");
    assert_all_pass(audit_area(host, audit_shells));
}

/* root is a user on every machine; the others must be unknown to it. */
static void users_whose_shell_has_no_timeout(void **state)
{
    struct audited_host *host = *state;

    put_script(host, "/bin/dash", "#!/bin/true\n");
    put_script(host, "/bin/sh", "#!/bin/true\n");
    put(host->root, "/etc/shells", "/bin/bash\n/bin/dash\n");
    put_policy(host, WITHOUT_DISCONNECT);
    put(host->root, "/etc/passwd",
        "no-such-user:x:77:77::/:/bin/dash\n"
        "root:x:0:0:root:/root:/bin/dash\n");
    const struct findings *findings = audit_area(host, audit_shells);
    const struct finding *found = trouble_of(findings, CHECK_SHELLS_USERS);
    assert_true(is_expected(found, &(struct expected){CHECK_SHELLS_USERS, AUDIT_FAIL,
                                                      host->context.config_path, 2,
                                                      "the limit of user \"root\" has no effect",
                                                      "disconnect, or a shell"}));
    /* A shell with which nobody may log in, one that is not a login shell, one
     * with a timeout, and a user whose limit is backed by disconnect. */
    put(host->root, "/etc/passwd", "root:x:0:0:root:/root:/bin/false\n");
    assert_null(findings_first(audit_area(host, audit_shells), CHECK_SHELLS_USERS, AUDIT_WARN,
                               SETTING_COUNT));
    put(host->root, "/etc/passwd", "root:x:0:0:root:/root:\n"); /* /bin/sh, which is not listed */
    assert_null(findings_first(audit_area(host, audit_shells), CHECK_SHELLS_USERS, AUDIT_WARN,
                               SETTING_COUNT));
    put(host->root, "/etc/passwd", "root:x:0:0:root:/root:/bin/dash\n");
    put_policy(host, GOOD_POLICY);
    assert_all_pass(audit_area(host, audit_shells));
    put_policy(host, "default { max_attempts = 5 }\n");
    assert_all_pass(audit_area(host, audit_shells));
    /* Without a policy or without users there is nothing to report. */
    put_policy(host, WITHOUT_DISCONNECT);
    remove_file(host, "/etc/passwd");
    assert_null(findings_first(audit_area(host, audit_shells), CHECK_SHELLS_USERS, AUDIT_WARN,
                               SETTING_COUNT));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        WITH_BASH(a_host_as_the_manual_says),
        WITH_BASH(shells_without_the_limit),
        WITH_BASH(scripts_that_are_missing),
        WITH_BASH(other_scripts_that_set_a_limit),
        WITH_BASH(limits_in_minutes),
        WITH_BASH(shells_without_a_timeout),
        WITH_BASH(users_whose_shell_has_no_timeout),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
