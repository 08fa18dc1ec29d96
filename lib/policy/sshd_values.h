/*
 * Values that are sshd's own, in the formats of sshd_config(5): MaxStartups
 * and ChannelTimeout. The bounds are those that sshd checks (OpenSSH 9.2 and
 * 10.0), and what it accepts although it has no effect is rejected.
 */
#ifndef TMOUT_POLICY_SSHD_VALUES_H
#define TMOUT_POLICY_SSHD_VALUES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * "10:30:60" (from 10 logins in progress on 30 % of the new ones are dropped,
 * from 60 on all), or "10" for 10:30:10. Returns NULL and the three packed
 * into *value, or what is wrong as a static sentence fragment.
 */
const char *startups_parse(const char *text, int64_t *value);

/* The three numbers of MaxStartups. */
struct startups {
    int64_t start; /* connections that have not logged in: from here on sshd drops some */
    int64_t rate;  /* percent of the new ones that it drops */
    int64_t full;  /* from here on it drops all */
};

/* The numbers that startups_parse() packed; false if value is no such number,
 * as SETTING_UNSET is not. */
bool startups_unpack(int64_t value, struct startups *startups);

/* As `sshd -T` prints it. */
void startups_format(int64_t value, char *text, size_t size);

/*
 * "none", or TYPE=INTERVAL with single spaces between several. Returns NULL,
 * or what is wrong as a static sentence fragment.
 */
const char *channel_timeout_check(const char *text);

#endif
