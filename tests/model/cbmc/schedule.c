/* lib/sessions/schedule.c, for all limits and times */
#include "tests/model/cbmc/nondet.h"

#include "lib/sessions/schedule.h"

static int64_t any_limit_ms(void)
{
    const int64_t ms = nondet_i64();

    assume(ms >= 0);
    return ms;
}

void prove_schedule(void)
{
    const struct watch_limits limits = {
        .idle_ms = any_limit_ms(), .age_ms = any_limit_ms(), .warn_ms = any_limit_ms()};
    const int64_t now_ms = any_limit_ms(), active_ms = nondet_i64(), opened_ms = nondet_i64();
    const int64_t noticed_ms = nondet_i64();

    assume(now_ms < NEVER_MS);
    const struct watch_decision decision =
        schedule(&limits, active_ms, opened_ms, noticed_ms, now_ms);
    const int64_t idle_end_ms = later_ms(active_ms, limits.idle_ms);
    const int64_t age_end_ms = later_ms(opened_ms, limits.age_ms);

    claim(decision.end_ms == earlier_ms(idle_end_ms, age_end_ms));
    claim((decision.action == WATCH_END) ==
          (decision.end_ms != NEVER_MS && now_ms >= decision.end_ms));
    /* Who is not ended is looked at again, at their end at the latest, and never at
     * once, which would be a loop. */
    if (decision.action != WATCH_END) {
        claim(decision.next_ms <= decision.end_ms);
        claim(decision.next_ms > now_ms);
    }
    if (decision.action == WATCH_NOTICE) {
        claim(limits.warn_ms > 0 && noticed_ms != decision.end_ms);
        claim(decision.end_ms - now_ms <= limits.warn_ms);
    }
    if (limits.idle_ms == NEVER_MS && limits.age_ms == NEVER_MS)
        claim(decision.action == WATCH_NOTHING && decision.next_ms == NEVER_MS);
}
