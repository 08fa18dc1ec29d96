/* Does the rest of the host let the policy take effect: the kernel, logind,
 * pam_faillock, and the owners and modes of our own files? */
#include "tools/tmoutctl/audit/areas.h"

#include "tools/tmoutctl/host/faillock.h"
#include "tools/tmoutctl/host/logind.h"
#include "lib/paths.h"
#include "tools/tmoutctl/shells/files.h"

#include "lib/host/secure_path.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* --- kernel, logind ------------------------------------------------------ */

#define TIOCSTI_RISK                                                                               \
    "a background program can fake terminal input and keep its user's terminal "                   \
    "from being idle"
#define TIOCSTI_KEY  "dev.tty.legacy_tiocsti"
#define TIOCSTI_FILE "/etc/sysctl.d/60-tmout.conf"

/* Writes the setting into a file of sysctl's, where it is not in there yet. */
static void fix_tiocsti(const struct audit *audit, struct finding *finding)
{
    struct text_file file;

    finding_set_remediation(finding, "Set " TIOCSTI_KEY " to 0, now and for every boot.");
    finding_set_command(finding, "sysctl --system");
    if (host_read_text(audit->host, TIOCSTI_FILE, 0, TEXT_FILE_SIZE_MAX, &file) != 0 ||
        strstr(file.text, TIOCSTI_KEY) == NULL)
        finding_add_edit(finding,
                         &(struct edit){EDIT_INSERT, TIOCSTI_FILE, EDIT_END, TIOCSTI_KEY " = 0"});
    free(file.text);
}

static void check_host_tiocsti(struct audit *audit, const void *facts)
{
    char path[PATH_MAX], value = '1';

    (void)facts;
    host_path(audit->host, "/proc/sys/dev/tty/legacy_tiocsti", path, sizeof path);
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        finding_set_remediation(findings_add(&audit->findings, CHECK_HOST_TIOCSTI, AUDIT_WARN,
                                             "this kernel cannot disable TIOCSTI (" TIOCSTI_KEY
                                             "): " TIOCSTI_RISK),
                                "Boot Linux 6.2 or newer.");
        return;
    }
    if (read(fd, &value, 1) != 1)
        value = '1';
    close(fd);
    if (value != '0')
        fix_tiocsti(audit, findings_add(&audit->findings, CHECK_HOST_TIOCSTI, AUDIT_WARN,
                                        TIOCSTI_KEY " is 1: " TIOCSTI_RISK));
}

/* The first rule that lets a terminal be idle for longer than limit_sec,
 * whoever enforces it, and for how long; NULL if there is none. */
static const struct rule *rule_beyond(const struct audit *audit, int64_t limit_sec,
                                      int64_t *idle_sec)
{
    for (size_t i = 0; i < audit->policy.count; i++) {
        const struct rule *rule = &audit->policy.rule[i];
        *idle_sec = rule_value(audit, rule, SETTING_DISCONNECT);
        if (*idle_sec == SETTING_NONE)
            *idle_sec = rule_value(audit, rule, SETTING_TMOUT);
        if (*idle_sec > limit_sec)
            return rule;
    }
    return NULL;
}

/* Stricter than the policy, so there is nothing to fix. */
static void add_logind(struct audit *audit, const struct idle_session *idle, const char *title,
                       const char *ours)
{
    const bool in_file = idle->file_sec <= idle->running_sec;
    struct finding *finding =
        findings_add(&audit->findings, CHECK_HOST_LOGIND, AUDIT_NOTE,
                     in_file ? "StopIdleSessionSec makes logind end idle sessions after %" PRId64
                               " s, sooner than %s (%s)"
                             : "the running logind ends idle sessions after %" PRId64
                               " s, sooner than %s (%s); its files do not ask for that",
                     in_file ? idle->file_sec : idle->running_sec, title, ours);

    finding_set_remediation(finding, in_file
                                         ? "Raise StopIdleSessionSec if the policy is to decide."
                                         : "Restart logind if the policy is to decide.");
    if (in_file)
        finding_set_place(finding, idle->file, idle->line);
    else
        finding_set_command(finding, "systemctl restart systemd-logind");
}

