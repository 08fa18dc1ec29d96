#include "tools/tmoutctl/host/mac.h"

#include "tools/tmoutctl/host/edit.h"

#include "lib/policy/snapshot_format.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#define SELINUX "/sys/fs/selinux"
#define SMACK   "/sys/fs/smackfs"

/* --- the running kernel ----------------------------------------------------------- */

static int ask_kernel(const struct host *host, const char *file, const char *question, char *answer,
                      size_t size)
{
    char path[PATH_MAX];

    if (host_path(host, file, path, sizeof path) != 0)
        return -1;
    const int fd = open(path, (question != NULL ? O_RDWR : O_RDONLY) | O_CLOEXEC);
    if (fd < 0)
        return -1;
    ssize_t n = question != NULL ? write(fd, question, strlen(question)) : 0;
    if (n >= 0)
        n = read(fd, answer, size - 1);
    close(fd);
    if (n < 0)
        return -1;
    answer[n] = '\0';
    answer[strcspn(answer, "\n")] = '\0';
    return 0;
}

static int label_of(const struct host *host, const char *path, const char *attribute, char *label,
                    size_t size)
{
    char full[PATH_MAX];

    if (host_path(host, path, full, sizeof full) != 0)
        return -1;
    const ssize_t n = getxattr(full, attribute, label, size - 1);
    if (n < 0)
        return -1;
    label[n] = '\0';
    return 0;
}

const struct mac_kernel mac_running_kernel = {ask_kernel, label_of};

/* --- what is asked ---------------------------------------------------------------- */

/* A program that logs people in, with those that lead to it from process 1 or from a user's
 * shell. Those that do not exist are left out, but for the last one. */
struct login_program {
    const char *name;
    const char *user; /* whose shell starts it; NULL: process 1 */
    const char *chain[3];
};

static const struct login_program programs[] = {
    {"sshd", NULL, {"/usr/sbin/sshd"}},
    {"login", NULL, {"/sbin/agetty", "/usr/bin/login"}},
    {"cron", NULL, {"/usr/sbin/cron"}},
    {"crond", NULL, {"/usr/sbin/crond"}},
    {"gdm", NULL, {"/usr/sbin/gdm"}},
    {"gdm3", NULL, {"/usr/sbin/gdm3"}},
    {"lightdm", NULL, {"/usr/sbin/lightdm"}},
    {"sddm", NULL, {"/usr/bin/sddm"}},
    {"vsftpd", NULL, {"/usr/sbin/vsftpd"}},
    {"saslauthd", NULL, {"/usr/sbin/saslauthd"}},
    {"su", "staff_u:staff_r:staff_t:s0", {"/usr/bin/su"}},
    {"sudo", "staff_u:staff_r:staff_t:s0", {"/usr/bin/sudo"}},
    {"su", "user_u:user_r:user_t:s0", {"/usr/bin/su"}},
    {"su", "sysadm_u:sysadm_r:sysadm_t:s0", {"/usr/bin/su"}},
    {"sudo", "sysadm_u:sysadm_r:sysadm_t:s0", {"/usr/bin/sudo"}},
};

/* SELinux's names of the permissions for a class of objects. */
struct selinux_use {
    const char *class_name;
    const char *permission[8];
};

/* What each need takes: of a directory, and of a file in it. */
struct place_use {
    const char *path_format; /* of the directory; %s is the state or sessions directory */
    const char *file;        /* the file's name; NULL: a new one */
    struct selinux_use directory, content;
    const char *smack; /* the access to both */
    bool is_sessions;
};

static const struct place_use uses[MAC_NEEDS] = {
    [MAC_READ_SNAPSHOT] = {"%s",
                           SNAPSHOT_POLICY_NAME,
                           {"dir", {"search", "read", "open", "getattr"}},
                           {"file", {"read", "open", "getattr"}},
                           "r",
                           false},
    [MAC_WRITE_LEDGERS] = {"%s/attempts",
                           NULL,
                           {"dir", {"search", "write", "add_name"}},
                           {"file", {"create", "open", "read", "write", "lock"}},
                           "rwx",
                           false},
    [MAC_WRITE_REGISTRY] = {"%s",
                            NULL,
                            {"dir", {"search", "write", "add_name"}},
                            {"file", {"create", "open", "write"}},
                            "rwx",
                            true},
};

struct mac_search {
    const struct host *host;
    const struct mac_kernel *kernel;
    const struct mac_places *places;
    mac_visit *visit;
    void *context;
};

