#include "watch.h"

#include "../../lib/host/account.h"
#include "../../lib/policy/duration.h"
#include "../../lib/sessions/idle.h"
#include "hangup.h"
#include "log.h"
#include "notice.h"
#include "policy.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <syslog.h>
#include <unistd.h>

enum {
    SETTLE_MS = 1000,      /* after an event, so that many make one look */
    NOTICE_LOOK_MS = 1000, /* while a person may answer a notice */
    BYTES_LOOK_LEAST_MS = 500,
    /* login(1) gives its terminal to the user only after it has opened the
     * session, which would look like a touch. */
    GIVEN_AWAY_MS = 2000,
    SURVIVED_MOST = 2, /* hang-ups of one terminal; then its login ends */
    BYTES_LOOKS = 8    /* in the time that a login may move nothing */
};

struct terminal {
    unsigned index;
    struct idle idle;
    struct notice notice;
    int64_t next_ms;
    bool found;            /* in the scan under way */
    bool is_settled;       /* its owner and mode are what they will stay */
    int64_t unsure_ms;     /* until then it is looked at often, for it was touched */
    bool late;             /* it is idle, but for what a touch may have hidden */
    int64_t late_until_ms; /* so long it is given for that */
    unsigned survived;     /* so many hang-ups */
    bool has_hangup;
    struct hangup hangup;
};

struct login {
    struct session_record record;
    uid_t uid;
    int pidfd;
    bool has_limits;
    struct user_limits limits;
    struct terminal *terminal;
    size_t terminal_count;
    int64_t scan_ms; /* look for terminals then */
    int64_t next_ms; /* look at the login as a whole then */
    uint64_t bytes;
    int64_t moved_ms; /* when bytes were seen to change */
    bool has_hangup, reported_age;
    struct hangup hangup;
};

struct watch {
    const char *sessions_dir, *state_dir;
    int epoll_fd;
    struct login **login;
    size_t login_count;
    bool policy_changed;
    struct moment now;
    struct process_list processes; /* all of the host, while watch_run() runs */
    struct hangup *rest;           /* hang-ups whose terminal or login is gone already */
    size_t rest_count;
};

static int64_t earlier(int64_t a_ms, int64_t b_ms)
{
    return a_ms < b_ms ? a_ms : b_ms;
}

struct watch *watch_new(const char *sessions_dir, const char *state_dir, int epoll_fd)
{
    struct watch *watch = calloc(1, sizeof *watch);

    if (watch != NULL)
        *watch = (struct watch){
            .sessions_dir = sessions_dir, .state_dir = state_dir, .epoll_fd = epoll_fd};
    return watch;
}

/* What ignores the loss of its terminal is still to be killed. */
static void keep_rest(struct watch *watch, struct hangup *hangup)
{
    struct hangup *grown = reallocarray(watch->rest, watch->rest_count + 1, sizeof *grown);

    if (grown == NULL) {
        hangup_free(hangup);
        return;
    }
    watch->rest = grown;
    watch->rest[watch->rest_count++] = *hangup;
}

static void terminal_free(struct watch *watch, struct terminal *terminal)
{
    notice_end(&terminal->notice);
    if (terminal->has_hangup)
        keep_rest(watch, &terminal->hangup);
}

static void login_free(struct watch *watch, struct login *login)
{
    for (size_t i = 0; i < login->terminal_count; i++)
        terminal_free(watch, &login->terminal[i]);
    free(login->terminal);
    if (login->has_hangup)
        keep_rest(watch, &login->hangup);
    if (login->pidfd >= 0)
        close(login->pidfd);
    free(login);
}

void watch_free(struct watch *watch)
{
    for (size_t i = 0; i < watch->login_count; i++)
        login_free(watch, watch->login[i]);
    for (size_t i = 0; i < watch->rest_count; i++)
        hangup_free(&watch->rest[i]);
    free(watch->rest);
    free(watch->login);
    free(watch);
}

/* --- logins ---------------------------------------------------------------- */

