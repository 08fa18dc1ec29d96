#include "tools/tmoutd/login.h"

#include "lib/host/pidfd.h"
#include "tools/tmoutd/descriptors.h"
#include "tools/tmoutd/login_cut.h"
#include "tools/tmoutd/look.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

enum {
    WITHHELD_MS = 10 * 60 * 1000, /* until all traffic of a login is measured again */
    ENDS_PAUSE_MAX = 8            /* doublings of the time between two attempts to end a login */
};

static void login_on_alarm(void *context, int64_t late_ms);
static void on_terminal_lost(void *context);
static void on_terminal_vanished(void *context, struct terminal *terminal);
static void end_login(void *context, enum watch_reason reason);
static void log_login_disconnect(void *context, const struct disconnect *disconnect);

struct login *login_new(struct loop *loop, struct map *by_index,
                        const struct session_record *record)
{
    struct login *login = calloc(1, sizeof *login);
    const int64_t now_ms = loop->now.boot_ms;

    if (login == NULL)
        return NULL;
    *login = (struct login){.loop = loop,
                            .record = *record,
                            .trace = {.audit_session = record->audit_session, .uid = record->uid},
                            .pidfd = -1,
                            .connection_pidfd = -1,
                            .traffic.moved_ms = now_ms,
                            .look_ms = NEVER_MS,
                            .judge_ms = now_ms};
    login->owner = (struct terminal_owner){.loop = loop,
                                           .by_index = by_index,
                                           .record = &login->record,
                                           .limits = &login->limits,
                                           .has_limits = &login->has_limits,
                                           .about = about_login(record->pid),
                                           .login = login,
                                           .lost = on_terminal_lost,
                                           .vanished = on_terminal_vanished,
                                           .end_login = end_login,
                                           .log_disconnect = log_login_disconnect};
    LIST_INIT(&login->terminals);
    if (!alarm_init(&login->alarm, loop, login_on_alarm, login)) {
        login_free(login);
        return NULL;
    }
    login_look(login, now_ms);
    return login;
}

void login_free(struct login *login)
{
    struct terminal *terminal, *next;

    for (terminal = LIST_FIRST(&login->terminals); terminal != NULL; terminal = next) {
        next = LIST_NEXT(terminal, link);
        terminal_free(terminal);
    }
    if (login->cut != NULL)
        login_cut_detach(login->cut);
    helpers_take_back(login->looking);
    helpers_take_back(login->measuring);
    alarm_free(&login->alarm);
    sd_event_source_disable_unref(login->end);
    if (login->connection_pidfd >= 0)
        close(login->connection_pidfd);
    if (login->pidfd >= 0)
        close(login->pidfd);
    free(login);
}

/* What is in progress leads to a judgement, or to another look, in the end. */
static int64_t due_to_judge_ms(const struct login *login)
{
    const bool may_be_judged =
        login->has_limits && login->is_confirmed && login->measuring == NULL && login->cut == NULL;

    return may_be_judged ? login->judge_ms : NEVER_MS;
}

static int64_t due_to_look_ms(const struct login *login)
{
    return login->looking == NULL ? login->look_ms : NEVER_MS;
}

static void set_login_alarm(struct login *login)
{
    alarm_set(&login->alarm, earlier_ms(due_to_look_ms(login), due_to_judge_ms(login)));
}

void login_look(struct login *login, int64_t at_ms)
{
    login->look_ms = earlier_ms(login->look_ms, at_ms);
    set_login_alarm(login);
}

void login_set_about(struct login *login, about_t about)
{
    login->owner.about = about;
}

void login_set_limits(struct login *login, const struct user_limits *limits)
{
    struct terminal *terminal;

    login->limits = *limits;
    login->has_limits = true;
    login->judge_ms = login->loop->now.boot_ms;
    for (terminal = LIST_FIRST(&login->terminals); terminal != NULL;
         terminal = LIST_NEXT(terminal, link))
        terminal_reconsider(terminal);
    set_login_alarm(login);
}

