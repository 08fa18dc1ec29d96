/*
 * What this host knows of attempts: those in flight, how the others ended, and what the store
 * has not been told yet. The store is only where the hosts meet: whenever it is reached again,
 * all of this is told again, by id, so that a store that has lost it counts it once. A failure
 * whose settlement the store has answered with a lock is kept for as long as that: it is told
 * every JOURNAL_LOCKED_LEASES, too, and so the host learns when the lock is over.
 */
#ifndef TMOUT_FLEETD_JOURNAL_H
#define TMOUT_FLEETD_JOURNAL_H

#include "lib/fleet/wire.h"
#include "tools/fleetd/store.h"

#include <systemd/sd-event.h>

enum { JOURNAL_MAX = 8192, JOURNAL_RENEW_MS = 2500, JOURNAL_LOCKED_LEASES = 8 };

struct journal;

/* settled is called whenever the store has noted an end: others may have their turn. */
struct journal *journal_new(sd_event *event, const struct fleet_conf *conf, const char *host,
                            void (*settled)(void *context), void *context);
void journal_attach(struct journal *journal, struct store *store);
void journal_free(struct journal *journal);

/* The store has admitted it, and it is in flight until journal_settle(). */
void journal_admitted(struct journal *journal, const struct fleet_request *request);

/* It ended as request->outcome says, however it was admitted. The first outcome that is told
 * counts, but for ATTEMPT_WITHDRAWN, which any other one replaces. */
void journal_settle(struct journal *journal, const struct fleet_request *request);

/* Tells everything again, and then calls store_merged(). */
void journal_tell_all(struct journal *journal);

/* The store has forgotten what request->user had failed by then, as an administrator wanted. A
 * store that loses everything is told of that, too: other hosts tell it of the failures. at_ms: of
 * CLOCK_MONOTONIC. */
void journal_unlocked(struct journal *journal, const struct fleet_request *request, int64_t at_ms);

size_t journal_size(const struct journal *journal);

#endif