static struct login *find_login(struct watch *watch, pid_t pid)
{
    for (size_t i = 0; i < watch->login_count; i++)
        if (watch->login[i]->record.pid == pid)
            return watch->login[i];
    return NULL;
}

static void find_limits(struct watch *watch, struct login *login, const struct snapshot *snapshot)
{
    if (policy_limits(snapshot, &login->record, &login->limits))
        login->has_limits = true;
    /* Whatever was planned, it may be wrong now. */
    login->next_ms = watch->now.boot_ms;
    for (size_t i = 0; i < login->terminal_count; i++)
        login->terminal[i].next_ms = watch->now.boot_ms;
}

static void follow_end(struct watch *watch, struct login *login)
{
    struct epoll_event event = {.events = EPOLLIN,
                                .data.u64 = (uint64_t)(uint32_t)login->record.pid};

    login->pidfd = (int)syscall(SYS_pidfd_open, login->record.pid, 0);
    if (login->pidfd >= 0)
        epoll_ctl(watch->epoll_fd, EPOLL_CTL_ADD, login->pidfd, &event);
    else if (errno != ESRCH)
        log_line(LOG_ERR, "the end of a login cannot be followed: %s user=%s", strerror(errno),
                 login->record.user);
}

static uid_t uid_of(const char *user)
{
    struct account account;
    uid_t uid = (uid_t)-1;

    if (account_lookup(user, false, &account) == ACCOUNT_FOUND) {
        uid = account.uid;
        account_free(&account);
    }
    return uid;
}

static struct login *add_login(struct watch *watch, const struct session_record *record)
{
    struct login **grown, *login;
    struct snapshot snapshot;

    grown = reallocarray(watch->login, watch->login_count + 1, sizeof *grown);
    if (grown == NULL)
        return NULL;
    watch->login = grown;
    login = calloc(1, sizeof *login);
    if (login == NULL)
        return NULL;
    login->record = *record;
    login->uid = uid_of(record->user);
    login->moved_ms = watch->now.boot_ms;
    login->scan_ms = watch->now.boot_ms;
    follow_end(watch, login);
    watch->login[watch->login_count++] = login;
    if (policy_open(watch->state_dir, &snapshot)) {
        find_limits(watch, login, &snapshot);
        snapshot_close(&snapshot);
    }
    return login;
}

static void drop_login(struct watch *watch, struct login *login)
{
    for (size_t i = 0; i < watch->login_count; i++) {
        if (watch->login[i] == login) {
            watch->login[i] = watch->login[--watch->login_count];
            break;
        }
    }
    login_free(watch, login);
}

/* Only root's own sshd or login is one, whatever the file's name says. */
static bool is_login_process(pid_t pid, bool *is_ssh)
{
    char name[32];

    if (!process_is_roots(pid) || !process_name(pid, name, sizeof name))
        return false;
    *is_ssh = strncmp(name, "sshd", 4) == 0;
    return *is_ssh || strcmp(name, "login") == 0;
}

/* The name of a controlling terminal below /dev, "" where it has no plain one. */
static void terminal_of(const struct process *process, char *name, size_t size)
{
    enum { CONSOLES_MAJOR = 4, PTS_MAJOR_FIRST = 136, PTS_MAJOR_LAST = 143, PTS_EACH = 1 << 20 };
    const unsigned major_number = process->terminal >> 8 & 0xfff;
    const unsigned minor_number = (process->terminal & 0xff) | (process->terminal >> 12 & 0xfff00);

    name[0] = '\0';
    if (major_number >= PTS_MAJOR_FIRST && major_number <= PTS_MAJOR_LAST)
        snprintf(name, size, "pts/%u", (major_number - PTS_MAJOR_FIRST) * PTS_EACH + minor_number);
    else if (major_number == CONSOLES_MAJOR)
        snprintf(name, size, "tty%u", minor_number);
}

/*
 * A record that says nothing reliable about a login that lives: who it is the
 * kernel knows from the login itself, and when it began from its process.
 */
