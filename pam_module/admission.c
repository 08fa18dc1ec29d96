#include "pam_module/admission.h"

#include "lib/attempts/ledger_lock.h"
#include "lib/host/clock.h"
#include "pam_module/admission_limits.h"
#include "pam_module/attempt_log.h"
#include "pam_module/protected.h"

#include <security/pam_ext.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <syslog.h>
#include <unistd.h>

enum {
    /* What is left of the application's own time limit for checking the password,
     * or a quarter of it if that is less. */
    CHECK_TIME_MS = 5 * 1000,
    /* A process that is killed does not wake those who wait. */
    RETRY_MS = 250
};

int admission_init(struct attempt_admission *admission, pam_handle_t *pamh,
                   const struct module_args *args, const struct attempt_request *request)
{
    *admission = (struct attempt_admission){
        .pamh = pamh, .request = *request, .owner = args->caller.effective};
    admission->ledger = (struct ledger){.fd = -1, .directory_fd = -1};
    admission->fleet.client.fd = -1;
    admission->request.user = admission->user = strdup(request->user);
    admission->state_dir = strdup(args->state_dir);
    if (admission->user != NULL && admission->state_dir != NULL)
        return 0;
    admission_free(admission);
    return -1;
}

void admission_free(struct attempt_admission *admission)
{
    ledger_close(&admission->ledger);
    fleet_client_close(&admission->fleet.client);
    free(admission->user);
    free(admission->state_dir);
    admission->user = admission->state_dir = NULL;
}

/* Asks once. The ledger may have been replaced since it was opened. *damaged
 * becomes the reason where a damaged one was set aside. */
static enum ledger_status ask_ledger(struct attempt_admission *admission,
                                     struct attempt_report *report, struct failure *damaged,
                                     struct failure *failure)
{
    struct ledger_retry retry = {0};
    enum ledger_status status;
    struct timestamp now;

    clock_now_same_boot(&admission->start, &now);
    while (ledger_may_retry(&retry)) {
        if (admission->ledger.fd < 0) {
            status = ledger_open(admission->state_dir, admission->request.uid, admission->owner,
                                 &now, &admission->ledger, failure);
            if (status == LEDGER_DAMAGED)
                *damaged = *failure;
            if (status == LEDGER_FAILED)
                return status;
        }
        status = ledger_admit(&admission->ledger, &admission->request.login.origin,
                              &admission->request.limits, &now, report, failure);
        if (status == LEDGER_DAMAGED)
            *damaged = *failure;
        if (status == LEDGER_OK || status == LEDGER_FAILED)
            return status;
        ledger_close(&admission->ledger);
    }
    failure_set(failure, "keeps being replaced by another process");
    return LEDGER_FAILED;
}

/* A locked user's attempts need no lock and no protection. If the ledger is good, it
 * stays open. */
static bool is_locked(struct attempt_admission *admission, struct attempt_report *report)
{
    const struct attempt_request *request = &admission->request;
    const struct origin *origin = &request->login.origin;
    struct file_bank bank;

    return admission->ledger.fd < 0 &&
           ledger_open_existing(admission->state_dir, request->uid, admission->owner,
                                ledger_shared_record(origin), &admission->ledger, &bank) &&
           ledger_rejects(&admission->ledger, &bank, origin, &request->limits, &admission->start,
                          report);
}

static enum ledger_status ask_protected(struct attempt_admission *admission,
                                        struct attempt_report *report)
{
    struct protection before;
    enum ledger_status status = LEDGER_FAILED;
    struct failure failure = {""}, damaged = {""};

    if (protect_begin(&before, &failure) == 0) {
        status = ask_ledger(admission, report, &damaged, &failure);
        protect_end(&before);
    }
    if (status != LEDGER_OK)
        attempt_log_ledger(admission->pamh, &admission->request, admission->state_dir, failure.text,
                           "rejecting passwords");
    else if (damaged.text[0] != '\0')
        attempt_log_ledger(admission->pamh, &admission->request, admission->state_dir, damaged.text,
                           "set aside, user locked");
    return status;
}

