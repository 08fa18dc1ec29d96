#include "pam_module/attempt_log.h"

#include "lib/attempts/ledger_access.h"
#include "lib/host/audit_record.h"
#include "lib/attempts/ledger_lock.h"
#include "lib/policy/duration.h"
#include "pam_module/event_line.h"
#include "pam_module/pam_item.h"
#include "pam_module/protected.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>

static void lock_text(const struct attempt_limits *limits, char *text, size_t size)
{
    setting_format(&settings[SETTING_LOCK_TIME],
                   limits->lock_ms == SETTING_FOREVER ? SETTING_FOREVER : limits->lock_ms / 1000,
                   text, size);
}

/* Who an attempt is about, behind all lines about attempts. is_own: not for attempts
 * of another process, whose address is not known, and not that of the login which
 * finds them: programs that read the log may ban addresses. */
static void add_attempt(struct log_entry *entry, pam_handle_t *pamh,
                        const struct attempt_request *request, const struct attempt_report *report,
                        bool is_own)
{
    char service[LOG_NAME_MAX];

    service_name(pamh, service);
    log_entry_add(entry, "user", "%s", request->log_name);
    log_entry_add(entry, "address", "%s", is_own ? request->login.address : "unknown");
    log_entry_add(entry, "service", "%s", is_own ? service : "unknown");
    log_entry_add(entry, "failures", "%u", report->failures);
    log_entry_add(entry, "max_attempts", "%u", request->limits.max_attempts);
}

static void log_attempt(pam_handle_t *pamh, const struct attempt_request *request,
                        const struct log_entry *entry)
{
    event_line(pamh, request->purpose == ATTEMPT_LOGIN ? "auth" : "chauthtok", entry);
}

static void log_abandoned(pam_handle_t *pamh, const struct attempt_request *request,
                          const struct attempt_report *report)
{
    struct log_entry entry;

    for (unsigned i = 0; i < report->changes.died; i++) {
        log_entry_begin(&entry, LOG_EVENT_NONE, LOG_NOTICE,
                        "login attempt abandoned, counted as failed");
        add_attempt(&entry, pamh, request, report, false);
        log_attempt(pamh, request, &entry);
    }
}

/* Beside the line in the log. is_own: the event comes from this attempt, and not from
 * one of another process, whose address is not known. */
static void send_audit_record(pam_handle_t *pamh, const struct attempt_request *request,
                              enum audit_event event, bool is_own)
{
    const char *terminal = pam_item(pamh, PAM_TTY);
    struct log_entry entry;
    char safe_terminal[LOG_NAME_MAX] = "";
    const struct audit_subject subject = {
        .uid = request->uid,
        .address =
            is_own && request->login.origin.kind != ORIGIN_LOCAL ? request->login.address : NULL,
        .terminal = is_own && terminal != NULL ? safe_terminal : NULL};

    if (terminal != NULL)
        log_name(terminal, safe_terminal, sizeof safe_terminal);
    if (audit_record(event, &subject) != 0) {
        const int error = errno;
        log_entry_begin(&entry, LOG_EVENT_NONE, LOG_WARNING,
                        "cannot send audit record: %s; see tmout-recovery(7)", strerror(error));
        log_entry_add(&entry, "user", "%s", request->log_name);
        log_attempt(pamh, request, &entry);
    }
}

static void log_lock(pam_handle_t *pamh, const struct attempt_request *request,
                     const struct attempt_report *report, bool is_own)
{
    char lock_time[SETTING_TEXT_MAX];
    struct log_entry entry;

    lock_text(&request->limits, lock_time, sizeof lock_time);
    log_entry_begin(&entry, LOG_EVENT_LOCKED, LOG_WARNING, "locked after too many failed attempts");
    add_attempt(&entry, pamh, request, report, is_own);
    log_entry_add(&entry, "lock_time", "%s", lock_time);
    log_attempt(pamh, request, &entry);
    send_audit_record(pamh, request, AUDIT_EVENT_LOCKED, is_own);
}

void attempt_log_changes(pam_handle_t *pamh, const struct attempt_request *request,
                         const struct attempt_report *report)
{
    struct log_entry entry;

    log_abandoned(pamh, request, report);
    if (report->changes.locked)
        log_lock(pamh, request, report, false);
    if (report->changes.lock_expired) {
        log_entry_begin(&entry, LOG_EVENT_NONE, LOG_NOTICE, "lock expired");
        add_attempt(&entry, pamh, request, report, true);
        log_attempt(pamh, request, &entry);
        send_audit_record(pamh, request, AUDIT_EVENT_LOCK_EXPIRED, true);
    }
}

void attempt_log_prompt(pam_handle_t *pamh, const struct attempt_request *request,
                        const char *prompt)
{
    char safe_prompt[LOG_NAME_MAX];
    struct log_entry entry;

    log_name(prompt, safe_prompt, sizeof safe_prompt);
    log_entry_begin(&entry, LOG_EVENT_NONE, LOG_NOTICE,
                    "counting what a module asks for as another password; if it is a second "
                    "factor, add second_factor= and a word of the prompt to the line; see "
                    "pam_tmout(8)");
    log_entry_add(&entry, "user", "%s", request->log_name);
    log_entry_add(&entry, "prompt", "%s", safe_prompt);
    log_attempt(pamh, request, &entry);
}

