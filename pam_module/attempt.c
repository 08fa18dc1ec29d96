#include "pam_module/attempt.h"

#include "lib/host/clock.h"
#include "pam_module/attempt_log.h"
#include "pam_module/pam_item.h"
#include "pam_module/protected.h"

#include <errno.h>
#include <pthread.h>
#include <security/pam_ext.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#define DATA_NAME "pam_tmout_attempt"

enum {
    /* Waiting goes on while other attempts settle: a correct password must not
     * be rejected because many users log in at once. Both limits are below the
     * LoginGraceTime of a minute that baselines ask for. */
    STALLED_MAX_MS = 10 * 1000,
    WAIT_MAX_MS = 55 * 1000,
    /* A process that is killed does not wake those who wait. */
    RETRY_MS = 250,
    OPEN_TRIES = 4
};

typedef void fail_delay_function(int status, unsigned delay_us, void *appdata);

struct attempt {
    pam_handle_t *pamh;
    struct attempt_request request; /* request.user points to user */
    char *user, *state_dir;
    struct timestamp start;
    struct ledger ledger;
    pid_t pid; /* only the process that was admitted may settle, never a child */
    pthread_t thread;
    const void *appdata;  /* of the conversation; libpam passes it on */
    const void *password; /* the PAM_AUTHTOK item, which libpam clears at start and end */
    fail_delay_function *prev_delay_fn;
    struct attempt *next;
    bool in_progress;
};

/* Attempts in progress, the latest first. The PAM_FAIL_DELAY callback does not
 * receive the handle: the attempt is found by its thread. */
static struct attempt *in_progress;
static pthread_mutex_t in_progress_lock = PTHREAD_MUTEX_INITIALIZER;

static void track_attempt(struct attempt *attempt)
{
    pthread_mutex_lock(&in_progress_lock);
    attempt->thread = pthread_self();
    attempt->next = in_progress;
    in_progress = attempt;
    attempt->in_progress = true;
    pthread_mutex_unlock(&in_progress_lock);
}

static void untrack_attempt(struct attempt *attempt)
{
    pthread_mutex_lock(&in_progress_lock);
    for (struct attempt **link = &in_progress; *link != NULL; link = &(*link)->next) {
        if (*link == attempt) {
            *link = attempt->next;
            break;
        }
    }
    attempt->in_progress = false;
    pthread_mutex_unlock(&in_progress_lock);
}

/*
 * The attempt whose pam_authenticate() is ending. One thread may use several
 * handles, in an application that resumes them by turns: the conversation's
 * data tells them apart. Where it does not, *sure is false.
 */
static struct attempt *find_ending(const void *appdata, bool *sure)
{
    struct attempt *latest = NULL, *matching = NULL;
    unsigned count = 0, matches = 0;

    pthread_mutex_lock(&in_progress_lock);
    for (struct attempt *attempt = in_progress; attempt != NULL; attempt = attempt->next) {
        if (!pthread_equal(attempt->thread, pthread_self()))
            continue;
        if (count++ == 0)
            latest = attempt;
        if (attempt->appdata == appdata && matches++ == 0)
            matching = attempt;
    }
    pthread_mutex_unlock(&in_progress_lock);
    *sure = count == 1 || matches == 1;
    return matching != NULL ? matching : latest;
}

/* --- end ------------------------------------------------------------------- */

static void on_authenticate_end(int status, unsigned delay_us, void *appdata);

/* Will libpam still call us at the end of pam_authenticate()? */
static bool is_hook_installed(pam_handle_t *pamh)
{
    return pam_item(pamh, PAM_FAIL_DELAY) == (const void *)on_authenticate_end;
}

/* If anything goes wrong here, the slot is later found without an owner, which
 * counts as failed. */
static void settle(struct attempt *attempt, bool success)
{
    struct attempt_report report = {0};
    struct protection before;
    struct timestamp now;
    struct failure failure = {""};
    enum ledger_status status = LEDGER_FAILED;

    untrack_attempt(attempt);
    if (is_hook_installed(attempt->pamh))
        pam_set_item(attempt->pamh, PAM_FAIL_DELAY, (const void *)attempt->prev_delay_fn);
    if (attempt->pid != getpid())
        return;
    if (protect_begin(&before) == 0) {
        clock_now_same_boot(&attempt->start, &now);
        status = ledger_settle(&attempt->ledger, success, &attempt->request.limits, &now, &report,
                               &failure);
        protect_end(&before);
    } else {
        failure_set(&failure, "cannot block signals: %s", strerror(errno));
    }
    ledger_close(&attempt->ledger);
    if (status == LEDGER_OK)
        attempt_log_end(attempt->pamh, &attempt->request, success, &report);
    else
        attempt_log_ledger(attempt->pamh, &attempt->request, attempt->state_dir, failure.text,
                           "counting the attempt as failed");
}

