#include "tools/tmoutd/terminal.h"

#include "lib/sessions/login_terminals.h"
#include "tools/tmoutd/log.h"
#include "tools/tmoutd/notice.h"
#include "tools/tmoutd/terminal_cut.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>

enum {
    /* sshd and login(1) still have to give a new terminal to its user, which would
     * look like tampering. */
    HANDOVER_MS = 1000,
    FAILED_CUTS_MAX = 5 /* for want of a helper; then the login is ended, which needs none */
};

static void path_of_terminal(const struct terminal *terminal, char path[64])
{
    terminal_path(terminal->owner->record, terminal->index, path, 64);
}

/* Its number in /dev/pts, by which events name it. False if it has none. */
static bool number_of_terminal(const struct terminal *terminal, unsigned *number)
{
    char path[64];

    path_of_terminal(terminal, path);
    return sscanf(path, "/dev/pts/%u", number) == 1;
}

static void terminal_on_alarm(void *context, int64_t late_ms);

static bool terminal_begin(struct terminal *terminal)
{
    struct map *by_index = terminal->owner->by_index;
    unsigned number;

    if (!alarm_init(&terminal->alarm, terminal->owner->loop, terminal_on_alarm, terminal))
        return false;
    return !number_of_terminal(terminal, &number) || map_put(by_index, number, terminal);
}

struct terminal *terminal_new(const struct terminal_owner *owner, unsigned index)
{
    const int64_t now_ms = owner->loop->now.boot_ms;
    struct terminal *terminal;
    struct stat st;
    char path[64];

    terminal_path(owner->record, index, path, sizeof path);
    if (stat(path, &st) != 0 || (terminal = calloc(1, sizeof *terminal)) == NULL)
        return NULL;
    *terminal = (struct terminal){.owner = owner,
                                  .index = index,
                                  .found = true,
                                  .found_ms = now_ms,
                                  .state = terminal_state_new()};
    if (terminal_begin(terminal)) {
        alarm_set(&terminal->alarm, now_ms + HANDOVER_MS);
        return terminal;
    }
    terminal_free(terminal);
    errno = ENOMEM;
    return NULL;
}

struct terminal *terminal_find(const struct terminal_list *list, unsigned index)
{
    struct terminal *terminal = LIST_FIRST(list);

    while (terminal != NULL && terminal->index != index)
        terminal = LIST_NEXT(terminal, link);
    return terminal;
}

void terminal_free(struct terminal *terminal)
{
    unsigned number;

    /* Another login may have the number by now. */
    if (number_of_terminal(terminal, &number) &&
        map_find(terminal->owner->by_index, number) == terminal)
        map_remove(terminal->owner->by_index, number);
    helpers_take_back(terminal->inquiry);
    if (terminal->cut != NULL)
        terminal_cut_detach(terminal->cut);
    alarm_free(&terminal->alarm);
    free(terminal);
}

void terminal_vanished(struct terminal *terminal)
{
    terminal->owner->vanished(terminal->owner->login, terminal);
}

void terminal_touched(struct terminal *terminal)
{
    /* Soon, before real input covers it; but many events cost one sample. */
    const int64_t sampled_ms =
        terminal->state.has_sample ? terminal->state.idle.sampled.boot_ms : terminal->found_ms;

    alarm_set(&terminal->alarm, earlier_ms(terminal->alarm.due_ms, sampled_ms + SETTLE_MS));
}

void terminal_reconsider(struct terminal *terminal)
{
    alarm_set(&terminal->alarm, terminal->state.has_sample ? terminal->owner->loop->now.boot_ms
                                                           : terminal->found_ms + HANDOVER_MS);
}

/* --- hang-ups ------------------------------------------------------------------ */

static void report_disconnect(struct terminal *terminal, const char *path)
{
    const struct terminal_owner *owner = terminal->owner;
    const struct disconnect disconnect = {.login = owner->record,
                                          .terminal = path + strlen("/dev/"),
                                          .reason = terminal->decision.reason,
                                          .idle_rule = RULE_OF_DISCONNECT,
                                          .idle_ms = owner->loop->now.boot_ms -
                                                     terminal->state.idle.active_ms};

    if (log_begins(&terminal->is_end_reported, true))
        owner->log_disconnect(owner->login, &disconnect);
}

static void report_failed_cut(struct terminal *terminal, int error)
{
    const struct terminal_owner *owner = terminal->owner;
    char path[64];

    path_of_terminal(terminal, path);
    if (log_is_due(&terminal->failure, owner->loop->now.boot_ms))
        log_line(LOG_ERR, "cannot hang up terminal: %s; see tmout-recovery(7) user=%s terminal=%s",
                 strerror(error), owner->record->user, path);
}

static void on_cut(void *context, enum cut_result result, int error)
{
    struct terminal *terminal = context;
    const struct terminal_owner *owner = terminal->owner;
    const enum watch_reason reason = terminal->decision.reason;

    terminal->cut = NULL;
    /* Sampled as before: if it is still there, it is still idle. */
    alarm_set(&terminal->alarm, owner->loop->now.boot_ms + SETTLE_MS);
    if (result == CUT_BLOCKED || result == CUT_FAILED)
        report_failed_cut(terminal, error);
    terminal->failed_cuts = result == CUT_FAILED ? terminal->failed_cuts + 1 : 0;
    if (result == CUT_DONE)
        terminal->failure = (struct repeated_failure){0};
    owner->lost(owner->login);
    if (result == CUT_BLOCKED || terminal->failed_cuts >= FAILED_CUTS_MAX)
        owner->end_login(owner->login, reason);
}