void attempt_log_stuck(pam_handle_t *pamh, const struct attempt_request *request,
                       const char *state_dir)
{
    struct log_entry entry;

    log_entry_begin(&entry, LOG_EVENT_NONE, LOG_WARNING,
                    "attempt ledger %s/" LEDGER_DIRECTORY
                    "/%u was locked for %d s by a process that does not continue: replaced by a "
                    "copy; see tmout-recovery(7)",
                    state_dir, (unsigned)request->uid, LEDGER_LOCK_WAIT_MS / 1000);
    log_entry_add(&entry, "user", "%s", request->log_name);
    log_attempt(pamh, request, &entry);
}

void attempt_log_ledger(pam_handle_t *pamh, const struct attempt_request *request,
                        const char *state_dir, const char *reason, const char *consequence)
{
    struct failure unused = {""}, advice = {""};
    enum ledger_access access = ACCESS_DENIED;
    struct protection before;
    struct log_entry entry;

    /* The user's limits must not make it look like a full disk. */
    if (protect_begin(&before, &unused) == 0) {
        access = ledger_probe_access(state_dir, request->uid, caller_now().effective, &unused);
        protect_end(&before);
    }
    ledger_access_advice(access, state_dir, request->log_name, &advice);
    log_entry_begin(&entry, LOG_EVENT_NOT_COUNTED, LOG_ERR,
                    "attempt ledger %s/" LEDGER_DIRECTORY "/%u %s: %s; %s; see tmout-recovery(7)",
                    state_dir, (unsigned)request->uid, reason, consequence, advice.text);
    log_entry_add(&entry, "user", "%s", request->log_name);
    log_attempt(pamh, request, &entry);
}

void attempt_log_rejection(pam_handle_t *pamh, const struct attempt_request *request,
                           const struct attempt_report *report)
{
    char left[SETTING_TEXT_MAX] = "forever";
    struct log_entry entry;

    if (report->admission == REJECTED_BUSY) {
        log_entry_begin(&entry, LOG_EVENT_REJECTED, LOG_WARNING,
                        "rejected: too many attempts in progress");
        add_attempt(&entry, pamh, request, report, true);
        log_entry_add(&entry, "in_flight", "%u", report->in_flight);
        log_attempt(pamh, request, &entry);
        return;
    }
    if (report->lock_left_ms != SETTING_FOREVER)
        duration_format((report->lock_left_ms + 999) / 1000, left, sizeof left);
    log_entry_begin(&entry, LOG_EVENT_REJECTED, LOG_NOTICE, "rejected: locked");
    add_attempt(&entry, pamh, request, report, true);
    log_entry_add(&entry, "unlock_in", "%s", left);
    log_attempt(pamh, request, &entry);
}

/* What the fleet has counted, and not this host. */
static void add_fleet(struct log_entry *entry, pam_handle_t *pamh,
                      const struct attempt_request *request, unsigned failures)
{
    const struct attempt_report report = {.failures = failures};

    add_attempt(entry, pamh, request, &report, true);
    log_entry_add(entry, "fleet_attempts", "%u", request->fleet.attempts);
}

void attempt_log_fleet(pam_handle_t *pamh, const struct attempt_request *request,
                       enum fleet_verdict verdict, const struct fleet_answer *answer,
                       const char *why)
{
    char left[SETTING_TEXT_MAX] = "forever";
    struct log_entry entry;

    if (answer->lock_left_ms != SETTING_FOREVER)
        duration_format((answer->lock_left_ms + 999) / 1000, left, sizeof left);
    switch (verdict) {
    case FLEET_VERDICT_LOCKED:
        log_entry_begin(&entry, LOG_EVENT_REJECTED, LOG_NOTICE,
                        "rejected: locked on all hosts of the fleet");
        break;
    case FLEET_VERDICT_BUSY:
        log_entry_begin(&entry, LOG_EVENT_REJECTED, LOG_WARNING,
                        "rejected: too many attempts in progress on all hosts of the fleet; see "
                        "tmout-recovery(7)");
        break;
    default:
        log_entry_begin(&entry, LOG_EVENT_REJECTED, LOG_WARNING,
                        "rejected: the fleet cannot be reached (%s), and fleet_fallback is used "
                        "up; see tmout-recovery(7)",
                        why);
    }
    add_fleet(&entry, pamh, request, answer->failures);
    if (verdict == FLEET_VERDICT_LOCKED)
        log_entry_add(&entry, "unlock_in", "%s", left);
    log_attempt(pamh, request, &entry);
}

void attempt_log_alone(pam_handle_t *pamh, const struct attempt_request *request,
                       const struct attempt_report *report, const char *why)
{
    struct log_entry entry;

    log_entry_begin(&entry, LOG_EVENT_NONE, LOG_WARNING,
                    "the fleet cannot be reached (%s): attempt admitted by this host alone; see "
                    "tmout-recovery(7)",
                    why);
    add_fleet(&entry, pamh, request, report->failures);
    log_attempt(pamh, request, &entry);
}

static const char *end_text(const struct attempt_request *request,
                            const struct attempt_report *report)
{
    if (report->admission != ADMITTED)
        return "login attempt took too long, counted as failed";
    return request->purpose == ATTEMPT_LOGIN ? "failed login" : "failed password change";
}

void attempt_log_end(pam_handle_t *pamh, const struct attempt_request *request, bool success,
                     const struct attempt_report *report)
{
    struct log_entry entry;

    if (report->admission != ADMITTED || !success) {
        log_entry_begin(&entry, LOG_EVENT_NONE, LOG_NOTICE, "%s", end_text(request, report));
        add_attempt(&entry, pamh, request, report, true);
        log_attempt(pamh, request, &entry);
    }
    log_abandoned(pamh, request, report);
    if (report->changes.locked)
        log_lock(pamh, request, report, true);
}
