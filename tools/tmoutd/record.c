#include "tools/tmoutd/record.h"

#include "lib/host/account.h"
#include "lib/sessions/login_processes.h"
#include "tools/tmoutd/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

static bool is_sshd(const struct record_evidence *evidence)
{
    return strncmp(evidence->name, "sshd", 4) == 0;
}

enum record_verdict record_judge(const struct record_evidence *evidence)
{
    if (!evidence->is_read)
        return process_has_ended(evidence->error) ? RECORD_REMOVE : RECORD_RETRY;
    if (!evidence->is_root)
        return RECORD_REMOVE;
    if (!is_sshd(evidence) && strcmp(evidence->name, "login") != 0)
        return RECORD_KEEP;
    return evidence->user[0] != '\0' ? RECORD_REBUILD : RECORD_RETRY;
}

void record_rebuild(const struct record_evidence *evidence, const struct timestamp *now,
                    uint64_t ticks_per_sec, struct session_record *record)
{
    const bool is_ssh = is_sshd(evidence);

    memset(record, 0, sizeof *record);
    record->pid = evidence->process.pid;
    record->is_ssh = is_ssh;
    if (!is_ssh)
        terminal_name_of_stat(evidence->terminal, record->terminal, sizeof record->terminal);
    record->start_ticks = evidence->process.start_ticks;
    record->audit_session = evidence->audit_session;
    record->since = *now;
    record->since.boot_ms = (int64_t)(evidence->process.start_ticks * 1000 / ticks_per_sec);
    record->source = LOGIN_REBUILT;
    record->uid = NO_UID;
    snprintf(record->user, sizeof record->user, "%s", evidence->user);
    snprintf(record->service, sizeof record->service, "%s", is_ssh ? "sshd" : "login");
    snprintf(record->address, sizeof record->address, "%s", is_ssh ? "unknown" : "local");
}

/* The login(1) of util-linux gives up the terminal; the child that leads the
 * user's session has it. */
static uint32_t terminal_of_child(const struct process *parent)
{
    const struct session_record login = {.pid = parent->pid, .start_ticks = parent->start_ticks};
    struct process *processes = NULL;
    const ssize_t count = login_processes(&login, &processes);
    uint32_t terminal = 0;

    for (ssize_t i = 0; i < count && terminal == 0; i++)
        if (processes[i].parent == parent->pid)
            terminal = processes[i].terminal;
    free(processes);
    return terminal;
}

static void find_evidence(pid_t pid, struct record_evidence *evidence)
{
    char *user;
    uid_t uid;

    *evidence = (struct record_evidence){.audit_session = process_audit_session(pid)};
    evidence->is_read = process_read(pid, &evidence->process) == 0;
    evidence->error = errno;
    if (!evidence->is_read)
        return;
    evidence->is_root = process_is_roots(pid);
    if (!process_name(pid, evidence->name, sizeof evidence->name))
        evidence->name[0] = '\0';
    evidence->terminal = evidence->process.terminal;
    if (evidence->terminal == 0 && !is_sshd(evidence))
        evidence->terminal = terminal_of_child(&evidence->process);
    /* The kernel keeps the login uid, whatever the processes have become. */
    if (process_login_uid(pid, &uid) && (user = account_name_of(uid)) != NULL) {
        snprintf(evidence->user, sizeof evidence->user, "%s", user);
        free(user);
    }
}

static enum record_status read_damaged(const char *sessions_dir, pid_t pid,
                                       const struct timestamp *now, struct session_record *record)
{
    struct record_evidence evidence;
    struct failure failure = {""};

    find_evidence(pid, &evidence);
    switch (record_judge(&evidence)) {
    case RECORD_REBUILD:
        record_rebuild(&evidence, now, (uint64_t)sysconf(_SC_CLK_TCK), record);
        log_line(LOG_ERR, "%s/%d: was damaged, rebuilt from /proc user=%s", sessions_dir, (int)pid,
                 record->user);
        if (registry_put(sessions_dir, geteuid(), record, &failure) != 0)
            log_line(LOG_ERR, "%s/%d: cannot write: %s", sessions_dir, (int)pid, failure.text);
        return RECORD_FOUND;
    case RECORD_REMOVE:
        log_line(LOG_ERR, "%s/%d: damaged, and there is no such login process; removing it",
                 sessions_dir, (int)pid);
        registry_remove(sessions_dir, geteuid(), pid);
        return RECORD_NONE;
    case RECORD_RETRY:
        log_line(
            LOG_ERR,
            "%s/%d: damaged, and /proc or the user database cannot be read now; the login is not "
            "watched for now",
            sessions_dir, (int)pid);
        return RECORD_LATER;
    case RECORD_KEEP:
    default:
        log_line(LOG_ERR, "%s/%d: damaged, and the process is not a login; ignoring it",
                 sessions_dir, (int)pid);
        return RECORD_NONE;
    }
}

static enum record_status keep_if_live(const char *sessions_dir,
                                       const struct session_record *record)
{
    if (session_check_live(record) == 0)
        return RECORD_FOUND;
    if (!process_has_ended(errno)) {
        log_line(LOG_ERR, "cannot read process %d: %s; the login is not watched for now user=%s",
                 (int)record->pid, strerror(errno), record->user);
        return RECORD_LATER;
    }
    registry_remove(sessions_dir, geteuid(), record->pid); /* killed, or it crashed */
    return RECORD_NONE;
}

enum record_status record_read(const char *sessions_dir, pid_t pid, const struct timestamp *now,
                               struct session_record *record)
{
    switch (registry_get(sessions_dir, geteuid(), pid, record)) {
    case REGISTRY_OK:
        return keep_if_live(sessions_dir, record);
    case REGISTRY_ABSENT:
        return RECORD_NONE;
    case REGISTRY_NEWER:
    case REGISTRY_DAMAGED:
        return read_damaged(sessions_dir, pid, now, record);
    case REGISTRY_FAILED:
    default:
        log_line(LOG_ERR, "%s/%d: cannot read: %s; the login is not watched for now", sessions_dir,
                 (int)pid, strerror(errno));
        return RECORD_LATER;
    }
}