/*
 * How long to wait at most. sshd limits a login by a timer of the process that
 * checks passwords (LoginGraceTime), and so do login and others: where one is
 * running, it says when the login would end.
 */
static int64_t wait_max_ms(void)
{
    struct itimerval timer;

    if (getitimer(ITIMER_REAL, &timer) != 0 || timer.it_interval.tv_sec != 0 ||
        timer.it_interval.tv_usec != 0)
        return WAIT_MAX_MS;
    const int64_t left_ms = (int64_t)timer.it_value.tv_sec * 1000 + timer.it_value.tv_usec / 1000;
    if (left_ms == 0)
        return WAIT_MAX_MS;
    return left_ms - (left_ms / 4 < CHECK_TIME_MS ? left_ms / 4 : CHECK_TIME_MS);
}

/* Under protection. */
static enum ledger_status settle_ledger(struct attempt_admission *admission,
                                        enum attempt_outcome outcome, struct attempt_report *report,
                                        struct failure *failure)
{
    enum ledger_status status = LEDGER_FAILED;
    struct protection before;
    struct timestamp now;

    if (protect_begin(&before, failure) != 0)
        return status;
    clock_now_same_boot(&admission->start, &now);
    status = ledger_settle(&admission->ledger, outcome, &admission->request.limits, &now, report,
                           failure);
    protect_end(&before);
    return status;
}

/* Gives the slot back, and the fleet's, if there is one: the password is not checked. */
static void withdraw(struct attempt_admission *admission)
{
    struct attempt_report report = {0};
    struct failure failure = {""};

    fleet_admission_settle(&admission->fleet, admission->owner, ATTEMPT_WITHDRAWN);
    if (settle_ledger(admission, ATTEMPT_WITHDRAWN, &report, &failure) != LEDGER_OK)
        attempt_log_ledger(admission->pamh, &admission->request, admission->state_dir, failure.text,
                           "counting the attempt as failed");
    ledger_close(&admission->ledger);
}

/* Between two attempts to be the only one of this host. They must not keep in step. */
static void sleep_apart(const struct attempt_admission *admission)
{
    const int64_t jitter_ms = (admission->pid * INT64_C(37) + clock_ms(CLOCK_MONOTONIC)) % RETRY_MS;
    const struct timespec time = {0, (RETRY_MS / 2 + jitter_ms / 2) * 1000000};

    nanosleep(&time, NULL);
}

/* Without the fleet, this host admits an attempt only while fewer than fleet_fallback of its
 * own have failed or are in flight. The ledger says so, whatever has become of the daemon. */
static bool admits_alone(struct attempt_admission *admission, const struct attempt_report *report)
{
    admission->fleet.alone =
        report->failures + report->in_flight <= admission->request.fleet.fallback;
    if (admission->fleet.alone)
        attempt_log_alone(admission->pamh, &admission->request, report, admission->fleet.why.text);
    return admission->fleet.alone;
}

/* This host has admitted the attempt. Returns false where it has been withdrawn, to be asked
 * for again; *report is then that of a busy ledger. */
static bool ask_fleet(struct attempt_admission *admission, int64_t max_ms,
                      struct attempt_report *report)
{
    const struct attempt_request *request = &admission->request;
    struct fleet_answer answer;
    const enum fleet_verdict verdict = fleet_admission_ask(
        &admission->fleet, request, admission->owner, &admission->ledger, max_ms, &answer);
    const unsigned others = report->in_flight - 1;
    bool again = false;