static int ask(const struct mac_search *search, const char *file, const char *question,
               char *answer, size_t size)
{
    return search->kernel->ask(search->host, file, question, answer, size);
}

/* Where the thing is that a need is about: the directory or, where it has a name, the file. */
static void place_of(const struct mac_search *search, enum mac_need need, bool is_file, char *path,
                     size_t size)
{
    const struct place_use *use = &uses[need];

    snprintf(path, size, use->path_format,
             use->is_sessions ? search->places->sessions_dir : search->places->state_dir);
    if (is_file && use->file != NULL) {
        const size_t used = strlen(path);
        snprintf(path + used, size - used, "/%s", use->file);
    }
}

/* --- SELinux ---------------------------------------------------------------------- */

/* The number of a class, or the bit of one of its permissions; 0 where there is none. */
static unsigned long selinux_number(const struct mac_search *search, const char *class_name,
                                    const char *permission)
{
    char file[128], answer[32];

    if (permission != NULL)
        snprintf(file, sizeof file, SELINUX "/class/%s/perms/%s", class_name, permission);
    else
        snprintf(file, sizeof file, SELINUX "/class/%s/index", class_name);
    if (ask(search, file, NULL, answer, sizeof answer) != 0)
        return 0;
    const unsigned long number = strtoul(answer, NULL, 10);
    return permission == NULL || number == 0 || number > 32 ? number : 1UL << (number - 1);
}

/* The label of what `source` creates from `target`: a process from a program, or a file
 * in a directory. */
static int selinux_transition(const struct mac_search *search, const char *source,
                              const char *target, const char *class_name, char *result)
{
    char question[2 * MAC_LABEL_MAX + 32];

    snprintf(question, sizeof question, "%s %s %lu", source, target,
             selinux_number(search, class_name, NULL));
    return ask(search, SELINUX "/create", question, result, MAC_LABEL_MAX);
}

/* Does the loaded policy allow all of it? What cannot be asked counts as allowed. */
static bool selinux_allows(const struct mac_search *search, const char *source, const char *target,
                           const struct selinux_use *use)
{
    enum { PERMISSIVE = 1 };
    char question[2 * MAC_LABEL_MAX + 32], answer[128];
    unsigned long wanted = 0, allowed, decided, audited, denied_audited, sequence, flags = 0;

    for (size_t i = 0; i < sizeof use->permission / sizeof *use->permission; i++)
        if (use->permission[i] != NULL)
            wanted |= selinux_number(search, use->class_name, use->permission[i]);
    snprintf(question, sizeof question, "%s %s %lu %lx", source, target,
             selinux_number(search, use->class_name, NULL), wanted);
    if (ask(search, SELINUX "/access", question, answer, sizeof answer) != 0 ||
        sscanf(answer, "%lx %lx %lx %lx %lu %lx", &allowed, &decided, &audited, &denied_audited,
               &sequence, &flags) < 5)
        return true;
    return (allowed & wanted) == wanted || (flags & PERMISSIVE) != 0;
}

/* The domain that the program ends up in. Returns -1 if it is not on this host, or is
 * in no domain of its own when a user starts it: then it is unconfined, or cannot work. */
static int selinux_domain(const struct mac_search *search, const struct login_program *program,
                          char *domain)
{
    char label[MAC_LABEL_MAX], next[MAC_LABEL_MAX];
    const char *const *step = program->chain;

    if (program->user != NULL)
        snprintf(domain, MAC_LABEL_MAX, "%s", program->user);
    if (program->user != NULL
            ? ask(search, SELINUX "/context", program->user, next, sizeof next) != 0
            : ask(search, "/proc/1/attr/current", NULL, domain, MAC_LABEL_MAX) != 0)
        return -1;
    for (; *step != NULL; step++) {
        if (search->kernel->label(search->host, *step, "security.selinux", label, sizeof label) !=
            0) {
            if (step[1] == NULL)
                return -1;
            continue;
        }
        if (selinux_transition(search, domain, label, "process", next) != 0)
            return -1;
        if (program->user != NULL && strcmp(next, domain) == 0)
            return -1;
        snprintf(domain, MAC_LABEL_MAX, "%s", next);
    }
    return 0;
}

