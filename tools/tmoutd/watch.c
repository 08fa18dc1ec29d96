#include "tools/tmoutd/watch.h"

#include "lib/host/checksum.h"
#include "lib/host/procfs.h"
#include "lib/paths.h"
#include "tools/tmoutd/leftover_list.h"
#include "tools/tmoutd/log.h"
#include "tools/tmoutd/login_cut.h"
#include "tools/tmoutd/inbox.h"
#include "tools/tmoutd/reconcile.h"
#include "tools/tmoutd/record_store.h"
#include "tools/tmoutd/terminal_cut.h"
#include "tools/tmoutd/user.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

LIST_HEAD(user_list, user);

enum { PENDING_MAX = 64 };

/* Numbers that are looked at again in a moment. */
struct pending {
    struct alarm alarm;
    int64_t number[PENDING_MAX];
    unsigned count;
    bool has_more; /* than there was room for */
};

struct watch {
    const char *sessions_dir, *state_dir;
    struct loop *loop;
    bool polling; /* not all changes are reported by inotify */
    struct map logins, users, users_by_uid, terminals;
    struct user_list identified, unidentified; /* with or without a uid */
    struct record_store *store;
    struct reconcile *reconcile;
    struct inbox *inbox;
    struct leftover_list leftovers;
    struct pending removed; /* pids of logins whose record has disappeared */
    struct pending created; /* terminals that may be no known login's */
    struct stat policy;     /* the file whose limits are in force */
    uint64_t policy_id;     /* snapshot_identity() of it, or 0: there is none */
    bool has_no_policy;     /* which is logged once */
    struct alarm scan;      /* rescan everything then */
    int64_t scanned_ms;     /* when that was done last */
};

/* Between two scans because of lost events, and in addition for each login. */
enum { SCAN_PAUSE_MS = 5000, SCAN_PAUSE_PER_LOGIN_MS = 2 };

enum {
    /* From the end of a session, whose record the module removes, to that of its
     * process; and from a terminal to the search for its login. */
    DISAPPEAR_MS = 5000,
    CLAIM_MS = 4000,
    /* From a login that announces itself to its record. */
    ANNOUNCED_MS = 4000
};

static void watch_on_scan(void *context, int64_t late_ms);
static void on_removed_records(void *context, int64_t late_ms);
static void on_created_terminals(void *context, int64_t late_ms);
static ssize_t list_watched(void *context, pid_t **pids);
static bool is_watched(void *context, pid_t pid);
static void on_found_login(void *context, const struct session_record *record);
static void on_sent_login(void *context, const struct session_record *record);
static void on_unreadable_login(void *context, pid_t pid);

static bool open_parts(struct watch *watch)
{
    const struct reconcile_hooks found = {watch, list_watched, is_watched, on_found_login};
    const struct inbox_hooks sent = {watch, on_sent_login, on_unreadable_login};

    watch->store = record_store_new(watch->loop, watch->sessions_dir);
    if (watch->store != NULL)
        watch->reconcile = reconcile_new(watch->loop, watch->store, &found);
    watch->inbox = inbox_new(watch->loop, watch->sessions_dir, &sent);
    return watch->reconcile != NULL && watch->inbox != NULL;
}

struct watch *watch_new(const char *sessions_dir, const char *state_dir, struct loop *loop)
{
    struct watch *watch = calloc(1, sizeof *watch);

    if (watch == NULL)
        return NULL;
    *watch = (struct watch){.sessions_dir = sessions_dir, .state_dir = state_dir, .loop = loop};
    leftover_list_open(&watch->leftovers, loop, &watch->terminals, sessions_dir);
    if (!alarm_init(&watch->scan, loop, watch_on_scan, watch) ||
        !alarm_init(&watch->removed.alarm, loop, on_removed_records, watch) ||
        !alarm_init(&watch->created.alarm, loop, on_created_terminals, watch) ||
        !open_parts(watch)) {
        watch_free(watch);
        return NULL;
    }
    alarm_set(&watch->scan, loop->now.boot_ms);
    return watch;
}

