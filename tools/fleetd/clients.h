/*
 * The attempts on this host that ask the fleet: a connection each. Who waits because all
 * slots of the fleet are taken waits in the order of arrival; only the first one of a user
 * and origin asks again.
 */
#ifndef TMOUT_FLEETD_CLIENTS_H
#define TMOUT_FLEETD_CLIENTS_H

#include "tools/fleetd/journal.h"

#include <systemd/sd-event.h>

enum { CLIENTS_MAX = 1024, CLIENT_RETRY_MS = 250 };

struct clients;

/* Attempts, since the daemon started; alone: those that this host has admitted by itself. */
struct clients_counters {
    uint64_t asked, admitted, waited, locked, away, alone;
};

/* Listens at the descriptor, which is the caller's. host: the name of this one. */
struct clients *clients_new(sd_event *event, int listener, const struct fleet_conf *conf,
                            const char *host, struct journal *journal);
void clients_attach(struct clients *clients, struct store *store);
void clients_free(struct clients *clients);

/* The store's state has changed. No attempt is admitted before hold_until_ms of
 * CLOCK_MONOTONIC: other hosts have to tell first what they know. */
void clients_store_changed(struct clients *clients);
void clients_hold(struct clients *clients, int64_t hold_until_ms);

/* An attempt has been settled: whoever waits asks again. */
void clients_take_turns(struct clients *clients);

/* Fills that part of *state. */
void clients_describe(const struct clients *clients, struct fleet_state *state);

/* So many attempts have been admitted without the store; counts from 0 again. */
unsigned clients_reported(struct clients *clients);

#endif
