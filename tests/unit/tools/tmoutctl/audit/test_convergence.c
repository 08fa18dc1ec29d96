/*
 * Ninety-six hosts: each is audited, patched, and audited again. The patch breaks
 * nothing new, and after a second one at most there is none; applied twice it changes
 * nothing, and undone it restores every byte. sshd is this machine's own. With a
 * directory as its argument, the program only writes the hosts' files there.
 */
#include "tests/unit/tools/tmoutctl/audit/audited_host.h"
#include "tests/unit/tools/tmoutctl/audit/convergence_hosts.h"
#include "tests/unit/tools/tmoutctl/put_module.h"

#include "tools/tmoutctl/host/preset_file.h"
#include "tools/tmoutctl/host/subprocess.h"

#include <limits.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

enum { PATCH_TIMEOUT_MS = 60 * 1000, SSHD_TIMEOUT_MS = 60 * 1000 };

static void put_style(const struct audited_host *host, const struct style *style)
{
    for (const struct put_file *file = style->file; file->path != NULL; file++)
        put(host->root, file->path, file->text);
}

/* Links as authselect makes them, but relative: the tree is not the root. */
static void link_authselect(const struct audited_host *host)
{
    static const char *const names[] = {"password-auth", "system-auth", "postlogin"};

    for (size_t i = 0; i < COUNT_OF(names); i++) {
        char path[64], target[64];
        snprintf(path, sizeof path, "/etc/pam.d/%s", names[i]);
        snprintf(target, sizeof target, "../authselect/%s", names[i]);
        char *full = real_path(host, path);
        unlink(full);
        assert_int_equal(symlink(target, full), 0);
        free(full);
    }
}

/* The modules of all stacks, as empty files beside ours. */
static void put_modules(const struct audited_host *host)
{
    static const char *const names[] = {"unix",
                                        "sss",
                                        "winbind",
                                        "deny",
                                        "permit",
                                        "env",
                                        "nologin",
                                        "motd",
                                        "limits",
                                        "selinux",
                                        "umask",
                                        "faildelay",
                                        "usertype",
                                        "localuser",
                                        "loginuid",
                                        "faillock",
                                        "rootok",
                                        "shells",
                                        "systemd_home",
                                        "google_authenticator",
                                        "access",
                                        "ecryptfs",
                                        "keyinit",
                                        "systemd",
                                        "succeed_if",
                                        "gnome_keyring",
                                        "oddjob_mkhomedir",
                                        "u2f",
                                        "fprintd",
                                        "pwhistory",
                                        "sss_gss"};

    for (size_t i = 0; i < COUNT_OF(names); i++)
        put_module(host->root, names[i]);
}

/* The files that the host has of its own. */
static void put_host_files(const struct audited_host *host, size_t number)
{
    const struct style *pam = pam_style_of(number);

    put_policy(host, "default {\n    tmout = 15m\n    disconnect = 20m\n    max_attempts = 4\n"
                     "    client_alive_interval = 5m\n    max_sessions = 4\n}\n");
    put_style(host, pam);
    if (strstr(pam->name, "authselect") != NULL)
        link_authselect(host);
    put_style(host, sshd_style_of(number));
    put_style(host, shell_style_of(number));
}

static void make_host(const struct audited_host *host, size_t number)
{
    char *sshd = real_path(host, "/usr/sbin/sshd");

    put_host_files(host, number);
    apply_policy(host);
    put_modules(host);
    unlink(sshd);
    assert_int_equal(symlink("/usr/sbin/sshd", sshd), 0);
    free(sshd);
}

/* --- audit, patch --------------------------------------------------------------- */

/* Audits it as `tmoutctl audit` does, with a preset unless that is NULL, and returns the
 * patch, to be freed. */
static char *audit_host_in_full(struct audited_host *host, const char *preset)
{
    struct audit *audit = start_audit(host);
    struct failure failure;

    audit_policy_checks(audit);
    if (preset != NULL)
        assert_int_equal(audit_baseline_plan(audit, preset, &failure), 0);
    audit_swap_policy(audit);
    audit_pam(audit);
    audit_sshd(audit);
    audit_shells(audit);
    audit_host(audit);
    audit_swap_policy(audit);
    if (preset != NULL)
        assert_int_equal(audit_baseline(audit, preset, &failure), 0);
    char *patch = patch_make(audit);
    assert_non_null(patch);
    assert_false(audit->findings.out_of_memory);
    return patch;
}

static int run_program(const char *const *argv, char **output)
{
    struct subprocess answer = {0};

    assert_int_equal(subprocess_run(argv, PATCH_TIMEOUT_MS, &answer), 0);
    if (output != NULL)
        *output = answer.text[SUBPROCESS_OUT] != NULL ? strdup(answer.text[SUBPROCESS_OUT]) : NULL;
    if (answer.status != 0 && answer.text[SUBPROCESS_OUT] != NULL)
        print_error("%s", answer.text[SUBPROCESS_OUT]);
    subprocess_free(&answer);
    return answer.status;
}