static void check_host_logind(struct audit *audit, const void *facts)
{
    struct idle_session idle;
    struct failure failure = {""};
    char ours[SETTING_TEXT_MAX], title[RULE_TITLE_MAX];
    int64_t idle_sec;

    (void)facts;
    if (idle_session_find(audit->host, &idle, &failure) != 0) {
        finding_set_remediation(
            findings_add(&audit->findings, CHECK_HOST_LOGIND, AUDIT_WARN,
                         "cannot find out whether logind ends idle sessions: %s", failure.text),
            "Make systemd-analyze and the bus answer, and audit again.");
        return;
    }
    const int64_t limit_sec = idle.file_sec < idle.running_sec ? idle.file_sec : idle.running_sec;
    const struct rule *rule = rule_beyond(audit, limit_sec, &idle_sec);
    if (rule == NULL)
        return;
    setting_format(&settings[SETTING_TMOUT], idle_sec, ours, sizeof ours);
    add_logind(audit, &idle, rule_title(rule, title, sizeof title), ours);
}

/* --- pam_faillock -------------------------------------------------------- */

/* One of its options, and the setting of ours that means the same. */
struct faillock_pair {
    const struct faillock *faillock;
    const struct faillock_option *option;
    const char *name;
    enum setting_id id;
};

static const char *pair_file(const struct faillock_pair *pair)
{
    return pair->option->file[0] != '\0' ? pair->option->file : pair->faillock->config;
}

/* Gives the option the rule's value, in pam_faillock's own file. Lines of PAM
 * belong to the checks of PAM. */
static void fix_faillock(struct finding *finding, const struct faillock_pair *pair, int64_t ours)
{
    char text[64];

    snprintf(text, sizeof text, "%s = %" PRId64, pair->name, ours == INT64_MAX ? 0 : ours);
    finding_set_remediation(finding, "Set %s.", text);
    if (!pair->option->on_pam_line)
        finding_add_edit(
            finding, &(struct edit){pair->option->line > 0 ? EDIT_REPLACE : EDIT_INSERT,
                                    (char *)(uintptr_t)pair_file(pair), pair->option->line, text});
}

/* Of the rules that limit attempts, those with the strictest and the loosest
 * value; both NULL where there is none. */
struct rule_bounds {
    const struct rule *strictest, *loosest;
};

static struct rule_bounds rule_bounds(const struct audit *audit, enum setting_id id)
{
    struct rule_bounds bounds = {NULL, NULL};

    for (size_t i = 0; i < audit->policy.count; i++) {
        const struct rule *rule = &audit->policy.rule[i];
        const int64_t ours = rule_value(audit, rule, id);
        if (rule_value(audit, rule, SETTING_MAX_ATTEMPTS) == SETTING_NONE ||
            (!rule->setting[SETTING_MAX_ATTEMPTS].set && !rule->setting[id].set))
            continue;
        if (bounds.strictest == NULL ||
            setting_stricter(&settings[id], ours, rule_value(audit, bounds.strictest, id)))
            bounds.strictest = rule;
        if (bounds.loosest == NULL ||
            setting_stricter(&settings[id], rule_value(audit, bounds.loosest, id), ours))
            bounds.loosest = rule;
    }
    return bounds;
}

/* How a value of pam_faillock's, which it has for all users, compares with that
 * of the rules. */
struct faillock_comparison {
    const struct rule *rule; /* that it is compared with */
    bool stricter, looser;   /* than all rules; neither: between two of them */
    char theirs[64], ours[SETTING_TEXT_MAX], title[RULE_TITLE_MAX];
};

static void add_faillock(struct audit *audit, const struct faillock_pair *pair,
                         const struct faillock_comparison *compared, const struct rule *loosest)
{
    const struct setting *setting = &settings[pair->id];
    char other[RULE_TITLE_MAX], other_value[SETTING_TEXT_MAX];
    struct finding *finding;

    if (compared->stricter || compared->looser) {
        finding = findings_add(&audit->findings, CHECK_HOST_FAILLOCK,
                               compared->stricter ? AUDIT_NOTE : AUDIT_WARN,
                               "pam_faillock's %s = %s is %s than %s of %s (%s)", pair->name,
                               compared->theirs, compared->stricter ? "stricter" : "looser",
                               setting->name, compared->title, compared->ours);
        if (compared->looser)
            fix_faillock(finding, pair, rule_value(audit, compared->rule, pair->id));
    } else {
        setting_format(setting, rule_value(audit, loosest, pair->id), other_value,
                       sizeof other_value);
        finding =
            findings_add(&audit->findings, CHECK_HOST_FAILLOCK, AUDIT_WARN,
                         "pam_faillock has one %s for all users, %s, and cannot match both "
                         "%s of %s (%s) and that of %s (%s)",
                         pair->name, compared->theirs, setting->name, compared->title,
                         compared->ours, rule_title(loosest, other, sizeof other), other_value);
    }
    if (!compared->stricter && !compared->looser)
        finding_set_remediation(finding, "Give the rules the same value, or leave the limit to the "
                                         "policy and remove pam_faillock.");
    finding_set_place(finding, pair_file(pair), pair->option->line);
}

