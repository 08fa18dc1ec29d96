#include "tools/fleetd/redirect.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOVED "MOVED "

/* Both as text; the address is numeric. */
static bool take_place(const char *address, const char *port_text, struct fleet_endpoint *place)
{
    unsigned char bytes[16];
    char *end;
    const long port = strtol(port_text, &end, 10);

    if (inet_pton(AF_INET, address, bytes) != 1 && inet_pton(AF_INET6, address, bytes) != 1)
        return false;
    if (port_text[0] < '1' || port_text[0] > '9' || *end != '\0' || port > UINT16_MAX)
        return false;
    *place = (struct fleet_endpoint){.port = (uint16_t)port};
    snprintf(place->address, sizeof place->address, "%s", address);
    return true;
}

static int allow_place(const char *who, const struct fleet_endpoint *place,
                       const struct fleet_conf *conf, char *why, size_t size)
{
    if (fleet_endpoint_is_local(place) || conf->tls || (conf->plain && fleet_conf_has_tls()))
        return 0;
    snprintf(why, size, "%s names %.45s, which is beyond loopback: set tls", who, place->address);
    return -1;
}

/* --- Sentinel ----------------------------------------------------------------------------- */

static bool take_primary(const redisReply *reply, struct fleet_endpoint *primary)
{
    return reply->type == REDIS_REPLY_ARRAY && reply->elements == 2 &&
           reply->element[0]->type == REDIS_REPLY_STRING &&
           reply->element[1]->type == REDIS_REPLY_STRING &&
           take_place(reply->element[0]->str, reply->element[1]->str, primary);
}

int redirect_by_sentinel(const redisReply *reply, const struct fleet_conf *conf,
                         struct fleet_endpoint *primary, char *why, size_t size)
{
    if (reply->type == REDIS_REPLY_NIL)
        snprintf(why, size, "Sentinel has no primary called %.60s", conf->sentinel);
    else if (reply->type == REDIS_REPLY_ERROR)
        snprintf(why, size, "Sentinel rejects the question: %.80s", reply->str);
    else if (!take_primary(reply, primary))
        snprintf(why, size, "Sentinel does not tell the primary's numeric address and port");
    else
        return allow_place("Sentinel", primary, conf, why, size);
    return -1;
}

/* --- a cluster ---------------------------------------------------------------------------- */

bool redirect_is_moved(const redisReply *reply)
{
    return reply->type == REDIS_REPLY_ERROR && strncmp(reply->str, MOVED, strlen(MOVED)) == 0;
}

/* MOVED SLOT ADDRESS:PORT, and an IPv6 address has no brackets. */
static bool take_node(const char *moved, struct fleet_endpoint *node)
{
    char address[INET6_ADDRSTRLEN];
    const char *text = strchr(moved + strlen(MOVED), ' ');
    const char *colon = text != NULL ? strrchr(text, ':') : NULL;

    if (colon == NULL || (size_t)(colon - text) > sizeof address)
        return false;
    snprintf(address, sizeof address, "%.*s", (int)(colon - text - 1), text + 1);
    return take_place(address, colon + 1, node);
}

int redirect_by_node(const redisReply *moved, const struct fleet_conf *conf,
                     struct fleet_endpoint *node, char *why, size_t size)
{
    if (take_node(moved->str, node))
        return allow_place("the cluster", node, conf, why, size);
    snprintf(why, size, "the cluster does not tell the numeric address and port of a node: %.50s",
             moved->str);
    return -1;
}