static int run_patch(const struct audited_host *host, const char *option)
{
    char *file = real_path(host, "/patch");
    const char *const argv[] = {"/usr/bin/patch", "--batch", "-N", "-p1", "-d",
                                host->root,       "-r",      "-",  "-i",  file,
                                option,           NULL};
    const int status = run_program(argv, NULL);

    free(file);
    return status;
}

/* What is below /etc, with modes and owners, as one number; to be freed. */
static char *bytes_of(const struct audited_host *host)
{
    char command[PATH_MAX + 128], *sum = NULL;
    const char *const argv[] = {"/bin/sh", "-c", command, NULL};

    snprintf(command, sizeof command,
             "cd %s && /bin/tar --sort=name --mtime=@0 -cf - etc usr/lib | /usr/bin/cksum",
             host->root);
    assert_int_equal(run_program(argv, &sum), 0);
    return sum;
}

/* Takes a finding off the list. False: it is not there. */
static bool take_found(char **before, size_t count, const char *finding)
{
    for (size_t i = 0; i < count; i++) {
        if (before[i] == NULL || strcmp(before[i], finding) != 0)
            continue;
        free(before[i]);
        before[i] = NULL;
        return true;
    }
    return false;
}

/* What several services share is reported for the first of them, which may be another
 * one the next time: each service's name becomes an asterisk. */
static void mask_services(char *text)
{
    static const char *const services[] = {"sshd", "login", "sudo", "su"};

    for (char *at = text + strcspn(text, "abcdefghijklmnopqrstuvwxyz_"); *at != '\0';
         at += strcspn(at, "abcdefghijklmnopqrstuvwxyz_")) {
        const size_t length = strspn(at, "abcdefghijklmnopqrstuvwxyz_");
        bool is_service = false;
        for (size_t i = 0; i < COUNT_OF(services); i++)
            if (strlen(services[i]) == length && strncmp(at, services[i], length) == 0)
                is_service = true;
        if (is_service) {
            *at = '*';
            memmove(at + 1, at + length, strlen(at + length) + 1);
        }
        at += is_service ? 1 : length;
    }
}

/* The findings that need an action, as "ID FILE TEXT", each to be freed. Lines may
 * move. */
static size_t list_troubles(const struct findings *findings, char **list, size_t max)
{
    size_t count = 0;

    for (size_t i = 0; i < findings->count; i++) {
        const struct finding *f = findings->item[i];
        if (f->status < AUDIT_WARN)
            continue;
        assert_true(count < max);
        assert_true(asprintf(&list[count++], "%s %s %s", audit_checks[f->check].id,
                             f->file != NULL ? f->file : "-", f->message) > 0);
        mask_services(list[count - 1] + strlen(audit_checks[f->check].id) + 1 +
                      strlen(f->file != NULL ? f->file : "-"));
    }
    return count;
}

enum { TROUBLES_MAX = 100 };

static void one_host(struct audited_host *host, size_t number)
{
    char *before[TROUBLES_MAX], *after[TROUBLES_MAX];

    make_host(host, number);
    char *original = bytes_of(host), *patch = audit_host_in_full(host, NULL);
    const size_t before_count = list_troubles(&host->audit.findings, before, TROUBLES_MAX);
    if (patch[0] != '\0') {
        put(host->root, "/patch", patch);
        assert_int_equal(run_patch(host, NULL), 0);
    }
    char *patched = bytes_of(host), *second = audit_host_in_full(host, NULL);
    const size_t after_count = list_troubles(&host->audit.findings, after, TROUBLES_MAX);
    for (size_t i = 0; i < after_count; i++) {
        if (!take_found(before, before_count, after[i])) {
            print_findings(&host->audit.findings);
            fprintf(stderr, "after\n%s\n", patch);
            fail_msg("host %zu: %s is new", number, after[i]);
        }
        free(after[i]);
    }
    /* What one line did for several services, each may need for itself. */
    if (second[0] != '\0') {
        put(host->root, "/patch", second);
        assert_int_equal(run_patch(host, NULL), 0);
        char *third = audit_host_in_full(host, NULL);
        if (third[0] != '\0')
            fprintf(stderr, "after\n%s\nand\n%s\nthere is another patch:\n%s\n", patch, second,
                    third);
        assert_string_equal(third, "");
        free(third);
        assert_int_equal(run_patch(host, "-R"), 0);
        put(host->root, "/patch", patch);
    }
    if (patch[0] != '\0') {
        run_patch(host, NULL);
        char *twice = bytes_of(host);
        assert_string_equal(twice, patched);
        assert_int_equal(run_patch(host, "-R"), 0);
        char *undone = bytes_of(host);
        assert_string_equal(undone, original);
        free(undone);
        free(twice);
    }
    for (size_t i = 0; i < before_count; i++)
        free(before[i]);
    free(second);
    free(patched);
    free(patch);
    free(original);
}

