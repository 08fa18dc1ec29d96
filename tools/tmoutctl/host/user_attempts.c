#include "tools/tmoutctl/host/user_attempts.h"

#include "lib/attempts/ledger_access.h"
#include "lib/host/audit_record.h"
#include "lib/host/clock.h"
#include "lib/paths.h"
#include "lib/policy/duration.h"
#include "lib/policy/resolve_account.h"
#include "tools/tmoutctl/host/event_log.h"
#include "tools/tmoutctl/print.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

bool may_read_attempts(const struct tmoutctl_context *context)
{
    struct stat st;

    return geteuid() == 0 || (stat(context->state_dir, &st) == 0 && st.st_uid == geteuid());
}

bool is_others_state(const struct tmoutctl_context *context)
{
    struct stat st;

    return geteuid() != 0 && stat(context->state_dir, &st) == 0 && st.st_uid != geteuid();
}

static void ledger_path_format(const struct tmoutctl_context *context, uid_t uid, char *path,
                               size_t size)
{
    snprintf(path, size, "%s/" LEDGER_DIRECTORY "/%u", context->state_dir, (unsigned)uid);
}

/* "LEDGER REASON; REMEDY" of an error of this kind, or damage. */
static void set_fault(const struct tmoutctl_context *context, uid_t uid, enum ledger_access access,
                      const char *reason, struct failure *fault)
{
    struct failure advice = {""};
    char number[16], path[PATH_MAX];

    snprintf(number, sizeof number, "%u", (unsigned)uid);
    ledger_path_format(context, uid, path, sizeof path);
    ledger_access_advice(access, context->state_dir, number, &advice);
    failure_set(fault, "%s %s; %s", path, reason, advice.text);
}

/* What a fault means for the user. */
static void set_rejecting(struct failure *rejecting, const struct failure *fault)
{
    failure_set(rejecting, "rejecting passwords: %s; see tmout-recovery(7)", fault->text);
}

/* Returns 0, with the reason on LEDGER_DAMAGED, or -1 with *fault and with what it means, in
 * *failure. */
static int open_view(const struct tmoutctl_context *context, uid_t uid, struct ledger *ledger,
                     enum ledger_status *status, struct failure *fault, struct failure *failure)
{
    struct failure reason = {"is damaged"}, ignored = {""};
    enum ledger_access access = ACCESS_FAILED;

    *status = ledger_open_view(context->state_dir, uid, geteuid(), ledger, &reason);
    if (*status != LEDGER_FAILED && *status != LEDGER_DAMAGED)
        return 0;
    if (*status == LEDGER_FAILED)
        access = ledger_check_access(context->state_dir, uid, geteuid(), &ignored);
    set_fault(context, uid, access, reason.text, fault);
    if (*status == LEDGER_DAMAGED)
        return 0;
    set_rejecting(failure, fault);
    return -1;
}

static bool is_worth_showing(const struct attempt_state *state)
{
    return state->failures > 0 || state->in_flight > 0 || state->lock_left_ms > 0;
}

/* Returns 0, or -1 without memory; a damaged record sets attempts->damaged. */
static int read_counts(const struct ledger *ledger, const struct timestamp *now,
                       struct user_attempts *attempts)
{
    attempts->count = calloc(ledger->record_count, sizeof *attempts->count);
    if (attempts->count == NULL)
        return -1;
    for (uint32_t i = 1; i < ledger->record_count; i++) {
        struct attempt_state *state = &attempts->count[attempts->count_size];
        const int found = ledger_look(ledger, i, &attempts->limits, now, state);
        if (found < 0)
            attempts->damaged = true;
        else if (found > 0 && is_worth_showing(state))
            attempts->count_size++;
    }
    return 0;
}

/* What an administrator's own try does not show: a label that keeps programs out. */
static void set_denied(const struct tmoutctl_context *context, const struct mac_denial *denial,
                       struct failure *fault)
{
    failure_set(fault,
                "%s is labelled %s, and SELinux denies %s (%s) access; run \"restorecon -RF %s\"",
                denial->path, denial->label, denial->program, denial->domain, context->state_dir);
}

void find_wrong_label(const struct tmoutctl_context *context, uid_t uid, struct mac_ledgers *labels,
                      struct failure *fault)
{
    char path[PATH_MAX];

    fault->text[0] = '\0';
    ledger_path_format(context, uid, path, sizeof path);
    const struct mac_denial *denial = mac_ledger_denial(labels, path);
    if (denial != NULL)
        set_denied(context, denial, fault);
}

struct denied_programs {
    const struct tmoutctl_context *context;
    struct failure *fault;
};

