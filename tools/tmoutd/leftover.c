#include "tools/tmoutd/leftover.h"

#include "tools/tmoutd/descriptors.h"
#include "tools/tmoutd/leftover_work.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

enum {
    EXIT_MS = 1000,            /* for what ends with the login by itself */
    TERMINATE_MS = 2000,       /* from being asked to end to being killed */
    TERMINALS_FIRST_MS = 5000, /* when the age is reached, terminals end first */
    END_DEADLINE_MS = 20000,   /* a fork bomb takes several rounds */
    STOPS_MAX = 32,            /* for what keeps starting new ones */
    KILLS_PAUSE_MAX = 8        /* doublings of the time between two attempts */
};

static const struct leftover_work usual_work = {
    leftovers_prepare, look_at_leftovers, terminate_leftovers, stop_leftovers, kill_leftovers};

/* A process that holds the masters of terminals. */
struct holder {
    LIST_ENTRY(holder) link;
    struct leftover *leftover;
    struct session_record record; /* the login's, with this process in the place of sshd's */
    struct terminal_owner owner;
    struct terminal_list terminals;
};

static void set_leftover_alarm(struct leftover *leftover)
{
    alarm_set(&leftover->alarm, leftover->inquiry != NULL
                                    ? NEVER_MS
                                    : earlier_ms(leftover->look_ms, leftover->end_ms));
}

/* Those of many logins share a helper, and its list of the host's processes. What has
 * been done is only known, and logged, if the answer comes. */
static bool ask_leftovers(struct leftover *leftover, work_function work, answer_function done)
{
    const bool is_ending = work != leftover->work->look;
    const struct question question = {.about = leftover->about,
                                      .work = work,
                                      .prepare = leftover->work->prepare,
                                      .powers = is_ending ? MAY_LOOK | MAY_SIGNAL : MAY_LOOK,
                                      .input = &leftover->trace,
                                      .input_size = sizeof leftover->trace,
                                      .fd = -1,
                                      .deadline_ms = is_ending ? END_DEADLINE_MS : 0,
                                      .done = done,
                                      .context = leftover};

    leftover->inquiry = helpers_ask(leftover->loop->helpers, &question);
    return leftover->inquiry != NULL;
}

static void look_then(struct leftover *leftover, int64_t at_ms)
{
    leftover->look_ms = earlier_ms(leftover->look_ms, at_ms);
    set_leftover_alarm(leftover);
}

void leftover_look(struct leftover *leftover, int64_t pause_ms)
{
    look_then(leftover, leftover->loop->now.boot_ms + pause_ms);
}

static void look_soon(struct leftover *leftover)
{
    leftover_look(leftover, leftover->pause_ms != NULL
                                ? leftover->pause_ms(leftover->context, leftover)
                                : SETTLE_MS);
}

/* --- ending it ----------------------------------------------------------------- */

static void end_leftover(struct leftover *leftover, enum watch_reason reason)
{
    if (leftover->step != LEFTOVER_WATCHED)
        return;
    leftover->reason = reason;
    leftover->end_ms = leftover->loop->now.boot_ms;
    set_leftover_alarm(leftover);
}

static void report_leftover_end(struct leftover *leftover, uint64_t count)
{
    const struct session_record *record = &leftover->record;
    const struct disconnect disconnect = {
        .login = record, .terminal = "-", .reason = leftover->reason};
    struct log_entry entry;

    if (!log_begins(&leftover->is_end_reported, true))
        return;
    if (record->limits.leftovers == LEFTOVERS_END) {
        log_entry_begin(&entry, LOG_EVENT_DISCONNECTED, LOG_NOTICE,
                        "ending what the login left behind");
        log_entry_add(&entry, "user", "%s", record->user);
        log_entry_add(&entry, "address", "%s", record->address);
        log_entry_add(&entry, "service", "%s", record->service);
        log_entry_add(&entry, "processes", "%llu", (unsigned long long)count);
        log_entry_add(&entry, "setting", "leftovers");
        log_entry_add(&entry, "rule", "%s", record->limits.rule[RULE_OF_LEFTOVERS]);
        log_entry(&entry);
    } else if (leftover->reason == REASON_AGE) {
        log_text_disconnect(&disconnect, &record->limits, &entry);
        log_entry(&entry);
    } else {
        log_line(LOG_NOTICE,
                 "ending what the login left behind: a terminal survived repeated hangups user=%s "
                 "address=%s",
                 record->user, record->address);
    }
}

