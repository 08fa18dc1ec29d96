/* The audit of what attempts count as, and whether they can be counted. */
#include "tests/unit/tools/tmoutctl/audit/audited_host.h"

static void a_host_as_the_manual_says(void **state)
{
    assert_all_pass(audit_area(*state, audit_attempts));
}

static void unknown_services(void **state)
{
    struct audited_host *host = *state;

    put(host->root, "/etc/pam.d/kiosk", GOOD_STACK);
    assert_only(audit_area(host, audit_attempts),
                &(struct expected){CHECK_ATTEMPTS_ORIGIN, AUDIT_NOTE, "/etc/pam.d/kiosk", 0,
                                   "kiosk is not known to be local or from the network", NO_FIX});
    put(host->root, "/etc/pam.d/kiosk",
        "auth requisite pam_tmout.so origin=local\nauth include common-auth\n");
    assert_all_pass(audit_area(host, audit_attempts));
    /* neither the line nor passwords */
    put(host->root, "/etc/pam.d/kiosk", "auth include common-auth\n");
    put(host->root, "/etc/pam.d/other", GOOD_STACK);
    assert_all_pass(audit_area(host, audit_attempts));
    /* in a shared file: the service is named, not the file */
    put(host->root, "/etc/pam.d/common-auth", AUTH_LINE "auth required pam_unix.so\n");
    assert_only(audit_area(host, audit_attempts),
                &(struct expected){CHECK_ATTEMPTS_ORIGIN, AUDIT_NOTE, "/etc/pam.d/kiosk", 0,
                                   "kiosk", NO_FIX});
    put_policy(host, "default { tmout = 15m }\n");
    apply_policy(host);
    assert_all_pass(audit_area(host, audit_attempts));
}

static void modules_that_ask_again(void **state)
{
    static const struct {
        const char *line;
        bool asks_again;
    } cases[] = {
        {"pam_unix.so try_first_pass", false},
        {"pam_krb5.so try_first_pass", true},
        {"pam_krb5.so use_first_pass", false},
        {"pam_krb5.so", true},
        {"pam_radius_auth.so try_first_pass", true},
        {"pam_ldap.so try_first_pass", true},
        {"pam_ldap.so use_first_pass", false},
        {"pam_sss.so forward_pass", false},
        {"pam_sss.so retry=2", true},
        {"pam_sss.so retry=0", false},
        {"pam_google_authenticator.so", false},
    };
    struct audited_host *host = *state;
    char text[256];

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        snprintf(text, sizeof text,
                 "auth sufficient pam_unix.so\nauth sufficient %s\nauth required pam_deny.so\n",
                 cases[i].line);
        put(host->root, "/etc/pam.d/common-auth", text);
        const struct findings *findings = audit_area(host, audit_attempts);
        if (cases[i].asks_again)
            assert_only(findings, &(struct expected){
                                      CHECK_ATTEMPTS_AGAIN, AUDIT_NOTE, "/etc/pam.d/common-auth", 2,
                                      "asks for a password of its own", "use_first_pass"});
        else
            assert_all_pass(findings);
    }
}

static void sandboxes(void **state)
{
    static const char path[] = "/usr/lib/systemd/system/polkit-agent-helper@.service";
    struct audited_host *host = *state;
    char text[1024];

    put(host->root, "/etc/pam.d/polkit-1", GOOD_STACK);
    put(host->root, path, "[Service]\nProtectSystem=strict\n");
    assert_only(audit_area(host, audit_attempts),
                &(struct expected){CHECK_ATTEMPTS_SANDBOX, AUDIT_FAIL, path, 0,
                                   "of polkit-1: passwords are rejected", "ReadWritePaths="});
    snprintf(text, sizeof text, "[Service]\nReadWritePaths=%s\n", host->context.state_dir);
    put(host->root, "/usr/lib/systemd/system/polkit-agent-helper@.service.d/tmout.conf", text);
    assert_all_pass(audit_area(host, audit_attempts));
    put(host->root, "/etc/systemd/system/ssh.service", "[Service]\nProcSubset=pid\n");
    assert_only(audit_area(host, audit_attempts),
                &(struct expected){CHECK_ATTEMPTS_SANDBOX, AUDIT_FAIL,
                                   "/etc/systemd/system/ssh.service", 0, "ProcSubset=pid",
                                   "ProcSubset=all"});
    /* a service without the line may be in any sandbox */
    put(host->root, "/etc/systemd/system/ssh.service", "[Service]\n");
    put(host->root, "/etc/pam.d/printer", "auth required pam_unix.so\n");
    put(host->root, "/etc/systemd/system/printer.service", "[Service]\nProtectSystem=strict\n");
    assert_all_pass(audit_area(host, audit_attempts));
    /* cockpit-tls asks for no password */
    put(host->root, "/etc/pam.d/cockpit", AUTH_LINE "auth required pam_unix.so\n");
    put(host->root, "/usr/lib/systemd/system/cockpit.service",
        "[Service]\nExecStart=/usr/lib/cockpit/cockpit-tls\nProtectSystem=strict\n");
    assert_all_pass(audit_area(host, audit_attempts));
    put(host->root, "/usr/lib/systemd/system/cockpit.service",
        "[Service]\nExecStart=/usr/libexec/cockpit-ws\nProtectSystem=strict\n");
    assert_only(audit_area(host, audit_attempts),
                &(struct expected){CHECK_ATTEMPTS_SANDBOX, AUDIT_FAIL,
                                   "/usr/lib/systemd/system/cockpit.service", 0,
                                   "of cockpit: passwords are rejected", "ReadWritePaths="});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_HOST(a_host_as_the_manual_says),
        WITH_HOST(unknown_services),
        WITH_HOST(modules_that_ask_again),
        WITH_HOST(sandboxes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
