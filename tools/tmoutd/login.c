#include "tools/tmoutd/login.h"

#include "lib/host/array.h"
#include "lib/sessions/login_traffic.h"
#include "tools/tmoutd/decide_terminal.h"
#include "tools/tmoutd/log.h"
#include "tools/tmoutd/log_text.h"
#include "tools/tmoutd/notice.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

/* sshd and login(1) still have to give a new terminal to its user, which would
 * look like tampering. */
enum { HANDOVER_MS = 1000 };

struct terminal {
    unsigned index;
    int64_t next_ms;
    int64_t found_ms;
    bool found; /* by the scan in progress */
    struct terminal_state state;
    struct notice notice;
    bool is_end_reported; /* logged since the last activity */
    bool has_hangup;
    struct hangup hangup;
};

struct login *login_new(const struct common *common, const struct session_record *record)
{
    struct login *login = calloc(1, sizeof *login);

    if (login == NULL)
        return NULL;
    login->record = *record;
    login->pidfd = -1;
    login->uid = (uid_t)-1;
    login->traffic.moved_ms = login->scan_ms = login->limits_ms = common->now.boot_ms;
    return login;
}

/* What ignores the loss of its terminal is still to be killed. */
static void detach_hangup(struct common *common, struct hangup *hangup)
{
    struct hangup *grown =
        array_grow(common->detached_hangups, common->detached_hangup_count, sizeof *grown);

    if (grown == NULL) {
        hangup_free(hangup);
        return;
    }
    common->detached_hangups = grown;
    grown[common->detached_hangup_count++] = *hangup;
}

static void terminal_free(struct common *common, struct terminal *terminal)
{
    notice_close(&terminal->notice);
    if (terminal->has_hangup)
        detach_hangup(common, &terminal->hangup);
}

void login_free(struct common *common, struct login *login)
{
    for (size_t i = 0; i < login->terminal_count; i++)
        terminal_free(common, &login->terminal[i]);
    free(login->terminal);
    if (login->has_hangup)
        detach_hangup(common, &login->hangup);
    if (login->pidfd >= 0)
        close(login->pidfd);
    free(login);
}

void login_reconsider(const struct common *common, struct login *login)
{
    login->next_ms = common->now.boot_ms;
    for (size_t i = 0; i < login->terminal_count; i++)
        if (login->terminal[i].state.has_sample)
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
        login->traffic.moved_ms = common->now.boot_ms; /* idleness without one begins */
        login->next_ms = common->now.boot_ms;
    }
}

static void add_terminal(struct common *common, struct login *login, unsigned index)
{
    const int64_t now_ms = common->now.boot_ms;
    struct terminal *grown;
    struct stat st;
    char path[64];

    terminal_path(&login->record, index, path, sizeof path);
    if (stat(path, &st) != 0) {
        login->scan_ms = now_ms + RETRY_MS;
        return;
    }
    grown = array_grow(login->terminal, login->terminal_count, sizeof *grown);
    if (grown == NULL) {
        log_line(LOG_ERR, "out of memory; a terminal is not watched for now user=%s terminal=%s",
                 login->record.user, path);
        login->scan_ms = now_ms + RETRY_MS;
        return;
    }
    login->terminal = grown;
    grown[login->terminal_count++] = (struct terminal){.index = index,
                                                       .next_ms = now_ms + HANDOVER_MS,
                                                       .found_ms = now_ms,
                                                       .found = true,
                                                       .state = terminal_state_new(),
                                                       .notice = {.fd = -1}};
}

