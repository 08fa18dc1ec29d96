/*
 * What the module and tmout-fleetd tell each other: one packet of a fixed size each way, on
 * a connection of its own for each attempt. Both run on one host, so numbers are in its
 * byte order. A packet of another size or version, or with a value out of range, is none.
 *
 * The module asks for an attempt, and keeps the connection until it has settled it: where it
 * ends without that, the process has died, and the attempt has failed. While it waits,
 * the daemon sends FLEET_WAITING at least every FLEET_HEARTBEAT_MS. Settlements are not
 * answered. The daemon may have been stopped meanwhile: so they say when the attempt ended, and
 * are read to the end of the connection, whoever ends it.
 *
 * tmoutctl asks, on a connection of its own: FLEET_STATUS is answered by a state packet, and
 * FLEET_LOOK by a count packet for each count of the user that is not empty. FLEET_CLEAR makes
 * the store and the daemon forget the user's failures. FLEET_HOSTS is answered by a host packet
 * for each host that uses the store, and FLEET_MARKS by a mark packet for each user whom a host
 * has unlocked on all of them; FLEET_MARK adds such a mark. In each case an answer packet follows
 * as the last one, FLEET_DONE, FLEET_AWAY or, where there is no room for one more mark,
 * FLEET_WAITING, and the daemon closes the connection. The limits and
 * the user are those of the policy for FLEET_LOOK and FLEET_CLEAR; the others need no limits that
 * mean anything, and only FLEET_MARK a user. lib/fleet/query.h is the asking side.
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
    FLEET_REQUEST_SIZE = 344,
    FLEET_ANSWER_SIZE = 40,
    FLEET_COUNT_HOSTS_MAX = 512,
    FLEET_ENDPOINT_MAX = 280,
    FLEET_WHY_MAX = 128,
    FLEET_MARKS_MAX = 64, /* that the store remembers */
    FLEET_HEARTBEAT_MS = 1000
};

enum fleet_operation {
    FLEET_ADMIT = 1,
    FLEET_SETTLE = 2, /* an attempt that the fleet has admitted */
    FLEET_REPORT = 3, /* the outcome of one that this host has admitted alone */
    FLEET_LOOK = 4,
    FLEET_CLEAR = 5,
    FLEET_STATUS = 6,
    FLEET_HOSTS = 7,
    FLEET_MARK = 8,
    FLEET_MARKS = 9
};

struct fleet_request {
    enum fleet_operation operation;
    unsigned char id[FLEET_ID_SIZE]; /* random, chosen by the module; of FLEET_MARK: its code */
    int64_t unlocked_ms;             /* since 1970; of FLEET_MARK only, else 0 */
    int64_t ended_ms; /* CLOCK_MONOTONIC; of FLEET_SETTLE and FLEET_REPORT only, else 0; 0: now */
    struct origin origin;
    struct attempt_limits limits; /* max_attempts: of the fleet */
    enum attempt_outcome outcome; /* but for FLEET_ADMIT */
    char user[FLEET_USER_MAX];
};

enum fleet_status {
    FLEET_ADMITTED = 1,
    FLEET_WAITING = 2, /* for other attempts; another answer follows */
    FLEET_LOCKED = 3,
    FLEET_AWAY = 4, /* the store cannot be reached */
    FLEET_DONE = 5  /* of FLEET_CLEAR: failures were forgotten; in_flight: 1 if locked before. Of
                     * FLEET_LOOK: lock_left_ms of a lock because of damage in the store */
};

struct fleet_answer {
    enum fleet_status status;
    uint32_t failures, in_flight;
    uint32_t moves;       /* changes whenever other attempts of the user settle */
    int64_t lock_left_ms; /* SETTING_FOREVER: until an administrator unlocks */
};

enum fleet_packet {
    FLEET_PACKET_REQUEST = 'Q',
    FLEET_PACKET_ANSWER = 'A',
    FLEET_PACKET_COUNT = 'C',
    FLEET_PACKET_STATE = 'S',
    FLEET_PACKET_HOST = 'H',
    FLEET_PACKET_MARK = 'M'
};

/* Of how an attempt ended, and not of a question. */
bool fleet_is_settlement(const struct fleet_request *request);

/* What each packet begins with. */
struct fleet_head {
    uint32_t magic, version;
};

struct fleet_head fleet_head(enum fleet_packet packet);

/* The packets that follow are sent as they are, with their fleet_head(). */

/* One count of a user in the store. */
struct fleet_count {
    struct fleet_head head;
    uint32_t failures, in_flight;
    int64_t lock_left_ms; /* SETTING_FOREVER: until an administrator unlocks */
    /* n: of the whole user; 4ADDRESS, 6NETWORK in hexadecimal digits; o4, o6: all others */
    char name[24];
    char hosts[FLEET_COUNT_HOSTS_MAX]; /* that have contributed to it, separated by spaces */
};

enum fleet_store { FLEET_STORE_STARTING, FLEET_STORE_AWAY, FLEET_STORE_MERGING, FLEET_STORE_UP };

/* What the daemon knows of itself and the store. Texts end with a NUL. */
struct fleet_state {
    struct fleet_head head;
    uint32_t store; /* enum fleet_store */
    uint32_t tls;
    int64_t running_ms, since_ms; /* since the daemon started; since the store's state changed */
    int64_t away_ms;              /* so long the store was away, since the daemon started */
    int64_t latency_us, worst_us; /* of the last answer; the worst one of the last minute or two */
    int64_t clock_ahead_ms;       /* the store's clock minus this host's */
    uint64_t asked, admitted, waited, locked, away, alone; /* attempts, since it started */
    uint64_t connections;                                  /* to the store, since it started */
    uint32_t clients, journal; /* attempts that are connected; that are remembered */
    uint32_t overprivileged;   /* the ACL user may do more than the script needs */
    uint32_t replicas;         /* of the store */
    char endpoint[FLEET_ENDPOINT_MAX];
    char eviction[24];       /* what the store does when its memory is full; "": not known */
    char why[FLEET_WHY_MAX]; /* it is away */
    char host[72];           /* the name of this one in the store */
};

/* A host that uses the store. */
struct fleet_host {
    struct fleet_head head;
    int64_t seen_ms; /* so long ago; it tells every minute */
    uint64_t policy; /* the same number as this one's: the same rules about failed logins; 0: it
                      * has none that its daemon can read */
    char name[72];
};

/* A user whom an administrator has unlocked, on one host for all of them. */
struct fleet_mark {
    struct fleet_head head;
    int64_t unlocked_ms;               /* since 1970, by that host's clock */
    unsigned char code[FLEET_ID_SIZE]; /* proves it: see tools/tmoutctl/host/fleet_mark.h */
    char user[FLEET_USER_MAX];
};

void fleet_request_encode(const struct fleet_request *request,
                          unsigned char packet[FLEET_REQUEST_SIZE]);
void fleet_answer_encode(const struct fleet_answer *answer,
                         unsigned char packet[FLEET_ANSWER_SIZE]);

/* Return false if these bytes are no such packet. */
bool fleet_request_decode(const void *packet, size_t size, struct fleet_request *request);
bool fleet_answer_decode(const void *packet, size_t size, struct fleet_answer *answer);

bool fleet_mark_decode(const void *packet, size_t size, struct fleet_mark *mark);
bool fleet_host_decode(const void *packet, size_t size, struct fleet_host *host);
bool fleet_count_decode(const void *packet, size_t size, struct fleet_count *count);
bool fleet_state_decode(const void *packet, size_t size, struct fleet_state *state);

#endif