static void selinux_look(const struct mac_search *search, struct mac_denial *denial)
{
    const struct place_use *use = &uses[denial->need];
    char directory[PATH_MAX], file[PATH_MAX], content[MAC_LABEL_MAX];

    place_of(search, denial->need, false, directory, sizeof directory);
    place_of(search, denial->need, true, file, sizeof file);
    denial->path = directory;
    if (search->kernel->label(search->host, directory, "security.selinux", denial->label,
                              sizeof denial->label) != 0)
        return;
    if (selinux_allows(search, denial->domain, denial->label, &use->directory)) {
        denial->path = file;
        const int found =
            use->file != NULL
                ? search->kernel->label(search->host, file, "security.selinux", content,
                                        sizeof content)
                : selinux_transition(search, denial->domain, denial->label, "file", content);
        if (found != 0 || selinux_allows(search, denial->domain, content, &use->content))
            return;
        snprintf(denial->label, sizeof denial->label, "%s", content);
    }
    search->visit(search->context, denial);
}

static void find_selinux(const struct mac_search *search)
{
    struct mac_denial denial = {0};

    for (size_t i = 0; i < sizeof programs / sizeof *programs; i++) {
        denial.program = programs[i].name;
        if (selinux_domain(search, &programs[i], denial.domain) != 0)
            continue;
        for (denial.need = 0; denial.need < MAC_NEEDS; denial.need++)
            selinux_look(search, &denial);
    }
}

/* Is it denied a ledger with the label of denial, and not a new one? */
static bool is_wrong_label(const struct mac_search *search, const char *directory,
                           const struct mac_denial *denial)
{
    static const struct selinux_use use = {"file", {"open", "read", "write", "lock", "getattr"}};
    char usual[MAC_LABEL_MAX];

    return selinux_transition(search, denial->domain, directory, "file", usual) == 0 &&
           strcmp(usual, denial->label) != 0 &&
           selinux_allows(search, denial->domain, usual, &use) &&
           !selinux_allows(search, denial->domain, denial->label, &use);
}

/* Asks for all programs. Returns whether one is denied it. */
static bool ask_about_label(const struct mac_ledgers *ledgers, struct mac_denial *denial)
{
    const struct mac_search search = {.host = ledgers->host, .kernel = ledgers->kernel};
    char path[PATH_MAX], directory[MAC_LABEL_MAX];

    snprintf(path, sizeof path, uses[MAC_WRITE_LEDGERS].path_format, ledgers->state_dir);
    if (ledgers->kernel->label(ledgers->host, path, "security.selinux", directory,
                               sizeof directory) != 0)
        return false;
    denial->need = MAC_WRITE_LEDGERS;
    for (size_t i = 0; i < sizeof programs / sizeof *programs; i++) {
        denial->program = programs[i].name;
        if (selinux_domain(&search, &programs[i], denial->domain) == 0 &&
            is_wrong_label(&search, directory, denial))
            return true;
    }
    return false;
}

void mac_ledgers_begin(struct mac_ledgers *ledgers, const struct host *host,
                       const struct mac_kernel *kernel, const char *state_dir)
{
    char answer[32];

    *ledgers = (struct mac_ledgers){.host = host, .kernel = kernel, .state_dir = state_dir};
    ledgers->is_enforced =
        kernel->ask(host, SELINUX "/enforce", NULL, answer, sizeof answer) == 0 && answer[0] == '1';
}

const struct mac_denial *mac_ledger_denial(struct mac_ledgers *ledgers, const char *path)
{
    enum { KNOWN_MAX = sizeof ledgers->known / sizeof *ledgers->known };
    char label[MAC_LABEL_MAX];
    size_t at = 0;

    if (!ledgers->is_enforced ||
        ledgers->kernel->label(ledgers->host, path, "security.selinux", label, sizeof label) != 0)
        return NULL;
    while (at < ledgers->count && strcmp(ledgers->known[at].denial.label, label) != 0)
        at++;
    if (at == ledgers->count) {
        if (ledgers->count < KNOWN_MAX)
            ledgers->count++;
        else
            at = KNOWN_MAX - 1;
        struct mac_denial *denial = &ledgers->known[at].denial;
        snprintf(denial->label, sizeof denial->label, "%s", label);
        ledgers->known[at].is_denied = ask_about_label(ledgers, denial);
    }
    ledgers->known[at].denial.path = path;
    return ledgers->known[at].is_denied ? &ledgers->known[at].denial : NULL;
}

/* --- Smack ------------------------------------------------------------------------ */

/* All programs of the system have process 1's label. What has none has that of its file
 * system, which all may use. */