    if (verdict == FLEET_VERDICT_ADMITTED ||
        (verdict == FLEET_VERDICT_AWAY && admits_alone(admission, report)))
        return true;
    if (verdict == FLEET_VERDICT_LOCKED) {
        report->admission = REJECTED_LOCKED;
        report->lock_left_ms = answer.lock_left_ms;
    } else {
        report->admission = REJECTED_BUSY;
        /* Others, in flight without the fleet, may succeed. */
        again = verdict == FLEET_VERDICT_AWAY && others > 0 &&
                report->failures < request->fleet.fallback;
    }
    withdraw(admission);
    if (again)
        sleep_apart(admission);
    admission->fleet_rejects = !again;
    if (!again)
        attempt_log_fleet(admission->pamh, request, verdict, &answer, admission->fleet.why.text);
    return !again;
}

static enum ledger_status await_admission(struct attempt_admission *admission,
                                          struct attempt_report *report)
{
    const int64_t start_ms = clock_ms(CLOCK_MONOTONIC);
    int64_t progress_ms = start_ms, max_ms = 0, at_ms;
    uint32_t seen = 0;

    for (bool first = true;; first = false) {
        const enum ledger_status status = ask_protected(admission, report);
        if (status != LEDGER_OK)
            return status;
        if (report->lock_stuck)
            attempt_log_stuck(admission->pamh, &admission->request, admission->state_dir);
        attempt_log_changes(admission->pamh, &admission->request, report);
        const bool shared =
            report->admission == ADMITTED && fleet_is_concerned(&admission->request);
        if (report->admission != REJECTED_BUSY && !shared)
            return LEDGER_OK;
        if (first)
            max_ms = wait_max_ms();
        at_ms = clock_ms(CLOCK_MONOTONIC);
        if (shared && ask_fleet(admission, max_ms - (at_ms - start_ms), report))
            return LEDGER_OK;
        at_ms = clock_ms(CLOCK_MONOTONIC);
        if (first || report->seen != seen)
            progress_ms = at_ms;
        seen = report->seen;
        if (at_ms - progress_ms >= STALLED_MAX_MS || at_ms - start_ms >= max_ms)
            return LEDGER_OK;
        if (!shared)
            ledger_wait(&admission->ledger, report, RETRY_MS);
    }
}

int admission_ask(struct attempt_admission *admission, struct attempt_report *report)
{
    struct failure failure = {""};

    *report = (struct attempt_report){0};
    admission->fleet_rejects = false;
    admission->pid = getpid();
    if (clock_now(&admission->start, &failure) != 0) {
        pam_syslog(admission->pamh, LOG_ERR,
                   "rejecting password: %s; see tmout-recovery(7) user=%s", failure.text,
                   admission->request.log_name);
        return PAM_SERVICE_ERR;
    }
    if (!is_locked(admission, report) && await_admission(admission, report) != LEDGER_OK)
        return PAM_SERVICE_ERR;
    if (report->admission != ADMITTED) {
        if (!admission->fleet_rejects)
            attempt_log_rejection(admission->pamh, &admission->request, report);
        ledger_close(&admission->ledger);
        return PAM_AUTH_ERR;
    }
    admission->in_flight = true;
    return PAM_IGNORE;
}

void admission_settle(struct attempt_admission *admission, bool success)
{
    const enum attempt_outcome outcome = success ? ATTEMPT_SUCCEEDED : ATTEMPT_FAILED;
    struct attempt_report report = {0};
    struct failure failure = {""};

    if (!admission->in_flight)
        return;
    admission->in_flight = false;
    if (admission->pid != getpid()) {
        ledger_close(&admission->ledger);
        fleet_client_close(&admission->fleet.client);
        return;
    }
    fleet_admission_settle(&admission->fleet, admission->owner, outcome);
    const enum ledger_status status = settle_ledger(admission, outcome, &report, &failure);

    ledger_close(&admission->ledger);
    if (status == LEDGER_OK)
        attempt_log_end(admission->pamh, &admission->request, success, &report);
    else
        attempt_log_ledger(admission->pamh, &admission->request, admission->state_dir, failure.text,
                           "counting the attempt as failed");
}
