/*
 * Where a login attempt comes from, as far as attempts are counted separately:
 * from the machine itself, or from an address in the network.
 */
#ifndef TMOUT_ATTEMPTS_ORIGIN_H
#define TMOUT_ATTEMPTS_ORIGIN_H

#include <stdint.h>

/* Written into ledgers as numbers. */
enum origin_kind {
    ORIGIN_NONE = 0,    /* a record that is not in use */
    ORIGIN_LOCAL = 1,   /* su, sudo, the console */
    ORIGIN_NETWORK = 2, /* without an address that can be trusted */
    ORIGIN_IPV4 = 3,
    ORIGIN_IPV6 = 4 /* its /64 network: a host can choose any address there */
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

/* "local", "network", "192.0.2.1" or "2001:db8::/64". */
void origin_format(const struct origin *origin, char *text, uint32_t size);

#endif
