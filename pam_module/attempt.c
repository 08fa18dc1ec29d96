#include "pam_module/attempt.h"

#include "lib/host/checksum.h"
#include "pam_module/admission.h"
#include "pam_module/attempt_log.h"
#include "pam_module/pam_item.h"
#include "pam_module/password_prompt.h"

#include <pthread.h>
#include <security/pam_appl.h>
#include <security/pam_ext.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <time.h>

#define DATA_NAME "pam_tmout_attempt"

typedef void fail_delay_function(int status, unsigned delay_us, void *appdata);

struct attempt {
    struct attempt_admission admission;
    struct prompt_history prompts;
    pthread_t thread;
    struct pam_conv conversation; /* the application's */
    fail_delay_function *prev_delay_fn;
    char marker[32]; /* see mark() */
    bool is_marked;
    struct attempt *next;
    char *second_factor; /* second_factor= of the line, or NULL */
    uint32_t item;       /* item_mark() of the last one that was seen */
    bool in_progress, succeeded;
};

/* Attempts in progress, the latest first. Numbers begin at one so that not all of it is zero:
 * the module would have one more segment, .bss, to be mapped at each login. */
static struct {
    pthread_mutex_t lock;
    struct attempt *latest;
    uint64_t next_number;
} in_progress = {.lock = PTHREAD_MUTEX_INITIALIZER, .next_number = 1};

static void track_attempt(struct attempt *attempt)
{
    pthread_mutex_lock(&in_progress.lock);
    attempt->thread = pthread_self();
    attempt->next = in_progress.latest;
    in_progress.latest = attempt;
    attempt->in_progress = true;
    snprintf(attempt->marker, sizeof attempt->marker, "attempt %llu",
             (unsigned long long)in_progress.next_number++);
    pthread_mutex_unlock(&in_progress.lock);
}

static void untrack_attempt(struct attempt *attempt)
{
    pthread_mutex_lock(&in_progress.lock);
    for (struct attempt **link = &in_progress.latest; *link != NULL; link = &(*link)->next) {
        if (*link == attempt) {
            *link = attempt->next;
            break;
        }
    }
    attempt->in_progress = false;
    pthread_mutex_unlock(&in_progress.lock);
}

/*
 * The attempt that this conversation's data belongs to. While the conversation
 * is ours, that is the attempt itself; if somebody has set another one since, it
 * is the only attempt of this thread. Where that does not tell, *sure is false.
 */
static struct attempt *find_attempt(const void *appdata, bool *sure)
{
    struct attempt *latest = NULL, *matching = NULL;
    unsigned count = 0;

    pthread_mutex_lock(&in_progress.lock);
    for (struct attempt *attempt = in_progress.latest; attempt != NULL; attempt = attempt->next) {
        if (attempt == appdata)
            matching = attempt;
        if (pthread_equal(attempt->thread, pthread_self()) && count++ == 0)
            latest = attempt;
    }
    pthread_mutex_unlock(&in_progress.lock);
    *sure = matching != NULL || count == 1;
    return matching != NULL ? matching : latest;
}

/* --- the handle -------------------------------------------------------------- */

static void on_end(int status, unsigned delay_us, void *appdata);
static int converse(int count, const struct pam_message **message, struct pam_response **response,
                    void *appdata);

/* Will libpam still call us at the end? */
static bool is_hook_installed(pam_handle_t *pamh)
{
    return pam_item(pamh, PAM_FAIL_DELAY) == (const void *)on_end;
}

static int install_hooks(struct attempt *attempt)
{
    const struct pam_conv ours = {.conv = converse, .appdata_ptr = attempt};
    pam_handle_t *pamh = attempt->admission.pamh;
    const struct pam_conv *conversation = pam_item(pamh, PAM_CONV);

    if (conversation == NULL)
        return -1;
    attempt->conversation = *conversation;
    attempt->prev_delay_fn = (fail_delay_function *)pam_item(pamh, PAM_FAIL_DELAY);
    if (pam_set_item(pamh, PAM_CONV, &ours) != PAM_SUCCESS)
        return -1;
    return pam_set_item(pamh, PAM_FAIL_DELAY, (const void *)on_end) == PAM_SUCCESS ? 0 : -1;
}

static void remove_hooks(struct attempt *attempt)
{
    pam_handle_t *pamh = attempt->admission.pamh;
    const struct pam_conv *conversation = pam_item(pamh, PAM_CONV);

    if (is_hook_installed(pamh))
        pam_set_item(pamh, PAM_FAIL_DELAY, (const void *)attempt->prev_delay_fn);
    if (conversation != NULL && conversation->conv == converse &&
        conversation->appdata_ptr == attempt)
        pam_set_item(pamh, PAM_CONV, &attempt->conversation);
}

