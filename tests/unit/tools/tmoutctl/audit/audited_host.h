/*
 * A host in a temporary tree, wired as the manual says, and an audit of it.
 * Each test breaks one thing, runs one area, and expects one finding.
 */
#ifndef TMOUT_TESTS_UNIT_AUDITED_HOST_H
#define TMOUT_TESTS_UNIT_AUDITED_HOST_H

#include "tests/unit/host_tree.h"

#include "tools/tmoutctl/audit/areas.h"
#include "tools/tmoutctl/audit/patch.h"

#include "lib/policy/compile.h"
#include "lib/policy/snapshot_write.h"

/* Where the policy and the state are; both are real paths, as on the command
 * line, and not below the audit's root. */
#define CONFIG_DIRECTORY "/etc/security"
#define CONFIG_NAME      CONFIG_DIRECTORY "/tmout.conf"
#define STATE_NAME       "/var/lib/tmout"

#define GOOD_POLICY                                                                                \
    "default {\n"                                                                                  \
    "    tmout        = 15m\n"                                                                     \
    "    disconnect   = 20m\n"                                                                     \
    "    max_attempts = 5\n"                                                                       \
    "}\n"

#define AUTH_LINE    "auth requisite pam_tmout.so\n"
#define SESSION_LINE "session optional pam_tmout.so\n"
#define GOOD_STACK                                                                                 \
    AUTH_LINE "auth include common-auth\nsession include common-session\n" SESSION_LINE

struct audited_host {
    char *root;
    struct tmoutctl_context context;
    struct audit audit;
    bool no_tmoutd; /* it does not run */
};

/* Where a path of the host really is, to be freed. */
static inline char *real_path(const struct audited_host *host, const char *path)
{
    return path_in(host->root, path + 1);
}

static inline void put_script(const struct audited_host *host, const char *path, const char *script)
{
    char *full = real_path(host, path);

    put(host->root, path, script);
    assert_int_equal(chmod(full, 0755), 0);
    free(full);
}

static inline void remove_file(const struct audited_host *host, const char *path)
{
    char *full = real_path(host, path);

    assert_int_equal(unlink(full), 0);
    free(full);
}

static inline void set_mode(const struct audited_host *host, const char *path, mode_t mode)
{
    char *full = real_path(host, path);

    assert_int_equal(chmod(full, mode), 0);
    free(full);
}

/* Writes the policy, which is valid and not applied. */
static inline void put_policy(const struct audited_host *host, const char *text)
{
    put(host->root, CONFIG_NAME, text);
}

/* Compiles the policy on disk, as `tmoutctl apply` does. */
static inline void apply_policy(const struct audited_host *host)
{
    struct policy policy = {0};
    struct source_set sources = {0};
    struct problems problems = {0};
    unsigned char *image = NULL;
    size_t size = 0;

    assert_int_equal(
        policy_compile(host->context.config_path, geteuid(), &policy, &sources, &problems), 0);
    assert_int_equal(
        snapshot_encode(&(struct snapshot_content){SNAPSHOT_POLICY, &sources, &policy, "", 1},
                        &image, &size),
        0);
    put_bytes(host->root, STATE_NAME "/" SNAPSHOT_POLICY_NAME, image, size);
    free(image);
    problems_free(&problems);
    sources_free(&sources);
    policy_free(&policy);
}

/* An sshd that prints `text` for -T and this version for -V. */
static inline void put_sshd(const struct audited_host *host, const char *version, const char *text)
{
    char *script = NULL;

    put(host->root, "/sshd-T", text);
    assert_true(asprintf(&script,
                         "#!/bin/sh\ncase $1 in\n-V) echo OpenSSH_%s, OpenSSL 3 >&2;;\n"
                         "-T) cat %s/sshd-T;;\nesac\n",
                         version, host->root) > 0);
    put_script(host, "/usr/sbin/sshd", script);
    free(script);
}

#define GOOD_SSHD_CONFIG "UsePAM yes\nClientAliveInterval 300\nMaxAuthTries 4\n"
#define GOOD_SSHD_T                                                                                \
    "usepam yes\npermituserenvironment no\nclientaliveinterval 300\nclientalivecountmax 3\n"       \
    "maxauthtries 4\n"

static inline int audited_host_make(void **state)
{
    static const char *const services[] = {"sshd", "login", "su", "sudo"};
    struct audited_host *host = calloc(1, sizeof *host);

    if (host == NULL || temporary_make((void **)&host->root) != 0)
        return -1;
    *state = host;
    host->context.host.root = host->root;
    host->context.config_path = real_path(host, CONFIG_NAME);
    host->context.state_dir = real_path(host, STATE_NAME);
    host->audit.host = &host->context.host;
    host->audit.owner = geteuid();
    host->audit.context = &host->context;
    for (size_t i = 0; i < COUNT_OF(services); i++) {
        char path[64];
        snprintf(path, sizeof path, "/etc/pam.d/%s", services[i]);
        put(host->root, path, GOOD_STACK);
    }
    put(host->root, "/etc/pam.d/common-auth", "auth required pam_unix.so\n");
    put(host->root, "/etc/pam.d/common-session", "session required pam_unix.so\n");
    put(host->root, audit_module_path, "");
    put(host->root, "/etc/ssh/sshd_config", GOOD_SSHD_CONFIG);
    put_sshd(host, "9.2p1", GOOD_SSHD_T);
    put(host->root, "/proc/sys/dev/tty/legacy_tiocsti", "0\n");
    put_policy(host, GOOD_POLICY);
    apply_policy(host);
    return 0;
}

