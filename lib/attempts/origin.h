/*
 * Where a login attempt comes from, as far as attempts are counted apart:
 * the machine itself, or an address in the network.
 */
#ifndef TMOUT_ATTEMPTS_ORIGIN_H
#define TMOUT_ATTEMPTS_ORIGIN_H

#include <stdint.h>

/* Written into ledgers as numbers. */
enum origin_kind {
    ORIGIN_NONE = 0,    /* a record that is not in use */
    ORIGIN_LOCAL = 1,   /* su, sudo, the console */
    ORIGIN_NETWORK = 2, /* no address that can be relied upon */
    ORIGIN_IPV4 = 3,
    ORIGIN_IPV6 = 4 /* the network, /64: a host has as many addresses as it likes */
};

struct origin {
    uint32_t kind;
    unsigned char address[16]; /* in network order; zero where unused */
};

/* The longest text that origin_format() makes, with its NUL. */
#define ORIGIN_TEXT_MAX 64

/*
 * The origin of a login from this address in digits, as SSH_CONNECTION has
 * it: a.b.c.d, IPv6 with or without %zone. An IPv4 address in IPv6 clothes
 * is that IPv4 address. What is no address gives ORIGIN_NETWORK.
 */
struct origin origin_of_address(const char *address);

/* "local", "network", "192.0.2.1" or "2001:db8::/64". */
void origin_format(const struct origin *origin, char *text, uint32_t size);

#endif
