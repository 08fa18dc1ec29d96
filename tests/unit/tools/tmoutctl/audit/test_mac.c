/* What the audit says about SELinux, Smack, and AppArmor. */
#include "tests/unit/tools/tmoutctl/audit/audited_host.h"

static const char *mode, *labelled;

/* SELinux, for which login programs may do nothing. */
static int answer_it(const struct host *host, const char *file, const char *question, char *answer,
                     size_t size)
{
    (void)host;
    (void)question;
    if (strcmp(file, "/sys/fs/selinux/context") == 0)
        return -1; /* no confined users */
    snprintf(answer, size, "%s",
             strstr(file, "enforce") != NULL  ? mode
             : strstr(file, "access") != NULL ? "0 ffffffff 0 ffffffff 1 0"
             : strstr(file, "create") != NULL ? "sshd_t"
                                              : "1");
    return 0;
}

static int label_it(const struct host *host, const char *path, const char *attribute, char *label,
                    size_t size)
{
    (void)host;
    (void)attribute;
    if (strcmp(path, "/usr/sbin/sshd") != 0 && strstr(path, labelled) == NULL)
        return -1;
    snprintf(label, size, "var_lib_t");
    return 0;
}

static const struct mac_kernel kernel = {answer_it, label_it};

static const struct finding *audit_with(struct audited_host *host, const char *is,
                                        const char *state)
{
    mode = is;
    labelled = state;
    findings_free(&host->audit.findings);
    audit_mac(&host->audit, &kernel);
    return findings_first(&host->audit.findings, CHECK_HOST_MAC, AUDIT_NOTE, SETTING_COUNT);
}

static void selinux_locks_out(void **state)
{
    struct audited_host *host = *state;
    const struct finding *finding = audit_with(host, "1", "/var/lib/tmout");

    assert_int_equal(host->audit.findings.count, 2);
    assert_int_equal(finding->status, AUDIT_FAIL);
    assert_string_equal(finding->message,
                        "SELinux denies sshd (sshd_t) read access to var_lib_t: no limit applies, "
                        "and with an auth line only root gets in");
    assert_non_null(strstr(finding->file, "/var/lib/tmout"));
    assert_non_null(strstr(finding->command, "restorecon"));
    assert_non_null(strstr(host->audit.findings.item[1]->message, "write access"));
    finding = audit_with(host, "0", "/var/lib/tmout");
    assert_int_equal(finding->status, AUDIT_WARN);
    assert_non_null(strstr(finding->message, "var_lib_t, but is permissive now: "));
    finding = audit_with(host, "1", "/run/tmout");
    assert_int_equal(host->audit.findings.count, 1);
    assert_non_null(strstr(finding->message, "tmoutd learns of logins later"));
    assert_null(audit_with(host, "1", "/nowhere"));
}

static void apparmor_locks_out(void **state)
{
    struct audited_host *host = *state;

    put(host->root, "/sys/kernel/security/apparmor/profiles", "/usr/sbin/vsftpd (enforce)\n");
    audit_mac(&host->audit, &mac_running_kernel);
    const struct finding *finding =
        findings_first(&host->audit.findings, CHECK_HOST_MAC, AUDIT_FAIL, SETTING_COUNT);
    assert_non_null(finding);
    assert_non_null(strstr(finding->message, "AppArmor confines vsftpd, and its profile does not"));
    assert_string_equal(finding->file, "/etc/apparmor.d/usr.sbin.vsftpd");
    assert_non_null(strstr(finding->remediation, "/run/tmout/sessions"));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        WITH_HOST(selinux_locks_out),
        WITH_HOST(apparmor_locks_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
