#include "tools/tmoutd/watch.h"

#include "lib/host/array.h"
#include "lib/host/pidfd.h"
#include "tools/tmoutd/log.h"
#include "tools/tmoutd/login.h"
#include "tools/tmoutd/policy.h"
#include "tools/tmoutd/record.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

struct watch {
    const char *sessions_dir, *state_dir;
    int epoll_fd;
    bool polling; /* not all changes are reported by inotify */
    struct login **login;
    size_t login_count;
    struct stat policy; /* the file whose limits are in force */
    bool has_no_policy; /* which is logged once */
    int64_t scan_ms;    /* rescan everything then */
    int64_t scanned_ms; /* when that was done last */
    struct common common;
};

enum {
    SCAN_PAUSE_MS = 5000, /* between two scans because of lost events */
    LOOKUPS_MAX = 64      /* of users in one turn; a name service may be slow */
};

struct watch *watch_new(const char *sessions_dir, const char *state_dir, int epoll_fd)
{
    struct watch *watch = calloc(1, sizeof *watch);
    struct failure failure = {""};

    if (watch == NULL)
        return NULL;
    *watch =
        (struct watch){.sessions_dir = sessions_dir, .state_dir = state_dir, .epoll_fd = epoll_fd};
    if (clock_now(&watch->common.now, &failure) != 0)
        log_line(LOG_ERR, "%s", failure.text);
    watch->scan_ms = watch->common.now.boot_ms;
    return watch;
}

void watch_clock(struct watch *watch)
{
    const struct timestamp then = watch->common.now;

    clock_now_same_boot(&then, &watch->common.now);
}

void watch_free(struct watch *watch)
{
    for (size_t i = 0; i < watch->login_count; i++)
        login_free(&watch->common, watch->login[i]);
    common_free(&watch->common);
    free(watch->login);
    free(watch);
}

/* --- logins ---------------------------------------------------------------- */

static struct login *watch_find_login(struct watch *watch, pid_t pid)
{
    for (size_t i = 0; i < watch->login_count; i++)
        if (watch->login[i]->record.pid == pid)
            return watch->login[i];
    return NULL;
}

static void rescan_later(struct watch *watch)
{
    watch->scan_ms = earlier_ms(watch->scan_ms, watch->common.now.boot_ms + RETRY_MS);
}

/* Returns -1 if the login has ended already. */
static int monitor_process(struct watch *watch, struct login *login)
{
    struct epoll_event event = {.events = EPOLLIN,
                                .data.u64 = (uint64_t)(uint32_t)login->record.pid};

    login->pidfd = pidfd_of(login->record.pid);
    if (login->pidfd < 0 && errno == ESRCH)
        return -1;
    if (login->pidfd < 0 || epoll_ctl(watch->epoll_fd, EPOLL_CTL_ADD, login->pidfd, &event) != 0) {
        log_line(LOG_ERR, "cannot monitor login process: %s user=%s", strerror(errno),
                 login->record.user);
        rescan_later(watch);
    }
    return 0;
}

/* False without memory. */
static bool add_login(struct watch *watch, const struct session_record *record)
{
    struct login **grown, *login;

    grown = array_grow(watch->login, watch->login_count, sizeof *grown);
    if (grown == NULL)
        return false;
    watch->login = grown;
    login = login_new(&watch->common, record);
    if (login == NULL)
        return false;
    if (monitor_process(watch, login) != 0)
        login_free(&watch->common, login);
    else
        watch->login[watch->login_count++] = login;
    return true;
}

static void drop_login(struct watch *watch, struct login *login)
{
    for (size_t i = 0; i < watch->login_count; i++) {
        if (watch->login[i] == login) {
            watch->login[i] = watch->login[--watch->login_count];
            break;
        }
    }
    login_free(&watch->common, login);
}