static void find_smack(const struct mac_search *search)
{
    struct mac_denial denial = {.program = programs[0].name};
    char path[PATH_MAX], question[2 * MAC_LABEL_MAX + 16], answer[MAC_LABEL_MAX];

    denial.path = path;
    /* While no label is named there, root's programs may do anything. */
    if (ask(search, SMACK "/onlycap", NULL, answer, sizeof answer) != 0 || answer[0] == '\0')
        return;
    if (ask(search, "/proc/1/attr/current", NULL, denial.domain, sizeof denial.domain) != 0)
        return;
    for (denial.need = 0; denial.need < MAC_NEEDS; denial.need++) {
        place_of(search, denial.need, true, path, sizeof path);
        if (search->kernel->label(search->host, path, "security.SMACK64", denial.label,
                                  sizeof denial.label) != 0)
            continue;
        snprintf(question, sizeof question, "%s %s %s", denial.domain, denial.label,
                 uses[denial.need].smack);
        if (ask(search, SMACK "/access2", question, answer, sizeof answer) == 0 && answer[0] == '0')
            search->visit(search->context, &denial);
    }
}

/* --- AppArmor --------------------------------------------------------------------- */

/* Does a file of AppArmor's allow anything below the state directory? */
static bool apparmor_mentions(const struct mac_search *search, const char *path)
{
    struct text_file file;
    const bool found = host_read_text(search->host, path, 0, TEXT_FILE_SIZE_MAX, &file) == 0 &&
                       strstr(file.text, search->places->state_dir) != NULL;

    free(file.text);
    return found;
}

static const char *executed_by(const struct login_program *program)
{
    return program->chain[program->chain[1] != NULL ? 1 : 0];
}

/* The program's profile: /usr/sbin/sshd is in usr.sbin.sshd, and sites add to it in local/. */
static void apparmor_look(const struct mac_search *search, const struct login_program *program)
{
    static const char *const directories[] = {"", "local/"};
    const char *executed = executed_by(program);
    struct mac_denial denial = {.program = program->name, .need = MAC_READ_SNAPSHOT};
    char path[PATH_MAX];

    snprintf(denial.domain, sizeof denial.domain, "%s", executed);
    for (size_t i = sizeof directories / sizeof *directories; i-- > 0;) {
        const int used = snprintf(path, sizeof path, "/etc/apparmor.d/%s", directories[i]);
        snprintf(path + used, sizeof path - (size_t)used, "%s", executed + 1);
        for (char *slash = path + used; (slash = strchr(slash, '/')) != NULL;)
            *slash = '.';
        if (apparmor_mentions(search, path))
            return;
    }
    denial.path = path;
    search->visit(search->context, &denial);
}

/* profiles: the kernel's list, a line "NAME (MODE)" each. */
static void find_apparmor(const struct mac_search *search, FILE *profiles)
{
    static const char enforced[] = " (enforce)\n";
    char *line = NULL;
    size_t size = 0;
    ssize_t length;

    while ((length = getline(&line, &size, profiles)) > (ssize_t)strlen(enforced)) {
        char *mode = line + length - strlen(enforced);
        if (strcmp(mode, enforced) != 0)
            continue;
        *mode = '\0';
        for (size_t i = 0; i < sizeof programs / sizeof *programs; i++)
            if (programs[i].user == NULL && strcmp(executed_by(&programs[i]), line) == 0)
                apparmor_look(search, &programs[i]);
    }
    free(line);
}

static FILE *apparmor_profiles(const struct host *host)
{
    char path[PATH_MAX];

    return host_path(host, "/sys/kernel/security/apparmor/profiles", path, sizeof path) == 0
               ? fopen(path, "re")
               : NULL;
}

/* --- all of them ------------------------------------------------------------------ */

enum mac_kind mac_find_denials(const struct host *host, const struct mac_kernel *kernel,
                               const struct mac_places *places, bool *is_enforced, mac_visit *visit,
                               void *context)
{
    const struct mac_search search = {host, kernel, places, visit, context};
    char answer[32];
    FILE *profiles;
    enum mac_kind kind = MAC_NONE;

    *is_enforced = true;
    if (ask(&search, SELINUX "/enforce", NULL, answer, sizeof answer) == 0) {
        kind = MAC_SELINUX;
        *is_enforced = answer[0] == '1';
        find_selinux(&search);
    } else if (ask(&search, SMACK "/onlycap", NULL, answer, sizeof answer) == 0) {
        kind = MAC_SMACK;
        find_smack(&search);
    } else if ((profiles = apparmor_profiles(host)) != NULL) {
        kind = MAC_APPARMOR;
        find_apparmor(&search, profiles);
        fclose(profiles);
    }
    return kind;
}