/* After having killed them: when to see whether any are left. */
static int64_t next_kill_ms(struct leftover *leftover, int error)
{
    const int64_t next_ms = leftover->loop->now.boot_ms + ((int64_t)SETTLE_MS << leftover->kills);

    if (leftover->kills < KILLS_PAUSE_MAX)
        leftover->kills++;
    if (leftover->kills > 2 && log_is_due(&leftover->failure, leftover->loop->now.boot_ms))
        log_line(LOG_ERR,
                 "cannot end what the login left behind: %s; trying again; see tmout-recovery(7) "
                 "user=%s",
                 error == 0 ? "processes do not end" : strerror(error), leftover->record.user);
    return next_ms;
}

/* Stopping goes on without a pause while something new may have appeared. */
static int64_t next_step_ms(struct leftover *leftover, const struct leftovers_ended *ended,
                            int error)
{
    const int64_t now_ms = leftover->loop->now.boot_ms;

    switch (leftover->step) {
    case LEFTOVER_TERMINATED:
        return now_ms + TERMINATE_MS;
    case LEFTOVER_STOPPED:
        if (error == 0 && ended->moving > 0 && ++leftover->stops < STOPS_MAX)
            leftover->step = LEFTOVER_TERMINATED;
        return now_ms;
    case LEFTOVER_WATCHED:
    case LEFTOVER_KILLED:
    default:
        leftover->stops = 0;
        leftover->step = LEFTOVER_TERMINATED;
        return next_kill_ms(leftover, error);
    }
}

static void on_ended(void *context, const struct answer *answer)
{
    struct leftover *leftover = context;
    struct leftovers_ended ended = {0};

    loop_clock(leftover->loop);
    leftover->inquiry = NULL;
    const bool is_known = answer_get(answer, &ended, sizeof ended);
    if (is_known && ended.process_count == 0) {
        leftover->gone(leftover->context, leftover);
        return;
    }
    if (is_known)
        report_leftover_end(leftover, ended.process_count);
    leftover->end_ms = next_step_ms(leftover, &ended, is_known ? 0 : answer->error);
    set_leftover_alarm(leftover);
}

static void take_step(struct leftover *leftover)
{
    const work_function work[] = {[LEFTOVER_TERMINATED] = leftover->work->terminate,
                                  [LEFTOVER_STOPPED] = leftover->work->stop,
                                  [LEFTOVER_KILLED] = leftover->work->kill};

    leftover->look_ms = leftover->end_ms = NEVER_MS;
    if (ask_leftovers(leftover, work[leftover->step + 1], on_ended))
        leftover->step++;
    else
        leftover->end_ms = leftover->loop->now.boot_ms + RETRY_MS;
}

/* --- its terminals ------------------------------------------------------------- */

static void free_holder_terminal(struct terminal *terminal)
{
    LIST_REMOVE(terminal, link);
    terminal_free(terminal);
}

static void holder_free(struct holder *holder)
{
    struct terminal *terminal, *next;

    for (terminal = LIST_FIRST(&holder->terminals); terminal != NULL; terminal = next) {
        next = LIST_NEXT(terminal, link);
        free_holder_terminal(terminal);
    }
    LIST_REMOVE(holder, link);
    free(holder);
}

static void on_holder_lost(void *context)
{
    struct holder *holder = context;

    look_soon(holder->leftover);
}

static void on_holder_vanished(void *context, struct terminal *terminal)
{
    struct holder *holder = context;

    free_holder_terminal(terminal);
    look_soon(holder->leftover);
}

static void on_holder_end(void *context, enum watch_reason reason)
{
    struct holder *holder = context;

    end_leftover(holder->leftover, reason);
}

static void log_holder_disconnect(void *context, const struct disconnect *disconnect)
{
    const struct holder *holder = context;
    struct log_entry entry;

    log_text_disconnect(disconnect, &holder->leftover->record.limits, &entry);
    log_entry(&entry);
}

