/* Does the rest of the host let the policy be what it is: the kernel, logind,
 * pam_faillock, and the owners and modes of our own files? */
#include "tools/tmoutctl/audit/audit.h"

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

#ifndef PAMDIR
#define PAMDIR "/usr/lib/security"
#endif

/* --- kernel, logind ------------------------------------------------------ */

static void check_tiocsti(struct audit *audit, const void *facts)
{
    static const char path[] = "/proc/sys/dev/tty/legacy_tiocsti";
    char value = '1';
    const int fd = open(path, O_RDONLY | O_CLOEXEC);

    (void)facts;
    if (fd < 0) {
        audit_add(audit, AUDIT_WARN, NULL, 0,
                  "this kernel has no dev.tty.legacy_tiocsti (6.2 and later have), so TIOCSTI is "
                  "on: a background program can type for its user and keep his terminal from "
                  "being idle; boot a kernel from 6.2 on");
        return;
    }
    if (read(fd, &value, 1) != 1)
        value = '1';
    close(fd);
    if (value == '0')
        return;
    audit_add(audit, AUDIT_WARN, NULL, 0,
              "dev.tty.legacy_tiocsti is 1: a background program can type for its user and keep "
              "his terminal from being idle");
    audit_mend(audit, "echo dev.tty.legacy_tiocsti=0 >/etc/sysctl.d/60-tmout.conf && "
                      "sysctl -p /etc/sysctl.d/60-tmout.conf");
}

/* How long the rule lets a terminal be idle, whoever ends it. */
static int64_t idle_of(const struct audit *audit, const struct rule *rule)
{
    const int64_t disconnect = rule_value(audit, rule, SETTING_DISCONNECT);

    return disconnect != SETTING_NONE ? disconnect : rule_value(audit, rule, SETTING_TMOUT);
}

static void check_logind(struct audit *audit, const void *facts)
{
    struct idle_session idle;
    char stop[64], ours[SETTING_TEXT_MAX], title[RULE_TITLE_MAX], word[PATH_MAX];

    (void)facts;
    if (idle_session_read("", &idle) != 0)
        audit->out_of_memory = true;
    if (idle.limit_sec == INT64_MAX)
        return;
    for (size_t i = 0; i < audit->policy.count; i++) {
        const struct rule *rule = &audit->policy.rule[i];
        const int64_t idle_sec = idle_of(audit, rule);
        if (idle_sec <= idle.limit_sec)
            continue;
        snprintf(stop, sizeof stop, "%" PRId64, idle.limit_sec);
        setting_format(&settings[SETTING_TMOUT], idle_sec, ours, sizeof ours);
        audit_add(audit, AUDIT_WARN, idle.file, idle.line,
                  "StopIdleSessionSec lets logind end a session after %s s, before %s (%s) does",
                  stop, rule_title(rule, title, sizeof title), ours);
        audit_mend(audit, "sed -i '%us/^/# /' %s && systemctl restart systemd-logind", idle.line,
                   shell_word(idle.file, word, sizeof word));
        return;
    }
}

/* --- pam_faillock -------------------------------------------------------- */

/* Puts what the rule says into pam_faillock's option. */
static void mend_faillock(struct audit *audit, const struct faillock *faillock,
                          const struct faillock_option *option, const char *name, int64_t ours)
{
    char word[PATH_MAX], text[32];

    snprintf(text, sizeof text, "%" PRId64, ours == INT64_MAX ? 0 : ours);
    shell_word(option->file[0] != '\0' ? option->file : faillock->config, word, sizeof word);
    if (option->on_pam_line)
        audit_mend(audit, "sed -i -E 's/\\b%s=[^[:space:]]+/%s=%s/' %s", name, name, text, word);
    else if (option->line > 0)
        audit_mend(audit, "sed -i '%us/.*/%s = %s/' %s", option->line, name, text, word);
    else
        audit_mend(audit, "echo '%s = %s' >>%s", name, text, word);
}

/* The rules with a limit of attempts that say the strictest and the loosest;
 * both NULL where there is none. */
struct bounds {
    const struct rule *strictest, *loosest;
};

static struct bounds bounds_of(const struct audit *audit, enum setting_id id)
{
    struct bounds bounds = {NULL, NULL};

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

/* One of its options beside the setting that means the same; the strictest
 * value is the larger or smaller as the settings table says. It has one value
 * for everybody, so of two rules it can follow neither without failing the
 * other; what is outside of both is mended. */
static void compare_option(struct audit *audit, const struct faillock *faillock,
                           const struct faillock_option *option, const char *name,
                           enum setting_id id)
{
    const struct bounds bounds = bounds_of(audit, id);
    char title[RULE_TITLE_MAX], other[RULE_TITLE_MAX], value[SETTING_TEXT_MAX];
    char other_value[SETTING_TEXT_MAX], theirs[64];
    const char *file = option->file[0] != '\0' ? option->file : faillock->config;

