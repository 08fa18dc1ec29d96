#include "tools/tmoutd/record.h"

#include "lib/host/account.h"
#include "tools/tmoutd/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

enum record_verdict record_judge(const struct login_evidence *evidence, uid_t *uid)
{
    switch (login_judge(evidence, uid)) {
    case LOGIN_OPEN:
        return RECORD_REBUILD;
    case LOGIN_PENDING: /* which has no record */
    case LOGIN_UNREADABLE:
        return RECORD_RETRY;
    case LOGIN_NONE:
    default:
        return evidence->is_root && evidence->error == 0 ? RECORD_KEEP : RECORD_REMOVE;
    }
}

/* Returns 0, or -1 if the user database cannot be read now. */
static int rebuild(const struct login_evidence *evidence, uid_t uid, const struct timestamp *now,
                   struct session_record *record)
{
    struct found_login found = found_login_of(evidence, uid);
    char *user = account_name_of(uid);

    if (user == NULL)
        return -1;
    found_login_record(&found, user, LOGIN_REBUILT, now, record);
    free(user);
    return found.is_ssh ? 0
                        : found_login_terminal(&found, record->terminal, sizeof record->terminal);
}

static enum record_status read_damaged(const char *sessions_dir, pid_t pid,
                                       const struct timestamp *now, struct session_record *record)
{
    struct login_evidence evidence;
    struct failure failure = {""};
    uid_t uid;

    login_evidence_find(pid, &evidence);
    enum record_verdict verdict = record_judge(&evidence, &uid);
    if (verdict == RECORD_REBUILD && rebuild(&evidence, uid, now, record) != 0)
        verdict = RECORD_RETRY;
    switch (verdict) {
    case RECORD_REBUILD:
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
