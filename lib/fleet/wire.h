/*
 * What the module and tmout-fleetd tell each other: one packet of a fixed size each way, on
 * a connection of its own for each attempt. Both run on one host, so numbers are in its
 * byte order. A packet of another size or version, or with a value out of range, is none.
 *
 * The module asks for an attempt, and keeps the connection until it has settled it: where it
 * ends without that, the process has died, and the attempt has failed. While it waits,
 * the daemon sends FLEET_WAITING at least every FLEET_HEARTBEAT_MS. Settlements are not
 * answered.
 */
#ifndef TMOUT_FLEET_WIRE_H
#define TMOUT_FLEET_WIRE_H

#include "lib/attempts/count.h"
#include "lib/attempts/limits.h"
#include "lib/attempts/origin.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    FLEET_ID_SIZE = 16,
    FLEET_USER_MAX = 256, /* with its NUL */
    FLEET_REQUEST_SIZE = 336,
    FLEET_ANSWER_SIZE = 40,
    FLEET_HEARTBEAT_MS = 1000
};

enum fleet_operation {
    FLEET_ADMIT = 1,
    FLEET_SETTLE = 2, /* an attempt that the fleet has admitted */
    FLEET_REPORT = 3  /* the outcome of one that this host has admitted alone */
};

struct fleet_request {
    enum fleet_operation operation;
    unsigned char id[FLEET_ID_SIZE]; /* random, chosen by the module */
    struct origin origin;
    struct attempt_limits limits; /* max_attempts: of the fleet */
    enum attempt_outcome outcome; /* but for FLEET_ADMIT */
    char user[FLEET_USER_MAX];
};

enum fleet_status {
    FLEET_ADMITTED = 1,
    FLEET_WAITING = 2, /* for other attempts; another answer follows */
    FLEET_LOCKED = 3,
    FLEET_AWAY = 4 /* the store cannot be reached */
};

struct fleet_answer {
    enum fleet_status status;
    uint32_t failures, in_flight;
    uint32_t moves;       /* changes whenever other attempts of the user settle */
    int64_t lock_left_ms; /* SETTING_FOREVER: until an administrator unlocks */
};

void fleet_request_encode(const struct fleet_request *request,
                          unsigned char packet[FLEET_REQUEST_SIZE]);
void fleet_answer_encode(const struct fleet_answer *answer,
                         unsigned char packet[FLEET_ANSWER_SIZE]);

/* Return false if these bytes are no such packet. */
bool fleet_request_decode(const void *packet, size_t size, struct fleet_request *request);
bool fleet_answer_decode(const void *packet, size_t size, struct fleet_answer *answer);

#endif