static void hang_up(struct terminal *terminal, const char *path)
{
    const struct terminal_owner *owner = terminal->owner;

    terminal->cut = terminal_cut_begin(owner->loop, owner->about, owner->record, terminal->index,
                                       on_cut, terminal);
    if (terminal->cut == NULL) {
        report_failed_cut(terminal, ENOMEM);
        alarm_set(&terminal->alarm, owner->loop->now.boot_ms + SETTLE_MS);
        return;
    }
    report_disconnect(terminal, path);
}

/* --- notices ------------------------------------------------------------------- */

static bool ask_notice(struct terminal *terminal, const struct notice_question *input,
                       answer_function done)
{
    const struct terminal_owner *owner = terminal->owner;
    const struct question question = {.about = owner->about,
                                      .work = notice_show,
                                      .powers = MAY_LOOK | MAY_HANG_UP,
                                      .input = input,
                                      .input_size = sizeof *input,
                                      .fd = -1,
                                      .done = done,
                                      .context = terminal};

    terminal->inquiry = helpers_ask(owner->loop->helpers, &question);
    return terminal->inquiry != NULL;
}

/* A notice that cannot be shown counts as shown: the end does not wait for it. */
static void on_notice(void *context, const struct answer *answer)
{
    struct terminal *terminal = context;
    struct notice_answer shown = {0};

    loop_clock(terminal->owner->loop);
    terminal->inquiry = NULL;
    terminal->notice_is_out = answer_get(answer, &shown, sizeof shown);
    terminal_note_notice(&terminal->state, &terminal->decision, shown.unread);
    if (terminal->notice_is_out)
        idle_own_output(&terminal->state.idle, &shown.st);
    alarm_set(&terminal->alarm, terminal->decision.next_ms);
}

static void warn_user(struct terminal *terminal)
{
    const struct notice_question notice = {.login = *terminal->owner->record,
                                           .index = terminal->index,
                                           .reason = terminal->decision.reason,
                                           .left_ms = terminal->decision.end_ms -
                                                      terminal->owner->loop->now.boot_ms};

    if (!ask_notice(terminal, &notice, on_notice))
        terminal_note_notice(&terminal->state, &terminal->decision, 0);
}

/* --- samples ------------------------------------------------------------------- */

int64_t terminal_active_ms(struct terminal *terminal)
{
    struct stat st;
    char path[64];

    path_of_terminal(terminal, path);
    return stat(path, &st) == 0 ? terminal_sample_only(&terminal->state, terminal->owner->limits,
                                                       &st, &terminal->owner->loop->now)
                                : 0;
}

static void log_forged_times(const struct session_record *login, const char *terminal)
{
    struct log_entry entry;

    log_entry_begin(&entry, LOG_EVENT_FORGED, LOG_WARNING,
                    "terminal times were forged; ignoring them");
    log_entry_add(&entry, "user", "%s", login->user);
    log_entry_add(&entry, "address", "%s", login->address);
    log_entry_add(&entry, "terminal", "%s", terminal);
    log_entry(&entry);
}

static void carry_out(struct terminal *terminal, const char *path)
{
    const struct terminal_owner *owner = terminal->owner;
    const struct terminal_decision *decision = &terminal->decision;

    if (decision->tampered)
        log_forged_times(owner->record, path + strlen("/dev/"));
    if (terminal->state.failed_hangups == 0)
        terminal->is_end_reported = false;
    if (decision->withdraw_notice)
        terminal->notice_is_out = false;
    alarm_set(&terminal->alarm, decision->next_ms);
    if (decision->action == TERMINAL_WARN)
        warn_user(terminal);
    else if (decision->action == TERMINAL_HANG_UP)
        hang_up(terminal, path);
    else if (decision->action == TERMINAL_END_LOGIN)
        owner->end_login(owner->login, decision->reason);
}

static void judge(struct terminal *terminal, int unread)
{
    const struct terminal_owner *owner = terminal->owner;
    struct terminal_sample sample = {.notice_is_out = terminal->notice_is_out,
                                     .unread = unread,
                                     .not_before_ms =
                                         loop_not_before_ms(owner->loop, terminal->not_before_ms)};
    char path[64];

    if (owner->activity_elsewhere != NULL)
        sample.active_elsewhere_ms = owner->activity_elsewhere(owner->login, terminal);
    path_of_terminal(terminal, path);
    if (stat(path, &sample.st) != 0) {
        alarm_set(&terminal->alarm, owner->loop->now.boot_ms + RETRY_MS);
        owner->lost(owner->login); /* probably gone, which a look will show */
        return;
    }
    terminal->decision = terminal_decide(&terminal->state, owner->limits,
                                         owner->record->since.boot_ms, &sample, &owner->loop->now);
    carry_out(terminal, path);
}

static void on_unread(void *context, const struct answer *answer)
{
    struct terminal *terminal = context;
    struct notice_answer shown = {0};

    loop_clock(terminal->owner->loop);
    terminal->inquiry = NULL;
    /* Who keeps it from being seen has not answered the notice. */
    if (!answer_get(answer, &shown, sizeof shown))
        shown.unread = 0;
    judge(terminal, shown.unread);
}

/* Whether there is input that the terminal's programs have not read. */
static bool ask_unread(struct terminal *terminal)
{
    const struct notice_question silent = {
        .login = *terminal->owner->record, .index = terminal->index, .is_silent = true};

    return ask_notice(terminal, &silent, on_unread);
}

static void terminal_on_alarm(void *context, int64_t late_ms)
{
    struct terminal *terminal = context;

    /* What is in progress sets the alarm in the end. */
    if (!*terminal->owner->has_limits || terminal->inquiry != NULL || terminal->cut != NULL)
        return;
    if (late_ms > STALL_MS)
        terminal->not_before_ms = terminal->owner->loop->now.boot_ms + STALL_GRACE_MS;
    if (!terminal->notice_is_out || !ask_unread(terminal))
        judge(terminal, 0);
}
