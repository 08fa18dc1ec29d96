/* Tells the store every minute that this host is there, and under which policy. */
#ifndef TMOUT_FLEETD_ANNOUNCER_H
#define TMOUT_FLEETD_ANNOUNCER_H

#include "tools/fleetd/store.h"

enum { ANNOUNCE_MS = 60000 };

struct announcer;

/* Returns NULL: out of memory. */
struct announcer *announcer_new(sd_event *event, const struct fleet_conf *conf, const char *host,
                                struct store *store);
void announcer_free(struct announcer *announcer);

/* The store is reached: not only in a minute. */
void announcer_announce(struct announcer *announcer);

/* A number for the rules about failed logins that are in force on this host; 0: none are, or
 * they cannot be read. */
uint64_t announced_policy(void);

#endif