/* What libpam does where no function is set. */
static void sleep_us(unsigned delay_us)
{
    const struct timespec delay = {delay_us / 1000000, (long)(delay_us % 1000000) * 1000};

    nanosleep(&delay, NULL);
}

static void on_authenticate_end(int status, unsigned delay_us, void *appdata)
{
    bool sure;
    struct attempt *attempt = find_ending(appdata, &sure);
    fail_delay_function *prev_delay_fn = NULL;

    if (attempt != NULL) {
        prev_delay_fn = attempt->prev_delay_fn;
        settle(attempt, sure && status == PAM_SUCCESS);
    }
    if (prev_delay_fn != NULL)
        prev_delay_fn(status, delay_us, appdata);
    else if (status != PAM_SUCCESS && delay_us > 0)
        sleep_us(delay_us);
}

static void attempt_free(struct attempt *attempt)
{
    if (attempt == NULL)
        return;
    ledger_close(&attempt->ledger);
    free(attempt->user);
    free(attempt->state_dir);
    free(attempt);
}

/* At pam_end(), or when the next attempt takes its place. The status proves
 * nothing: it is whatever the application passed. */
static void clean_up(pam_handle_t *pamh, void *data, int status)
{
    struct attempt *attempt = data;

    (void)pamh;
    (void)status;
    if (attempt->in_progress)
        settle(attempt, false);
    attempt_free(attempt);
}

/* --- start ----------------------------------------------------------------- */

static struct attempt *attempt_new(pam_handle_t *pamh, const struct module_args *args,
                                   const struct attempt_request *request)
{
    struct attempt *attempt = calloc(1, sizeof *attempt);

    if (attempt == NULL)
        return NULL;
    attempt->ledger = (struct ledger){.fd = -1, .directory_fd = -1};
    attempt->pamh = pamh;
    attempt->pid = getpid();
    attempt->request = *request;
    attempt->request.user = attempt->user = strdup(request->user);
    attempt->state_dir = strdup(args->state_dir);
    if (attempt->user != NULL && attempt->state_dir != NULL)
        return attempt;
    attempt_free(attempt);
    return NULL;
}

/* Asks once. The ledger may have been replaced since it was opened. *damaged
 * becomes the reason where a damaged one was set aside. */
static enum ledger_status ask_ledger(struct attempt *attempt, struct attempt_report *report,
                                     struct failure *damaged, struct failure *failure)
{
    enum ledger_status status = LEDGER_FAILED;
    struct timestamp now;

    clock_now_same_boot(&attempt->start, &now);
    for (int i = 0; i < OPEN_TRIES; i++) {
        if (attempt->ledger.fd < 0) {
            status = ledger_open(attempt->state_dir, attempt->request.uid, geteuid(), &now,
                                 &attempt->ledger, failure);
            if (status == LEDGER_DAMAGED)
                *damaged = *failure;
            if (status == LEDGER_FAILED)
                return status;
        }
        status = ledger_admit(&attempt->ledger, &attempt->request.login.origin,
                              &attempt->request.limits, &now, report, failure);
        if (status == LEDGER_DAMAGED)
            *damaged = *failure;
        if (status == LEDGER_OK || status == LEDGER_FAILED)
            return status;
        ledger_close(&attempt->ledger);
    }
    failure_set(failure, "keeps being replaced by another process");
    return LEDGER_FAILED;
}

static enum ledger_status ask_protected(struct attempt *attempt, struct attempt_report *report)
{
    struct protection before;
    enum ledger_status status = LEDGER_FAILED;
    struct failure failure = {""}, damaged = {""};

