/*
 * Where a login attempt comes from, as far as attempts are counted separately:
 * from the machine itself, or from an address in the network.
 */
#ifndef TMOUT_ATTEMPTS_ORIGIN_H
#define TMOUT_ATTEMPTS_ORIGIN_H

#include <stdbool.h>
#include <stdint.h>

/* Written into ledgers as numbers. */
enum origin_kind {
    ORIGIN_NONE = 0,    /* a record that is not in use */
    ORIGIN_LOCAL = 1,   /* su, sudo, the console */
    ORIGIN_NETWORK = 2, /* without an address that can be trusted */
    ORIGIN_IPV4 = 3,
    ORIGIN_IPV6 = 4, /* its /64 network: a host can choose any address there */
    /* Networks that have too many sources to count each of them. */
    ORIGIN_IPV6_56 = 5,
    ORIGIN_IPV6_48 = 6,
    ORIGIN_IPV6_32 = 7,
    /* All addresses without a count of their own. */
    ORIGIN_OTHER_IPV4 = 8,
    ORIGIN_OTHER_IPV6 = 9
};

struct origin {
    uint32_t kind;
    unsigned char address[16]; /* in network order; zero where unused */
};

/* Room for the longest text that origin_format() writes, with its NUL. */
#define ORIGIN_TEXT_MAX 64

/*
 * The origin of a login from this numeric address, as SSH_CONNECTION contains
 * it: a.b.c.d, or IPv6 with or without %zone. An IPv4-mapped IPv6 address is that
 * IPv4 address. Anything else is ORIGIN_NETWORK.
 */
struct origin origin_of_address(const char *address);

static inline bool origin_is_ipv6(const struct origin *origin)
{
    return origin->kind == ORIGIN_IPV6 ||
           (origin->kind >= ORIGIN_IPV6_56 && origin->kind <= ORIGIN_IPV6_32);
}

/* The network of a kind from ORIGIN_IPV6 to ORIGIN_IPV6_32 that an IPv6 origin,
 * which is no larger, is in. */
struct origin origin_network(const struct origin *origin, uint32_t kind);

/* Is the second origin the first one, or an IPv6 network in it? */
bool origin_covers(const struct origin *origin, const struct origin *other);

/* A number for an origin that is hardly ever that of another one, and never 0. */
uint16_t origin_tag(const struct origin *origin);

/* "local", "network", "192.0.2.1", "2001:db8::/64", "other IPv4 addresses". */
void origin_format(const struct origin *origin, char *text, uint32_t size);

#endif
