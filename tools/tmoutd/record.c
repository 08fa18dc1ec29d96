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

void record_look(const void *input, int fd, struct answer *answer)
{
    const struct record_question *question = input;
    struct record_finding finding = {0};
    struct login_evidence evidence;
    uid_t uid;

    (void)fd;
    login_evidence_find(question->pid, &evidence);
    finding.verdict = record_judge(&evidence, &uid);
    if (finding.verdict == RECORD_REBUILD &&
        rebuild(&evidence, uid, &question->now, &finding.record) != 0)
        finding.verdict = RECORD_RETRY;
    answer_put(answer, &finding, sizeof finding);
}

void record_settle(const char *sessions_dir, pid_t pid, const struct record_finding *finding)
{
    struct failure failure = {""};

    switch (finding->verdict) {
    case RECORD_REBUILD:
        log_line(LOG_ERR, "%s/%d: was damaged, rebuilt from /proc user=%s", sessions_dir, (int)pid,
                 finding->record.user);
        if (registry_put(sessions_dir, geteuid(), &finding->record, &failure) != 0)
            log_line(LOG_ERR, "%s/%d: cannot write: %s", sessions_dir, (int)pid, failure.text);
        break;
    case RECORD_REMOVE:
        log_line(LOG_ERR, "%s/%d: damaged, and there is no such login process; removing it",
                 sessions_dir, (int)pid);
        registry_remove(sessions_dir, geteuid(), pid);
        break;
    case RECORD_RETRY:
        log_line(
            LOG_ERR,
            "%s/%d: damaged, and /proc or the user database cannot be read now; the login is not "
            "watched for now",
            sessions_dir, (int)pid);
        break;
    case RECORD_KEEP:
    default:
        log_line(LOG_ERR, "%s/%d: damaged, and the process is not a login; ignoring it",
                 sessions_dir, (int)pid);
    }
}
