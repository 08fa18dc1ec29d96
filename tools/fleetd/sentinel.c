#include "tools/fleetd/sentinel.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_numeric(const char *address)
{
    unsigned char bytes[16];

    return inet_pton(AF_INET, address, bytes) == 1 || inet_pton(AF_INET6, address, bytes) == 1;
}

static bool take_address(const redisReply *reply, struct fleet_endpoint *primary)
{
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2 ||
        reply->element[0]->type != REDIS_REPLY_STRING ||
        reply->element[1]->type != REDIS_REPLY_STRING)
        return false;
    const char *address = reply->element[0]->str;
    const long port = strtol(reply->element[1]->str, NULL, 10);
    if (!is_numeric(address) || port < 1 || port > UINT16_MAX)
        return false;
    *primary = (struct fleet_endpoint){.port = (uint16_t)port};
    snprintf(primary->address, sizeof primary->address, "%s", address);
    return true;
}

int sentinel_decode(const redisReply *reply, const struct fleet_conf *conf,
                    struct fleet_endpoint *primary, char *why, size_t size)
{
    if (reply->type == REDIS_REPLY_NIL)
        snprintf(why, size, "Sentinel has no primary called %.60s", conf->sentinel);
    else if (reply->type == REDIS_REPLY_ERROR)
        snprintf(why, size, "Sentinel rejects the question: %.80s", reply->str);
    else if (!take_address(reply, primary))
        snprintf(why, size, "Sentinel does not tell the primary's numeric address and port");
    else if (!fleet_endpoint_is_local(primary) && !conf->tls &&
             !(conf->plain && fleet_conf_has_tls()))
        snprintf(why, size, "Sentinel names %.45s, which is beyond loopback: set tls",
                 primary->address);
    else
        return 0;
    return -1;
}
