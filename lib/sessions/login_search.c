#include "lib/sessions/login_search.h"

#include "lib/host/proc_children.h"
#include "lib/host/proc_directory.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NAME_ROOM = 64 };

/* --- one process ----------------------------------------------------------- */

/* A link in its /proc directory. Returns 0, or -1 with errno. */
static int read_process_link(pid_t pid, const char *name, char *target, size_t size)
{
    char path[NAME_ROOM];

    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
    const ssize_t length = readlink(path, target, size - 1);
    if (length < 0)
        return -1;
    target[length] = '\0';
    return 0;
}

static enum login_program program_called(const char *name)
{
    if (strcmp(name, "sshd") == 0 || strcmp(name, "sshd-session") == 0)
        return PROGRAM_SSHD;
    if (strcmp(name, "dropbear") == 0)
        return PROGRAM_DROPBEAR;
    return strcmp(name, "login") == 0 ? PROGRAM_LOGIN : PROGRAM_OTHER;
}

/* The file that it executes. A package that was upgraded has replaced it. */
static int read_program(pid_t pid, enum login_program *program, char *name, size_t size)
{
    static const char deleted[] = " (deleted)";
    char path[PATH_MAX];
    const size_t cut = sizeof deleted - 1;

    if (read_process_link(pid, "exe", path, sizeof path) != 0)
        return -1;
    const size_t length = strlen(path);
    if (length > cut && strcmp(path + length - cut, deleted) == 0)
        path[length - cut] = '\0';
    const char *slash = strrchr(path, '/');
    const char *base = slash != NULL ? slash + 1 : path;
    *program = program_called(base);
    snprintf(name, size, "%s", base);
    return 0;
}

/* By what a process calls itself: enough to leave alone what the kernel shows no
 * program of. */
static bool may_be_program(pid_t pid)
{
    char name[32];

    return !process_name(pid, name, sizeof name) || strncmp(name, "sshd", 4) == 0 ||
           strcmp(name, "dropbear") == 0 || strcmp(name, "login") == 0;
}

/* Is this link the same for that process as for this one? 1 or 0, or -1. */
static int shares_namespace(pid_t pid, const char *name)
{
    char own[NAME_ROOM], other[NAME_ROOM];

    if (read_process_link(getpid(), name, own, sizeof own) != 0 ||
        read_process_link(pid, name, other, sizeof other) != 0)
        return -1;
    return strcmp(own, other) == 0;
}

static int shares_root_directory(pid_t pid)
{
    struct stat own, other;
    char path[NAME_ROOM];

    snprintf(path, sizeof path, "/proc/%d/root/", (int)pid);
    if (stat("/", &own) != 0 || stat(path, &other) != 0)
        return -1;
    return own.st_dev == other.st_dev && own.st_ino == other.st_ino;
}

static int read_is_of_host(pid_t pid, bool *is_of_host)
{
    int shared = shares_namespace(pid, "ns/pid");

    if (shared == 1)
        shared = shares_namespace(pid, "ns/user");
    if (shared == 1)
        shared = shares_root_directory(pid);
    *is_of_host = shared == 1;
    return shared < 0 ? -1 : 0;
}

/* Its uids and its parent, from the one file of those that have them which needs no
 * lock. */
static int read_status(pid_t pid, uid_t uid[4], pid_t *parent)
{
    char text[2048];

    if (process_file(pid, "status", text, sizeof text) < 0)
        return -1;
    const char *line = strstr(text, "\nPPid:");
    if (line != NULL && sscanf(line, "\nPPid: %d", parent) == 1 && proc_text_uids(text, uid))
        return 0;
    errno = EINVAL;
    return -1;
}

static bool are_roots(const uid_t uid[4])
{
    return (uid[0] | uid[1] | uid[2] | uid[3]) == 0;
}

static int read_title(pid_t pid, char *title, size_t size)
{
    return process_file(pid, "cmdline", title, size) < 0 ? -1 : 0;
}

/* --- its children ---------------------------------------------------------- */

/* Is it called as its parent is? So is the process that sshd makes to talk to the
 * client. Asking for its program could wait for it, were it one of its user's. */
static bool has_name_of(pid_t pid, pid_t parent)
{
    char name[32], name_of_parent[32];

    return process_name(pid, name, sizeof name) &&
           process_name(parent, name_of_parent, sizeof name_of_parent) &&
           strcmp(name, name_of_parent) == 0;
}