static bool recover(struct watch *watch, pid_t pid, struct session_record *record)
{
    struct process process;
    uid_t uid;
    char *user;
    bool is_ssh;

    if (!is_login_process(pid, &is_ssh) || process_read(pid, &process) != 0 ||
        !process_login_uid(pid, &uid) || (user = account_name_of(uid)) == NULL)
        return false;
    memset(record, 0, sizeof *record);
    record->pid = pid;
    record->is_ssh = is_ssh;
    if (!is_ssh)
        terminal_of(&process, record->terminal, sizeof record->terminal);
    record->start_ticks = process.start_ticks;
    record->audit_session = process_audit_session(pid);
    record->since = watch->now;
    record->since.boot_ms = (int64_t)(process.start_ticks * 1000 / (uint64_t)sysconf(_SC_CLK_TCK));
    snprintf(record->user, sizeof record->user, "%s", user);
    snprintf(record->service, sizeof record->service, "%s", is_ssh ? "sshd" : "login");
    snprintf(record->address, sizeof record->address, "%s", is_ssh ? "unknown" : "local");
    free(user);
    return true;
}

/* The record of a login that lives but whose file is damaged. */
static bool read_damaged(struct watch *watch, pid_t pid, struct session_record *record)
{
    struct process process;
    char reason[256];

    if (recover(watch, pid, record)) {
        log_line(LOG_ERR, "%s/%d: was damaged and is made anew from the login itself user=%s",
                 watch->sessions_dir, (int)pid, record->user);
        registry_put(watch->sessions_dir, geteuid(), record, reason, sizeof reason);
        return true;
    }
    /* Only what is surely nobody's goes: a want of descriptors must not. */
    if (process_read(pid, &process) != 0 ? errno == ENOENT || errno == ESRCH
                                         : !process_is_roots(pid)) {
        log_line(LOG_ERR, "%s/%d: is damaged, and no login can be found to it; it is removed",
                 watch->sessions_dir, (int)pid);
        registry_remove(watch->sessions_dir, pid);
    } else {
        log_line(LOG_ERR,
                 "%s/%d: is damaged, and the login to it cannot be told; it is not watched",
                 watch->sessions_dir, (int)pid);
    }
    return false;
}

static bool read_record(struct watch *watch, pid_t pid, struct session_record *record)
{
    switch (registry_get(watch->sessions_dir, geteuid(), pid, record)) {
    case REGISTRY_OK:
        if (session_is_live(record))
            return true;
        registry_remove(watch->sessions_dir, pid); /* its process was killed */
        return false;
    case REGISTRY_ABSENT:
        return false;
    case REGISTRY_DAMAGED:
        return read_damaged(watch, pid, record);
    case REGISTRY_FAILED:
    default:
        log_line(LOG_ERR, "%s/%d: cannot be read: %s; the login is not watched",
                 watch->sessions_dir, (int)pid, strerror(errno));
        return false;
    }
}

void watch_login(struct watch *watch, pid_t pid)
{
    struct session_record record;
    struct login *login = find_login(watch, pid);

    clock_now(&watch->now);
    if (!read_record(watch, pid, &record))
        return;
    if (login != NULL && login->record.start_ticks == record.start_ticks)
        return;
    if (login != NULL)
        drop_login(watch, login);
    if (add_login(watch, &record) == NULL)
        log_line(LOG_ERR, "out of memory; a login is not watched user=%s", record.user);
}

void watch_login_ended(struct watch *watch, pid_t pid)
{
    struct login *login = find_login(watch, pid);
    struct session_record record;

    if (login == NULL)
        return;
    drop_login(watch, login);
    if (registry_get(watch->sessions_dir, geteuid(), pid, &record) == REGISTRY_OK &&
        !session_is_live(&record))
        registry_remove(watch->sessions_dir, pid);
}