static void drop_login(struct watch *watch, struct login *login);

static void free_users(struct watch *watch, struct user_list *users)
{
    struct user *user, *next_user;
    struct login *login, *next_login;

    for (user = LIST_FIRST(users); user != NULL; user = next_user) {
        next_user = LIST_NEXT(user, link);
        for (login = LIST_FIRST(&user->logins); login != NULL; login = next_login) {
            next_login = LIST_NEXT(login, link);
            drop_login(watch, login); /* the last one frees the user */
        }
    }
}

void watch_free(struct watch *watch)
{
    free_users(watch, &watch->identified);
    free_users(watch, &watch->unidentified);
    leftover_list_close(&watch->leftovers);
    inbox_free(watch->inbox);
    reconcile_free(watch->reconcile);
    record_store_free(watch->store);
    alarm_free(&watch->removed.alarm);
    alarm_free(&watch->created.alarm);
    terminal_cuts_free(watch->loop);
    login_cuts_free(watch->loop);
    alarm_free(&watch->scan);
    map_free(&watch->logins);
    map_free(&watch->users);
    map_free(&watch->users_by_uid);
    map_free(&watch->terminals);
    free(watch);
}

size_t watch_count(const struct watch *watch)
{
    return watch->logins.count;
}

static void rescan_later(struct watch *watch)
{
    alarm_set(&watch->scan, earlier_ms(watch->scan.due_ms, watch->loop->now.boot_ms + RETRY_MS));
}

/* --- users ----------------------------------------------------------------- */

/* Does this login belong to that user? Two of the same name may have different uids: one
 * has logged in while the name service knew another. */
static bool is_of_user(const struct session_record *record, const struct user *user)
{
    return strcmp(user->name, record->user) == 0 && user->is_ssh == record->is_ssh &&
           user->registered_uid == record->uid;
}

/* The first of the keys that are this login's user's, or free for them. */
static uint64_t key_of_user(const struct watch *watch, const struct session_record *record)
{
    const uint64_t name = checksum(CHECKSUM_START, record->user, strlen(record->user));
    uint64_t key = 2 * checksum(name, &record->uid, sizeof record->uid) + record->is_ssh;
    const struct user *user;

    while ((user = map_find(&watch->users, key)) != NULL && !is_of_user(record, user))
        key += 2;
    return key;
}

/* No longer found by its uid. */
static void unlink_uid(struct watch *watch, struct user *user)
{
    struct user *first = map_find(&watch->users_by_uid, user->uid);

    if (first == user && user->same_uid != NULL)
        map_put(&watch->users_by_uid, user->uid, user->same_uid); /* replaces: no memory needed */
    else if (first == user)
        map_remove(&watch->users_by_uid, user->uid);
    for (; first != NULL; first = first->same_uid)
        if (first->same_uid == user)
            first->same_uid = user->same_uid;
    user->same_uid = NULL;
}

/* Only sshd's terminals have to be searched for: of those who cannot be found by their
 * uid, for any terminal. */
static void on_identified(void *context, struct user *user, uid_t uid)
{
    struct watch *watch = context;
    bool is_found = uid != NO_UID;

    unlink_uid(watch, user);
    if (user->is_ssh && is_found) {
        user->same_uid = map_find(&watch->users_by_uid, uid);
        is_found = map_put(&watch->users_by_uid, uid, user);
        if (!is_found)
            user->same_uid = NULL;
    }
    LIST_REMOVE(user, link);
    LIST_INSERT_HEAD(is_found ? &watch->identified : &watch->unidentified, user, link);
}

static void on_policy_failed(void *context, const struct failure *failure)
{
    struct watch *watch = context;
    struct log_entry entry;

    if (!log_begins(&watch->has_no_policy, failure != NULL))
        return;
    log_entry_begin(&entry, LOG_EVENT_NO_POLICY, LOG_ERR,
                    "no policy is in force: %s; run tmoutctl apply", failure->text);
    log_entry(&entry);
}

/* Records keep the limits known last, for a restart while the user cannot be looked
 * up. */
