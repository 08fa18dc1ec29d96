/*
 * One attempt at the fleet: asked after this host has admitted it, and never before, so that
 * a host holds no more of the fleet's slots than of its own. Only logins over the network are
 * shared.
 */
#ifndef TMOUT_PAM_MODULE_FLEET_ADMISSION_H
#define TMOUT_PAM_MODULE_FLEET_ADMISSION_H

#include "lib/attempts/ledger.h"
#include "lib/fleet/client.h"
#include "pam_module/attempt_request.h"

#include <stdbool.h>
#include <sys/types.h>

enum fleet_verdict {
    FLEET_VERDICT_ADMITTED,
    FLEET_VERDICT_LOCKED,
    FLEET_VERDICT_BUSY,
    FLEET_VERDICT_AWAY
};

/* {.client.fd = -1} to begin with. */
struct fleet_admission {
    struct fleet_client client;
    bool leased;        /* the fleet has admitted it */
    bool pending;       /* ... or may have, or may do so yet: no answer has settled that */
    bool alone;         /* this host has, without the fleet */
    struct failure why; /* the fleet is away */
};

/* Is this attempt any concern of the fleet? */
bool fleet_is_concerned(const struct attempt_request *request);

/*
 * Asks, and waits for as long as other attempts settle, on any host, and for max_ms at most.
 * Local waiters see that as progress in the ledger, which has admitted the attempt. owner: of
 * the daemon's socket. *answer is the last one.
 */
enum fleet_verdict fleet_admission_ask(struct fleet_admission *fleet,
                                       const struct attempt_request *request, uid_t owner,
                                       struct ledger *ledger, int64_t max_ms,
                                       struct fleet_answer *answer);

/* Tells the fleet how the attempt ended, if it may have admitted it or has to know. */
void fleet_admission_settle(struct fleet_admission *fleet, uid_t owner,
                            enum attempt_outcome outcome);

#endif
