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
    /* As long as others settle, waiting goes on: a right password must not
     * fail because many log in at once. Both lie below the
     * LoginGraceTime of a minute that baselines ask for. */
    STALLED_MAX_MS = 10 * 1000,
    WAIT_MAX_MS = 55 * 1000,
    /* A process that dies wakes nobody. */
    LOOK_AGAIN_MS = 250,
    OPEN_TRIES = 4
};

typedef void fail_delay_function(int status, unsigned delay_us, void *appdata);

struct attempt {
    pam_handle_t *pamh;
    struct attempt_request request; /* its user is our copy */
    char *user, *state_dir;
    struct timestamp begun;
    struct ledger ledger;
    struct attempt_slot slot;
    pid_t pid; /* only who took the slot may settle it, never a child */
    pthread_t thread;
    const void *appdata;  /* of the conversation, which libpam hands on */
    const void *password; /* the item, which libpam clears when it begins and ends */
    fail_delay_function *earlier;
    struct attempt *next;
    bool under_way;
};

/* Attempts under way, the latest first: what libpam calls at the end of
 * pam_authenticate() is not told the handle, so the thread has to tell. */
static struct attempt *under_way;
static pthread_mutex_t under_way_lock = PTHREAD_MUTEX_INITIALIZER;

static void track_attempt(struct attempt *attempt)
{
    pthread_mutex_lock(&under_way_lock);
    attempt->thread = pthread_self();
    attempt->next = under_way;
    under_way = attempt;
    attempt->under_way = true;
    pthread_mutex_unlock(&under_way_lock);
}

static void untrack_attempt(struct attempt *attempt)
{
    pthread_mutex_lock(&under_way_lock);
    for (struct attempt **link = &under_way; *link != NULL; link = &(*link)->next) {
        if (*link == attempt) {
            *link = attempt->next;
            break;
        }
    }
    attempt->under_way = false;
    pthread_mutex_unlock(&under_way_lock);
}

/*
 * The attempt whose pam_authenticate() ends now. In one thread there may be
 * several handles at once, of an application that resumes them in turns: the
 * conversation's data tell them apart. Where they don't, *sure is false.
 */
static struct attempt *ending_now(const void *appdata, bool *sure)
{
    struct attempt *latest = NULL, *matching = NULL;
    unsigned count = 0, matches = 0;

    pthread_mutex_lock(&under_way_lock);
    for (struct attempt *attempt = under_way; attempt != NULL; attempt = attempt->next) {
        if (!pthread_equal(attempt->thread, pthread_self()))
            continue;
        if (count++ == 0)
            latest = attempt;
        if (attempt->appdata == appdata && matches++ == 0)
            matching = attempt;
    }
    pthread_mutex_unlock(&under_way_lock);
    *sure = count == 1 || matches == 1;
    return matching != NULL ? matching : latest;
}

/* --- the end --------------------------------------------------------------- */

static void authenticate_has_ended(int status, unsigned delay_us, void *appdata);

/* Is the end of pam_authenticate() on this handle still ours to hear? */
static bool is_hook_installed(pam_handle_t *pamh)
{
    return pam_item(pamh, PAM_FAIL_DELAY) == (const void *)authenticate_has_ended;
}

/* Whatever goes wrong here leaves the slot to be found without an owner, and
 * that counts as failed. */
static void settle(struct attempt *attempt, bool success)
{
    struct attempt_report report = {0};
    struct protection before;
    struct timestamp now;
    struct failure failure = {""};
    enum ledger_status status = LEDGER_FAILED;

    untrack_attempt(attempt);
    if (is_hook_installed(attempt->pamh))
        pam_set_item(attempt->pamh, PAM_FAIL_DELAY, (const void *)attempt->earlier);
    if (attempt->pid != getpid())
        return;
    if (protect_begin(&before) == 0) {
        clock_now_same_boot(&attempt->begun, &now);
        status = ledger_settle(&attempt->ledger, &attempt->slot, success, &attempt->request.limits,
                               &now, &report, &failure);
        protect_end(&before);
    } else {
        failure_set(&failure, "no protection from signals: %s", strerror(errno));
    }
    ledger_close(&attempt->ledger);
    if (status == LEDGER_OK)
        attempt_log_end(attempt->pamh, &attempt->request, success, &report);
    else
        attempt_log_ledger(attempt->pamh, &attempt->request, attempt->state_dir,
                           "the attempt counts as failed", failure.text);
}

/* As libpam does it where no function is set. */
static void sleep_us(unsigned delay_us)
{
    const struct timespec delay = {delay_us / 1000000, (long)(delay_us % 1000000) * 1000};

    nanosleep(&delay, NULL);
}

