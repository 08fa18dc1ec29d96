#include "tools/tmoutd/watch.h"

#include "lib/host/checksum.h"
#include "tools/tmoutd/log.h"
#include "tools/tmoutd/login_cut.h"
#include "tools/tmoutd/record.h"
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
LIST_HEAD(damaged_list, damaged);

/* A record that a helper collects evidence about. */
struct damaged {
    LIST_ENTRY(damaged) link;
    struct watch *watch;
    pid_t pid;
    struct inquiry *inquiry;
};

struct watch {
    const char *sessions_dir, *state_dir;
    struct loop *loop;
    bool polling; /* not all changes are reported by inotify */
    struct map logins, users, users_by_uid, terminals;
    struct user_list identified, unidentified; /* with or without a uid */
    struct damaged_list damaged;
    struct stat policy; /* the file whose limits are in force */
    bool has_no_policy; /* which is logged once */
    struct alarm scan;  /* rescan everything then */
    int64_t scanned_ms; /* when that was done last */
};

/* Between two scans because of lost events, and in addition for each login. */
enum { SCAN_PAUSE_MS = 5000, SCAN_PAUSE_PER_LOGIN_MS = 2 };

static void watch_on_scan(void *context, int64_t late_ms);

struct watch *watch_new(const char *sessions_dir, const char *state_dir, struct loop *loop)
{
    struct watch *watch = calloc(1, sizeof *watch);