    if (bounds.strictest == NULL)
        return;
    const int64_t strictest = rule_value(audit, bounds.strictest, id);
    const int64_t loosest = rule_value(audit, bounds.loosest, id);
    const bool stricter = setting_stricter(&settings[id], option->value, strictest);
    const bool looser = setting_stricter(&settings[id], loosest, option->value);
    if (strictest == loosest && !stricter && !looser)
        return;
    const struct rule *rule = looser ? bounds.loosest : bounds.strictest;
    snprintf(theirs, sizeof theirs, "%" PRId64 "%s", option->value == INT64_MAX ? 0 : option->value,
             option->file[0] != '\0' ? "" : " (its default)");
    setting_format(&settings[id], rule_value(audit, rule, id), value, sizeof value);
    setting_format(&settings[id], loosest, other_value, sizeof other_value);
    rule_title(rule, title, sizeof title);
    if (stricter || looser) {
        audit_add(audit, AUDIT_WARN, file, option->line,
                  "pam_faillock's %s = %s is %s than %s of %s (%s)", name, theirs,
                  stricter ? "stricter" : "looser", settings[id].name, title, value);
        mend_faillock(audit, faillock, option, name, rule_value(audit, rule, id));
        return;
    }
    audit_add(audit, AUDIT_WARN, file, option->line,
              "pam_faillock has one %s for everybody, %s, and cannot follow %s of %s (%s) and of "
              "%s (%s)",
              name, theirs, settings[id].name, title, value,
              rule_title(bounds.loosest, other, sizeof other), other_value);
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
    const bool ours = limits_root(audit);
    char word[PATH_MAX];

    if (ours == (theirs->value != 0))
        return;
    audit_add(audit, AUDIT_WARN, theirs->value != 0 ? theirs->file : faillock->config, theirs->line,
              ours ? "pam_faillock has no even_deny_root, and the policy limits root's attempts: "
                     "it is looser"
                   : "pam_faillock has even_deny_root, and no rule limits root's attempts: it is "
                     "stricter, and locks root out of the console");
    shell_word(theirs->value != 0 ? theirs->file : faillock->config, word, sizeof word);
    if (ours)
        audit_mend(audit, "echo even_deny_root >>%s", word);
    else
        audit_mend(audit, "sed -i 's/\\beven_deny_root\\b//' %s", word);
}

static void check_faillock(struct audit *audit, const void *facts)
{
    struct pam_stack auth;
    struct faillock faillock;

    (void)facts;
    if (pam_stack_read("", "sshd", "auth", &auth) == PAM_STACK_FAILED)
        audit->out_of_memory = true;
    faillock_read("", &auth, &faillock);
    if (faillock.used && any_rule_sets(audit, SETTING_MAX_ATTEMPTS)) {
        compare_option(audit, &faillock, &faillock.deny, "deny", SETTING_MAX_ATTEMPTS);
        compare_option(audit, &faillock, &faillock.fail_interval, "fail_interval",
                       SETTING_ATTEMPT_WINDOW);
        compare_option(audit, &faillock, &faillock.unlock_time, "unlock_time", SETTING_LOCK_TIME);
        compare_root(audit, &faillock);
    }
    pam_stack_free(&auth);
}

/* --- owners and modes ---------------------------------------------------- */

/* Who besides root may do what. */
enum access { NOBODY_WRITES, ALL_READ, NOBODY_READS };

static void check_path(struct audit *audit, const char *path, enum access access)
{
    struct stat status;
    char word[PATH_MAX];

    if (stat(path, &status) != 0)
        return; /* what has to be there others look for */
    const char *wrong = insecure_because(&status, 0);
    const mode_t readable = S_ISDIR(status.st_mode) ? 0555 : 0444;
    shell_word(path, word, sizeof word);
    if (wrong != NULL) {
        audit_add(audit, AUDIT_FAIL, path, 0, "%.*s (owner %u, mode %04o)",
                  (int)strcspn(wrong, ":"), wrong, (unsigned)status.st_uid,
                  (unsigned)(status.st_mode & 07777));
        audit_mend(audit, "chown root:root %s && chmod go-w %s", word, word);
    } else if (access == ALL_READ && (status.st_mode & readable) != readable) {
        audit_add(audit, AUDIT_FAIL, path, 0,
                  "cannot be read by all, so their shells get no limit (mode %04o)",
                  (unsigned)(status.st_mode & 07777));
        audit_mend(audit, "chmod a+rX %s", word);
    } else if (access == NOBODY_READS && (status.st_mode & 0077) != 0) {
        audit_add(audit, AUDIT_FAIL, path, 0, "can be read by others than root (mode %04o)",
                  (unsigned)(status.st_mode & 07777));
        audit_mend(audit, "chmod go= %s", word);
    }
}

static void check_pattern(struct audit *audit, const char *pattern, enum access access)
{
    glob_t paths;

    if (glob(pattern, 0, NULL, &paths) != 0)
        return;
    for (size_t i = 0; i < paths.gl_pathc; i++)
        check_path(audit, paths.gl_pathv[i], access);
    globfree(&paths);
}

/* Nobody else may be able to put another directory in the place of one. */
static void check_parents(struct audit *audit, const char *path)
{
    char directory[PATH_MAX], word[PATH_MAX];
    struct failure failure = {""};

    snprintf(directory, sizeof directory, "%s", path);
    char *slash = strrchr(directory, '/');
    if (slash == NULL || slash == directory)
        return;
    *slash = '\0';
    const int fd = secure_open_directory(directory, 0, 0, &failure);
    if (fd >= 0) {
        close(fd);
    } else if (errno == EPERM && !audit_has(audit, directory, 0)) {
        audit_add(audit, AUDIT_FAIL, directory, 0, "%.*s", (int)strcspn(failure.text, ":"),
                  failure.text);
        audit_mend(audit, "chown root:root %s && chmod go-w %s",
                   shell_word(directory, word, sizeof word), word);
    }
}

static void check_files(struct audit *audit, const void *facts)
{
    const char *config = audit->context->config_path, *state = audit->context->state_dir;
    const struct {
        const char *directory, *name;
        enum access access;
    } files[] = {
        {config, "", NOBODY_WRITES},
        {config, ".d", NOBODY_WRITES},
        {config, ".d/*.conf", NOBODY_WRITES},
        {state, "", NOBODY_WRITES},
        {state, "/" SNAPSHOT_POLICY_NAME, NOBODY_WRITES},
        {state, "/" SNAPSHOT_REJECTED_NAME, NOBODY_WRITES},
        {state, "/attempts", NOBODY_WRITES},
        {state, "/attempts/*", NOBODY_READS},
        {TMOUT_SESSIONS_DIR, "", NOBODY_WRITES},
        {TMOUT_SESSIONS_DIR, "/*", NOBODY_READS},
        {PAMDIR, "/pam_tmout.so", NOBODY_WRITES},
        {SBINDIR, "/tmoutctl", NOBODY_WRITES},
        {SBINDIR, "/tmoutd", NOBODY_WRITES},
        {PROFILE_SH, "", ALL_READ},
        {PROFILE_CSH, "", ALL_READ},
        {SHELL_FRAGMENTS, "", ALL_READ},
        {SHELL_FRAGMENTS, "/*", ALL_READ},
    };

    (void)facts;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char pattern[PATH_MAX];
        snprintf(pattern, sizeof pattern, "%s%s", files[i].directory, files[i].name);
        check_pattern(audit, pattern, files[i].access);
    }
    check_parents(audit, config);
    check_parents(audit, state);
    check_parents(audit, TMOUT_SESSIONS_DIR);
    check_parents(audit, PAMDIR "/pam_tmout.so");
    check_parents(audit, SBINDIR "/tmoutctl");
    check_parents(audit, PROFILE_SH);
}