/*
 * libpam clears PAM_OLDAUTHTOK, which the auth phase has no other use for, where
 * a pam_authenticate() starts and ends. So a second line of ours that finds the
 * attempt's marker there is in the same one, even if the end of an earlier one
 * was hidden from us.
 */
static void mark(struct attempt *attempt)
{
    pam_handle_t *pamh = attempt->admission.pamh;

    attempt->is_marked = attempt->admission.request.purpose == ATTEMPT_LOGIN &&
                         pam_item(pamh, PAM_OLDAUTHTOK) == NULL &&
                         pam_set_item(pamh, PAM_OLDAUTHTOK, attempt->marker) == PAM_SUCCESS;
}

static bool has_mark(const struct attempt *attempt)
{
    const char *item = pam_item(attempt->admission.pamh, PAM_OLDAUTHTOK);

    return attempt->is_marked && item != NULL && strcmp(item, attempt->marker) == 0;
}

static struct attempt *attempt_of(pam_handle_t *pamh)
{
    const void *data = NULL;

    return pam_get_data(pamh, DATA_NAME, &data) == PAM_SUCCESS ? (struct attempt *)data : NULL;
}

/* --- end ------------------------------------------------------------------- */

static void settle(struct attempt *attempt, bool success)
{
    untrack_attempt(attempt);
    remove_hooks(attempt);
    attempt->succeeded = success && attempt->admission.in_flight;
    admission_settle(&attempt->admission, success);
}

/* What libpam does where no function is set. */
static void sleep_us(unsigned delay_us)
{
    const struct timespec delay = {delay_us / 1000000, (long)(delay_us % 1000000) * 1000};

    nanosleep(&delay, NULL);
}

static void on_end(int status, unsigned delay_us, void *appdata)
{
    bool sure;
    struct attempt *attempt = find_attempt(appdata, &sure);
    fail_delay_function *prev_delay_fn = NULL;

    if (attempt != NULL) {
        prev_delay_fn = attempt->prev_delay_fn;
        if (attempt == appdata)
            appdata = attempt->conversation.appdata_ptr;
        settle(attempt, sure && status == PAM_SUCCESS);
    }
    if (prev_delay_fn != NULL)
        prev_delay_fn(status, delay_us, appdata);
    else if (status != PAM_SUCCESS && delay_us > 0)
        sleep_us(delay_us);
}