void watch_scan(struct watch *watch)
{
    pid_t *pids = NULL;
    const ssize_t count = registry_list(watch->sessions_dir, &pids);

    clock_now(&watch->now);
    if (count < 0)
        log_line(LOG_ERR, "%s: %s", watch->sessions_dir, strerror(errno));
    for (ssize_t i = 0; i < count; i++)
        watch_login(watch, pids[i]);
    free(pids);
    for (size_t i = watch->login_count; i-- > 0;) {
        struct login *login = watch->login[i];
        login->scan_ms = watch->now.boot_ms;
        if (!session_is_live(&login->record))
            watch_login_ended(watch, login->record.pid);
    }
}

void watch_policy(struct watch *watch)
{
    watch->policy_changed = true;
}

static void read_policy(struct watch *watch)
{
    struct snapshot snapshot;

    watch->policy_changed = false;
    if (!policy_open(watch->state_dir, &snapshot))
        return;
    for (size_t i = 0; i < watch->login_count; i++)
        find_limits(watch, watch->login[i], &snapshot);
    snapshot_close(&snapshot);
}

/* --- terminals ------------------------------------------------------------- */

static struct terminal *find_terminal(struct login *login, unsigned index)
{
    for (size_t i = 0; i < login->terminal_count; i++)
        if (login->terminal[i].index == index)
            return &login->terminal[i];
    return NULL;
}

static void drop_terminal(struct watch *watch, struct login *login, struct terminal *terminal)
{
    terminal_free(watch, terminal);
    *terminal = login->terminal[--login->terminal_count];
    if (login->terminal_count == 0) {
        login->moved_ms = watch->now.boot_ms; /* idleness without one begins */
        login->next_ms = watch->now.boot_ms;
    }
}

static void add_terminal(struct watch *watch, struct login *login, unsigned index)
{
    struct terminal *grown;
    struct stat st;
    char path[64];

    terminal_path(&login->record, index, path, sizeof path);
    if (stat(path, &st) != 0)
        return;
    grown = reallocarray(login->terminal, login->terminal_count + 1, sizeof *grown);
    if (grown == NULL) {
        log_line(LOG_ERR, "out of memory; a terminal is not watched user=%s terminal=%s",
                 login->record.user, path);
        return;
    }
    login->terminal = grown;
    struct terminal *terminal = &grown[login->terminal_count++];
    *terminal = (struct terminal){.index = index,
                                  .next_ms = watch->now.boot_ms,
                                  .found = true,
                                  .is_settled = login->record.is_ssh};
    if (!terminal->is_settled)
        terminal->next_ms += GIVEN_AWAY_MS;
    notice_clear(&terminal->notice);
    idle_start(&terminal->idle, &st, login->record.since.boot_ms, &watch->now);
}

static void scan_terminals(struct watch *watch, struct login *login)
{
    unsigned index[LOGIN_TERMINALS_MOST];
    const int count = login_terminals(&login->record, index);

    login->scan_ms = NEVER_MS;
    for (size_t i = 0; i < login->terminal_count; i++)
        login->terminal[i].found = false;
    for (int i = 0; i < count; i++) {
        struct terminal *terminal = find_terminal(login, index[i]);
        if (terminal != NULL)
            terminal->found = true;
        else
            add_terminal(watch, login, index[i]);
    }
    for (size_t i = login->terminal_count; i-- > 0;)
        if (!login->terminal[i].found)
            drop_terminal(watch, login, &login->terminal[i]);
}

/* Whose it is cannot be seen from the terminal: one of its owner's logins. */
void watch_terminal_appeared(struct watch *watch, unsigned index)
{
    char path[64];
    struct stat st;

    snprintf(path, sizeof path, "/dev/pts/%u", index);
    if (stat(path, &st) != 0)
        return;
    clock_now(&watch->now);
    for (size_t i = 0; i < watch->login_count; i++) {
        struct login *login = watch->login[i];
        if (login->record.is_ssh && login->uid == st.st_uid)
            login->scan_ms = earlier(login->scan_ms, watch->now.boot_ms + SETTLE_MS);
    }
}

/* Also where login(1) sits at a terminal of somebody else's making. */
static struct terminal *find_in_pts(struct login *login, unsigned index)
{
    char name[32];

    if (login->record.is_ssh)
        return find_terminal(login, index);
    snprintf(name, sizeof name, "pts/%u", index);
    return strcmp(login->record.terminal, name) == 0 ? find_terminal(login, 0) : NULL;
}