static void on_limits_found(void *context, struct user *user)
{
    struct watch *watch = context;
    struct login *login;

    for (login = LIST_FIRST(&user->logins); login != NULL; login = LIST_NEXT(login, link)) {
        struct session_record *record = &login->record;
        if (record->policy == user->policy && record->uid == user->uid)
            continue;
        record->policy = user->policy;
        record->limits = user->limits;
        record->uid = user->uid;
        record_store_save(watch->store, record);
    }
}

static struct user *user_of_login(struct watch *watch, const struct session_record *record)
{
    const uint64_t key = key_of_user(watch, record);
    struct user *user = map_find(&watch->users, key);

    if (user != NULL)
        return user;
    user = user_new(watch->loop, watch->state_dir, record);
    if (user == NULL)
        return NULL;
    if (!map_put(&watch->users, key, user)) {
        user_free(user);
        return NULL;
    }
    user->key = key;
    user->identified = on_identified;
    user->policy_failed = on_policy_failed;
    user->limits_found = on_limits_found;
    user->context = watch;
    LIST_INSERT_HEAD(&watch->unidentified, user, link);
    return user;
}

static void drop_user(struct watch *watch, struct user *user)
{
    map_remove(&watch->users, user->key);
    unlink_uid(watch, user);
    LIST_REMOVE(user, link);
    user_free(user);
}

/* --- logins ---------------------------------------------------------------- */

static void drop_login(struct watch *watch, struct login *login)
{
    struct user *user = login->user;

    if (map_find(&watch->logins, (uint64_t)login->record.pid) == login)
        map_remove(&watch->logins, (uint64_t)login->record.pid);
    user_remove_login(login);
    login_free(login);
    if (user->login_count == 0)
        drop_user(watch, user);
}

static void pending_forget(struct pending *pending, int64_t number)
{
    for (unsigned i = pending->count; i-- > 0;)
        if (pending->number[i] == number)
            pending->number[i] = pending->number[--pending->count];
    if (pending->count == 0 && !pending->has_more)
        alarm_set(&pending->alarm, NEVER_MS);
}

/* The limits known last apply to what it leaves behind. */
static void leave_behind(struct watch *watch, const struct login *login)
{
    struct session_record record = login->record;
    struct login_trace trace = login->trace;

    if (login->has_limits)
        record.limits = login->limits;
    else if (record.policy == 0)
        return;
    if (trace.uid == NO_UID)
        trace.uid = login->user->uid;
    leftover_list_add(&watch->leftovers, &record, &trace);
}

/* Its process has ended: so has its record, unless it is a later login's. */
static void on_gone(void *context, struct login *login)
{
    struct watch *watch = context;
    const pid_t pid = login->record.pid;
    const uint64_t start_ticks = login->record.start_ticks;
    struct session_record record;

    leave_behind(watch, login);
    drop_login(watch, login);
    pending_forget(&watch->removed, pid);
    if (registry_get(watch->sessions_dir, geteuid(), pid, &record) != REGISTRY_OK ||
        record.start_ticks == start_ticks)
        record_store_remove(watch->store, pid);
}

/* False without memory. */
static bool add_login(struct watch *watch, const struct session_record *record)
{
    struct user *user = user_of_login(watch, record);
    struct login *login = user != NULL ? login_new(watch->loop, &watch->terminals, record) : NULL;

    if (login == NULL || !map_put(&watch->logins, (uint64_t)record->pid, login)) {
        if (login != NULL)
            login_free(login);
        if (user != NULL && user->login_count == 0)
            drop_user(watch, user);
        return false;
    }
    user_take_record(user, record, record->policy != 0 && record->policy == watch->policy_id);
    if (record->has_spare)
        record_store_refill(watch->store);
    login->gone = on_gone;
    login->context = watch;
    user_add_login(user, login);
    return true;
}