static struct inquiry *ask_about(struct login *login, work_function work, const void *input,
                                 size_t size, answer_function done)
{
    const struct question question = {.about = login->owner.about,
                                      .work = work,
                                      .powers = MAY_LOOK,
                                      .input = input,
                                      .input_size = size,
                                      .fd = -1,
                                      .done = done,
                                      .context = login};

    return helpers_ask(login->loop->helpers, &question);
}

/* --- terminals ------------------------------------------------------------- */

static void on_terminal_lost(void *context)
{
    struct login *login = context;

    login_look(login, login->loop->now.boot_ms + SETTLE_MS);
}

static void drop_terminal(struct login *login, struct terminal *terminal)
{
    LIST_REMOVE(terminal, link);
    terminal_free(terminal);
    if (--login->terminal_count == 0) {
        login->traffic.moved_ms = login->loop->now.boot_ms; /* idleness without one begins */
        login->judge_ms = login->loop->now.boot_ms;
        set_login_alarm(login);
    }
}

static void on_terminal_vanished(void *context, struct terminal *terminal)
{
    drop_terminal(context, terminal);
}

static void add_terminal(struct login *login, unsigned index)
{
    struct terminal *terminal = terminal_new(&login->owner, index);

    if (terminal == NULL) {
        if (errno == ENOMEM)
            log_line(
                LOG_ERR,
                "out of memory; a terminal is not watched for now; see tmout-recovery(7) user=%s",
                login->record.user);
        login_look(login, login->loop->now.boot_ms + RETRY_MS);
        return;
    }
    LIST_INSERT_HEAD(&login->terminals, terminal, link);
    login->terminal_count++;
}

static void update_terminals(struct login *login, const struct login_view *view)
{
    struct terminal *terminal, *next;

    for (terminal = LIST_FIRST(&login->terminals); terminal != NULL;
         terminal = LIST_NEXT(terminal, link))
        terminal->found = false;
    for (unsigned i = 0; i < view->terminal_count; i++) {
        terminal = terminal_find(&login->terminals, view->terminal[i]);
        if (terminal != NULL)
            terminal->found = true;
        else
            add_terminal(login, view->terminal[i]);
    }
    for (terminal = LIST_FIRST(&login->terminals); terminal != NULL; terminal = next) {
        next = LIST_NEXT(terminal, link);
        if (!terminal->found)
            drop_terminal(login, terminal);
    }
}

/* What the answer brought along. */
static void take_connection(struct login *login, const struct answer *answer)
{
    if (login->connection_pidfd >= 0)
        close(login->connection_pidfd);
    login->connection_pidfd =
        answer->fd_count > 0 ? descriptor_for_login(login->loop, answer->fd[0]) : -1;
    login->lacks_connection = answer->fd_count > 0 && login->connection_pidfd < 0;
}

static void on_looked(void *context, const struct answer *answer)
{
    struct login *login = context;
    struct login_view view;

    loop_clock(login->loop);
    login->looking = NULL;
    if (answer->presence == GONE) {
        login->gone(login->context, login);
        return;
    }
    if (answer_get(answer, &view, sizeof view)) {
        login->is_confirmed = true;
        login->trace = view.trace;
        if (login->pidfd >= 0)
            login->look_failure = (struct repeated_failure){0};
        take_connection(login, answer);
        update_terminals(login, &view);
        if (login->pidfd < 0) /* nothing else would tell of its end */
            login_look(login, login->loop->now.boot_ms + RETRY_MS);
    } else {
        if (log_is_due(&login->look_failure, login->loop->now.boot_ms))
            log_line(
                LOG_ERR,
                "cannot look at a login: %s; trying again; see tmout-recovery(7) user=%s pid=%d",
                strerror(answer->error), login->record.user, (int)login->record.pid);
        login_look(login, login->loop->now.boot_ms +
                              (answer->retry_ms > SETTLE_MS ? answer->retry_ms : SETTLE_MS));
    }
    set_login_alarm(login);
}

static int on_login_end(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
    struct login *login = userdata;

    (void)source;
    (void)fd;
    (void)events;
    loop_clock(login->loop);
    login->gone(login->context, login);
    return 0;
}