static void attempt_free(struct attempt *attempt)
{
    free(attempt->second_factor);
    admission_free(&attempt->admission);
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

void attempt_password_accepted(pam_handle_t *pamh)
{
    struct attempt *attempt = attempt_of(pamh);

    if (attempt != NULL && attempt->in_progress &&
        attempt->admission.request.purpose == ATTEMPT_PASSWORD_CHANGE)
        settle(attempt, true);
}

bool attempt_has_succeeded(pam_handle_t *pamh)
{
    const struct attempt *attempt = attempt_of(pamh);

    return attempt != NULL && attempt->succeeded;
}

/* --- another password ---------------------------------------------------------- */

static void wipe_answers(int count, struct pam_response **response)
{
    if (*response == NULL)
        return;
    for (int i = 0; i < count; i++) {
        char *text = (*response)[i].resp;
        if (text != NULL)
            explicit_bzero(text, strlen(text));
        free(text);
    }
    free(*response);
    *response = NULL;
}

/*
 * Tells whether PAM_AUTHTOK has changed, without a copy of the password: 16 bits of a
 * checksum that begins with an address nobody outside knows. 0: there is none.
 */
static uint32_t item_mark(const struct attempt *attempt)
{
    const char *password = pam_item(attempt->admission.pamh, PAM_AUTHTOK);
    const uint64_t start = CHECKSUM_START ^ (uintptr_t)attempt;

    return password == NULL
               ? 0
               : (uint32_t)(checksum(start, password, strlen(password)) >> 48) | UINT32_C(1) << 16;
}

/* Is the item another one than at the last prompt, or gone? */
static bool item_is_replaced(struct attempt *attempt)
{
    const uint32_t before = attempt->item, item = item_mark(attempt);

    if (item != 0)
        attempt->item = item;
    return before != 0 && before != item;
}

/* Each of these passwords needs an admission of its own, and all but the last are wrong
 * for that one to be needed. */
static int admit_others(struct attempt *attempt, unsigned others)
{
    struct attempt_report report;

    for (unsigned i = 0; i < others; i++) {
        admission_settle(&attempt->admission, false);
        if (admission_ask(&attempt->admission, &report) != PAM_IGNORE)
            return -1;
    }
    return 0;
}

/*
 * The conversation during an attempt. A prompt for another password means that
 * the one before was wrong: it is settled before the user is asked, because a
 * user thinking at the prompt must not hold a slot, and the other one needs an
 * admission of its own.
 */
static int converse(int count, const struct pam_message **message, struct pam_response **response,
                    void *appdata)
{
    bool sure;
    struct attempt *attempt = find_attempt(appdata, &sure);
    struct prompt_verdict verdict;

    /* An application need not have a conversation function. */
    if (attempt == NULL || !sure || attempt->conversation.conv == NULL)
        return PAM_CONV_ERR;
    struct attempt_admission *admission = &attempt->admission;
    attempt->prompts.is_replaced = item_is_replaced(attempt);
    prompts_judge(&attempt->prompts, admission->request.purpose, attempt->second_factor, count,
                  message, &verdict);
    /* Its end was hidden, and a module in front of our line asks at the next one. */
    if (attempt->is_marked && !has_mark(attempt))
        verdict.others = 0;
    if (verdict.others > 0)
        admission_settle(admission, false);
    if (verdict.others > 0 && verdict.unnamed != NULL)
        attempt_log_prompt(admission->pamh, &admission->request, verdict.unnamed);
    const int result =
        attempt->conversation.conv(count, message, response, attempt->conversation.appdata_ptr);
    if (result != PAM_SUCCESS)
        return result;
    attempt->prompts = verdict.after;
    if (admit_others(attempt, verdict.others) == 0)
        return PAM_SUCCESS;
    wipe_answers(count, response);
    return PAM_CONV_ERR;
}

/* --- start ----------------------------------------------------------------- */

void attempt_discard(pam_handle_t *pamh)
{
    pam_set_data(pamh, DATA_NAME, NULL, NULL);
}

/* From here on, the end of pam_authenticate() settles the attempt. Returns
 * PAM_IGNORE, or an error; the handle owns the attempt unless it is PAM_BUF_ERR. */
static int attach_attempt(struct attempt *attempt)
{
    track_attempt(attempt);
    if (pam_set_data(attempt->admission.pamh, DATA_NAME, attempt, clean_up) != PAM_SUCCESS) {
        settle(attempt, false);
        return PAM_BUF_ERR;
    }
    if (install_hooks(attempt) == 0) {
        mark(attempt);
        return PAM_IGNORE;
    }
    settle(attempt, false);
    return PAM_SERVICE_ERR;
}

/* The line's arguments may be gone before the attempt ends. */
static int keep_second_factor(struct attempt *attempt, const struct module_args *args)
{
    if (args->second_factor == NULL)
        return 0;
    attempt->second_factor = strdup(args->second_factor);
    return attempt->second_factor != NULL ? 0 : -1;
}

int attempt_begin(pam_handle_t *pamh, const struct module_args *args,
                  const struct attempt_request *request, struct attempt_report *report)
{
    struct attempt *attempt = calloc(1, sizeof *attempt);
    int result = PAM_BUF_ERR;

    if (attempt == NULL || keep_second_factor(attempt, args) != 0 ||
        admission_init(&attempt->admission, pamh, args, request) != 0) {
        pam_syslog(pamh, LOG_ERR,
                   "rejecting password: out of memory; see tmout-recovery(7) user=%s",
                   request->log_name);
        if (attempt != NULL)
            free(attempt->second_factor);
        free(attempt);
        return PAM_BUF_ERR;
    }
    attempt->prompts.has_password = !args->noprompt;
    attempt->item = item_mark(attempt);
    result = admission_ask(&attempt->admission, report);
    if (result == PAM_IGNORE) {
        result = attach_attempt(attempt);
        if (result != PAM_BUF_ERR)
            return result; /* the handle owns it now */
    }
    attempt_free(attempt);
    return result;
}

bool attempt_is_in_progress(pam_handle_t *pamh, const struct attempt_request *request)
{
    const struct attempt *attempt = attempt_of(pamh);

    if (attempt == NULL || !attempt->in_progress || !is_hook_installed(pamh) ||
        attempt->admission.request.purpose != request->purpose ||
        strcmp(attempt->admission.user, request->user) != 0)
        return false;
    if (request->purpose == ATTEMPT_LOGIN)
        return has_mark(attempt);
    /* libpam clears it at the start, and the first line found it empty. */
    return pam_item(pamh, PAM_OLDAUTHTOK) != NULL && !attempt->admission.request.was_asked;
}
