#include "lib/attempts/origin.h"

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

void origin_format(const struct origin *origin, char *text, uint32_t size)
{
    char digits[INET6_ADDRSTRLEN] = "?";

    switch (origin->kind) {
    case ORIGIN_IPV4:
        inet_ntop(AF_INET, origin->address, digits, sizeof digits);
        snprintf(text, size, "%s", digits);
        break;
    case ORIGIN_IPV6:
        inet_ntop(AF_INET6, origin->address, digits, sizeof digits);
        snprintf(text, size, "%s/64", digits);
        break;
    case ORIGIN_NETWORK:
        snprintf(text, size, "network");
        break;
    default:
        snprintf(text, size, "local");
    }
}