static void scan_terminals(struct common *common, struct login *login)
{
    unsigned index[LOGIN_TERMINALS_MAX];
    const int count = login_terminals(&login->record, index);

    login->scan_ms = NEVER_MS;
    if (count < 0) {
        /* If the login has ended, an event says so; other errors may be temporary. */
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

/* The terminal of login(1) may be in /dev/pts as well. */
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

    if (terminal == NULL)
        return false;
    /* Soon, before real input covers it; but many events cost one sample. */
    const int64_t sampled_ms =
        terminal->state.has_sample ? terminal->state.idle.sampled.boot_ms : terminal->found_ms;
    terminal->next_ms = earlier_ms(terminal->next_ms, sampled_ms + SETTLE_MS);
    return true;
}

/* --- ends ------------------------------------------------------------------ */

static void log_disconnect(struct login *login, const char *terminal, enum watch_reason reason,
                           enum limit_rule idle_rule, int64_t idle_ms)
{
    const struct disconnect disconnect = {.login = &login->record,
                                          .terminal = terminal,
                                          .reason = reason,
                                          .idle_rule = idle_rule,
                                          .idle_ms = idle_ms};
    char text[LOG_TEXT_MAX];

    /* The age of a login ends all of its terminals, and then itself. */
    if (reason == REASON_AGE && login->is_age_reported)
        return;
    login->is_age_reported = reason == REASON_AGE;
    log_text_disconnect(&disconnect, &login->limits, text);
    log_line(LOG_NOTICE, "%s", text);
}

static void end_login(struct common *common, struct login *login, enum watch_reason reason)
{
    const int64_t now_ms = common->now.boot_ms;

    if (login->has_hangup)
        return;
    login->next_ms = now_ms + SETTLE_MS;
    if (hangup_login(&login->hangup, &login->record, now_ms) != 0) {
        if (!process_has_ended(errno))
            log_line(LOG_ERR, "cannot terminate login: %s user=%s", strerror(errno),
                     login->record.user);
        return;
    }
    login->has_hangup = true;
    login->next_ms = login->hangup.next_ms;
    if (login->terminal_count == 0 || reason == REASON_AGE)
        log_disconnect(login, "-", reason, RULE_OF_NOTTY, now_ms - login->traffic.moved_ms);
    else
        log_line(LOG_NOTICE,
                 "terminating login: a terminal survived repeated hangups user=%s address=%s",
                 login->record.user, login->record.address);
}

static void hang_up_terminal(struct common *common, struct login *login, struct terminal *terminal,
                             const char *path, enum watch_reason reason)
{
    const int64_t now_ms = common->now.boot_ms;

    if (hangup_terminal(&terminal->hangup, &login->record, terminal->index, &common->processes,
                        now_ms) != 0) {
        if (errno != ENOENT && errno != EIO)
            log_line(LOG_ERR, "cannot hang up terminal: %s user=%s terminal=%s", strerror(errno),
                     login->record.user, path);
        /* It may be gone, or another login's by now: a scan will find out. */
        login->scan_ms = earlier_ms(login->scan_ms, now_ms + SETTLE_MS);
        terminal->next_ms = now_ms + SETTLE_MS;
        return;
    }
    terminal->has_hangup = true;
    terminal->next_ms = terminal->hangup.next_ms;
    if (log_begins(&terminal->is_end_reported, true))
        log_disconnect(login, path + strlen("/dev/"), reason, RULE_OF_DISCONNECT,
                       now_ms - terminal->state.idle.active_ms);
}

/* The next step of a hang-up. After the last one the terminal is sampled as
 * before: if it is still there, it is still idle. */
static void continue_hangup(struct common *common, struct login *login, struct terminal *terminal)
{
    const bool is_done = hangup_step(&terminal->hangup, common->now.boot_ms);

    terminal->next_ms = terminal->hangup.next_ms;
    if (!is_done)
        return;
    hangup_free(&terminal->hangup);
    terminal->has_hangup = false;
    terminal->next_ms = common->now.boot_ms + SETTLE_MS;
    login->scan_ms = earlier_ms(login->scan_ms, common->now.boot_ms + SETTLE_MS);
}

/* --- what is due ----------------------------------------------------------- */

static void warn_user(struct common *common, struct login *login, struct terminal *terminal,
                      const char *path, const struct terminal_decision *decision)
{
    char text[NOTICE_TEXT_MAX];
    struct stat st;

    notice_text(decision->reason, decision->end_ms - common->now.boot_ms, text);
    notice_show(&terminal->notice, &login->record, terminal->index, text);
    terminal_note_notice(&terminal->state, decision, notice_unread(&terminal->notice));
    if (stat(path, &st) == 0)
        idle_own_output(&terminal->state.idle, &st);
}

static void run_terminal(struct common *common, struct login *login, struct terminal *terminal)
{
    const int64_t now_ms = common->now.boot_ms;
    struct terminal_decision decision;
    struct terminal_sample sample;
    char path[64];

    terminal_path(&login->record, terminal->index, path, sizeof path);
    if (stat(path, &sample.st) != 0) {
        terminal->next_ms = now_ms + RETRY_MS; /* probably gone, which the scan will show */
        login->scan_ms = now_ms;
        return;
    }
    sample.notice_is_out = notice_is_out(&terminal->notice);
    sample.unread = notice_unread(&terminal->notice);
    decision = terminal_decide(&terminal->state, &login->limits, login->record.since.boot_ms,
                               &sample, &common->now);
    terminal->next_ms = decision.next_ms;
    if (decision.tampered)
        log_line(LOG_WARNING,
                 "terminal times were forged; ignoring them user=%s address=%s terminal=%s",
                 login->record.user, login->record.address, path + strlen("/dev/"));
    if (terminal->state.failed_hangups == 0)
        terminal->is_end_reported = false;
    if (decision.withdraw_notice)
        notice_close(&terminal->notice);
    if (decision.action == TERMINAL_WARN)
        warn_user(common, login, terminal, path, &decision);
    else if (decision.action == TERMINAL_HANG_UP)
        hang_up_terminal(common, login, terminal, path, decision.reason);
    else if (decision.action == TERMINAL_END_LOGIN)
        end_login(common, login, decision.reason);
}

static void run_terminals(struct common *common, struct login *login)
{
    for (size_t i = login->terminal_count; i-- > 0;) {
        struct terminal *terminal = &login->terminal[i];
        if (terminal->next_ms > common->now.boot_ms)
            continue;
        if (terminal->has_hangup)
            continue_hangup(common, login, terminal);
        else
            run_terminal(common, login, terminal);
    }
}

static struct login_decision decide(struct common *common, struct login *login)
{
    const int64_t since_ms = login->record.since.boot_ms, now_ms = common->now.boot_ms;
    const struct watch_limits *limits = &login->limits.notty;
    struct traffic_sample sample = {0};

    if (login->terminal_count > 0)
        return login_decide_age(limits, since_ms, now_ms);
    if (limits->idle_ms != NEVER_MS)
        sample.is_known =
            login_traffic_mark(&login->record, login->limits.only_client, &sample.bytes) == 0;
    return login_decide_traffic(&login->traffic, limits, since_ms, &sample, now_ms);
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
        return;
    }
    const struct login_decision decision = decide(common, login);
    login->next_ms = decision.next_ms;
    if (decision.end)
        end_login(common, login, decision.reason);
}

int64_t login_next_ms(const struct login *login)
{
    int64_t next_ms = earlier_ms(login->scan_ms, login->limits_ms);

    if (!login->has_limits)
        return next_ms;
    next_ms = earlier_ms(next_ms, login->next_ms);
    for (size_t i = 0; i < login->terminal_count; i++)
        next_ms = earlier_ms(next_ms, login->terminal[i].next_ms);
    return next_ms;
}

int64_t common_continue_hangups(struct common *common)
{
    int64_t next_ms = NEVER_MS;

    for (size_t i = common->detached_hangup_count; i-- > 0;) {
        struct hangup *hangup = &common->detached_hangups[i];
        if (hangup->next_ms <= common->now.boot_ms && hangup_step(hangup, common->now.boot_ms)) {
            hangup_free(hangup);
            *hangup = common->detached_hangups[--common->detached_hangup_count];
        } else {
            next_ms = earlier_ms(next_ms, hangup->next_ms);
        }
    }
    return next_ms;
}

void common_free(struct common *common)
{
    for (size_t i = 0; i < common->detached_hangup_count; i++)
        hangup_free(&common->detached_hangups[i]);
    free(common->detached_hangups);
}