void watch_terminal_vanished(struct watch *watch, unsigned index)
{
    clock_now(&watch->now);
    for (size_t i = 0; i < watch->login_count; i++) {
        struct terminal *terminal = find_in_pts(watch->login[i], index);
        if (terminal != NULL)
            drop_terminal(watch, watch->login[i], terminal);
    }
}

void watch_terminal_touched(struct watch *watch, unsigned index)
{
    bool known = false;

    clock_now(&watch->now);
    for (size_t i = 0; i < watch->login_count; i++) {
        struct terminal *terminal = find_in_pts(watch->login[i], index);
        /* At once, before real input covers it; but no more than one look for
         * a flood of them. */
        if (terminal != NULL)
            terminal->next_ms =
                earlier(terminal->next_ms, terminal->idle.looked.boot_ms + SETTLE_MS);
        known = known || terminal != NULL;
    }
    /* sshd makes it as root's and then gives it to the user. */
    if (!known)
        watch_terminal_appeared(watch, index);
}

/* --- what is due ----------------------------------------------------------- */

static void log_end(struct login *login, const char *terminal, enum watch_reason reason,
                    enum limit_rule idle_rule, int64_t idle_ms, const struct watch_limits *limits)
{
    const bool age = reason == REASON_AGE;
    char idle[64], limit[64];

    if (age && login->reported_age)
        return; /* its terminals, and then itself */
    login->reported_age = age;

    duration_format(idle_ms > 0 ? idle_ms / 1000 : 0, idle, sizeof idle);
    duration_format((age ? limits->age_ms : limits->idle_ms) / 1000, limit, sizeof limit);
    log_line(LOG_NOTICE,
             "%s user=%s address=%s service=%s terminal=%s idle=%s limit=%s setting=%s rule=%s",
             age ? "disconnected, the login is too old" : "disconnected, idle for too long",
             login->record.user, login->record.address, login->record.service, terminal, idle,
             limit,
             age                               ? "max_session"
             : idle_rule == RULE_OF_DISCONNECT ? "disconnect"
                                               : "disconnect_notty",
             login->limits.rule[age ? RULE_OF_AGE : idle_rule]);
}

static void end_login(struct watch *watch, struct login *login, enum watch_reason reason);

static void begin_hangup(struct watch *watch, struct login *login, struct terminal *terminal,
                         enum watch_reason reason)
{
    const int64_t now_ms = watch->now.boot_ms;
    char path[64];

    if (terminal->survived >= SURVIVED_MOST) {
        /* Somebody has hidden from the hang-up, and so gives up the rest of
         * his connection. */
        terminal->next_ms = now_ms + UNSURE_MS;
        end_login(watch, login, reason);
        return;
    }
    terminal->survived++;

    terminal_path(&login->record, terminal->index, path, sizeof path);
    notice_end(&terminal->notice);
    if (hangup_terminal(&terminal->hangup, &login->record, terminal->index, &watch->processes,
                        now_ms) != 0) {
        if (errno != ENOENT && errno != EIO)
            log_line(LOG_ERR, "cannot hang up: %s user=%s terminal=%s", strerror(errno),
                     login->record.user, path);
        /* It is gone, or not ours any more: the scan will tell. */
        login->scan_ms = earlier(login->scan_ms, now_ms + SETTLE_MS);
        terminal->next_ms = now_ms + SETTLE_MS;
        return;
    }
    terminal->has_hangup = true;
    terminal->next_ms = terminal->hangup.next_ms;
    if (terminal->survived == 1)
        log_end(login, path + strlen("/dev/"), reason, RULE_OF_DISCONNECT,
                now_ms - terminal->idle.active_ms, &login->limits.terminal);
}

/* A hang-up under way. Afterwards the terminal is looked at as before: should
 * it still be there, it is still idle. */
