/*
 * The connection to the store: connecting, loading the script, calling it with a time limit,
 * and noticing that the store is away. One command that takes too long ends the connection,
 * and nobody waits again: a probe every RECONNECT_MS tells when it is back.
 */
#ifndef TMOUT_FLEETD_STORE_H
#define TMOUT_FLEETD_STORE_H

#include "lib/fleet/conf.h"
#include "tools/fleetd/client_library.h"
#include "tools/fleetd/script_call.h"
#include "tools/fleetd/store_tls.h"

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

enum { RECONNECT_MS = 1000 };

enum store_state {
    STORE_STARTING, /* it has not been reached yet, nor has that failed */
    STORE_AWAY,
    STORE_MERGING, /* reached; what this host knows is told again first */
    STORE_UP
};

struct store;

enum store_memory {
    STORE_AS_BEFORE,
    STORE_IS_NEW,       /* another server than before, or it has just begun to keep anything */
    STORE_HAS_FORGOTTEN /* somebody has emptied it while this host was connected */
};

struct store_hooks {
    void *context;
    /* The store is reached: tell it what this host knows, and then call store_merged(). */
    void (*reached)(void *context, enum store_memory memory);
    void (*changed)(void *context, enum store_state state, const char *why);
};

/* What proves to the store who this host is, and to this host which store it is. */
struct store_access {
    const char *password;  /* NULL: none */
    struct store_tls *tls; /* NULL: without TLS */
};

/* The configuration and what access points to last as long as the store. Returns NULL: out of
 * memory. */
struct store *store_new(sd_event *event, const struct fleet_conf *conf,
                        const struct store_access *access, const struct store_hooks *hooks);
void store_free(struct store *store);

enum store_state store_state(const struct store *store);
void store_merged(struct store *store);

/* The answer, or NULL if the store is away; what was to be done may have been done. */
typedef void store_callback(void *context, const struct script_answer *answer);

/* Calls back exactly once, possibly at once. */
void store_call(struct store *store, const struct script_call *call, store_callback *callback,
                void *context);

/* The answer as it is, which may be an error, or NULL if the store is away. */
typedef void store_reply_callback(void *context, const redisReply *reply);
void store_ask(struct store *store, const struct script_call *call, store_reply_callback *callback,
               void *context);

/* What is known of the store and the connection to it: fills that part of *state. */
void store_describe(const struct store *store, struct fleet_state *state);

/* at_ms of CLOCK_MONOTONIC on the store's clock, as well as it is known: not later than it was. */
int64_t store_time_ms(const struct store *store, int64_t at_ms);

/* ... not earlier than it was: later by as much as the store took to answer. */
int64_t store_time_by_ms(const struct store *store, int64_t at_ms);

#endif
