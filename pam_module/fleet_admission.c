#include "pam_module/fleet_admission.h"

#include "lib/host/clock.h"
#include "pam_module/admission_limits.h"
#include "pam_module/protected.h"

#include <stdio.h>

bool fleet_is_concerned(const struct attempt_request *request)
{
    return request->fleet.attempts > 0 && request->login.origin.kind != ORIGIN_LOCAL;
}

/* The fleet's limits in the place of this host's. */
static struct fleet_request fleet_request_for(const struct attempt_request *request)
{
    struct fleet_request asked = {
        .operation = FLEET_ADMIT, .origin = request->login.origin, .limits = request->limits};

    asked.limits.max_attempts = request->fleet.attempts;
    snprintf(asked.user, sizeof asked.user, "%s", request->user);
    return asked;
}

static void show_progress(struct ledger *ledger)
{
    struct failure ignored = {""};
    struct protection before;

    if (protect_begin(&before, &ignored) != 0)
        return;
    ledger_show_progress(ledger);
    protect_end(&before);
}

static enum fleet_verdict await_verdict(struct fleet_admission *fleet, struct ledger *ledger,
                                        int64_t max_ms, struct fleet_answer *answer)
{
    const int64_t start_ms = clock_ms(CLOCK_MONOTONIC);
    int64_t progress_ms = start_ms, at_ms;
    uint32_t moves = 0;

    for (;;) {
        const int result =
            fleet_client_wait(&fleet->client, FLEET_ANSWER_MAX_MS, answer, &fleet->why);
        if (result == 0)
            failure_set(&fleet->why, "tmout-fleetd does not answer");
        if (result <= 0)
            return FLEET_VERDICT_AWAY;
        switch (answer->status) {
        case FLEET_ADMITTED:
            return FLEET_VERDICT_ADMITTED;
        case FLEET_LOCKED:
            fleet->pending = false;
            return FLEET_VERDICT_LOCKED;
        case FLEET_AWAY:
            fleet->pending = false; /* the daemon withdraws it, if need be */
            failure_set(&fleet->why, "tmout-fleetd cannot reach the store");
            return FLEET_VERDICT_AWAY;
        case FLEET_WAITING:
        default:
            break;
        }
        at_ms = clock_ms(CLOCK_MONOTONIC);
        if (answer->moves != moves) {
            progress_ms = at_ms;
            show_progress(ledger);
        }
        moves = answer->moves;
        if (at_ms - progress_ms >= STALLED_MAX_MS || at_ms - start_ms >= max_ms)
            return FLEET_VERDICT_BUSY;
    }
}

enum fleet_verdict fleet_admission_ask(struct fleet_admission *fleet,
                                       const struct attempt_request *request, uid_t owner,
                                       struct ledger *ledger, int64_t max_ms,
                                       struct fleet_answer *answer)
{
    const struct fleet_request asked = fleet_request_for(request);
    enum fleet_verdict verdict = FLEET_VERDICT_AWAY;

    *answer = (struct fleet_answer){.status = FLEET_AWAY};
    fleet->leased = fleet->alone = false;
    fleet->pending =
        fleet_client_ask(&fleet->client, FLEET_SOCKET, owner, &asked, &fleet->why) == 0;
    if (fleet->pending)
        verdict = await_verdict(fleet, ledger, max_ms, answer);
    fleet->leased = verdict == FLEET_VERDICT_ADMITTED;
    return verdict;
}

void fleet_admission_settle(struct fleet_admission *fleet, uid_t owner,
                            enum attempt_outcome outcome)
{
    if (fleet->leased || fleet->pending || fleet->alone)
        fleet_client_settle(&fleet->client, FLEET_SOCKET, owner,
                            fleet->alone ? FLEET_REPORT : FLEET_SETTLE, outcome);
    fleet_client_close(&fleet->client);
    fleet->leased = fleet->pending = fleet->alone = false;
}