static void hosts_converge(void **state)
{
    (void)state;
    if (geteuid() != 0 || access("/usr/sbin/sshd", X_OK) != 0)
        LEFT_OUT("needs root and sshd");
    /* One in five has each style of PAM, of sshd, and of shells at least once. */
    const size_t step = is_soak() ? 1 : (is_slow() ? HOSTS : 5);
    for (size_t i = 0; i < HOSTS; i += step) {
        void *host = NULL;
        assert_int_equal(audited_host_make(&host), 0);
        one_host(host, i);
        assert_int_equal(audited_host_remove(&host), 0);
    }
}

/* The policy, sshd's tries for the new limit, and the line that sessions = all needs. */
static const char *const one_round_parts[] = {"+    max_attempts = 2\n", "MaxAuthTries 2\n",
                                              "+    sessions = all\n", "+++ b/etc/pam.d/login\n"};

#define STRICT_PRESET                                                                              \
    "default {\n    tmout = 10m\n    sessions = all\n    max_attempts = 2\n    max_sessions = 2\n" \
    "    client_alive_interval = 3m\n}\n"

/* The patch of a preset is the whole difference: what the host needs for the policy as
 * it will be is in it, too. */
static void a_preset_takes_one_round(void **state)
{
    struct audited_host *host = *state;

    if (geteuid() != 0 || access("/usr/sbin/sshd", X_OK) != 0)
        LEFT_OUT("needs root and sshd");
    make_host(host, 0);
    put(host->root, PRESET_DIR "/strict.conf", STRICT_PRESET);
    put(host->root, "/etc/pam.d/login", DEBIAN_SUDO);
    put(host->root, "/etc/ssh/sshd_config", DEBIAN_INCLUDE "UsePAM yes\nMaxAuthTries 4\n");
    char *before = bytes_of(host), *patch = audit_host_in_full(host, "strict");
    for (size_t i = 0; i < COUNT_OF(one_round_parts); i++)
        if (strstr(patch, one_round_parts[i]) == NULL)
            fail_msg("%s is not in\n%s", one_round_parts[i], patch);
    put(host->root, "/patch", patch);
    assert_int_equal(run_patch(host, NULL), 0);
    apply_policy(host);
    char *again = audit_host_in_full(host, "strict");
    assert_string_equal(again, "");
    run_patch(host, NULL);
    assert_int_equal(run_patch(host, "-R"), 0);
    char *undone = bytes_of(host);
    assert_string_equal(undone, before);
    free(undone);
    free(again);
    free(patch);
    free(before);
}

/* Writes the files of all hosts below directory/NUMBER, with the host's name. */
static void write_hosts(const char *directory)
{
    assert_int_equal(mkdir(directory, 0755), 0);
    for (size_t i = 0; i < HOSTS; i++) {
        struct audited_host host = {0};
        char name[256];
        assert_true(asprintf(&host.root, "%s/%zu", directory, i) > 0);
        assert_int_equal(mkdir(host.root, 0755), 0);
        snprintf(name, sizeof name, "%s; %s; %s\n", pam_style_of(i)->name, sshd_style_of(i)->name,
                 shell_style_of(i)->name);
        put(host.root, "/name", name);
        put_host_files(&host, i);
        free(host.root);
    }
}

/* sshd tells nothing without this directory, which is there once the service has run. Without
 * sshd, half of what is to be tested is not. */
static int let_sshd_tell(void **state)
{
    static const char *const tell[] = {"/usr/sbin/sshd", "-T", "-f", "/dev/null", NULL};
    struct subprocess sshd = {0};

    (void)state;
    if (geteuid() != 0 || access(tell[0], X_OK) != 0)
        return 0;
    if (access("/run/sshd", F_OK) != 0) {
        assert_int_equal(unshare(CLONE_NEWNS), 0);
        assert_int_equal(mount("", "/", "", MS_REC | MS_PRIVATE, ""), 0);
        assert_int_equal(mount("run", "/run", "tmpfs", 0, "mode=755"), 0);
        assert_int_equal(mkdir("/run/sshd", 0755), 0);
    }
    assert_int_equal(subprocess_run(tell, SSHD_TIMEOUT_MS, &sshd), 0);
    if (!subprocess_succeeded(&sshd))
        fail_msg("sshd -T: %s", sshd.text[SUBPROCESS_ERR]);
    subprocess_free(&sshd);
    return 0;
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {cmocka_unit_test(hosts_converge),
                                              WITH_HOST(a_preset_takes_one_round)};

    if (argc > 1) {
        write_hosts(argv[1]);
        return 0;
    }
    return cmocka_run_group_tests(tests, let_sshd_tell, NULL);
}
