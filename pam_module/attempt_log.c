#include "pam_module/attempt_log.h"

#include "lib/attempts/ledger_access.h"
#include "lib/host/audit_record.h"
#include "lib/attempts/ledger_lock.h"
#include "lib/policy/duration.h"
#include "pam_module/pam_item.h"
#include "pam_module/protected.h"

#include <errno.h>
#include <security/pam_ext.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

static void lock_text(const struct attempt_limits *limits, char *text, size_t size)
{
    setting_format(&settings[SETTING_LOCK_TIME],
                   limits->lock_ms == SETTING_FOREVER ? SETTING_FOREVER : limits->lock_ms / 1000,
                   text, size);
}

enum { FIELDS_MAX = 512 };

/* What all lines about an attempt end with: key=value, for programs. */
#define ATTEMPT_FORMAT "user=%s address=%s service=%s failures=%u max_attempts=%u"
#define ATTEMPT_FIELDS(pamh, request, report)                                                      \
    (request)->log_name, (request)->login.address, service_name(pamh), (report)->failures,         \
        (request)->limits.max_attempts

/* The same for attempts of another process, whose origin is not known. */
#define UNKNOWN_ORIGIN_FORMAT "user=%s address=unknown service=unknown failures=%u max_attempts=%u"
#define UNKNOWN_ORIGIN_FIELDS(request, report)                                                     \
    (request)->log_name, (report)->failures, (request)->limits.max_attempts

static const char *service_name(pam_handle_t *pamh)
{
    const char *service = pam_item(pamh, PAM_SERVICE);

    return service != NULL ? service : "?";
}

/* In the form of pam_syslog(), which no longer knows the module's name when
 * pam_authenticate() ends. */
__attribute__((format(printf, 4, 5))) static void log_line(pam_handle_t *pamh,
                                                           const struct attempt_request *request,
                                                           int priority, const char *format, ...)
{
    va_list arguments;
    char *text = NULL;

    va_start(arguments, format);
    if (vasprintf(&text, format, arguments) < 0)
        text = NULL;
    va_end(arguments);
    syslog(LOG_AUTHPRIV | priority, "pam_tmout(%s:%s): %s", service_name(pamh),
           request->purpose == ATTEMPT_LOGIN ? "auth" : "chauthtok", text != NULL ? text : format);
    free(text);
}

/* Their address is not known, and it is not that of the login which finds them:
 * programs that read the log may ban addresses. */
static void log_abandoned(pam_handle_t *pamh, const struct attempt_request *request,
                          const struct attempt_report *report)
{
    for (unsigned i = 0; i < report->changes.died; i++)
        log_line(pamh, request, LOG_NOTICE,
                 "login attempt abandoned, counted as failed " UNKNOWN_ORIGIN_FORMAT,
                 UNKNOWN_ORIGIN_FIELDS(request, report));
}

/* Beside the line in the log. is_own: the event comes from this attempt, and not from
 * one of another process, whose address is not known. */
static void send_audit_record(pam_handle_t *pamh, const struct attempt_request *request,
                              enum audit_event event, bool is_own)
{
    const char *terminal = pam_item(pamh, PAM_TTY);
    char safe_terminal[LOG_NAME_MAX] = "";
    const struct audit_subject subject = {
        .uid = request->uid,
        .address =
            is_own && request->login.origin.kind != ORIGIN_LOCAL ? request->login.address : NULL,
        .terminal = is_own && terminal != NULL ? safe_terminal : NULL};

    if (terminal != NULL)
        log_name(terminal, safe_terminal, sizeof safe_terminal);
    if (audit_record(event, &subject) != 0)
        log_line(pamh, request, LOG_WARNING, "cannot send audit record: %s user=%s",
                 strerror(errno), request->log_name);
}

static void log_lock(pam_handle_t *pamh, const struct attempt_request *request, const char *fields)
{
    char lock_time[SETTING_TEXT_MAX];

    lock_text(&request->limits, lock_time, sizeof lock_time);
    log_line(pamh, request, LOG_WARNING, "locked after too many failed attempts %s lock_time=%s",
             fields, lock_time);
}