/* Holds the process, if there is a descriptor for it: looks notice its end, too. It
 * may be a later one with the same pid, until a look at it has confirmed what the
 * record says. */
static void hold_login(struct login *login)
{
    int result = 0;

    login->pidfd = descriptor_for_login(login->loop, pidfd_of(login->record.pid));
    if (login->pidfd < 0) {
        if (errno == EMFILE)
            return; /* logged once for all */
        result = process_has_ended(errno) ? 0 : -errno;
    } else {
        login->is_confirmed = false;
    }
    if (login->pidfd >= 0 && login->loop->event != NULL) {
        result = sd_event_add_io(login->loop->event, &login->end, login->pidfd, EPOLLIN,
                                 on_login_end, login);
        if (result < 0) {
            close(login->pidfd);
            login->pidfd = -1;
        }
    }
    if (result < 0 && log_is_due(&login->look_failure, login->loop->now.boot_ms))
        log_line(LOG_ERR, "cannot monitor login process: %s; see tmout-recovery(7) user=%s",
                 strerror(-result), login->record.user);
}

static void ask_look(struct login *login)
{
    login->look_ms = NEVER_MS;
    if (login->pidfd < 0)
        hold_login(login);
    login->looking =
        ask_about(login, look_at_login, &login->record, sizeof login->record, on_looked);
    if (login->looking == NULL)
        login_look(login, login->loop->now.boot_ms + RETRY_MS);
}

/* --- ends ------------------------------------------------------------------ */

static void log_login_disconnect(void *context, const struct disconnect *disconnect)
{
    struct login *login = context;
    struct log_entry entry;

    /* The age of a login ends all of its terminals, and then itself. */
    if (disconnect->reason == REASON_AGE && login->is_age_reported)
        return;
    login->is_age_reported = disconnect->reason == REASON_AGE;
    log_text_disconnect(disconnect, &login->limits, &entry);
    log_entry(&entry);
}

static void report_end(struct login *login, enum watch_reason reason)
{
    const struct disconnect disconnect = {.login = &login->record,
                                          .terminal = "-",
                                          .reason = reason,
                                          .idle_rule = RULE_OF_NOTTY,
                                          .idle_ms =
                                              login->loop->now.boot_ms - login->traffic.moved_ms};

    if (!log_begins(&login->is_end_reported, true))
        return;
    if (login->terminal_count == 0 || reason == REASON_AGE)
        log_login_disconnect(login, &disconnect);
    else
        log_line(LOG_NOTICE,
                 "terminating login: a terminal survived repeated hangups user=%s address=%s",
                 login->record.user, login->record.address);
}

/* If it is still there, it will be judged again, and ended again: in vain, so less
 * and less often. */
static void on_login_cut(void *context)
{
    struct login *login = context;

    login->cut = NULL;
    login->judge_ms = login->loop->now.boot_ms + ((int64_t)SETTLE_MS << login->ends);
    if (login->ends < ENDS_PAUSE_MAX)
        login->ends++;
    if (login->ends > 1 && log_is_due(&login->end_failure, login->loop->now.boot_ms))
        log_line(LOG_ERR,
                 "cannot terminate login: process %d does not end; trying again; see "
                 "tmout-recovery(7) user=%s",
                 (int)login->record.pid, login->record.user);
    login_look(login, login->loop->now.boot_ms + SETTLE_MS);
}

static void end_login(void *context, enum watch_reason reason)
{
    struct login *login = context;

    if (login->cut != NULL)
        return;
    login->cut = login_cut_begin(
        login->loop, &login->record,
        (const int[]){login->lacks_connection ? -1 : login->pidfd, login->connection_pidfd},
        on_login_cut, login);
    if (login->cut != NULL) {
        report_end(login, reason);
        return;
    }
    /* EMFILE: others are being ended, and this one has to wait for its turn. */
    if (errno != EMFILE && log_is_due(&login->end_failure, login->loop->now.boot_ms))
        log_line(LOG_ERR, "cannot terminate login: %s; see tmout-recovery(7) user=%s",
                 strerror(errno), login->record.user);
    login->judge_ms = login->loop->now.boot_ms + SETTLE_MS;
    set_login_alarm(login);
}