/* The first one that checks passwords, which cron does not. */
static void take_denied_program(void *context, const struct mac_denial *denial)
{
    const struct denied_programs *denied = context;

    if (denied->fault->text[0] == '\0' && denial->need != MAC_WRITE_REGISTRY &&
        strncmp(denial->program, "cron", 4) != 0)
        set_denied(denied->context, denial, denied->fault);
}

/* The same of what all users need. */
static void find_wrong_labels_of_all(const struct tmoutctl_context *context,
                                     const struct mac_ledgers *labels, struct failure *fault)
{
    const struct mac_places places = {context->state_dir, TMOUT_SESSIONS_DIR};
    struct denied_programs denied = {.context = context, .fault = fault};
    bool is_enforced;

    if (labels->is_enforced)
        mac_find_denials(labels->host, labels->kernel, &places, &is_enforced, take_denied_program,
                         &denied);
}

void find_rejecting(const struct tmoutctl_context *context, uid_t uid, bool by_writing,
                    struct mac_ledgers *labels, struct failure *rejecting)
{
    struct failure reason = {""}, advice = {""}, fault = {""};
    char number[16];
    const enum ledger_access access =
        by_writing ? ledger_probe_access(context->state_dir, uid, geteuid(), &reason)
                   : ledger_check_access(context->state_dir, uid, geteuid(), &reason);

    rejecting->text[0] = '\0';
    /* Without a state directory no policy is in force, which is shown as such. */
    if (access == ACCESS_NO_DIRECTORY)
        return;
    if (access != ACCESS_FINE) {
        snprintf(number, sizeof number, "%u", (unsigned)uid);
        ledger_access_advice(access, context->state_dir, number, &advice);
        failure_set(&fault, "%s; %s", reason.text, advice.text);
    } else if (uid == NOBODYS_UID) {
        find_wrong_labels_of_all(context, labels, &fault);
    } else {
        find_wrong_label(context, uid, labels, &fault);
    }
    if (fault.text[0] != '\0')
        set_rejecting(rejecting, &fault);
}

int user_attempts_find(const struct tmoutctl_context *context, uid_t uid,
                       const struct resolution *resolution, const struct timestamp *now,
                       struct user_attempts *attempts, struct failure *failure)
{
    enum ledger_status status;
    struct ledger ledger;

    *attempts = (struct user_attempts){0};
    attempts->limited = attempt_limits_find(resolution, uid, &attempts->limits);
    if (!attempts->limited)
        return 0;
    if (open_view(context, uid, &ledger, &status, &attempts->fault, failure) != 0)
        return -1;
    attempts->damaged = status == LEDGER_DAMAGED;
    const bool is_immutable = status == LEDGER_OK && ledger_is_immutable(ledger.fd);
    const int result = status == LEDGER_OK ? read_counts(&ledger, now, attempts) : 0;
    if (status == LEDGER_OK)
        ledger_close(&ledger);
    if (result != 0)
        failure_set(failure, "out of memory");
    else if (attempts->damaged && attempts->fault.text[0] == '\0')
        set_fault(context, uid, ACCESS_FAILED, "is damaged", &attempts->fault);
    else if (is_immutable)
        set_fault(context, uid, ACCESS_IMMUTABLE, "is immutable or append-only", &attempts->fault);
    return result;
}

void user_attempts_free(struct user_attempts *attempts)
{
    free(attempts->count);
    *attempts = (struct user_attempts){0};
}

int attempt_state_find(const struct tmoutctl_context *context, uid_t uid,
                       const struct origin *origin, const struct attempt_limits *limits,
                       struct attempt_state *state, struct failure *failure)
{
    enum ledger_status status;
    struct ledger ledger;
    struct timestamp now;
    struct failure fault = {""};
    int result;

    *state = (struct attempt_state){.origin = *origin};
    if (clock_now(&now, failure) != 0 ||
        open_view(context, uid, &ledger, &status, &fault, failure) != 0)
        return -1;
    if (status == LEDGER_ABSENT)
        return 0;
    result = status == LEDGER_OK ? ledger_look_at(&ledger, origin, limits, &now, state) : -1;
    if (result != 0 && status == LEDGER_OK)
        set_fault(context, uid, ACCESS_FAILED, "is damaged", &fault);
    if (result != 0)
        set_rejecting(failure, &fault);
    if (status == LEDGER_OK)
        ledger_close(&ledger);
    return result;
}

static int by_uid(const void *left, const void *right)
{
    const uid_t *a = left, *b = right;

    return (*a > *b) - (*a < *b);
}