/* The last activity on any other terminal. */
static int64_t activity_elsewhere(void *context, const struct terminal *asking)
{
    const struct leftover *leftover = ((struct holder *)context)->leftover;
    struct holder *holder;
    struct terminal *terminal;
    int64_t latest_ms = 0;

    for (holder = LIST_FIRST(&leftover->holders); holder != NULL; holder = LIST_NEXT(holder, link))
        for (terminal = LIST_FIRST(&holder->terminals); terminal != NULL;
             terminal = LIST_NEXT(terminal, link)) {
            const int64_t active_ms = terminal != asking ? terminal_active_ms(terminal) : 0;
            if (active_ms > latest_ms)
                latest_ms = active_ms;
        }
    return latest_ms;
}

static struct holder *holder_of(struct leftover *leftover, const struct leftover_terminal *found)
{
    struct holder *holder;

    for (holder = LIST_FIRST(&leftover->holders); holder != NULL; holder = LIST_NEXT(holder, link))
        if (holder->record.pid == found->pid && holder->record.start_ticks == found->start_ticks)
            return holder;
    holder = calloc(1, sizeof *holder);
    if (holder == NULL)
        return NULL;
    holder->leftover = leftover;
    holder->record = leftover->record;
    holder->record.pid = found->pid;
    holder->record.start_ticks = found->start_ticks;
    holder->record.is_ssh = true; /* it holds masters, as sshd does */
    holder->owner = (struct terminal_owner){.loop = leftover->loop,
                                            .by_index = leftover->by_index,
                                            .record = &holder->record,
                                            .limits = &leftover->record.limits,
                                            .has_limits = &leftover->has_limits,
                                            .about = leftover->about,
                                            .login = holder,
                                            .lost = on_holder_lost,
                                            .vanished = on_holder_vanished,
                                            .end_login = on_holder_end,
                                            .log_disconnect = log_holder_disconnect,
                                            .activity_elsewhere = activity_elsewhere};
    LIST_INIT(&holder->terminals);
    LIST_INSERT_HEAD(&leftover->holders, holder, link);
    return holder;
}

/* One of a login that still runs is judged there. */
static void find_terminal(struct leftover *leftover, const struct leftover_terminal *found)
{
    struct holder *holder = holder_of(leftover, found);
    struct terminal *terminal =
        holder != NULL ? terminal_find(&holder->terminals, found->index) : NULL;

    if (holder != NULL && terminal == NULL && map_find(leftover->by_index, found->index) == NULL &&
        (terminal = terminal_new(&holder->owner, found->index)) != NULL)
        LIST_INSERT_HEAD(&holder->terminals, terminal, link);
    if (terminal != NULL)
        terminal->found = true;
}

static void forget_unseen(struct leftover *leftover)
{
    struct holder *holder, *next_holder;
    struct terminal *terminal, *next;

    for (holder = LIST_FIRST(&leftover->holders); holder != NULL; holder = next_holder) {
        next_holder = LIST_NEXT(holder, link);
        for (terminal = LIST_FIRST(&holder->terminals); terminal != NULL; terminal = next) {
            next = LIST_NEXT(terminal, link);
            if (!terminal->found)
                free_holder_terminal(terminal);
        }
        if (LIST_EMPTY(&holder->terminals))
            holder_free(holder);
    }
}

static void update_holders(struct leftover *leftover, const struct leftovers_view *view)
{
    struct holder *holder;
    struct terminal *terminal;

    for (holder = LIST_FIRST(&leftover->holders); holder != NULL; holder = LIST_NEXT(holder, link))
        for (terminal = LIST_FIRST(&holder->terminals); terminal != NULL;
             terminal = LIST_NEXT(terminal, link))
            terminal->found = false;
    for (uint64_t i = 0; i < view->terminal_count; i++)
        find_terminal(leftover, &view->terminal[i]);
    forget_unseen(leftover);
}

/* --- looking at it ------------------------------------------------------------- */

static int on_witness_end(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
    struct leftover *leftover = userdata;

    (void)fd;
    (void)events;
    sd_event_source_set_enabled(source, SD_EVENT_OFF);
    loop_clock(leftover->loop);
    look_soon(leftover);
    return 0;
}

static void drop_witness(struct leftover *leftover)
{
    leftover->witness_end = sd_event_source_disable_unref(leftover->witness_end);
    if (leftover->witness >= 0)
        close(leftover->witness);
    leftover->witness = -1;
}

