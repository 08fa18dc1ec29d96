#include "tools/tmoutd/login.h"

#include "lib/policy/duration.h"
#include "lib/sessions/idle.h"
#include "tools/tmoutd/log.h"
#include "tools/tmoutd/notice.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

enum {
    NOTICE_LOOK_MS = 1000, /* while a person may answer a notice */
    BYTES_LOOK_LEAST_MS = 500,
    BYTES_LOOKS = 8,           /* in the time that a login may move nothing */
    TERMINALS_FIRST_MS = 5000, /* of a login that is too old; then all of it ends */
    /* sshd and login(1) give the terminal to the user yet, which would look
     * like a touch. */
    GIVEN_AWAY_MS = 1000,
    SURVIVED_MAX = 2 /* hang-ups of one terminal; then its login ends */
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

static int64_t later(int64_t ms, int64_t by_ms)
{
    return ms == NEVER_MS || by_ms == NEVER_MS ? NEVER_MS : ms + by_ms;
}

struct login *login_new(const struct common *common, const struct session_record *record)
{
    struct login *login = calloc(1, sizeof *login);

    if (login == NULL)
        return NULL;
    login->record = *record;
    login->pidfd = -1;
    login->uid = (uid_t)-1;
    login->moved_ms = login->scan_ms = login->limits_ms = common->now.boot_ms;
    return login;
}

/* What ignores the loss of its terminal is still to be killed. */
static void keep_rest(struct common *common, struct hangup *hangup)
{
    struct hangup *grown = reallocarray(common->rest, common->rest_count + 1, sizeof *grown);

    if (grown == NULL) {
        hangup_free(hangup);
        return;
    }
    common->rest = grown;
    common->rest[common->rest_count++] = *hangup;
}

static void terminal_free(struct common *common, struct terminal *terminal)
{
    notice_end(&terminal->notice);
    if (terminal->has_hangup)
        keep_rest(common, &terminal->hangup);
}

void login_free(struct common *common, struct login *login)
{
    for (size_t i = 0; i < login->terminal_count; i++)
        terminal_free(common, &login->terminal[i]);
    free(login->terminal);
    if (login->has_hangup)
        keep_rest(common, &login->hangup);
    if (login->pidfd >= 0)
        close(login->pidfd);
    free(login);
}

void login_look_anew(const struct common *common, struct login *login)
{
    login->next_ms = common->now.boot_ms;
    for (size_t i = 0; i < login->terminal_count; i++)
        if (login->terminal[i].is_settled)
            login->terminal[i].next_ms = common->now.boot_ms;
}

/* --- terminals ------------------------------------------------------------- */

static struct terminal *find_terminal(struct login *login, unsigned index)
{
    for (size_t i = 0; i < login->terminal_count; i++)
        if (login->terminal[i].index == index)
            return &login->terminal[i];
    return NULL;
}

static void drop_terminal(struct common *common, struct login *login, struct terminal *terminal)
{
    terminal_free(common, terminal);
    *terminal = login->terminal[--login->terminal_count];
    if (login->terminal_count == 0) {
        login->moved_ms = common->now.boot_ms; /* idleness without one begins */
        login->next_ms = common->now.boot_ms;
    }
}

static void add_terminal(struct common *common, struct login *login, unsigned index)
{
    struct terminal *grown;
    struct stat st;
    char path[64];

    terminal_path(&login->record, index, path, sizeof path);
    if (stat(path, &st) != 0) {
        login->scan_ms = common->now.boot_ms + RETRY_MS;
        return;
    }
    grown = reallocarray(login->terminal, login->terminal_count + 1, sizeof *grown);
    if (grown == NULL) {
        log_line(LOG_ERR,
                 "out of memory; a terminal is not watched until there is some user=%s "
                 "terminal=%s",
                 login->record.user, path);
        login->scan_ms = common->now.boot_ms + RETRY_MS;
        return;
    }
    login->terminal = grown;
    struct terminal *terminal = &grown[login->terminal_count++];
    *terminal = (struct terminal){
        .index = index, .next_ms = common->now.boot_ms + GIVEN_AWAY_MS, .found = true};
    notice_clear(&terminal->notice);
    idle_start(&terminal->idle, &st, login->record.since.boot_ms, &common->now);
}

static void scan_terminals(struct common *common, struct login *login)
{
    unsigned index[LOGIN_TERMINALS_MAX];
    const int count = login_terminals(&login->record, index);

    login->scan_ms = NEVER_MS;
    if (count < 0) {
        /* The end of a login is told; everything else is a want of something. */
        login->scan_ms = common->now.boot_ms + RETRY_MS;
        return;
    }
    for (size_t i = 0; i < login->terminal_count; i++)
        login->terminal[i].found = false;
    for (int i = 0; i < count; i++) {
        struct terminal *terminal = find_terminal(login, index[i]);
        if (terminal != NULL)
            terminal->found = true;
        else
            add_terminal(common, login, index[i]);
    }
    for (size_t i = login->terminal_count; i-- > 0;)
        if (!login->terminal[i].found)
            drop_terminal(common, login, &login->terminal[i]);
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

void login_terminal_vanished(struct common *common, struct login *login, unsigned index)
{
    struct terminal *terminal = find_in_pts(login, index);

    if (terminal != NULL)
        drop_terminal(common, login, terminal);
}

bool login_terminal_touched(struct login *login, unsigned index)
{
    struct terminal *terminal = find_in_pts(login, index);

    /* At once, before real input covers it; but no more than one look for a
     * flood of them. */
    if (terminal != NULL)
        terminal->next_ms = earlier(terminal->next_ms, terminal->idle.looked.boot_ms + SETTLE_MS);
    return terminal != NULL;
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

static void end_login(struct common *common, struct login *login, enum watch_reason reason);

static void begin_hangup(struct common *common, struct login *login, struct terminal *terminal,
                         enum watch_reason reason)
{
    const int64_t now_ms = common->now.boot_ms;
    char path[64];

    if (terminal->survived >= SURVIVED_MAX) {
        /* Somebody has hidden from the hang-up, and so gives up the rest of
         * his connection. */
        terminal->next_ms = now_ms + UNSURE_MS;
        end_login(common, login, reason);
        return;
    }
    terminal->survived++;

    terminal_path(&login->record, terminal->index, path, sizeof path);
    notice_end(&terminal->notice);
    if (hangup_terminal(&terminal->hangup, &login->record, terminal->index, &common->processes,
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
static void go_on_hanging_up(struct common *common, struct login *login, struct terminal *terminal)
{
    const bool done = hangup_step(&terminal->hangup, common->now.boot_ms);

    terminal->next_ms = terminal->hangup.next_ms;
    if (!done)
        return;
    hangup_free(&terminal->hangup);
    terminal->has_hangup = false;
    terminal->next_ms = common->now.boot_ms + SETTLE_MS;
    login->scan_ms = earlier(login->scan_ms, common->now.boot_ms + SETTLE_MS);
}

static struct idle_change look(struct common *common, struct login *login,
                               struct terminal *terminal, const char *path, const struct stat *st)
{
    if (!terminal->is_settled) {
        idle_start(&terminal->idle, st, login->record.since.boot_ms, &common->now);
        terminal->is_settled = true;
        return (struct idle_change){0};
    }
    const int64_t active_ms = terminal->idle.active_ms;
    const struct idle_change change =
        idle_look(&terminal->idle, st, login->limits.any_activity, &common->now);

    if (terminal->idle.active_ms != active_ms)
        notice_forget_unread(&terminal->notice);
    if (change.tampered)
        log_line(LOG_WARNING,
                 "the times of a terminal were forged, which counts nothing user=%s address=%s "
                 "terminal=%s",
                 login->record.user, login->record.address, path + strlen("/dev/"));
    if (notice_was_answered(&terminal->notice))
        idle_note(&terminal->idle, &common->now);
    return change;
}

/* Its time is over; but was it touched of late, somebody may have typed
 * unseen. Half a minute shows, and there is one only. */
static bool is_in_grace(struct terminal *terminal, enum watch_reason reason, int64_t now_ms)
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

static void look_at_terminal(struct common *common, struct login *login, struct terminal *terminal)
{
    const int64_t now_ms = common->now.boot_ms, active_ms = terminal->idle.active_ms;
    struct watch_decision decision;
    struct idle_change change;
    struct stat st;
    char path[64];

    terminal_path(&login->record, terminal->index, path, sizeof path);
    if (stat(path, &st) != 0) {
        terminal->next_ms = now_ms + RETRY_MS; /* it is gone, as the scan will tell */
        login->scan_ms = now_ms;
        return;
    }
    change = look(common, login, terminal, path, &st);
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
        notice_give(&terminal->notice, &login->record, terminal->index, &decision, now_ms);
        if (stat(path, &st) == 0)
            idle_own_output(&terminal->idle, &st);
    }
    if (notice_is_open(&terminal->notice))
        terminal->next_ms = earlier(terminal->next_ms, now_ms + NOTICE_LOOK_MS);
    if (now_ms < terminal->unsure_ms)
        terminal->next_ms = earlier(terminal->next_ms, now_ms + LOOK_AGAIN_MS);
    if (decision.action == WATCH_END && !is_in_grace(terminal, decision.reason, now_ms))
        begin_hangup(common, login, terminal, decision.reason);
}

static void end_login(struct common *common, struct login *login, enum watch_reason reason)
{
    const int64_t now_ms = common->now.boot_ms;

    if (login->has_hangup)
        return;
    login->next_ms = now_ms + SETTLE_MS;
    if (hangup_login(&login->hangup, &login->record, now_ms) != 0) {
        if (!process_has_ended(errno))
            log_line(LOG_ERR, "cannot end a login: %s user=%s", strerror(errno),
                     login->record.user);
        return;
    }
    login->has_hangup = true;
    login->next_ms = login->hangup.next_ms;
    if (login->terminal_count == 0 || reason == REASON_AGE)
        log_end(login, "-", reason, RULE_OF_NOTTY, now_ms - login->moved_ms, &login->limits.notty);
    else
        log_line(LOG_NOTICE,
                 "the login is ended, for a terminal of it outlives hang-ups user=%s address=%s",
                 login->record.user, login->record.address);
}

/* A login whose terminals are judged one by one. Only its age is its own; a
 * client could go on opening terminals for ever. */
static void look_at_age(struct common *common, struct login *login)
{
    const int64_t since_ms = login->record.since.boot_ms;

    login->next_ms = later(later(since_ms, login->limits.notty.age_ms), TERMINALS_FIRST_MS);
    if (login->next_ms <= common->now.boot_ms)
        end_login(common, login, REASON_AGE);
}

/* A login without a terminal. Whether it moves data has to be asked now and
 * then; nobody tells. */
static void look_at_data(struct common *common, struct login *login)
{
    const struct watch_limits *limits = &login->limits.notty;
    const int64_t now_ms = common->now.boot_ms;
    struct watch_decision decision;
    uint64_t bytes = 0;

    /* What cannot be told is no reason to cut a transfer. */
    if (limits->idle_ms != NEVER_MS &&
        (login_bytes_moved(&login->record, &bytes) != 0 || bytes != login->bytes)) {
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
        end_login(common, login, decision.reason);
}

static void run_terminals(struct common *common, struct login *login)
{
    for (size_t i = login->terminal_count; i-- > 0;) {
        struct terminal *terminal = &login->terminal[i];
        if (terminal->next_ms > common->now.boot_ms)
            continue;
        if (terminal->has_hangup)
            go_on_hanging_up(common, login, terminal);
        else
            look_at_terminal(common, login, terminal);
    }
}

void login_run(struct common *common, struct login *login)
{
    if (login->scan_ms <= common->now.boot_ms)
        scan_terminals(common, login);
    if (!login->has_limits)
        return;
    run_terminals(common, login);
    if (login->next_ms > common->now.boot_ms)
        return;
    if (login->has_hangup) {
        hangup_step(&login->hangup, common->now.boot_ms);
        hangup_free(&login->hangup);
        login->has_hangup = false;
        login->next_ms = common->now.boot_ms + SETTLE_MS;
    } else if (login->terminal_count > 0) {
        look_at_age(common, login);
    } else {
        look_at_data(common, login);
    }
}

int64_t login_next_ms(const struct login *login)
{
    int64_t next_ms = earlier(login->scan_ms, login->limits_ms);

    if (!login->has_limits)
        return next_ms;
    next_ms = earlier(next_ms, login->next_ms);
    for (size_t i = 0; i < login->terminal_count; i++)
        next_ms = earlier(next_ms, login->terminal[i].next_ms);
    return next_ms;
}

int64_t common_finish(struct common *common)
{
    int64_t next_ms = NEVER_MS;

    for (size_t i = common->rest_count; i-- > 0;) {
        struct hangup *hangup = &common->rest[i];
        if (hangup->next_ms <= common->now.boot_ms && hangup_step(hangup, common->now.boot_ms)) {
            hangup_free(hangup);
            *hangup = common->rest[--common->rest_count];
        } else {
            next_ms = earlier(next_ms, hangup->next_ms);
        }
    }
    return next_ms;
}

void common_free(struct common *common)
{
    for (size_t i = 0; i < common->rest_count; i++)
        hangup_free(&common->rest[i]);
    free(common->rest);
}
