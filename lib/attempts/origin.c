#include "lib/attempts/origin.h"

#include "lib/host/checksum.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

enum { IPV6_NETWORK_BYTES = 8 };

static struct origin ipv6_origin(const unsigned char *address)
{
    static const unsigned char mapped[12] = {[10] = 0xff, [11] = 0xff};
    struct origin origin = {.kind = ORIGIN_IPV6};

    if (memcmp(address, mapped, sizeof mapped) == 0) {
        origin.kind = ORIGIN_IPV4;
        memcpy(origin.address, address + sizeof mapped, 4);
    } else {
        memcpy(origin.address, address, IPV6_NETWORK_BYTES);
    }
    return origin;
}

struct origin origin_of_address(const char *address)
{
    char digits[INET6_ADDRSTRLEN + 1];
    unsigned char bytes[16];
    struct origin origin = {.kind = ORIGIN_IPV4};
    const size_t size = strcspn(address, "%");

    if (size >= sizeof digits)
        return (struct origin){.kind = ORIGIN_NETWORK};
    memcpy(digits, address, size);
    digits[size] = '\0';
    if (inet_pton(AF_INET, address, origin.address) == 1)
        return origin;
    if (inet_pton(AF_INET6, digits, bytes) == 1)
        return ipv6_origin(bytes);
    return (struct origin){.kind = ORIGIN_NETWORK};
}

/* How many bytes of the address tell a network of this kind from others. */
static unsigned network_bytes(uint32_t kind)
{
    switch (kind) {
    case ORIGIN_IPV6_32:
        return 4;
    case ORIGIN_IPV6_48:
        return 6;
    case ORIGIN_IPV6_56:
        return 7;
    default:
        return IPV6_NETWORK_BYTES;
    }
}

struct origin origin_network(const struct origin *origin, uint32_t kind)
{
    struct origin network = {.kind = kind};

    memcpy(network.address, origin->address, network_bytes(kind));
    return network;
}

bool origin_covers(const struct origin *origin, const struct origin *other)
{
    if (!origin_is_ipv6(origin) || !origin_is_ipv6(other))
        return memcmp(origin, other, sizeof *origin) == 0;
    const unsigned bytes = network_bytes(origin->kind);
    return bytes <= network_bytes(other->kind) &&
           memcmp(origin->address, other->address, bytes) == 0;
}

uint16_t origin_tag(const struct origin *origin)
{
    const uint64_t sum = checksum(CHECKSUM_START, origin, sizeof *origin);
    const uint16_t tag = (uint16_t)(sum ^ sum >> 16 ^ sum >> 32 ^ sum >> 48);

    return tag != 0 ? tag : 1;
}

void origin_format(const struct origin *origin, char *text, uint32_t size)
{
    char digits[INET6_ADDRSTRLEN] = "?";

    switch (origin->kind) {
    case ORIGIN_IPV4:
        inet_ntop(AF_INET, origin->address, digits, sizeof digits);
        snprintf(text, size, "%s", digits);
        break;
    case ORIGIN_IPV6:
    case ORIGIN_IPV6_56:
    case ORIGIN_IPV6_48:
    case ORIGIN_IPV6_32:
        inet_ntop(AF_INET6, origin->address, digits, sizeof digits);
        snprintf(text, size, "%s/%u", digits, 8 * network_bytes(origin->kind));
        break;
    case ORIGIN_OTHER_IPV4:
        snprintf(text, size, "other IPv4 addresses");
        break;
    case ORIGIN_OTHER_IPV6:
        snprintf(text, size, "other IPv6 addresses");
        break;
    case ORIGIN_NETWORK:
        snprintf(text, size, "network");
        break;
    default:
        snprintf(text, size, "local");
    }
}