static void watch_record(struct watch *watch, const struct session_record *record)
{
    struct login *login = map_find(&watch->logins, (uint64_t)record->pid);

    if (login != NULL && login->record.start_ticks == record->start_ticks) {
        if (login->record.source == record->source || record->source != LOGIN_FROM_PAM)
            return;
        /* The module knows better who it is. */
        if (is_of_user(record, login->user)) {
            login->record = *record;
            return;
        }
    }
    if (login != NULL)
        drop_login(watch, login);
    if (!add_login(watch, record)) {
        log_line(LOG_ERR,
                 "out of memory; a login is not watched for now; see tmout-recovery(7) user=%s",
                 record->user);
        rescan_later(watch);
    }
}

/* What tmoutd knows of a login is as good as its record. */
static void watch_unusable(struct watch *watch, pid_t pid, bool is_newer)
{
    const struct login *login = map_find(&watch->logins, (uint64_t)pid);

    if (login == NULL) {
        reconcile_replace(watch->reconcile, pid, is_newer);
    } else if (!is_newer) {
        record_store_save(watch->store, &login->record);
        log_line(LOG_ERR, "%s/%d: was damaged, written again; see tmout-recovery(7) user=%s",
                 watch->sessions_dir, (int)pid, login->record.user);
    }
}

/* --- logins without a record -------------------------------------------------- */

static ssize_t append_pids(const struct user_list *users, pid_t *pids, ssize_t count)
{
    const struct user *user;
    const struct login *login;

    for (user = LIST_FIRST(users); user != NULL; user = LIST_NEXT(user, link))
        for (login = LIST_FIRST(&user->logins); login != NULL; login = LIST_NEXT(login, link))
            pids[count++] = login->record.pid;
    return count;
}

static ssize_t list_watched(void *context, pid_t **pids)
{
    const struct watch *watch = context;

    *pids = calloc(watch->logins.count + 1, sizeof **pids);
    if (*pids == NULL)
        return -1;
    return append_pids(&watch->unidentified, *pids, append_pids(&watch->identified, *pids, 0));
}

static bool is_watched(void *context, pid_t pid)
{
    const struct watch *watch = context;

    return map_find(&watch->logins, (uint64_t)pid) != NULL;
}

static void on_found_login(void *context, const struct session_record *record)
{
    watch_record(context, record);
}

static void on_sent_login(void *context, const struct session_record *record)
{
    struct watch *watch = context;

    record_store_refill(watch->store); /* there was no spare file */
    record_store_save(watch->store, record);
    watch_record(watch, record);
}

static void on_unreadable_login(void *context, pid_t pid)
{
    watch_unusable(context, pid, true);
}

/* Only for the registry of the host: with another state directory, its logins are
 * somebody else's. */
static bool is_of_host(const struct watch *watch)
{
    return strcmp(watch->sessions_dir, TMOUT_SESSIONS_DIR) == 0;
}

static void search_logins(struct watch *watch, enum login_source source, int64_t delay_ms)
{
    if (is_of_host(watch))
        reconcile_search(watch->reconcile, source, delay_ms);
}

void watch_announced(struct watch *watch, enum login_source source, pid_t pid)
{
    if (!is_of_host(watch) || (pid > 0 && !process_may_be_roots(pid)))
        return;
    if (pid > 0)
        reconcile_look(watch->reconcile, pid, source, ANNOUNCED_MS);
    else
        reconcile_search(watch->reconcile, source, ANNOUNCED_MS);
}

/* --- what is looked at in a moment --------------------------------------------- */

static void pending_add(struct pending *pending, int64_t number, int64_t delay_ms)
{
    if (pending->count == PENDING_MAX) {
        pending->has_more = true;
        return;
    }
    pending->number[pending->count++] = number;
    if (pending->alarm.due_ms == NEVER_MS)
        alarm_set(&pending->alarm, pending->alarm.loop->now.boot_ms + delay_ms);
}

/* At a logout the record goes first, and then the login. */
void watch_record_removed(struct watch *watch, pid_t pid)
{
    if (map_find(&watch->logins, (uint64_t)pid) != NULL)
        pending_add(&watch->removed, pid, DISAPPEAR_MS);
}