    if (watch == NULL)
        return NULL;
    *watch = (struct watch){.sessions_dir = sessions_dir, .state_dir = state_dir, .loop = loop};
    if (!alarm_init(&watch->scan, loop, watch_on_scan, watch)) {
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
    struct damaged *damaged, *next;

    free_users(watch, &watch->identified);
    free_users(watch, &watch->unidentified);
    for (damaged = LIST_FIRST(&watch->damaged); damaged != NULL; damaged = next) {
        next = LIST_NEXT(damaged, link);
        helpers_take_back(damaged->inquiry);
        free(damaged);
    }
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

/* The first of the keys that are this user's, or free for them. */
static uint64_t key_of_user(const struct watch *watch, const char *name, bool is_ssh)
{
    uint64_t key = 2 * checksum(CHECKSUM_START, name, strlen(name)) + is_ssh;
    const struct user *user;

    while ((user = map_find(&watch->users, key)) != NULL &&
           (strcmp(user->name, name) != 0 || user->is_ssh != is_ssh))
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

/* Only sshd's terminals have to be searched for. */
static void on_identified(void *context, struct user *user, uid_t uid)
{
    struct watch *watch = context;

    unlink_uid(watch, user);
    if (user->is_ssh) {
        user->same_uid = map_find(&watch->users_by_uid, uid);
        if (!map_put(&watch->users_by_uid, uid, user)) {
            user->same_uid = NULL;
            return; /* stays among those that are searched for any terminal */
        }
    }
    LIST_REMOVE(user, link);
    LIST_INSERT_HEAD(&watch->identified, user, link);
}

static void on_policy_failed(void *context, const struct failure *failure)
{
    struct watch *watch = context;

    if (log_begins(&watch->has_no_policy, failure != NULL))
        log_line(LOG_ERR, "no policy is in force: %s; run tmoutctl apply", failure->text);
}

static struct user *user_of_login(struct watch *watch, const struct session_record *record)
{
    const uint64_t key = key_of_user(watch, record->user, record->is_ssh);
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
    user->identified = on_identified;
    user->policy_failed = on_policy_failed;
    user->context = watch;
    LIST_INSERT_HEAD(&watch->unidentified, user, link);
    return user;
}

static void drop_user(struct watch *watch, struct user *user)
{
    map_remove(&watch->users, key_of_user(watch, user->name, user->is_ssh));
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

/* Its process has ended: so has its record, unless it is a later login's. */
static void on_gone(void *context, struct login *login)
{
    struct watch *watch = context;
    const pid_t pid = login->record.pid;
    const uint64_t start_ticks = login->record.start_ticks;
    struct session_record record;

    drop_login(watch, login);
    if (registry_get(watch->sessions_dir, geteuid(), pid, &record) == REGISTRY_OK &&
        record.start_ticks == start_ticks)
        registry_remove(watch->sessions_dir, geteuid(), pid);
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
    login->gone = on_gone;
    login->context = watch;
    user_add_login(user, login);
    return true;
}

static void watch_record(struct watch *watch, const struct session_record *record)
{
    struct login *login = map_find(&watch->logins, (uint64_t)record->pid);

    if (login != NULL && login->record.start_ticks == record->start_ticks)
        return;
    if (login != NULL)
        drop_login(watch, login);
    if (!add_login(watch, record)) {
        log_line(LOG_ERR, "out of memory; a login is not watched for now user=%s", record->user);
        rescan_later(watch);
    }
}

static void on_finding(void *context, const struct answer *answer)
{
    struct damaged *damaged = context;
    struct watch *watch = damaged->watch;
    const pid_t pid = damaged->pid;
    struct record_finding finding;

    LIST_REMOVE(damaged, link);
    free(damaged);
    loop_clock(watch->loop);
    if (!answer_get(answer, &finding, sizeof finding))
        finding.verdict = RECORD_RETRY;
    record_settle(watch->sessions_dir, pid, &finding);
    if (finding.verdict == RECORD_REBUILD)
        watch_record(watch, &finding.record);
    else if (finding.verdict == RECORD_RETRY)
        rescan_later(watch);
}

static void watch_damaged(struct watch *watch, pid_t pid)
{
    struct damaged *damaged;
    const struct record_question input = {.pid = pid, .now = watch->loop->now};
    struct question question = {.about = about_login(pid),
                                .work = record_look,
                                .input = &input,
                                .input_size = sizeof input,
                                .fd = -1,
                                .is_patient = true, /* it needs the name service */
                                .done = on_finding};

    for (damaged = LIST_FIRST(&watch->damaged); damaged != NULL; damaged = LIST_NEXT(damaged, link))
        if (damaged->pid == pid)
            return;
    damaged = calloc(1, sizeof *damaged);
    question.context = damaged;
    if (damaged == NULL ||
        (damaged->inquiry = helpers_ask(watch->loop->helpers, &question)) == NULL) {
        free(damaged);
        rescan_later(watch);
        return;
    }
    damaged->watch = watch;
    damaged->pid = pid;
    LIST_INSERT_HEAD(&watch->damaged, damaged, link);
}

void watch_login(struct watch *watch, pid_t pid)
{
    struct session_record record;

    switch (registry_get(watch->sessions_dir, geteuid(), pid, &record)) {
    case REGISTRY_OK:
        watch_record(watch, &record);
        break;
    case REGISTRY_ABSENT:
        break;
    case REGISTRY_NEWER:
    case REGISTRY_DAMAGED:
        watch_damaged(watch, pid);
        break;
    case REGISTRY_FAILED:
    default:
        log_line(LOG_ERR, "%s/%d: cannot read: %s; the login is not watched for now",
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
        for (login = LIST_FIRST(&user->logins); login != NULL; login = LIST_NEXT(login, link))
            login_look(login, watch->loop->now.boot_ms);
}

/* Brings everything up to date without relying on events: the registry, the ends
 * of logins, their terminals, the policy. */
static void watch_on_scan(void *context, int64_t late_ms)
{
    struct watch *watch = context;
    pid_t *pids = NULL;
    const ssize_t count = registry_list(watch->sessions_dir, geteuid(), &pids);

    (void)late_ms;
    watch->scanned_ms = watch->loop->now.boot_ms;
    if (watch->polling)
        rescan_later(watch);
    if (count < 0) {
        log_line(LOG_ERR, "%s: %s", watch->sessions_dir, strerror(errno));
        rescan_later(watch);
    }
    for (ssize_t i = 0; i < count; i++)
        watch_login(watch, pids[i]);
    free(pids);
    look_at_users_logins(watch, &watch->identified);
    look_at_users_logins(watch, &watch->unidentified);
    watch_policy(watch);
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
    look_up_users(&watch->identified);
    look_up_users(&watch->unidentified);
}

/* --- terminals ------------------------------------------------------------- */

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

/* A terminal does not show which login it belongs to, but it is one of its
 * owner's. */
static void search_login(struct watch *watch, unsigned index, uid_t uid)
{
    struct user *user = map_find(&watch->users_by_uid, uid);

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

    if (owner_of_terminal(index, &uid) && uid == geteuid())
        search_login(watch, index, uid);
}

void watch_terminal_vanished(struct watch *watch, unsigned index)
{
    struct terminal *terminal = map_find(&watch->terminals, index);

    if (terminal != NULL)
        login_terminal_vanished(terminal);
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