static void go_on_hanging_up(struct watch *watch, struct login *login, struct terminal *terminal)
{
    const bool done = hangup_step(&terminal->hangup, watch->now.boot_ms);

    terminal->next_ms = terminal->hangup.next_ms;
    if (!done)
        return;
    hangup_free(&terminal->hangup);
    terminal->has_hangup = false;
    terminal->next_ms = watch->now.boot_ms + SETTLE_MS;
    login->scan_ms = earlier(login->scan_ms, watch->now.boot_ms + SETTLE_MS);
}

static struct idle_change look(struct watch *watch, struct login *login, struct terminal *terminal,
                               const char *path, const struct stat *st)
{
    if (!terminal->is_settled) {
        idle_start(&terminal->idle, st, login->record.since.boot_ms, &watch->now);
        terminal->is_settled = true;
    }

    const struct idle_change change =
        idle_look(&terminal->idle, st, login->limits.any_activity, &watch->now);

    if (change.tampered)
        log_line(LOG_WARNING,
                 "the times of a terminal were forged, which counts nothing user=%s address=%s "
                 "terminal=%s",
                 login->record.user, login->record.address, path + strlen("/dev/"));
    if (notice_was_answered(&terminal->notice))
        idle_note(&terminal->idle, &watch->now);
    return change;
}

/* Its time is over; but was it touched of late, somebody may have typed
 * unseen. Half a minute shows, and there is one only. */
static bool is_given_time(struct terminal *terminal, enum watch_reason reason, int64_t now_ms)
{
    if (reason != REASON_IDLE)
        return false;
    if (!terminal->late && now_ms < terminal->unsure_ms) {
        terminal->late = true;
        terminal->late_until_ms = now_ms + UNSURE_MS - LOOK_AGAIN_MS;
    }
    if (!terminal->late || now_ms >= terminal->late_until_ms)
        return false;
    terminal->next_ms = earlier(terminal->late_until_ms, now_ms + LOOK_AGAIN_MS);
    return true;
}

static void look_at_terminal(struct watch *watch, struct login *login, struct terminal *terminal)
{
    const int64_t now_ms = watch->now.boot_ms, active_ms = terminal->idle.active_ms;
    struct watch_decision decision;
    struct idle_change change;
    struct stat st;
    char path[64];

    terminal_path(&login->record, terminal->index, path, sizeof path);
    if (stat(path, &st) != 0) {
        terminal->next_ms = NEVER_MS;
        login->scan_ms = now_ms;
        return;
    }
    change = look(watch, login, terminal, path, &st);
    if (terminal->idle.active_ms != active_ms) {
        terminal->late = false;
        terminal->survived = 0;
        if (terminal->notice.reason == REASON_IDLE)
            notice_end(&terminal->notice);
    }
    if (change.look_again)
        terminal->unsure_ms = now_ms + UNSURE_MS;
    decision = schedule(&login->limits.terminal, terminal->idle.active_ms,
                        login->record.since.boot_ms, terminal->notice.end_ms, now_ms);
    terminal->next_ms = decision.next_ms;
    if (decision.action == WATCH_NOTICE) {
        notice_give(&terminal->notice, path, &decision, now_ms);
        if (stat(path, &st) == 0)
            idle_own_output(&terminal->idle, &st);
    }
    if (notice_is_open(&terminal->notice))
        terminal->next_ms = earlier(terminal->next_ms, now_ms + NOTICE_LOOK_MS);
    if (now_ms < terminal->unsure_ms)
        terminal->next_ms = earlier(terminal->next_ms, now_ms + LOOK_AGAIN_MS);
    if (decision.action == WATCH_END && !is_given_time(terminal, decision.reason, now_ms))
        begin_hangup(watch, login, terminal, decision.reason);
}

static void end_login(struct watch *watch, struct login *login, enum watch_reason reason)
{
    const int64_t now_ms = watch->now.boot_ms;

    if (login->has_hangup)
        return;
    login->next_ms = now_ms + SETTLE_MS;
    if (hangup_login(&login->hangup, &login->record, now_ms) != 0)
        return; /* it has just ended */
    login->has_hangup = true;
    login->next_ms = login->hangup.next_ms;
    if (login->terminal_count == 0)
        log_end(login, "-", reason, RULE_OF_NOTTY, now_ms - login->moved_ms, &login->limits.notty);
    else
        log_line(LOG_NOTICE,
                 "the login is ended, for a terminal of it outlives hang-ups user=%s address=%s",
                 login->record.user, login->record.address);
}