static void write_again(struct watch *watch, pid_t pid)
{
    const struct login *login = map_find(&watch->logins, (uint64_t)pid);
    struct session_record record;

    if (login == NULL || record_store_keeps(watch->store, pid) ||
        registry_get(watch->sessions_dir, geteuid(), pid, &record) != REGISTRY_ABSENT)
        return;
    record_store_save(watch->store, &login->record);
    log_line(
        LOG_WARNING,
        "%s/%d: was removed, but the login goes on; written again; see tmout-recovery(7) user=%s",
        watch->sessions_dir, (int)pid, login->record.user);
}

static void on_removed_records(void *context, int64_t late_ms)
{
    struct watch *watch = context;
    const unsigned count = watch->removed.count;

    (void)late_ms;
    watch->removed.count = 0;
    for (unsigned i = 0; i < count; i++)
        write_again(watch, (pid_t)watch->removed.number[i]);
    if (watch->removed.has_more)
        alarm_set(&watch->scan, watch->loop->now.boot_ms);
    watch->removed.has_more = false;
}

static bool owner_of_terminal(unsigned index, uid_t *uid)
{
    char path[64];
    struct stat st;

    snprintf(path, sizeof path, "/dev/pts/%u", index);
    if (stat(path, &st) != 0)
        return false;
    *uid = st.st_uid;
    return true;
}

/* A terminal that sshd or login(1) has created belongs to a login that is known by
 * now, or else to one without a record. */
static void on_created_terminals(void *context, int64_t late_ms)
{
    struct watch *watch = context;
    bool is_unknown = watch->created.has_more;
    uid_t uid;

    (void)late_ms;
    for (unsigned i = 0; i < watch->created.count; i++)
        if (map_find(&watch->terminals, (uint64_t)watch->created.number[i]) == NULL &&
            owner_of_terminal((unsigned)watch->created.number[i], &uid))
            is_unknown = true; /* and has not vanished, like most of those that sudo makes */
    watch->created.count = 0;
    watch->created.has_more = false;
    if (is_unknown)
        search_logins(watch, LOGIN_FROM_TERMINAL, 0);
}

/* --- records ------------------------------------------------------------------- */

void watch_login(struct watch *watch, pid_t pid)
{
    struct session_record record;

    switch (registry_get(watch->sessions_dir, geteuid(), pid, &record)) {
    case REGISTRY_OK:
        watch_record(watch, &record);
        break;
    case REGISTRY_ABSENT:
        break;
    case REGISTRY_DAMAGED:
        watch_unusable(watch, pid, false);
        break;
    case REGISTRY_NEWER:
        watch_unusable(watch, pid, true);
        break;
    case REGISTRY_FAILED:
    default:
        log_line(LOG_ERR,
                 "%s/%d: cannot read: %s; the login is not watched for now; see tmout-recovery(7)",
                 watch->sessions_dir, (int)pid, strerror(errno));
        rescan_later(watch);
    }
}

/* --- scans ----------------------------------------------------------------- */

static void look_at_users_logins(struct watch *watch, struct user_list *users)
{
    struct user *user;
    struct login *login;

    for (user = LIST_FIRST(users); user != NULL; user = LIST_NEXT(user, link))
        for (login = LIST_FIRST(&user->logins); login != NULL; login = LIST_NEXT(login, link)) {
            login_look(login, watch->loop->now.boot_ms);
            write_again(watch, login->record.pid);
        }
}

/* Brings everything up to date without relying on events: the registry, the ends
 * of logins, their terminals, the policy. */
static void watch_on_scan(void *context, int64_t late_ms)
{
    struct watch *watch = context;
    pid_t *pids = NULL;
    const ssize_t count = registry_list(watch->sessions_dir, geteuid(), &pids);

    (void)late_ms;
    watch_policy(watch);
    watch->scanned_ms = watch->loop->now.boot_ms;
    if (watch->polling)
        rescan_later(watch);
    if (count < 0) {
        log_line(LOG_ERR, "%s: %s; see tmout-recovery(7)", watch->sessions_dir, strerror(errno));
        rescan_later(watch);
    }
    for (ssize_t i = 0; i < count; i++)
        watch_login(watch, pids[i]);
    free(pids);
    look_at_users_logins(watch, &watch->identified);
    look_at_users_logins(watch, &watch->unidentified);
    search_logins(watch, LOGIN_FROM_SCAN, 0);
}

