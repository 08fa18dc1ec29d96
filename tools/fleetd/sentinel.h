/* What a Sentinel answers to SENTINEL GET-MASTER-ADDR-BY-NAME: where the primary is. */
#ifndef TMOUT_FLEETD_SENTINEL_H
#define TMOUT_FLEETD_SENTINEL_H

#include "lib/fleet/conf.h"

#include <hiredis/hiredis.h>

/* Returns 0, or -1 with the reason: it does not know a primary, or none that may be asked as the
 * configuration is. The answer may be an attacker's. */
int sentinel_decode(const redisReply *reply, const struct fleet_conf *conf,
                    struct fleet_endpoint *primary, char *why, size_t size);

#endif