static inline int audited_host_remove(void **state)
{
    struct audited_host *host = *state;
    void *root = host->root;

    audit_free(&host->audit);
    free((char *)(uintptr_t)host->context.config_path);
    free((char *)(uintptr_t)host->context.state_dir);
    free(host);
    return temporary_remove(&root);
}

#define WITH_HOST(test)                                                                            \
    cmocka_unit_test_setup_teardown(test, audited_host_make, audited_host_remove)

/* Discards what an earlier audit found, and starts over. */
static inline struct audit *start_audit(struct audited_host *host)
{
    audit_free(&host->audit);
    host->audit = (struct audit){.host = &host->context.host,
                                 .owner = geteuid(),
                                 .context = &host->context,
                                 .tmoutd_is_running = !host->no_tmoutd};
    audit_start(&host->audit);
    return &host->audit;
}

/* Runs one area on the host as it is now. */
static inline const struct findings *audit_area(struct audited_host *host,
                                                void (*area)(struct audit *))
{
    struct audit *audit = start_audit(host);

    area(audit);
    char *patch = patch_make(audit);
    assert_non_null(patch);
    free(patch);
    assert_false(audit->findings.out_of_memory);
    return &audit->findings;
}

/* What a finding says would be right, the command, and the edits; static. */
static inline const char *fix_of(const struct finding *f)
{
    static char text[16 * 1024];

    snprintf(text, sizeof text, "%s\n%s\n%s", f->remediation != NULL ? f->remediation : "",
             f->command != NULL ? f->command : "", f->diff != NULL ? f->diff : "");
    return text;
}

static inline void print_findings(const struct findings *findings)
{
    for (size_t i = 0; i < findings->count; i++) {
        const struct finding *f = findings->item[i];
        fprintf(stderr, "    %s %s %s:%u: %s\n        fix: %s\n", audit_status_word(f->status),
                audit_checks[f->check].id, f->file != NULL ? f->file : "-", f->line, f->message,
                fix_of(f));
    }
}

/* Neither an edit nor a command. */
#define NO_FIX ""

/* What is expected of a finding. */
struct expected {
    enum audit_check check;
    enum audit_status status;
    const char *file; /* NULL: none */
    unsigned line;
    const char *message; /* a part of it */
    const char *fix;     /* a part of fix_of(), NO_FIX, or NULL: whatever it is */
};

static inline bool is_expected(const struct finding *f, const struct expected *expected)
{
    const bool same_file = expected->file == NULL
                               ? f->file == NULL
                               : f->file != NULL && strcmp(f->file, expected->file) == 0;
    const bool has_fix = f->diff != NULL || f->command != NULL;
    const bool same_fix =
        expected->fix == NULL ||
        (expected->fix[0] == '\0' ? !has_fix : strstr(fix_of(f), expected->fix) != NULL);

    return f->check == expected->check && f->status == expected->status && same_file &&
           f->line == expected->line && same_fix && strstr(f->message, expected->message) != NULL;
}

/* There is this finding, and nothing else that is not a pass. */
static inline void assert_only(const struct findings *findings, const struct expected *expected)
{
    size_t troubles = 0;
    bool found = false;

    for (size_t i = 0; i < findings->count; i++) {
        troubles += findings->item[i]->status != AUDIT_PASS;
        found = found || is_expected(findings->item[i], expected);
    }
    if (troubles == 1 && found)
        return;
    print_findings(findings);
    fail_msg("expected only %s %s:%u: ...%s...", audit_checks[expected->check].id,
             expected->file != NULL ? expected->file : "-", expected->line, expected->message);
}

/* Every check passes. */
static inline void assert_all_pass(const struct findings *findings)
{
    assert_true(findings->count > 0);
    for (size_t i = 0; i < findings->count; i++) {
        if (findings->item[i]->status == AUDIT_PASS)
            continue;
        print_findings(findings);
        fail_msg("%s does not pass", audit_checks[findings->item[i]->check].id);
    }
}

/* The first finding of a check that does not pass, which must exist. */
static inline const struct finding *trouble_of(const struct findings *findings,
                                               enum audit_check check)
{
    const struct finding *found = findings_first(findings, check, AUDIT_NOTE, SETTING_COUNT);

    if (found == NULL) {
        print_findings(findings);
        fail_msg("%s passes", audit_checks[check].id);
    }
    return found;
}

#endif