/*
 * Compares a pam_faillock option with our setting; the settings table tells
 * which value is stricter. Between two rules it can follow neither without
 * violating the other, so only a value outside of both gets a fix.
 */
static void compare_option(struct audit *audit, const struct faillock_pair *pair)
{
    const struct setting *setting = &settings[pair->id];
    const struct rule_bounds bounds = rule_bounds(audit, pair->id);
    const int64_t theirs = pair->option->value;
    struct faillock_comparison compared;

    if (bounds.strictest == NULL)
        return;
    const int64_t strictest = rule_value(audit, bounds.strictest, pair->id);
    const int64_t loosest = rule_value(audit, bounds.loosest, pair->id);
    compared.stricter = setting_stricter(setting, theirs, strictest);
    compared.looser = setting_stricter(setting, loosest, theirs);
    if (strictest == loosest && !compared.stricter && !compared.looser)
        return;
    compared.rule = compared.looser ? bounds.loosest : bounds.strictest;
    snprintf(compared.theirs, sizeof compared.theirs, "%" PRId64 "%s",
             theirs == INT64_MAX ? 0 : theirs,
             theirs == INT64_MAX && pair->id == SETTING_MAX_ATTEMPTS
                 ? " (never)"
                 : (pair->option->file[0] != '\0' ? "" : " (its default)"));
    setting_format(setting, rule_value(audit, compared.rule, pair->id), compared.ours,
                   sizeof compared.ours);
    rule_title(compared.rule, compared.title, sizeof compared.title);
    add_faillock(audit, pair, &compared, bounds.loosest);
}

static bool limits_root(const struct audit *audit)
{
    for (size_t i = 0; i < audit->policy.count; i++) {
        const struct rule *rule = &audit->policy.rule[i];
        if (rule->kind == RULE_USER && strcmp(rule->name, "root") == 0 &&
            rule_value(audit, rule, SETTING_MAX_ATTEMPTS) != SETTING_NONE)
            return true;
    }
    return false;
}

static void compare_root(struct audit *audit, const struct faillock *faillock)
{
    const struct faillock_option *theirs = &faillock->even_deny_root;
    const char *file = theirs->value != 0 ? theirs->file : faillock->config;
    const bool ours = limits_root(audit);

    if (ours == (theirs->value != 0))
        return;
    struct finding *finding =
        findings_add(&audit->findings, CHECK_HOST_FAILLOCK, ours ? AUDIT_WARN : AUDIT_NOTE,
                     ours ? "pam_faillock has no even_deny_root, but the policy limits root's "
                            "attempts: pam_faillock is looser"
                          : "pam_faillock has even_deny_root, but no rule limits root's attempts: "
                            "pam_faillock is stricter, and can lock root out of the console");
    finding_set_place(finding, file, theirs->line);
    if (!ours)
        return;
    finding_set_remediation(finding, "Add even_deny_root.");
    finding_add_edit(
        finding, &(struct edit){EDIT_INSERT, (char *)(uintptr_t)file, EDIT_END, "even_deny_root"});
}

static void check_host_faillock(struct audit *audit, const void *facts)
{
    struct pam_stack auth;
    struct faillock faillock;

    (void)facts;
    if (pam_stack_read(audit->host, "sshd", "auth", &auth) == PAM_STACK_FAILED)
        audit->findings.out_of_memory = true;
    faillock_read(audit->host, &auth, &faillock);
    const struct faillock_pair pairs[] = {
        {&faillock, &faillock.deny, "deny", SETTING_MAX_ATTEMPTS},
        {&faillock, &faillock.fail_interval, "fail_interval", SETTING_ATTEMPT_WINDOW},
        {&faillock, &faillock.unlock_time, "unlock_time", SETTING_LOCK_TIME},
    };
    if (faillock.used && any_rule_sets(audit, SETTING_MAX_ATTEMPTS)) {
        for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
            compare_option(audit, &pairs[i]);
        compare_root(audit, &faillock);
    }
    pam_stack_free(&auth);
}