void watch_login(struct watch *watch, pid_t pid)
{
    struct session_record record;
    struct login *login = watch_find_login(watch, pid);

    switch (record_read(watch->sessions_dir, pid, &watch->common.now, &record)) {
    case RECORD_FOUND:
        break;
    case RECORD_LATER:
        rescan_later(watch);
        return;
    case RECORD_NONE:
    default:
        return;
    }
    if (login != NULL && login->record.start_ticks == record.start_ticks)
        return;
    if (login != NULL)
        drop_login(watch, login);
    if (!add_login(watch, &record)) {
        log_line(LOG_ERR, "out of memory; a login is not watched for now user=%s", record.user);
        rescan_later(watch);
    }
}

static void end_of_login(struct watch *watch, struct login *login)
{
    const pid_t pid = login->record.pid;
    struct session_record record;

    drop_login(watch, login);
    if (registry_get(watch->sessions_dir, geteuid(), pid, &record) == REGISTRY_OK &&
        session_check_live(&record) != 0 && process_has_ended(errno))
        registry_remove(watch->sessions_dir, geteuid(), pid);
}

void watch_login_ended(struct watch *watch, pid_t pid)
{
    struct login *login = watch_find_login(watch, pid);

    if (login == NULL)
        return;
    /* An event that was read together with this one may have brought another
     * login with the same pid. */
    struct pollfd end = {.fd = login->pidfd, .events = POLLIN};
    if (poll(&end, 1, 0) == 1)
        end_of_login(watch, login);
}

/* Brings everything up to date without relying on events: the
 * registry, the ends of logins, their terminals, the policy. */
static void watch_scan(struct watch *watch)
{
    pid_t *pids = NULL;
    const ssize_t count = registry_list(watch->sessions_dir, geteuid(), &pids);

    watch->scanned_ms = watch->common.now.boot_ms;
    watch->scan_ms = watch->polling ? watch->common.now.boot_ms + RETRY_MS : NEVER_MS;
    if (count < 0) {
        log_line(LOG_ERR, "%s: %s", watch->sessions_dir, strerror(errno));
        rescan_later(watch);
    }
    for (ssize_t i = 0; i < count; i++)
        watch_login(watch, pids[i]);
    free(pids);
    for (size_t i = watch->login_count; i-- > 0;) {
        struct login *login = watch->login[i];
        login->scan_ms = watch->common.now.boot_ms;
        if ((session_check_live(&login->record) != 0 && process_has_ended(errno)) ||
            (login->pidfd < 0 && monitor_process(watch, login) != 0))
            end_of_login(watch, login);
    }
    watch_policy(watch);
}

void watch_set_polling(struct watch *watch, bool polling)
{
    if (log_begins(&watch->polling, polling))
        rescan_later(watch);
}

void watch_events_lost(struct watch *watch)
{
    watch->scan_ms = earlier_ms(watch->scan_ms, watch->scanned_ms + SCAN_PAUSE_MS);
}

void watch_everything(struct watch *watch)
{
    watch->policy = (struct stat){0};
    watch->scan_ms = watch->common.now.boot_ms;
}

/* --- limits ---------------------------------------------------------------- */

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
    for (size_t i = 0; i < watch->login_count; i++)
        watch->login[i]->limits_ms = watch->common.now.boot_ms;
}

/* Another login of the same user whose limits were looked up just now. */
static const struct login *find_twin(const struct watch *watch, const struct login *login)
{
    for (size_t i = 0; i < watch->login_count; i++) {
        const struct login *other = watch->login[i];
        if (other->limits_ms == NEVER_MS && other->limits_found_ms == watch->common.now.boot_ms &&
            other->record.is_ssh == login->record.is_ssh &&
            strcmp(other->record.user, login->record.user) == 0)
            return other;
    }
    return NULL;
}