static int look_at_child(pid_t pid, struct login_evidence *evidence)
{
    uid_t uid[4];
    pid_t parent;

    if (read_status(pid, uid, &parent) != 0)
        return process_has_ended(errno) ? 0 : -1;
    if (parent != evidence->pid)
        return 0; /* another one with the same pid */
    evidence->has_child = true;
    if (are_roots(uid) || evidence->child_uid != NO_UID)
        return 0;
    evidence->child_uid = uid[0];
    /* Not dumpable, so nobody but root can get at its memory. */
    if (evidence->program == PROGRAM_SSHD && has_name_of(pid, evidence->pid) &&
        read_title(pid, evidence->child_title, sizeof evidence->child_title) != 0 &&
        !process_has_ended(errno))
        return -1;
    return 0;
}

/* sshd and login(1) have a single thread. */
static int look_at_children(struct login_evidence *evidence)
{
    char path[NAME_ROOM], *text = NULL;
    size_t size = 0;
    int result = 0;

    snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)evidence->pid,
             (int)evidence->pid);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return -1;
    if (getline(&text, &size, file) > 0) {
        char *rest = text;
        pid_t child;
        while (result == 0 && (child = proc_text_next_child(&rest)) != 0)
            result = look_at_child(child, evidence);
    } else if (!feof(file)) {
        result = -1;
    }
    const int error = errno;
    free(text);
    fclose(file);
    errno = error;
    return result;
}

/* --- the evidence ---------------------------------------------------------- */

/* The PAM service: sshd takes it from the name that it was started by, until
 * OpenSSH 9.8 put the sessions into a program of their own. */
static int find_service(struct login_evidence *evidence, const char *program)
{
    if (evidence->program == PROGRAM_SSHD && strcmp(program, "sshd") == 0)
        return process_name(evidence->pid, evidence->service, sizeof evidence->service) ? 0 : -1;
    snprintf(evidence->service, sizeof evidence->service, "%s",
             strcmp(program, "sshd-session") == 0 ? "sshd" : program);
    return 0;
}

/* Unlike process_audit_session(), tells a process without one from a failure. */
static int read_audit_session(pid_t pid, uint32_t *session)
{
    char text[32];

    if (process_file(pid, "sessionid", text, sizeof text) < 0) {
        if (errno == ENOENT && access("/proc/self/sessionid", F_OK) != 0) {
            *session = NO_AUDIT_SESSION; /* a kernel without audit */
            return 0;
        }
        return -1;
    }
    if (!proc_text_audit_number(text, session))
        *session = NO_AUDIT_SESSION;
    return 0;
}

static int read_audit(pid_t pid, pid_t parent, struct login_evidence *evidence)
{
    if (read_audit_session(pid, &evidence->audit_session) != 0)
        return -1;
    if (evidence->audit_session == NO_AUDIT_SESSION)
        return 0;
    if (read_audit_session(parent, &evidence->parent_audit_session) != 0) {
        if (process_has_ended(errno))
            errno = EAGAIN; /* it has another parent by now */
        return -1;
    }
    if (!process_login_uid(pid, &evidence->login_uid)) {
        errno = EAGAIN;
        return -1;
    }
    return 0;
}

/* Returns 0, or -1 with errno. What is clear early is not read on. */
static int collect_evidence(pid_t pid, struct login_evidence *evidence)
{
    char program[sizeof evidence->service];
    struct process process;
    pid_t parent;
    uid_t uid[4];

    if (read_status(pid, uid, &parent) != 0)
        return -1;
    evidence->is_root = are_roots(uid);
    if (!evidence->is_root)
        return 0;
    if (read_program(pid, &evidence->program, program, sizeof program) != 0) {
        const int error = errno;
        if (error == ENOENT || !may_be_program(pid))
            return 0; /* a thread of the kernel's, or a process that is shielded from us */
        errno = error;
        return -1;
    }
    if (evidence->program == PROGRAM_OTHER)
        return 0;
    if (read_is_of_host(pid, &evidence->is_of_host) != 0)
        return -1;
    if (!evidence->is_of_host)
        return 0;
    if (read_audit(pid, parent, evidence) != 0 || find_service(evidence, program) != 0 ||
        process_read(pid, &process) != 0)
        return -1;
    evidence->start_ticks = process.start_ticks;
    if (evidence->program == PROGRAM_SSHD &&
        read_title(pid, evidence->title, sizeof evidence->title) != 0)
        return -1;
    return look_at_children(evidence);
}