/* --- owners and modes ---------------------------------------------------- */

#define ONLY_ROOT_WRITES "Let root alone own and write it: chown root:root, chmod go-w."

/* What others than root may do with a file. */
enum access { NOT_WRITABLE, READABLE_BY_ALL, NOT_READABLE };

/* The file or directory at path, whose status was read. */
static void check_access(struct audit *audit, const char *path, const struct stat *status,
                         enum access access)
{
    const char *wrong = insecure_because(status, audit->owner);
    const mode_t readable = S_ISDIR(status->st_mode) ? 0555 : 0444;
    const unsigned mode = (unsigned)(status->st_mode & 07777);
    struct finding *finding;

    if (wrong != NULL) {
        finding = findings_add(&audit->findings, CHECK_HOST_FILES, AUDIT_FAIL,
                               "%.*s (owner %u, mode %04o)", (int)strcspn(wrong, ":"), wrong,
                               (unsigned)status->st_uid, mode);
        finding_set_remediation(finding, ONLY_ROOT_WRITES);
    } else if (access == READABLE_BY_ALL && (status->st_mode & readable) != readable) {
        finding = findings_add(&audit->findings, CHECK_HOST_FILES, AUDIT_FAIL,
                               "is not readable by all users, so their shells get no limit "
                               "(mode %04o)",
                               mode);
        finding_set_remediation(finding, "Let all users read it: chmod a+rX.");
    } else if (access == NOT_READABLE && (status->st_mode & 0077) != 0) {
        finding = findings_add(&audit->findings, CHECK_HOST_FILES, AUDIT_FAIL,
                               "is accessible to users other than root (mode %04o)", mode);
        finding_set_remediation(finding, "Let nobody but root read it: chmod go=.");
    } else {
        return;
    }
    finding_set_place(finding, path, 0);
}

/* Whether what should exist does exist is for other checks. */
static void check_pattern(struct audit *audit, const char *root, const char *pattern,
                          enum access access)
{
    char full[PATH_MAX];
    struct stat status;
    glob_t paths;

    snprintf(full, sizeof full, "%s%s", root, pattern);
    if (glob(full, 0, NULL, &paths) != 0)
        return;
    for (size_t i = 0; i < paths.gl_pathc; i++)
        if (stat(paths.gl_pathv[i], &status) == 0)
            check_access(audit, paths.gl_pathv[i] + strlen(root), &status, access);
    globfree(&paths);
}

/* Nobody else may be able to replace one of the directories above path. */
static void check_parents(struct audit *audit, const char *root, const char *path)
{
    char directory[PATH_MAX], full[PATH_MAX];
    struct failure failure = {""};

    snprintf(directory, sizeof directory, "%s", path);
    char *slash = strrchr(directory, '/');
    if (slash == NULL || slash == directory)
        return;
    *slash = '\0';
    snprintf(full, sizeof full, "%s%s", root, directory);
    const int fd = secure_open_directory(full, audit->owner, O_PATH, &failure);
    if (fd >= 0) {
        close(fd);
    } else if (errno == EPERM && !findings_have(&audit->findings, CHECK_HOST_FILES, directory, 0)) {
        struct finding *finding =
            findings_add(&audit->findings, CHECK_HOST_FILES, AUDIT_FAIL, "%.*s",
                         (int)strcspn(failure.text, ":"), failure.text);
        finding_set_place(finding, directory, 0);
        finding_set_remediation(finding, ONLY_ROOT_WRITES);
    }
}