void watch_set_polling(struct watch *watch, bool polling)
{
    if (log_begins(&watch->polling, polling))
        rescan_later(watch);
}

void watch_events_lost(struct watch *watch)
{
    const int64_t pause_ms = SCAN_PAUSE_MS + SCAN_PAUSE_PER_LOGIN_MS * (int64_t)watch->logins.count;

    alarm_set(&watch->scan, earlier_ms(watch->scan.due_ms, watch->scanned_ms + pause_ms));
}

void watch_everything(struct watch *watch)
{
    watch->policy = (struct stat){0};
    alarm_set(&watch->scan, watch->loop->now.boot_ms);
}

/* --- limits ---------------------------------------------------------------- */

static void look_up_users(struct user_list *users)
{
    struct user *user;

    for (user = LIST_FIRST(users); user != NULL; user = LIST_NEXT(user, link))
        user_look_up(user);
}

static uint64_t identity_of_policy(const struct watch *watch)
{
    struct failure failure = {""};
    struct snapshot snapshot;
    uint64_t identity;

    if (snapshot_open(watch->state_dir, SNAPSHOT_POLICY, geteuid(), &snapshot, &failure) !=
        SNAPSHOT_OK)
        return 0; /* logged where it is asked for limits */
    identity = snapshot_identity(&snapshot);
    snapshot_close(&snapshot);
    return identity;
}

void watch_policy(struct watch *watch)
{
    struct stat st = {0};
    char path[PATH_MAX];

    snprintf(path, sizeof path, "%s/" SNAPSHOT_POLICY_NAME, watch->state_dir);
    if (stat(path, &st) == 0 && st.st_ino == watch->policy.st_ino &&
        st.st_ctim.tv_sec == watch->policy.st_ctim.tv_sec &&
        st.st_ctim.tv_nsec == watch->policy.st_ctim.tv_nsec)
        return;
    watch->policy = st;
    watch->policy_id = identity_of_policy(watch);
    look_up_users(&watch->identified);
    look_up_users(&watch->unidentified);
}

/* --- terminals ------------------------------------------------------------- */

/* A terminal does not show which login it belongs to, but it is one of its
 * owner's. */
static void search_login(struct watch *watch, unsigned index, uid_t uid)
{
    struct user *user = map_find(&watch->users_by_uid, uid);

    leftover_list_look(&watch->leftovers, uid);
    for (; user != NULL; user = user->same_uid)
        user_search_terminal(user, index);
    for (user = LIST_FIRST(&watch->unidentified); user != NULL; user = LIST_NEXT(user, link))
        if (user->is_ssh)
            user_search_terminal(user, index);
}

/* sshd creates a terminal as root, and then gives it to the user, which is another
 * event. What a user creates is none of sshd's. */
void watch_terminal_appeared(struct watch *watch, unsigned index)
{
    uid_t uid;

    if (!owner_of_terminal(index, &uid))
        return;
    leftover_list_look(&watch->leftovers, uid);
    if (uid != geteuid())
        return;
    search_login(watch, index, uid);
    if (is_of_host(watch))
        pending_add(&watch->created, index, CLAIM_MS);
}

void watch_terminal_vanished(struct watch *watch, unsigned index)
{
    struct terminal *terminal = map_find(&watch->terminals, index);

    if (terminal != NULL)
        terminal_vanished(terminal);
}

void watch_terminal_touched(struct watch *watch, unsigned index)
{
    struct terminal *terminal = map_find(&watch->terminals, index);
    uid_t uid;

    if (terminal != NULL)
        terminal_touched(terminal);
    else if (owner_of_terminal(index, &uid))
        search_login(watch, index, uid);
}