void login_evidence_find(pid_t pid, struct login_evidence *evidence)
{
    *evidence = (struct login_evidence){
        .pid = pid, .login_uid = NO_UID, .child_uid = NO_UID, .audit_session = NO_AUDIT_SESSION};
    evidence->error = collect_evidence(pid, evidence) == 0 ? 0 : errno;
}

/* --- what follows ---------------------------------------------------------- */

/* pam_loginuid gave it one. */
static bool has_own_audit_session(const struct login_evidence *evidence)
{
    return evidence->audit_session != NO_AUDIT_SESSION && evidence->login_uid != NO_UID &&
           evidence->audit_session != evidence->parent_audit_session;
}

/* The titles that sshd gives its processes until the user is admitted. */
static bool is_before_admission(const struct login_evidence *evidence)
{
    return strstr(evidence->child_title, "[net]") != NULL ||
           strstr(evidence->child_title, "[preauth]") != NULL ||
           strstr(evidence->title, "[accepted]") != NULL ||
           strstr(evidence->title, "[preauth]") != NULL;
}

/* OpenSSH's processes call themselves "sshd: ...". The one that listens may have
 * the audit session of an administrator who started it by hand. */
static enum login_verdict judge_sshd(const struct login_evidence *evidence, uid_t *uid)
{
    if (is_before_admission(evidence))
        return LOGIN_PENDING;
    if (strstr(evidence->title, ": ") == NULL || strstr(evidence->title, "[listener]") != NULL)
        return LOGIN_NONE;
    if (has_own_audit_session(evidence)) {
        *uid = evidence->login_uid;
        return LOGIN_OPEN;
    }
    if (evidence->child_title[0] != '\0') {
        *uid = evidence->child_uid;
        return LOGIN_OPEN;
    }
    /* For root's logins OpenSSH before 9.8 has no process without privileges. */
    if (strstr(evidence->title, ": root@") != NULL) {
        *uid = 0;
        return LOGIN_OPEN;
    }
    return strstr(evidence->title, "[priv]") != NULL ? LOGIN_PENDING : LOGIN_NONE;
}

/* Dropbear opens no PAM session. The process of a connection is the parent of its
 * user's; the one that listens has only those as children. */
static enum login_verdict judge_dropbear(const struct login_evidence *evidence, uid_t *uid)
{
    *uid = evidence->child_uid;
    return evidence->child_uid != NO_UID ? LOGIN_OPEN : LOGIN_NONE;
}

static enum login_verdict judge_console(const struct login_evidence *evidence, uid_t *uid)
{
    if (has_own_audit_session(evidence))
        *uid = evidence->login_uid;
    else if (evidence->has_child)
        *uid = evidence->child_uid != NO_UID ? evidence->child_uid : 0;
    else
        return LOGIN_PENDING;
    return LOGIN_OPEN;
}

enum login_verdict login_judge(const struct login_evidence *evidence, uid_t *uid)
{
    if (evidence->error != 0)
        return process_has_ended(evidence->error) ? LOGIN_NONE : LOGIN_UNREADABLE;
    if (!evidence->is_root || !evidence->is_of_host)
        return LOGIN_NONE;
    switch (evidence->program) {
    case PROGRAM_SSHD:
        return judge_sshd(evidence, uid);
    case PROGRAM_DROPBEAR:
        return judge_dropbear(evidence, uid);
    case PROGRAM_LOGIN:
        return judge_console(evidence, uid);
    case PROGRAM_OTHER:
    default:
        return LOGIN_NONE;
    }
}

/* --- all processes --------------------------------------------------------- */

static int compare_pids(const void *left, const void *right)
{
    const pid_t a = *(const pid_t *)left, b = *(const pid_t *)right;

    return (a > b) - (a < b);
}

static bool is_known(const pid_t *known, size_t count, pid_t pid)
{
    return count > 0 && bsearch(&pid, known, count, sizeof *known, compare_pids) != NULL;
}

struct found_login found_login_of(const struct login_evidence *evidence, uid_t uid)
{
    struct found_login found = {.pid = evidence->pid,
                                .start_ticks = evidence->start_ticks,
                                .audit_session = evidence->audit_session,
                                .uid = uid,
                                .is_ssh = evidence->program != PROGRAM_LOGIN};

    snprintf(found.service, sizeof found.service, "%s", evidence->service);
    return found;
}

