/*
 * The module's end of the connection to tmout-fleetd. Every wait is bounded. Whatever goes
 * wrong, from a socket that is not there to an answer that comes late or is malformed, means
 * that the fleet is away: FLEET_AWAY, with the connection closed.
 */
#ifndef TMOUT_FLEET_CLIENT_H
#define TMOUT_FLEET_CLIENT_H

#include "lib/fleet/wire.h"
#include "lib/host/failure.h"

#include <sys/types.h>

#define FLEET_SOCKET "/run/tmout/fleet.sock"

/* Three heartbeats. */
enum { FLEET_ANSWER_MAX_MS = 3 * FLEET_HEARTBEAT_MS };

struct fleet_client {
    int fd; /* -1: not connected */
    bool has_id;
    struct fleet_request request;
};

/*
 * Connects to the socket, which owner must listen on, and asks for the attempt in *request,
 * whose id this chooses, unless it is a FLEET_MARK. Does not wait. Returns 0, or -1 with the
 * reason; the caller closes the client in any case.
 */
int fleet_client_ask(struct fleet_client *client, const char *path, uid_t owner,
                     const struct fleet_request *request, struct failure *failure);

/* Waits for the next answer, for timeout_ms and no longer. Returns 1 with *answer, 0 if there is
 * none yet, or -1 with the reason if the fleet is away. */
int fleet_client_wait(struct fleet_client *client, int timeout_ms, struct fleet_answer *answer,
                      struct failure *failure);

/* Tells the outcome of the attempt that fleet_client_ask() has asked for, without waiting, on a new
 * connection if need be, and closes it. An attempt that this host has admitted alone is reported.
 * Whether that arrives is not known: if not, and the fleet has admitted it, its lease ends, and the
 * attempt has failed. */
void fleet_client_settle(struct fleet_client *client, const char *path, uid_t owner,
                         enum fleet_operation operation, enum attempt_outcome outcome);

void fleet_client_close(struct fleet_client *client);

#endif