/* A login without a terminal. Whether it moves data has to be asked now and
 * then; nobody tells. */
static void look_at_login(struct watch *watch, struct login *login)
{
    const struct watch_limits *limits = &login->limits.notty;
    const int64_t now_ms = watch->now.boot_ms;
    struct watch_decision decision;
    uint64_t bytes;

    login->next_ms = NEVER_MS;
    if (login->terminal_count > 0)
        return;
    if (limits->idle_ms != NEVER_MS && login_bytes_moved(&login->record, &bytes) == 0 &&
        bytes != login->bytes) {
        login->bytes = bytes;
        login->moved_ms = now_ms;
    }
    decision = schedule(limits, login->moved_ms, login->record.since.boot_ms, NEVER_MS, now_ms);
    login->next_ms = decision.next_ms;
    if (limits->idle_ms != NEVER_MS) {
        const int64_t pause_ms = limits->idle_ms / BYTES_LOOKS;
        login->next_ms =
            earlier(login->next_ms,
                    now_ms + (pause_ms > BYTES_LOOK_LEAST_MS ? pause_ms : BYTES_LOOK_LEAST_MS));
    }
    if (decision.action == WATCH_END)
        end_login(watch, login, decision.reason);
}

static void run_terminals(struct watch *watch, struct login *login)
{
    for (size_t i = login->terminal_count; i-- > 0;) {
        struct terminal *terminal = &login->terminal[i];
        if (terminal->next_ms > watch->now.boot_ms)
            continue;
        if (terminal->has_hangup)
            go_on_hanging_up(watch, login, terminal);
        else
            look_at_terminal(watch, login, terminal);
    }
}

static void run_login(struct watch *watch, struct login *login)
{
    if (login->scan_ms <= watch->now.boot_ms)
        scan_terminals(watch, login);
    if (!login->has_limits)
        return;
    run_terminals(watch, login);
    if (login->next_ms > watch->now.boot_ms)
        return;
    if (login->has_hangup) {
        hangup_step(&login->hangup, watch->now.boot_ms);
        hangup_free(&login->hangup);
        login->has_hangup = false;
        login->next_ms = watch->now.boot_ms + SETTLE_MS;
    } else {
        look_at_login(watch, login);
    }
}

static int64_t next_of(const struct login *login)
{
    int64_t next_ms = login->scan_ms;

    if (!login->has_limits)
        return next_ms;
    next_ms = earlier(next_ms, login->next_ms);
    for (size_t i = 0; i < login->terminal_count; i++)
        next_ms = earlier(next_ms, login->terminal[i].next_ms);
    return next_ms;
}

static int64_t finish_rest(struct watch *watch)
{
    int64_t next_ms = NEVER_MS;

    for (size_t i = watch->rest_count; i-- > 0;) {
        struct hangup *hangup = &watch->rest[i];
        if (hangup->next_ms <= watch->now.boot_ms && hangup_step(hangup, watch->now.boot_ms)) {
            hangup_free(hangup);
            *hangup = watch->rest[--watch->rest_count];
        } else {
            next_ms = earlier(next_ms, hangup->next_ms);
        }
    }
    return next_ms;
}

int64_t watch_run(struct watch *watch)
{
    int64_t next_ms = NEVER_MS;

    clock_now(&watch->now);
    if (watch->policy_changed)
        read_policy(watch);
    for (size_t i = 0; i < watch->login_count; i++) {
        if (next_of(watch->login[i]) <= watch->now.boot_ms)
            run_login(watch, watch->login[i]);
        next_ms = earlier(next_ms, next_of(watch->login[i]));
    }
    process_list_free(&watch->processes);
    return earlier(next_ms, finish_rest(watch));
}