static void add_found(struct login_search *search, const struct login_evidence *evidence, uid_t uid)
{
    if (search->count < FOUND_LOGINS_MAX)
        search->login[search->count++] = found_login_of(evidence, uid);
    else
        search->next = evidence->pid;
}

static void add_unsettled(struct login_search *search, const struct login_evidence *evidence,
                          enum login_verdict verdict)
{
    if (search->unsettled_count < UNSETTLED_MAX)
        search->unsettled[search->unsettled_count++] = (struct unsettled_process){
            .pid = evidence->pid, .verdict = verdict, .error = evidence->error};
    else
        search->next = evidence->pid;
}

static enum login_verdict look_at_process(struct login_search *search, pid_t pid,
                                          struct login_evidence *evidence)
{
    uid_t uid = NO_UID;

    login_evidence_find(pid, evidence);
    const enum login_verdict verdict = login_judge(evidence, &uid);
    if (verdict == LOGIN_OPEN)
        add_found(search, evidence, uid);
    else if (verdict != LOGIN_NONE)
        add_unsettled(search, evidence, verdict);
    return verdict;
}

/* It has not executed the program yet, or not given itself a title. */
static bool may_become_login(const struct login_evidence *evidence)
{
    return evidence->error == 0 && evidence->is_root &&
           (evidence->program == PROGRAM_OTHER || evidence->is_of_host) &&
           strstr(evidence->title, "[listener]") == NULL;
}

static void clear_search(struct login_search *search)
{
    memset(search, 0, offsetof(struct login_search, unsettled));
}

/* The kernel lists processes in the order of their pids. */
int login_search(const pid_t *known, size_t count, pid_t from, struct login_search *search)
{
    DIR *proc = opendir("/proc");
    struct login_evidence evidence;
    const char *name;

    clear_search(search);
    if (proc == NULL)
        return -1;
    while ((name = proc_directory_next(proc)) != NULL && search->next == 0) {
        const pid_t pid = (pid_t)strtol(name, NULL, 10);
        if (pid > 0 && pid >= from && !is_known(known, count, pid) && process_may_be_roots(pid))
            look_at_process(search, pid, &evidence);
    }
    proc_directory_close(proc);
    return errno == 0 ? 0 : -1;
}

void login_search_among(const pid_t *pid, size_t count, pid_t from, struct login_search *search)
{
    struct login_evidence evidence;

    clear_search(search);
    for (size_t i = 0; i < count && search->next == 0; i++)
        if (pid[i] >= from && look_at_process(search, pid[i], &evidence) == LOGIN_NONE &&
            may_become_login(&evidence))
            add_unsettled(search, &evidence, LOGIN_NONE);
}

/* --- its record ------------------------------------------------------------ */

int64_t found_login_start_ms(const struct found_login *found)
{
    return (int64_t)(found->start_ticks * 1000 / (uint64_t)sysconf(_SC_CLK_TCK));
}

void found_login_record(const struct found_login *found, const char *user, enum login_source source,
                        const struct timestamp *now, struct session_record *record)
{
    memset(record, 0, sizeof *record);
    record->pid = found->pid;
    record->start_ticks = found->start_ticks;
    record->audit_session = found->audit_session;
    record->is_ssh = found->is_ssh;
    record->source = source;
    record->uid = found->uid;
    record->since = *now;
    record->since.boot_ms = found_login_start_ms(found);
    record->since.wall_ms -= clock_elapsed_ms(record->since.boot_ms, now->boot_ms);
    snprintf(record->user, sizeof record->user, "%s", user);
    snprintf(record->service, sizeof record->service, "%s", found->service);
    snprintf(record->address, sizeof record->address, "%s", found->is_ssh ? "unknown" : "local");
}

int found_login_terminal(const struct found_login *found, char *name, size_t size)
{
    struct process process, of_child;
    pid_t *child = NULL;
    int result = 0;

    name[0] = '\0';
    if (process_read(found->pid, &process) != 0)
        return -1;
    /* The login(1) of util-linux gives the terminal up; the child that leads the
     * user's session has it. */
    const ssize_t count = process.terminal == 0 ? process_children(found->pid, &child) : 0;
    for (ssize_t i = 0; process.terminal == 0 && i < count; i++) {
        if (process_read(child[i], &of_child) != 0)
            result = process_has_ended(errno) ? result : -1;
        else if (of_child.parent == found->pid)
            process.terminal = of_child.terminal;
    }
    free(child);
    terminal_name_of_stat(process.terminal, name, size);
    return name[0] != '\0' ? 0 : result;
}
