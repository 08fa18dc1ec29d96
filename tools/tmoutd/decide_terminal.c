#include "tools/tmoutd/decide_terminal.h"

struct terminal_state terminal_state_new(void)
{
    return (struct terminal_state){.noticed_end_ms = NEVER_MS};
}

/*
 * Has the user typed since the notice? That shows even if no program reads it:
 * as unread input, which is a line, or a key if the program in front takes
 * single keys. Only more of it than ever before counts: a program that
 * switches between the two modes changes how much the kernel counts.
 */
static bool was_answered(struct terminal_state *state, const struct terminal_sample *sample)
{
    if (!sample->notice_is_out || sample->unread <= state->unread_max)
        return false;
    state->unread_max = sample->unread;
    return true;
}

static struct idle_change take_sample(struct terminal_state *state, bool any_activity,
                                      const struct terminal_sample *sample,
                                      const struct timestamp *now)
{
    const int64_t active_ms = state->idle.active_ms;
    const struct idle_change change = idle_sample(&state->idle, &sample->st, any_activity, now);

    if (state->idle.active_ms != active_ms)
        state->unread_max = 0; /* a program has read: what waits from now on is new */
    if (was_answered(state, sample))
        idle_note_activity(&state->idle, now);
    if (change.suspect)
        state->suspect_until_ms = now->boot_ms + SUSPECT_MS;
    return change;
}

/* The user is there: whatever led towards a hang-up starts over. */
static void start_over(struct terminal_state *state, struct terminal_decision *decision)
{
    state->grace_end_ms = 0;
    state->failed_hangups = 0;
    if (state->noticed_end_ms != NEVER_MS && state->noticed_reason == REASON_IDLE) {
        state->noticed_end_ms = NEVER_MS;
        decision->withdraw_notice = true;
    }
}

/* The deadline is reached, but a recent change of ctime may hide input: grant
 * one grace period, in which it would show. */
static bool is_in_grace(struct terminal_state *state, enum watch_reason reason, int64_t now_ms)
{
    if (reason != REASON_IDLE)
        return false;
    if (state->grace_end_ms == 0 && now_ms < state->suspect_until_ms)
        state->grace_end_ms = now_ms + SUSPECT_MS - RESAMPLE_MS;
    return now_ms < state->grace_end_ms;
}

static void decide_end(struct terminal_state *state, struct terminal_decision *decision,
                       int64_t not_before_ms, int64_t now_ms)
{
    if (now_ms < not_before_ms) {
        decision->next_ms = earlier_ms(not_before_ms, now_ms + RESAMPLE_MS);
    } else if (is_in_grace(state, decision->reason, now_ms)) {
        decision->next_ms = earlier_ms(state->grace_end_ms, now_ms + RESAMPLE_MS);
    } else if (state->failed_hangups >= FAILED_HANGUPS_MAX) {
        /* A process escaped the hang-ups: end the whole connection. */
        decision->action = TERMINAL_END_LOGIN;
        decision->next_ms = now_ms + SUSPECT_MS;
    } else {
        decision->action = TERMINAL_HANG_UP;
        decision->withdraw_notice = true;
        state->noticed_end_ms = NEVER_MS;
        state->failed_hangups++;
    }
}

struct terminal_decision terminal_decide(struct terminal_state *state,
                                         const struct user_limits *limits, int64_t opened_ms,
                                         const struct terminal_sample *sample,
                                         const struct timestamp *now)
{
    const int64_t now_ms = now->boot_ms;
    struct terminal_decision decision = {.action = TERMINAL_KEEP};
    struct watch_decision watch;

    if (state->has_sample)
        decision.tampered = take_sample(state, limits->any_activity, sample, now).tampered;
    else
        idle_start(&state->idle, &sample->st, opened_ms, now);
    if (sample->active_elsewhere_ms > state->idle.active_ms)
        state->idle.active_ms = sample->active_elsewhere_ms;
    if (state->has_sample && state->idle.active_ms != state->judged_active_ms)
        start_over(state, &decision);
    state->judged_active_ms = state->idle.active_ms;
    state->has_sample = true;
    watch = schedule(&limits->terminal, state->idle.active_ms, opened_ms, state->noticed_end_ms,
                     now_ms);
    decision.reason = watch.reason;
    decision.end_ms = watch.end_ms;
    decision.next_ms = watch.next_ms;
    if (watch.action == WATCH_NOTICE)
        decision.action = TERMINAL_WARN;
    if (watch.action == WATCH_NOTICE || (sample->notice_is_out && !decision.withdraw_notice))
        decision.next_ms = earlier_ms(decision.next_ms, now_ms + NOTICE_SAMPLE_MS);
    if (now_ms < state->suspect_until_ms)
        decision.next_ms = earlier_ms(decision.next_ms, now_ms + RESAMPLE_MS);
    if (watch.action == WATCH_END)
        decide_end(state, &decision, sample->not_before_ms, now_ms);
    return decision;
}

int64_t terminal_sample_only(struct terminal_state *state, const struct user_limits *limits,
                             const struct stat *st, const struct timestamp *now)
{
    const struct terminal_sample sample = {.st = *st};

    if (state->has_sample)
        take_sample(state, limits->any_activity, &sample, now);
    return state->idle.active_ms;
}

void terminal_note_notice(struct terminal_state *state, const struct terminal_decision *decision,
                          int unread)
{
    state->noticed_end_ms = decision->end_ms;
    state->noticed_reason = decision->reason;
    if (unread > state->unread_max)
        state->unread_max = unread;
}
