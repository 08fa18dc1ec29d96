/*
 * Where the store is, as somebody else says: a Sentinel that was asked for the primary with
 * SENTINEL GET-MASTER-ADDR-BY-NAME, or a node of a cluster that has not got the keys. Either may be
 * an attacker, who must not send this host to where its words can be read.
 *
 * Both functions return 0, or -1 with the reason: it names no place, or none that may be connected
 * to as the configuration is.
 */
#ifndef TMOUT_FLEETD_REDIRECT_H
#define TMOUT_FLEETD_REDIRECT_H

#include "lib/fleet/conf.h"
#include "tools/fleetd/client_library.h"

int redirect_by_sentinel(const redisReply *reply, const struct fleet_conf *conf,
                         struct fleet_endpoint *primary, char *why, size_t size);

/* A node's answer to any command. */
bool redirect_is_moved(const redisReply *reply);
int redirect_by_node(const redisReply *moved, const struct fleet_conf *conf,
                     struct fleet_endpoint *node, char *why, size_t size);

#endif