static void check_host_files(struct audit *audit, const void *facts)
{
    const char *config = audit->context->config_path, *state = audit->context->state_dir;
    const char *root = audit->host->root;
    /* The paths in the context are not below the root. */
    const struct {
        const char *root, *directory, *name;
        enum access access;
    } files[] = {
        {"", config, "", NOT_WRITABLE},
        {"", config, ".d", NOT_WRITABLE},
        {"", config, ".d/*.conf", NOT_WRITABLE},
        {"", state, "", NOT_WRITABLE},
        {"", state, "/" SNAPSHOT_POLICY_NAME, NOT_WRITABLE},
        {"", state, "/" SNAPSHOT_REJECTED_NAME, NOT_WRITABLE},
        {"", state, "/attempts", NOT_WRITABLE},
        {"", state, "/attempts/*", NOT_READABLE},
        {root, TMOUT_SESSIONS_DIR, "", NOT_WRITABLE},
        {root, TMOUT_SESSIONS_DIR, "/*", NOT_READABLE},
        {root, audit_module_path, "", NOT_WRITABLE},
        {root, TMOUT_CTL_PATH, "", NOT_WRITABLE},
        {root, TMOUT_DAEMON_PATH, "", NOT_WRITABLE},
        {root, PROFILE_SH, "", READABLE_BY_ALL},
        {root, PROFILE_CSH, "", READABLE_BY_ALL},
        {root, SHELL_FRAGMENTS, "", READABLE_BY_ALL},
        {root, SHELL_FRAGMENTS, "/*", READABLE_BY_ALL},
    };
    const char *const above[] = {TMOUT_SESSIONS_DIR, audit_module_path, TMOUT_CTL_PATH,
                                 TMOUT_DAEMON_PATH, PROFILE_SH};

    (void)facts;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char pattern[PATH_MAX];
        snprintf(pattern, sizeof pattern, "%s%s", files[i].directory, files[i].name);
        check_pattern(audit, files[i].root, pattern, files[i].access);
    }
    check_parents(audit, "", config);
    check_parents(audit, "", state);
    for (size_t i = 0; i < sizeof above / sizeof *above; i++)
        check_parents(audit, root, above[i]);
}

/* --- room for the state -------------------------------------------------- */

void audit_room(struct audit *audit, const char *directory, const struct statvfs *room)
{
    struct finding *finding;

    if ((room->f_flag & ST_RDONLY) != 0) {
        finding = findings_add(&audit->findings, CHECK_HOST_STATE, AUDIT_FAIL,
                               "is on a read-only file system: no policy can be applied and no "
                               "failed login counted");
        finding_set_remediation(finding, "Mount its file system read-write.");
    } else if (room->f_bfree == 0 || (room->f_files > 0 && room->f_ffree == 0)) {
        finding = findings_add(&audit->findings, CHECK_HOST_STATE, AUDIT_FAIL,
                               "is on a full file system: password logins of users without a "
                               "ledger are rejected, and no policy can be applied");
        finding_set_remediation(finding,
                                "Free some space; df -h and df -i show where there is none.");
    } else {
        return;
    }
    finding_set_place(finding, directory, 0);
}

static void check_host_state(struct audit *audit, const void *facts)
{
    const char *state = audit->context->state_dir;
    char sessions[PATH_MAX];
    struct stat status;
    struct statvfs room;

    (void)facts;
    if (stat(state, &status) != 0 || !S_ISDIR(status.st_mode)) {
        struct finding *finding =
            findings_add(&audit->findings, CHECK_HOST_STATE, AUDIT_FAIL,
                         "is not a directory: no failed login can be counted");
        finding_set_place(finding, state, 0);
        finding_set_remediation(finding, "Create the state directory.");
        finding_set_command(finding, "tmoutctl apply");
        return;
    }
    if (statvfs(state, &room) == 0)
        audit_room(audit, state, &room);
    host_path(audit->host, TMOUT_SESSIONS_DIR, sessions, sizeof sessions);
    if (statvfs(sessions, &room) == 0)
        audit_room(audit, TMOUT_SESSIONS_DIR, &room);
}

/* --- SELinux, Smack, AppArmor ---------------------------------------------- */

static void check_host_mac(struct audit *audit, const void *facts)
{
    (void)facts;
    audit_mac(audit, &mac_running_kernel);
}

static const struct audit_step host_steps[] = {
    {CHECK_HOST_FILES, check_host_files},   {CHECK_HOST_STATE, check_host_state},
    {CHECK_HOST_MAC, check_host_mac},       {CHECK_HOST_FAILLOCK, check_host_faillock},
    {CHECK_HOST_LOGIND, check_host_logind}, {CHECK_HOST_TIOCSTI, check_host_tiocsti},
};

void audit_host(struct audit *audit)
{
    audit_run(audit, host_steps, sizeof host_steps / sizeof *host_steps, NULL);
}