static void find_limits(struct watch *watch, struct login *login, const struct snapshot *snapshot)
{
    const struct login *twin = find_twin(watch, login);
    struct failure failure = {""};

    if (twin != NULL) {
        login->limits = twin->limits;
        login->uid = twin->uid;
    } else if (!policy_limits(snapshot, &login->record, &login->uid, &login->limits, &failure)) {
        if (log_begins(&login->lookup_failed, true))
            log_line(LOG_ERR, "%s; %s user=%s", failure.text,
                     login->has_limits ? "the previous limits stay in force"
                                       : "the login is not watched for now",
                     login->record.user);
        login->limits_ms = watch->common.now.boot_ms + RETRY_MS;
        return;
    }
    /* Until now its terminals could not be recognized by their owner. */
    if (!login->has_limits)
        login->scan_ms = watch->common.now.boot_ms;
    login->has_limits = true;
    login->lookup_failed = false;
    login->limits_ms = NEVER_MS;
    login->limits_found_ms = watch->common.now.boot_ms;
    login_reconsider(&watch->common, login);
}

static bool wants_limits(const struct watch *watch, const struct login *login)
{
    return login->limits_ms <= watch->common.now.boot_ms;
}

/* Looks up the limits that are due, as many as one turn may take. */
static void find_all_limits(struct watch *watch)
{
    struct snapshot snapshot;
    struct failure failure = {""};
    unsigned lookups = 0;
    size_t i = 0;

    while (i < watch->login_count && !wants_limits(watch, watch->login[i]))
        i++;
    if (i == watch->login_count)
        return;
    const bool is_open = policy_open(watch->state_dir, &snapshot, &failure);
    if (log_begins(&watch->has_no_policy, !is_open))
        log_line(LOG_ERR, "no policy is in force: %s; run tmoutctl apply", failure.text);
    for (; i < watch->login_count && lookups < LOOKUPS_MAX; i++) {
        struct login *login = watch->login[i];
        if (!wants_limits(watch, login))
            continue;
        lookups++;
        if (is_open)
            find_limits(watch, login, &snapshot);
        else
            login->limits_ms = watch->common.now.boot_ms + RETRY_MS;
    }
    if (is_open)
        snapshot_close(&snapshot);
}

/* --- terminals ------------------------------------------------------------- */

/* A terminal does not show which login it belongs to, but it is one of its owner. */
void watch_terminal_appeared(struct watch *watch, unsigned index)
{
    char path[64];
    struct stat st;

    snprintf(path, sizeof path, "/dev/pts/%u", index);
    if (stat(path, &st) != 0)
        return;
    for (size_t i = 0; i < watch->login_count; i++) {
        struct login *login = watch->login[i];
        if (login->record.is_ssh && (login->uid == st.st_uid || login->uid == (uid_t)-1))
            login->scan_ms = earlier_ms(login->scan_ms, watch->common.now.boot_ms + SETTLE_MS);
    }
}

void watch_terminal_vanished(struct watch *watch, unsigned index)
{
    for (size_t i = 0; i < watch->login_count; i++)
        login_terminal_vanished(&watch->common, watch->login[i], index);
}

void watch_terminal_touched(struct watch *watch, unsigned index)
{
    bool known = false;

    for (size_t i = 0; i < watch->login_count; i++)
        known = login_terminal_touched(watch->login[i], index) || known;
    /* sshd creates it as root, and then gives it to the user. */
    if (!known)
        watch_terminal_appeared(watch, index);
}

/* --- the run --------------------------------------------------------------- */

int64_t watch_run(struct watch *watch)
{
    int64_t next_ms = NEVER_MS;

    watch_clock(watch);
    if (watch->scan_ms <= watch->common.now.boot_ms)
        watch_scan(watch);
    find_all_limits(watch);
    for (size_t i = 0; i < watch->login_count; i++) {
        if (login_next_ms(watch->login[i]) <= watch->common.now.boot_ms)
            login_run(&watch->common, watch->login[i]);
        next_ms = earlier_ms(next_ms, login_next_ms(watch->login[i]));
    }
    process_list_free(&watch->common.processes);
    next_ms = earlier_ms(next_ms, watch->scan_ms);
    return earlier_ms(next_ms, common_continue_hangups(&watch->common));
}
