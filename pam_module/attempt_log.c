#include "pam_module/attempt_log.h"

#include "lib/policy/duration.h"
#include "pam_module/pam_item.h"

#include <security/pam_ext.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <syslog.h>

static void lock_text(const struct attempt_limits *limits, char *text, size_t size)
{
    setting_format(&settings[SETTING_LOCK_TIME],
                   limits->lock_ms == SETTING_FOREVER ? SETTING_FOREVER : limits->lock_ms / 1000,
                   text, size);
}

enum { WHO_MAX = 512 };

/* What all lines about an attempt have in common: key=value, for machines. */
#define WHO_FORMAT "user=%s address=%s service=%s failures=%u max_attempts=%u"
#define WHO(pamh, request, report)                                                                 \
    (request)->log_name, (request)->login.address, service_name(pamh), (report)->failures,         \
        (request)->limits.max_attempts

/* The same where it is about the attempts of somebody else. */
#define ELSE_FORMAT "user=%s address=unknown service=unknown failures=%u max_attempts=%u"
#define ELSE(request, report)                                                                      \
    (request)->log_name, (report)->failures, (request)->limits.max_attempts

static const char *service_name(pam_handle_t *pamh)
{
    const char *service = pam_item(pamh, PAM_SERVICE);

    return service != NULL ? service : "?";
}

/* As pam_syslog() would, which does not know the module's name any more when
 * pam_authenticate() ends. */
__attribute__((format(printf, 3, 4))) static void log_line(pam_handle_t *pamh, int priority,
                                                           const char *format, ...)
{
    va_list arguments;
    char *text = NULL;

    va_start(arguments, format);
    if (vasprintf(&text, format, arguments) < 0)
        text = NULL;
    va_end(arguments);
    syslog(LOG_AUTHPRIV | priority, "pam_tmout(%s:auth): %s", service_name(pamh),
           text != NULL ? text : format);
    free(text);
}

/* Whose they were is not known, and not whoever has come next: what reads the
 * log may bar addresses. */
static void log_broken_off(pam_handle_t *pamh, const struct attempt_request *request,
                           const struct attempt_report *report)
{
    for (unsigned i = 0; i < report->changes.died; i++)
        log_line(pamh, LOG_NOTICE, "failed login, broken off in the middle " ELSE_FORMAT,
                 ELSE(request, report));
}

/* who: as WHO or ELSE give it. */
static void log_lock(pam_handle_t *pamh, const struct attempt_request *request, const char *who)
{
    char lock_time[SETTING_TEXT_MAX];

    lock_text(&request->limits, lock_time, sizeof lock_time);
    log_line(pamh, LOG_WARNING, "locked after too many failed attempts %s lock_time=%s", who,
             lock_time);
}

void attempt_log_changes(pam_handle_t *pamh, const struct attempt_request *request,
                         const struct attempt_report *report)
{
    char who[WHO_MAX];

    log_broken_off(pamh, request, report);
    snprintf(who, sizeof who, ELSE_FORMAT, ELSE(request, report));
    if (report->changes.locked)
        log_lock(pamh, request, who);
    if (report->changes.lock_ended)
        log_line(pamh, LOG_NOTICE, "the lock has ended in time " WHO_FORMAT,
                 WHO(pamh, request, report));
}

void attempt_log_ledger(pam_handle_t *pamh, const struct attempt_request *request,
                        const char *state_dir, const char *what, const char *reason)
{
    log_line(pamh, LOG_ERR,
             "%s/" LEDGER_DIRECTORY "/%u: %s; %s, tmoutctl unlock %s repairs it user=%s", state_dir,
             (unsigned)request->uid, reason, what, request->log_name, request->log_name);
}

void attempt_log_rejection(pam_handle_t *pamh, const struct attempt_request *request,
                           const struct attempt_report *report)
{
    char left[SETTING_TEXT_MAX] = "forever";

    if (report->admission == REJECTED_BUSY) {
        log_line(pamh, LOG_WARNING,
                 "refused: too many attempts are being checked " WHO_FORMAT " in_flight=%u",
                 WHO(pamh, request, report), report->in_flight);
        return;
    }
    if (report->lock_left_ms != SETTING_FOREVER)
        duration_format((report->lock_left_ms + 999) / 1000, left, sizeof left);
    log_line(pamh, LOG_NOTICE, "refused: locked " WHO_FORMAT " unlock_in=%s",
             WHO(pamh, request, report), left);
}

void attempt_log_end(pam_handle_t *pamh, const struct attempt_request *request, bool success,
                     const struct attempt_report *report)
{
    char who[WHO_MAX];

    if (report->admission != ADMITTED)
        log_line(pamh, LOG_NOTICE, "the attempt took too long and counts as failed " WHO_FORMAT,
                 WHO(pamh, request, report));
    else if (!success)
        log_line(pamh, LOG_NOTICE, "failed login " WHO_FORMAT, WHO(pamh, request, report));
    log_broken_off(pamh, request, report);
    snprintf(who, sizeof who, WHO_FORMAT, WHO(pamh, request, report));
    if (report->changes.locked)
        log_lock(pamh, request, who);
}