static bool uid_parse(const char *text, uid_t *uid)
{
    char *end = NULL;

    if (text[0] < '0' || text[0] > '9')
        return false;
    errno = 0;
    const unsigned long number = strtoul(text, &end, 10);
    *uid = (uid_t)number;
    return errno == 0 && *end == '\0' && number < (uid_t)-1;
}

/* A ledger's file name is its user's number; no other file's is one. */
ssize_t ledger_users(const char *state_dir, uid_t **uid, struct failure *failure)
{
    char path[4096];
    struct dirent **entry = NULL;
    size_t count = 0;

    *uid = NULL;
    snprintf(path, sizeof path, "%s/" LEDGER_DIRECTORY, state_dir);
    const int entries = scandir(path, &entry, NULL, NULL);
    if (entries < 0 && errno == ENOENT)
        return 0;
    if (entries < 0) {
        failure_set(failure, "%s: %s", path, strerror(errno));
        return -1;
    }
    *uid = calloc((size_t)entries + 1, sizeof **uid);
    for (int i = 0; i < entries; i++) {
        if (*uid != NULL && uid_parse(entry[i]->d_name, &(*uid)[count]))
            count++;
        free(entry[i]);
    }
    free(entry);
    if (*uid == NULL) {
        failure_set(failure, "out of memory");
        return -1;
    }
    qsort(*uid, count, sizeof **uid, by_uid);
    return (ssize_t)count;
}

int find_uid(const char *user, uid_t *uid, struct failure *failure)
{
    struct account account;

    switch (account_lookup(user, false, &account)) {
    case ACCOUNT_FOUND:
        *uid = account.uid;
        account_free(&account);
        return 0;
    case ACCOUNT_UNKNOWN:
        failure_set(failure, "unknown user \"%s\"", user);
        break;
    case ACCOUNT_ERROR:
    default:
        failure_set(failure, "cannot look up user \"%s\": %s; give their number instead", user,
                    strerror(errno));
    }
    return uid_parse(user, uid) ? 0 : -1;
}

/* The user's limit for the log, "-" where there is none or it cannot be found. */
static void max_attempts_format(const struct tmoutctl_context *context, const char *user,
                                char *text, size_t size)
{
    struct policy_groups groups = {0};
    struct attempt_limits limits;
    struct resolution resolution;
    struct snapshot snapshot;
    struct account account;
    struct failure failure = {""};

    snprintf(text, size, "-");
    if (snapshot_open(context->state_dir, SNAPSHOT_POLICY, geteuid(), &snapshot, &failure) !=
        SNAPSHOT_OK)
        return;
    if (account_lookup(user, false, &account) == ACCOUNT_FOUND) {
        if (resolve_account(&snapshot, &groups, &account, &resolution) == ACCOUNT_RESOLVED &&
            attempt_limits_find(&resolution, account.uid, &limits))
            snprintf(text, size, "%u", limits.max_attempts);
        account_free(&account);
    }
    policy_groups_free(&groups);
    snapshot_close(&snapshot);
}

/* by_fleet: another host has unlocked them. */
static void log_unlock(const struct tmoutctl_context *context, const char *user,
                       const struct ledger_unlocked *undone, bool by_fleet)
{
    struct log_entry entry;
    char limit[16];

    max_attempts_format(context, user, limit, sizeof limit);
    log_entry_begin(&entry, LOG_EVENT_UNLOCKED, LOG_NOTICE, "unlocked");
    log_entry_add(&entry, "user", "%s", user);
    log_entry_add(&entry, "address", "%s", by_fleet ? "fleet" : "local");
    log_entry_add(&entry, "service", "tmoutctl");
    log_entry_add(&entry, "failures", "%u", undone->failures);
    log_entry_add(&entry, "max_attempts", "%s", limit);
    log_entry_add(&entry, "locked", "%s", undone->locked ? "yes" : "no");
    log_entry_add(&entry, "by_uid", "%u", (unsigned)getuid());
    if (event_to_journal(&entry))
        return;
    openlog("tmoutctl", LOG_PID, LOG_AUTHPRIV);
    syslog(entry.priority, "%s", entry.text);
    closelog();
}

/* Logs what was undone, if anything was. Where there can be no audit record, that is added to
 * *why. */
static void record_unlock(const struct tmoutctl_context *context, const struct audit_subject *who,
                          const struct ledger_unlocked *undone, bool by_fleet, struct failure *why)
{
    if (undone->failures == 0 && !undone->locked && !undone->replaced)
        return;
    log_unlock(context, who->user, undone, by_fleet);
    if (audit_record(AUDIT_EVENT_UNLOCKED, who) != 0)
        failure_append(why, "%scannot send audit record: %s", why->text[0] != '\0' ? "; " : "",
                       strerror(errno));
}

