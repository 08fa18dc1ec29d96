/*
 * Questions of tmoutctl to tmout-fleetd, as lib/fleet/wire.h has them. Every wait is bounded.
 */
#ifndef TMOUT_FLEET_QUERY_H
#define TMOUT_FLEET_QUERY_H

#include "lib/fleet/wire.h"
#include "lib/host/failure.h"

#include <sys/types.h>

/* All of a user's counts, and the shared ones; all hosts that the store remembers. */
enum { FLEET_COUNTS_MAX = 136, FLEET_HOSTS_MAX = 128 };

struct fleet_query {
    const char *path; /* of the socket: FLEET_SOCKET */
    uid_t owner;      /* who listens there, beside root */
};

/* How the daemon and the store are. Returns 0, or -1 with the reason if there is no daemon. */
int fleet_query_status(const struct fleet_query *query, struct fleet_state *state,
                       struct failure *failure);

/* The hosts that use the store: host has room for FLEET_HOSTS_MAX. Returns how many, or -1 with
 * the reason. */
int fleet_query_hosts(const struct fleet_query *query, struct fleet_host *host,
                      struct failure *failure);

/* Tells all hosts that mark->user was unlocked. Returns 0, or -1 with the reason. */
int fleet_query_mark(const struct fleet_query *query, const struct fleet_mark *mark,
                     struct failure *failure);

/* The users whom hosts have unlocked on all of them in the last day, as the store says: mark has
 * room for FLEET_MARKS_MAX. Returns how many, or -1 with the reason. */
int fleet_query_marks(const struct fleet_query *query, struct fleet_mark *mark,
                      struct failure *failure);

/*
 * What the store has of request->user, under request->limits; operation and id are ignored.
 * Returns how many counts there are in count, which has room for FLEET_COUNTS_MAX, or -1 with
 * the reason. *penalty_ms: how long the user is still locked because of damage in the store.
 */
int fleet_query_look(const struct fleet_query *query, const struct fleet_request *request,
                     struct fleet_count *count, int64_t *penalty_ms, struct failure *failure);

/* Clears the user's failures in the store, and in this host's daemon. *failures were forgotten.
 * Returns 1 if the user was locked, 0 if not, or -1 with the reason. */
int fleet_query_clear(const struct fleet_query *query, const struct fleet_request *request,
                      unsigned *failures, struct failure *failure);

#endif
