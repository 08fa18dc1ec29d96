#include "tools/tmoutd/record.h"

#include "lib/host/account.h"
#include "tools/tmoutd/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

/* Only root's own sshd or login is one, whatever the file's name says. */
static bool is_login_process(pid_t pid, bool *is_ssh)
{
    char name[32];

    if (!process_is_roots(pid) || !process_name(pid, name, sizeof name))
        return false;
    *is_ssh = strncmp(name, "sshd", 4) == 0;
    return *is_ssh || strcmp(name, "login") == 0;
}

/* The name of a controlling terminal below /dev, "" where it has no plain one. */
static void terminal_of(const struct process *process, char *name, size_t size)
{
    enum { CONSOLES_MAJOR = 4, PTS_MAJOR_FIRST = 136, PTS_MAJOR_LAST = 143, PTS_EACH = 1 << 20 };
    const unsigned major_number = process->terminal >> 8 & 0xfff;
    const unsigned minor_number = (process->terminal & 0xff) | (process->terminal >> 12 & 0xfff00);

    name[0] = '\0';
    if (major_number >= PTS_MAJOR_FIRST && major_number <= PTS_MAJOR_LAST)
        snprintf(name, size, "pts/%u", (major_number - PTS_MAJOR_FIRST) * PTS_EACH + minor_number);
    else if (major_number == CONSOLES_MAJOR)
        snprintf(name, size, "tty%u", minor_number);
}

/*
 * A record that says nothing reliable about a login that lives: who it is the
 * kernel knows from the login itself, and when it began from its process.
 */
static bool recover(pid_t pid, const struct timestamp *now, struct session_record *record)
{
    struct process process;
    uid_t uid;
    char *user;
    bool is_ssh;

    if (!is_login_process(pid, &is_ssh) || process_read(pid, &process) != 0 ||
        !process_login_uid(pid, &uid) || (user = account_name_of(uid)) == NULL)
        return false;
    memset(record, 0, sizeof *record);
    record->pid = pid;
    record->is_ssh = is_ssh;
    if (!is_ssh)
        terminal_of(&process, record->terminal, sizeof record->terminal);
    record->start_ticks = process.start_ticks;
    record->audit_session = process_audit_session(pid);
    record->since = *now;
    record->since.boot_ms = (int64_t)(process.start_ticks * 1000 / (uint64_t)sysconf(_SC_CLK_TCK));
    snprintf(record->user, sizeof record->user, "%s", user);
    snprintf(record->service, sizeof record->service, "%s", is_ssh ? "sshd" : "login");
    snprintf(record->address, sizeof record->address, "%s", is_ssh ? "unknown" : "local");
    free(user);
    return true;
}

/* The record of a login that lives but whose file is damaged. */
static enum record_status read_damaged(const char *sessions_dir, pid_t pid,
                                       const struct timestamp *now, struct session_record *record)
{
    struct process process;
    struct failure failure = {""};
    bool is_ssh;

    if (recover(pid, now, record)) {
        log_line(LOG_ERR, "%s/%d: was damaged and is made anew from the login itself user=%s",
                 sessions_dir, (int)pid, record->user);
        if (registry_put(sessions_dir, geteuid(), record, &failure) != 0)
            log_line(LOG_ERR, "%s/%d: cannot be written: %s", sessions_dir, (int)pid, failure.text);
        return RECORD_FOUND;
    }
    /* Only what is surely nobody's goes: a want of descriptors must not. */
    if (process_read(pid, &process) != 0 ? errno == ENOENT || errno == ESRCH
                                         : !process_is_roots(pid)) {
        log_line(LOG_ERR, "%s/%d: is damaged, and no login can be found to it; it is removed",
                 sessions_dir, (int)pid);
        registry_remove(sessions_dir, pid);
        return RECORD_NONE;
    }
    log_line(LOG_ERR, "%s/%d: is damaged, and the login to it cannot be told; it is not watched",
             sessions_dir, (int)pid);
    return is_login_process(pid, &is_ssh) ? RECORD_LATER : RECORD_NONE;
}

enum record_status record_read(const char *sessions_dir, pid_t pid, const struct timestamp *now,
                               struct session_record *record)
{
    switch (registry_get(sessions_dir, geteuid(), pid, record)) {
    case REGISTRY_OK:
        if (session_is_live(record))
            return RECORD_FOUND;
        registry_remove(sessions_dir, pid); /* its process was killed */
        return RECORD_NONE;
    case REGISTRY_ABSENT:
        return RECORD_NONE;
    case REGISTRY_DAMAGED:
        return read_damaged(sessions_dir, pid, now, record);
    case REGISTRY_FAILED:
    default:
        log_line(LOG_ERR, "%s/%d: cannot be read: %s; the login is not watched until it can",
                 sessions_dir, (int)pid, strerror(errno));
        return RECORD_LATER;
    }
}