    if (protect_begin(&before) == 0) {
        status = ask_ledger(attempt, report, &damaged, &failure);
        protect_end(&before);
    } else {
        failure_set(&failure, "cannot block signals: %s", strerror(errno));
    }
    if (status != LEDGER_OK)
        attempt_log_ledger(attempt->pamh, &attempt->request, attempt->state_dir, failure.text,
                           "rejecting passwords");
    else if (damaged.text[0] != '\0')
        attempt_log_ledger(attempt->pamh, &attempt->request, attempt->state_dir, damaged.text,
                           "set aside, user locked");
    return status;
}

static enum ledger_status await_admission(struct attempt *attempt, struct attempt_report *report)
{
    const int64_t start_ms = clock_ms(CLOCK_MONOTONIC);
    int64_t progress_ms = start_ms, at_ms;
    uint32_t seen = 0;

    for (bool first = true;; first = false) {
        const enum ledger_status status = ask_protected(attempt, report);
        if (status != LEDGER_OK)
            return status;
        attempt_log_changes(attempt->pamh, &attempt->request, report);
        if (report->admission != REJECTED_BUSY)
            return LEDGER_OK;
        at_ms = clock_ms(CLOCK_MONOTONIC);
        if (first || report->seen != seen)
            progress_ms = at_ms;
        seen = report->seen;
        if (at_ms - progress_ms >= STALLED_MAX_MS || at_ms - start_ms >= WAIT_MAX_MS)
            return LEDGER_OK;
        ledger_wait(&attempt->ledger, report, RETRY_MS);
    }
}

/* From here on, the end of pam_authenticate() settles the attempt. Returns
 * PAM_IGNORE, or an error; the handle owns the attempt unless it is PAM_BUF_ERR. */
static int attach_attempt(struct attempt *attempt)
{
    const struct pam_conv *conversation = pam_item(attempt->pamh, PAM_CONV);

    attempt->appdata = conversation != NULL ? conversation->appdata_ptr : NULL;
    attempt->password = pam_item(attempt->pamh, PAM_AUTHTOK);
    attempt->prev_delay_fn = (fail_delay_function *)pam_item(attempt->pamh, PAM_FAIL_DELAY);
    track_attempt(attempt);
    if (pam_set_data(attempt->pamh, DATA_NAME, attempt, clean_up) != PAM_SUCCESS) {
        settle(attempt, false);
        return PAM_BUF_ERR;
    }
    if (pam_set_item(attempt->pamh, PAM_FAIL_DELAY, (const void *)on_authenticate_end) ==
        PAM_SUCCESS)
        return PAM_IGNORE;
    settle(attempt, false);
    return PAM_SERVICE_ERR;
}

int attempt_begin(pam_handle_t *pamh, const struct module_args *args,
                  const struct attempt_request *request, struct attempt_report *report)
{
    struct failure failure = {""};
    struct attempt *attempt;
    int result = PAM_SERVICE_ERR;

    /* An attempt still in progress here has missed its end. */
    pam_set_data(pamh, DATA_NAME, NULL, NULL);
    attempt = attempt_new(pamh, args, request);
    if (attempt == NULL) {
        pam_syslog(pamh, LOG_ERR, "rejecting password: out of memory user=%s", request->log_name);
        return PAM_BUF_ERR;
    }
    if (clock_now(&attempt->start, &failure) != 0) {
        pam_syslog(pamh, LOG_ERR, "rejecting password: %s user=%s", failure.text,
                   request->log_name);
        goto out;
    }
    if (await_admission(attempt, report) != LEDGER_OK)
        goto out;
    if (report->admission != ADMITTED) {
        attempt_log_rejection(pamh, request, report);
        result = PAM_AUTH_ERR;
        goto out;
    }
    result = attach_attempt(attempt);
    if (result != PAM_BUF_ERR)
        return result;

out:
    attempt_free(attempt);
    return result;
}

bool attempt_is_in_progress(pam_handle_t *pamh, const char *user)
{
    const void *data = NULL;
    const struct attempt *attempt;

    if (pam_get_data(pamh, DATA_NAME, &data) != PAM_SUCCESS || data == NULL)
        return false;
    attempt = data;
    /* Otherwise we may have missed the end of an earlier pam_authenticate(). */
    return attempt->in_progress && strcmp(attempt->user, user) == 0 && is_hook_installed(pamh) &&
           attempt->password != NULL && attempt->password == pam_item(pamh, PAM_AUTHTOK);
}