static void authenticate_has_ended(int status, unsigned delay_us, void *appdata)
{
    bool sure;
    struct attempt *attempt = ending_now(appdata, &sure);
    fail_delay_function *earlier = NULL;

    if (attempt != NULL) {
        earlier = attempt->earlier;
        settle(attempt, sure && status == PAM_SUCCESS);
    }
    if (earlier != NULL)
        earlier(status, delay_us, appdata);
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

/* At pam_end(), whose status is the application's and proves nothing, or when
 * the next attempt takes the place. */
static void clean_up(pam_handle_t *pamh, void *data, int status)
{
    struct attempt *attempt = data;

    (void)pamh;
    (void)status;
    if (attempt->under_way)
        settle(attempt, false);
    attempt_free(attempt);
}

/* --- the beginning --------------------------------------------------------- */

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

/* Asks once. The ledger may have been replaced since it was opened. */
static enum ledger_status ask_ledger(struct attempt *attempt, struct attempt_report *report,
                                     bool *damaged, struct failure *failure)
{
    enum ledger_status status = LEDGER_FAILED;
    struct timestamp now;

    clock_now_same_boot(&attempt->begun, &now);
    for (int i = 0; i < OPEN_TRIES; i++) {
        if (attempt->ledger.fd < 0) {
            status = ledger_open(attempt->state_dir, attempt->request.uid, geteuid(), &now,
                                 &attempt->ledger, failure);
            *damaged = *damaged || status == LEDGER_DAMAGED;
            if (status == LEDGER_FAILED)
                return status;
        }
        status = ledger_admit(&attempt->ledger, &attempt->request.login.origin,
                              &attempt->request.limits, &now, &attempt->slot, report, failure);
        *damaged = *damaged || status == LEDGER_DAMAGED;
        if (status == LEDGER_OK || status == LEDGER_FAILED)
            return status;
        ledger_close(&attempt->ledger);
    }
    return LEDGER_FAILED;
}

static enum ledger_status ask_protected(struct attempt *attempt, struct attempt_report *report)
{
    struct protection before;
    enum ledger_status status = LEDGER_FAILED;
    struct failure failure = {""};
    bool damaged = false;

    if (protect_begin(&before) == 0) {
        status = ask_ledger(attempt, report, &damaged, &failure);
        protect_end(&before);
    } else {
        failure_set(&failure, "no protection from signals: %s", strerror(errno));
    }
    if (status != LEDGER_OK)
        attempt_log_ledger(attempt->pamh, &attempt->request, attempt->state_dir,
                           "no password is accepted", failure.text);
    else if (damaged)
        attempt_log_ledger(attempt->pamh, &attempt->request, attempt->state_dir,
                           "set aside, the user is locked", failure.text);
    return status;
}

static enum ledger_status await_admission(struct attempt *attempt, struct attempt_report *report)
{
    const int64_t begun_ms = clock_ms(CLOCK_MONOTONIC);
    int64_t moved_ms = begun_ms, at_ms;
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
            moved_ms = at_ms;
        seen = report->seen;
        if (at_ms - moved_ms >= STALLED_MAX_MS || at_ms - begun_ms >= WAIT_MAX_MS)
            return LEDGER_OK;
        ledger_wait(&attempt->ledger, report, LOOK_AGAIN_MS);
    }
}

/* From here on, the end of pam_authenticate() settles it. */
static int attach_attempt(struct attempt *attempt)
{
    const struct pam_conv *conversation = pam_item(attempt->pamh, PAM_CONV);

    attempt->appdata = conversation != NULL ? conversation->appdata_ptr : NULL;
    attempt->password = pam_item(attempt->pamh, PAM_AUTHTOK);
    attempt->earlier = (fail_delay_function *)pam_item(attempt->pamh, PAM_FAIL_DELAY);
    track_attempt(attempt);
    if (pam_set_data(attempt->pamh, DATA_NAME, attempt, clean_up) != PAM_SUCCESS) {
        settle(attempt, false);
        return PAM_BUF_ERR;
    }
    if (pam_set_item(attempt->pamh, PAM_FAIL_DELAY, (const void *)authenticate_has_ended) ==
        PAM_SUCCESS)
        return PAM_IGNORE;
    settle(attempt, false);
    return PAM_SERVICE_ERR; /* the handle owns it now */
}

int attempt_begin(pam_handle_t *pamh, const struct module_args *args,
                  const struct attempt_request *request, struct attempt_report *report)
{
    struct failure failure = {""};
    struct attempt *attempt;
    int result = PAM_SERVICE_ERR;

    /* What is still under way here never heard of its end. */
    pam_set_data(pamh, DATA_NAME, NULL, NULL);
    attempt = attempt_new(pamh, args, request);
    if (attempt == NULL) {
        pam_syslog(pamh, LOG_ERR, "no password is accepted: out of memory user=%s",
                   request->log_name);
        return PAM_BUF_ERR;
    }
    if (clock_now(&attempt->begun, &failure) != 0) {
        pam_syslog(pamh, LOG_ERR, "no password is accepted: %s user=%s", failure.text,
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

bool attempt_is_under_way(pam_handle_t *pamh, const char *user)
{
    const void *data = NULL;
    const struct attempt *attempt;

    if (pam_get_data(pamh, DATA_NAME, &data) != PAM_SUCCESS || data == NULL)
        return false;
    attempt = data;
    /* Else the end of an earlier pam_authenticate() may have passed unheard. */
    return attempt->under_way && strcmp(attempt->user, user) == 0 && is_hook_installed(pamh) &&
           attempt->password != NULL && attempt->password == pam_item(pamh, PAM_AUTHTOK);
}