/* --- judgement --------------------------------------------------------------- */

static void carry_out_login(struct login *login, const struct login_decision *decision)
{
    login->judge_ms = decision->next_ms;
    if (decision->end)
        end_login(login, decision->reason);
    else
        login->is_end_reported = false;
    set_login_alarm(login);
}

/* As of when the traffic was asked for: what came later is not known. */
static void judge_traffic(struct login *login, const struct traffic_sample *sample)
{
    const struct login_decision decision =
        login_decide_traffic(&login->traffic, &login->limits.notty, login->record.since.boot_ms,
                             sample, login->asked_ms);

    carry_out_login(login, &decision);
}

static void measure(struct login *login);

static void on_measured(void *context, const struct answer *answer)
{
    struct login *login = context;
    struct traffic_sample sample = {0};
    struct traffic_view view;

    loop_clock(login->loop);
    sample.not_before_ms = loop_not_before_ms(login->loop, login->not_before_ms);
    const int64_t now_ms = login->loop->now.boot_ms;
    const bool was_withheld = now_ms < login->withheld_until_ms;
    login->measuring = NULL;
    if (login->terminal_count > 0) {
        login->judge_ms = now_ms;
        set_login_alarm(login);
        return;
    }
    sample.is_known = answer_get(answer, &view, sizeof view);
    if (sample.is_known) {
        sample.bytes = view.mark;
        login->evidence = view.evidence;
    }
    /* A number of another kind is no sign of activity. */
    if (sample.is_known && login->traffic.kind != TRAFFIC_KIND_NONE &&
        login->traffic.kind != login->asked_kind)
        login->traffic.bytes = sample.bytes;
    if (sample.is_known)
        login->traffic.kind = login->asked_kind;
    if (!sample.is_known && answer->presence == UNKNOWN && answer->error == ETIMEDOUT) {
        login->withheld_until_ms = now_ms + WITHHELD_MS;
        sample.is_withheld = true;
        if (!was_withheld) {
            measure(login); /* what sshd alone shows */
            return;
        }
    }
    judge_traffic(login, &sample);
}

static void measure(struct login *login)
{
    const int64_t now_ms = login->loop->now.boot_ms;
    const struct traffic_question question = {.login = login->record,
                                              .only_client = login->limits.only_client ||
                                                             now_ms < login->withheld_until_ms,
                                              .evidence = login->evidence};

    login->asked_ms = now_ms;
    login->asked_kind = question.only_client ? TRAFFIC_KIND_CLIENT : TRAFFIC_KIND_ALL;
    login->measuring = ask_about(login, look_at_traffic, &question, sizeof question, on_measured);
    if (login->measuring == NULL)
        login->judge_ms = now_ms + SETTLE_MS;
    set_login_alarm(login);
}

static void judge_login(struct login *login)
{
    const struct watch_limits *limits = &login->limits.notty;
    const int64_t since_ms = login->record.since.boot_ms, now_ms = login->loop->now.boot_ms;

    if (login->terminal_count > 0) {
        const struct login_decision decision = login_decide_age(limits, since_ms, now_ms);
        carry_out_login(login, &decision);
    } else if (limits->idle_ms != NEVER_MS) {
        measure(login);
    } else {
        const struct traffic_sample sample = {
            .not_before_ms = loop_not_before_ms(login->loop, login->not_before_ms)};
        login->asked_ms = now_ms;
        judge_traffic(login, &sample);
    }
}

static void login_on_alarm(void *context, int64_t late_ms)
{
    struct login *login = context;
    const int64_t now_ms = login->loop->now.boot_ms;

    if (late_ms > STALL_MS)
        login->not_before_ms = now_ms + STALL_GRACE_MS;
    if (due_to_look_ms(login) <= now_ms)
        ask_look(login);
    if (due_to_judge_ms(login) <= now_ms)
        judge_login(login);
    set_login_alarm(login);
}
