#include "tools/tmoutd/decide_login.h"

struct login_decision login_decide_age(const struct watch_limits *limits, int64_t since_ms,
                                       int64_t now_ms)
{
    const int64_t end_ms = later_ms(later_ms(since_ms, limits->age_ms), TERMINALS_BEFORE_LOGIN_MS);

    return (struct login_decision){
        .end = end_ms <= now_ms, .reason = REASON_AGE, .next_ms = end_ms};
}

struct login_decision login_decide_traffic(struct traffic_state *state,
                                           const struct watch_limits *limits, int64_t since_ms,
                                           const struct traffic_sample *sample, int64_t now_ms)
{
    struct login_decision decision = {0};
    struct watch_decision watch;

    /* Traffic that cannot be measured is no reason to cut off a transfer, unless that
     * is how somebody tries to stay. */
    if (limits->idle_ms != NEVER_MS && !sample->is_withheld &&
        (!sample->is_known || sample->bytes != state->bytes)) {
        state->bytes = sample->is_known ? sample->bytes : 0;
        state->moved_ms = now_ms;
    }
    watch = schedule(limits, state->moved_ms, since_ms, NEVER_MS, now_ms);
    decision.end = watch.action == WATCH_END;
    decision.reason = watch.reason;
    decision.next_ms = watch.next_ms;
    if (limits->idle_ms != NEVER_MS) {
        /* No event tells that data has moved. */
        const int64_t pause_ms = limits->idle_ms / TRAFFIC_SAMPLES;
        decision.next_ms = earlier_ms(
            decision.next_ms,
            now_ms + (pause_ms > TRAFFIC_SAMPLE_MIN_MS ? pause_ms : TRAFFIC_SAMPLE_MIN_MS));
    }
    if (decision.end && now_ms < sample->not_before_ms) {
        decision.end = false;
        decision.next_ms = earlier_ms(decision.next_ms, sample->not_before_ms);
    }
    return decision;
}
