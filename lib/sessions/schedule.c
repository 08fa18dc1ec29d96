#include "lib/sessions/schedule.h"

/* How long before the end the notice is due. */
static int64_t notice_before_end_ms(const struct watch_limits *limits, enum watch_reason reason)
{
    const int64_t half_ms = (reason == REASON_IDLE ? limits->idle_ms : limits->age_ms) / 2;

    return limits->warn_ms < half_ms ? limits->warn_ms : half_ms;
}

struct watch_decision schedule(const struct watch_limits *limits, int64_t active_ms,
                               int64_t opened_ms, int64_t noticed_end_ms, int64_t now_ms)
{
    const int64_t idle_end_ms = later_ms(active_ms, limits->idle_ms);
    const int64_t age_end_ms = later_ms(opened_ms, limits->age_ms);
    struct watch_decision decision = {.next_ms = NEVER_MS};

    decision.reason = age_end_ms < idle_end_ms ? REASON_AGE : REASON_IDLE;
    decision.end_ms = decision.reason == REASON_AGE ? age_end_ms : idle_end_ms;
    if (decision.end_ms == NEVER_MS)
        return decision;
    if (now_ms >= decision.end_ms) {
        decision.action = WATCH_END;
        return decision;
    }
    decision.next_ms = decision.end_ms;
    if (limits->warn_ms == 0 || noticed_end_ms == decision.end_ms)
        return decision;
    const int64_t due_ms = decision.end_ms - notice_before_end_ms(limits, decision.reason);
    if (now_ms >= due_ms)
        decision.action = WATCH_NOTICE;
    else
        decision.next_ms = due_ms;
    return decision;
}