/* --- room for the state -------------------------------------------------- */

static void check_room(struct audit *audit, const char *directory)
{
    struct statvfs room;
    char word[PATH_MAX];

    if (statvfs(directory, &room) != 0)
        return;
    shell_word(directory, word, sizeof word);
    if ((room.f_flag & ST_RDONLY) != 0) {
        audit_add(audit, AUDIT_FAIL, directory, 0,
                  "is on a file system that is read-only: no policy can be applied and no failed "
                  "login counted");
        audit_mend(audit, "mount -o remount,rw \"$(findmnt -no TARGET -T %s)\"", word);
    } else if (room.f_bfree == 0 || (room.f_files > 0 && room.f_ffree == 0)) {
        audit_add(audit, AUDIT_FAIL, directory, 0,
                  "is on a file system that is full: users without a ledger get no login by "
                  "password, and no policy can be applied; make room (`df -h %s; df -i %s`)",
                  word, word);
    }
}

static void check_state(struct audit *audit, const void *facts)
{
    const char *state = audit->context->state_dir;
    struct stat status;

    (void)facts;
    if (stat(state, &status) != 0 || !S_ISDIR(status.st_mode)) {
        audit_add(audit, AUDIT_FAIL, state, 0, "is not a directory: nothing can be counted there");
        audit_mend(audit, "tmoutctl apply");
        return;
    }
    check_room(audit, state);
    if (stat(TMOUT_SESSIONS_DIR, &status) == 0)
        check_room(audit, TMOUT_SESSIONS_DIR);
}

static const struct audit_check checks[] = {
    {"host-files", "our files and directories are root's, and nobody else can write them",
     check_files},
    {"host-state", "the state can be written", check_state},
    {"host-faillock", "pam_faillock is not used, or says what the policy says", check_faillock},
    {"host-logind", "logind ends no idle session before the policy does", check_logind},
    {"host-tiocsti", "no program can type for its user (dev.tty.legacy_tiocsti is 0)",
     check_tiocsti},
    {.id = NULL},
};

void audit_host(struct audit *audit)
{
    audit_run(audit, checks, NULL);
}