void attempt_log_changes(pam_handle_t *pamh, const struct attempt_request *request,
                         const struct attempt_report *report)
{
    char fields[FIELDS_MAX];

    log_abandoned(pamh, request, report);
    snprintf(fields, sizeof fields, UNKNOWN_ORIGIN_FORMAT, UNKNOWN_ORIGIN_FIELDS(request, report));
    if (report->changes.locked) {
        log_lock(pamh, request, fields);
        send_audit_record(pamh, request, AUDIT_EVENT_LOCKED, false);
    }
    if (report->changes.lock_expired) {
        log_line(pamh, request, LOG_NOTICE, "lock expired " ATTEMPT_FORMAT,
                 ATTEMPT_FIELDS(pamh, request, report));
        send_audit_record(pamh, request, AUDIT_EVENT_LOCK_EXPIRED, true);
    }
}

void attempt_log_stuck(pam_handle_t *pamh, const struct attempt_request *request,
                       const char *state_dir)
{
    log_line(pamh, request, LOG_WARNING,
             "attempt ledger %s/" LEDGER_DIRECTORY
             "/%u was locked for %d s by a process that does not continue: replaced by a copy "
             "user=%s",
             state_dir, (unsigned)request->uid, LEDGER_LOCK_WAIT_MS / 1000, request->log_name);
}

void attempt_log_ledger(pam_handle_t *pamh, const struct attempt_request *request,
                        const char *state_dir, const char *reason, const char *consequence)
{
    struct failure unused = {""}, advice = {""};
    enum ledger_access access = ACCESS_FAILED;
    struct protection before;

    /* The user's limits must not make it look like a full disk. */
    if (protect_begin(&before) == 0) {
        access = ledger_probe_access(state_dir, request->uid, geteuid(), &unused);
        protect_end(&before);
    }
    ledger_access_advice(access, state_dir, request->log_name, &advice);
    log_line(pamh, request, LOG_ERR, "attempt ledger %s/" LEDGER_DIRECTORY "/%u %s: %s; %s user=%s",
             state_dir, (unsigned)request->uid, reason, consequence, advice.text,
             request->log_name);
}

void attempt_log_rejection(pam_handle_t *pamh, const struct attempt_request *request,
                           const struct attempt_report *report)
{
    char left[SETTING_TEXT_MAX] = "forever";

    if (report->admission == REJECTED_BUSY) {
        log_line(pamh, request, LOG_WARNING,
                 "rejected: too many attempts in progress " ATTEMPT_FORMAT " in_flight=%u",
                 ATTEMPT_FIELDS(pamh, request, report), report->in_flight);
        return;
    }
    if (report->lock_left_ms != SETTING_FOREVER)
        duration_format((report->lock_left_ms + 999) / 1000, left, sizeof left);
    log_line(pamh, request, LOG_NOTICE, "rejected: locked " ATTEMPT_FORMAT " unlock_in=%s",
             ATTEMPT_FIELDS(pamh, request, report), left);
}

void attempt_log_end(pam_handle_t *pamh, const struct attempt_request *request, bool success,
                     const struct attempt_report *report)
{
    char fields[FIELDS_MAX];

    if (report->admission != ADMITTED)
        log_line(pamh, request, LOG_NOTICE,
                 "login attempt took too long, counted as failed " ATTEMPT_FORMAT,
                 ATTEMPT_FIELDS(pamh, request, report));
    else if (!success)
        log_line(pamh, request, LOG_NOTICE, "%s " ATTEMPT_FORMAT,
                 request->purpose == ATTEMPT_LOGIN ? "failed login" : "failed password change",
                 ATTEMPT_FIELDS(pamh, request, report));
    log_abandoned(pamh, request, report);
    snprintf(fields, sizeof fields, ATTEMPT_FORMAT, ATTEMPT_FIELDS(pamh, request, report));
    if (report->changes.locked) {
        log_lock(pamh, request, fields);
        send_audit_record(pamh, request, AUDIT_EVENT_LOCKED, true);
    }
}