static void take_witness(struct leftover *leftover, const struct answer *answer)
{
    drop_witness(leftover);
    if (answer->fd_count > 0)
        leftover->witness = descriptor_for_login(leftover->loop, answer->fd[0]);
    if (leftover->witness < 0 ||
        (leftover->loop->event != NULL &&
         sd_event_add_io(leftover->loop->event, &leftover->witness_end, leftover->witness, EPOLLIN,
                         on_witness_end, leftover) < 0))
        look_then(leftover, leftover->loop->now.boot_ms + RETRY_MS);
}

/* What cannot be looked at is as idle as a terminal without input. */
static void on_unseen(struct leftover *leftover, const struct answer *answer)
{
    const int64_t now_ms = leftover->loop->now.boot_ms;
    const int64_t pause_ms = answer->retry_ms > SETTLE_MS ? answer->retry_ms : SETTLE_MS;

    if (log_is_due(&leftover->failure, now_ms))
        log_line(LOG_ERR,
                 "cannot look at what a login left behind: %s; trying again; see tmout-recovery(7) "
                 "user=%s",
                 strerror(answer->error), leftover->record.user);
    if (later_ms(leftover->seen_ms, leftover->record.limits.terminal.idle_ms) <= now_ms)
        end_leftover(leftover, REASON_IDLE);
    else
        look_then(leftover, now_ms + pause_ms);
}

static void on_leftovers_seen(void *context, const struct answer *answer)
{
    struct leftover *leftover = context;
    static struct leftovers_view view;

    loop_clock(leftover->loop);
    leftover->inquiry = NULL;
    if (!answer_get(answer, &view, sizeof view)) {
        on_unseen(leftover, answer);
    } else if (view.process_count == 0) {
        leftover->gone(leftover->context, leftover);
        return;
    } else {
        leftover->seen_ms = leftover->loop->now.boot_ms;
        leftover->failure = (struct repeated_failure){0};
        take_witness(leftover, answer);
        update_holders(leftover, &view);
    }
    set_leftover_alarm(leftover);
}

static void leftover_on_alarm(void *context, int64_t late_ms)
{
    struct leftover *leftover = context;
    const int64_t now_ms = leftover->loop->now.boot_ms;

    (void)late_ms;
    if (leftover->inquiry != NULL)
        return;
    if (leftover->end_ms <= now_ms) {
        take_step(leftover);
    } else if (leftover->look_ms <= now_ms) {
        leftover->look_ms = NEVER_MS;
        if (!ask_leftovers(leftover, leftover->work->look, on_leftovers_seen))
            leftover->look_ms = now_ms + RETRY_MS;
    }
    set_leftover_alarm(leftover);
}

struct leftover *leftover_new(struct loop *loop, struct map *by_index,
                              const struct session_record *record, const struct login_trace *trace)
{
    struct leftover *leftover = calloc(1, sizeof *leftover);
    const int64_t now_ms = loop->now.boot_ms;
    const struct user_limits *limits = &record->limits;

    if (leftover == NULL)
        return NULL;
    *leftover = (struct leftover){.loop = loop,
                                  .by_index = by_index,
                                  .record = *record,
                                  .trace = *trace,
                                  .work = &usual_work,
                                  .about = trace->uid != NO_UID ? about_user(trace->uid)
                                                                : about_login(record->pid),
                                  .has_limits = true,
                                  .seen_ms = now_ms,
                                  .reason = REASON_AGE,
                                  .witness = -1};
    LIST_INIT(&leftover->holders);
    leftover->look_ms = limits->leftovers == LEFTOVERS_END ? NEVER_MS : now_ms + SETTLE_MS;
    leftover->end_ms = limits->leftovers == LEFTOVERS_END
                           ? now_ms + EXIT_MS
                           : later_ms(later_ms(record->since.boot_ms, limits->terminal.age_ms),
                                      TERMINALS_FIRST_MS);
    if (!alarm_init(&leftover->alarm, loop, leftover_on_alarm, leftover)) {
        leftover_free(leftover);
        return NULL;
    }
    set_leftover_alarm(leftover);
    return leftover;
}

void leftover_free(struct leftover *leftover)
{
    struct holder *holder, *next;

    for (holder = LIST_FIRST(&leftover->holders); holder != NULL; holder = next) {
        next = LIST_NEXT(holder, link);
        holder_free(holder);
    }
    helpers_take_back(leftover->inquiry);
    drop_witness(leftover);
    alarm_free(&leftover->alarm);
    free(leftover);
}