int unlock_user(const struct tmoutctl_context *context, const char *user, uid_t uid,
                struct ledger_unlocked *undone, struct failure *failure)
{
    struct ledger_unlocking unlocking = {
        .state_dir = context->state_dir, .uid = uid, .owner = geteuid(), .until_ms = UNLOCK_ALL};
    struct failure why = {""};

    *undone = (struct ledger_unlocked){0};
    if (clock_now(&unlocking.now, failure) != 0)
        return -1;
    switch (ledger_unlock(&unlocking, undone, &why)) {
    case LEDGER_OK:
        break;
    case LEDGER_ABSENT:
        return 0;
    case LEDGER_DAMAGED:
    case LEDGER_FAILED:
    default:
        failure_set(failure, "%s/" LEDGER_DIRECTORY "/%u: %s", context->state_dir, (unsigned)uid,
                    why.text);
        return -1;
    }
    record_unlock(context, &(struct audit_subject){.uid = uid, .user = user}, undone, false, &why);
    *failure = why;
    return 0;
}

/* Who is meant by a name that another host has given. Returns 1, or 0 if nobody here, or -1 with
 * the reason. */
static int find_told_user(const char *user, uid_t *uid, struct failure *failure)
{
    struct account account;

    switch (account_lookup(user, false, &account)) {
    case ACCOUNT_FOUND:
        *uid = account.uid;
        account_free(&account);
        return 1;
    case ACCOUNT_UNKNOWN:
        return 0;
    case ACCOUNT_ERROR:
    default:
        failure_set(failure, "cannot look up user \"%s\": %s", user, strerror(errno));
        return -1;
    }
}

int unlock_user_as_told(const struct tmoutctl_context *context, const char *user,
                        int64_t unlocked_ms, struct ledger_unlocked *undone,
                        struct failure *failure)
{
    struct ledger_unlocking unlocking = {.state_dir = context->state_dir, .owner = geteuid()};
    struct failure why = {""};

    *undone = (struct ledger_unlocked){0};
    const int known = find_told_user(user, &unlocking.uid, failure);
    if (known <= 0)
        return known;
    if (clock_now(&unlocking.now, failure) != 0)
        return -1;
    const int64_t ago_ms = clock_elapsed_ms(unlocked_ms, unlocking.now.wall_ms);
    unlocking.until_ms = unlocking.now.boot_ms - (ago_ms > 0 ? ago_ms : 0);
    switch (ledger_unlock(&unlocking, undone, &why)) {
    case LEDGER_OK:
        break;
    case LEDGER_ABSENT:
        return 0;
    default:
        failure_set(failure, "%s/" LEDGER_DIRECTORY "/%u: %s", context->state_dir,
                    (unsigned)unlocking.uid, why.text);
        return -1;
    }
    failure->text[0] = '\0';
    record_unlock(context, &(struct audit_subject){.uid = unlocking.uid, .user = user}, undone,
                  true, failure);
    return 0;
}

void lock_state_format(int64_t lock_left_ms, char *text, size_t size)
{
    char left[64];

    if (lock_left_ms == 0) {
        snprintf(text, size, "not locked");
    } else if (lock_left_ms == SETTING_FOREVER) {
        snprintf(text, size, "locked until tmoutctl unlock");
    } else {
        duration_format((lock_left_ms + 999) / 1000, left, sizeof left);
        snprintf(text, size, "locked for %s", left);
    }
}

json_t *rejecting_json(const struct failure *rejecting)
{
    return json_text_or_null(rejecting->text[0] != '\0' ? rejecting->text : NULL);
}

void set_lock_state(json_t *object, unsigned failures, unsigned in_flight, int64_t lock_left_ms)
{
    const bool ends = lock_left_ms > 0 && lock_left_ms != SETTING_FOREVER;

    const int64_t left_sec = (lock_left_ms + 999) / 1000;
    const int64_t end_sec = (int64_t)time(NULL) + left_sec;

    json_object_set_new(object, "failures", json_integer(failures));
    json_object_set_new(object, "in_flight", json_integer(in_flight));
    json_object_set_new(object, "locked", json_boolean(lock_left_ms > 0));
    json_object_set_new(object, "unlock_in", ends ? json_integer(left_sec) : json_null());
    json_object_set_new(object, "unlock_at", ends ? json_integer(end_sec) : json_null());
    json_object_set_new(object, "unlock_at_time", ends ? json_time(end_sec) : json_null());
}
