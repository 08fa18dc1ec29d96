/*
 * Which record counts the attempts from an address, with count_by = source.
 *
 * Each IPv4 address and each IPv6 /64 network has a record of its own, unless
 * there are too many. Records are found through the index.
 *
 * Who may choose among many addresses must not get as many guesses as they have
 * addresses, nor take the records of others. So the records of sources that have
 * not logged in are limited: SOURCES_IPV4_MAX and SOURCES_IPV6_MAX of them, and
 * in one IPv6 network one less than NETWORK_56_MAX, NETWORK_48_MAX and
 * NETWORK_32_MAX. Further sources of such a network share one record, and the
 * others of it that have no attempt in flight move there with what was counted.
 * What is left shares RECORD_OTHER_IPV4 or RECORD_OTHER_IPV6. With max_attempts
 * per record,
 *
 *   a /64 network gets 1, a /56 8, a /48 16, a /32 32 times max_attempts, and
 *   any number of IPv4 addresses 49 times max_attempts
 *
 * guesses before all of them are locked. The SOURCES_SUCCEEDED_MAX sources that
 * logged in last have records beside these, which no stranger can take.
 */
#ifndef TMOUT_ATTEMPTS_LEDGER_SOURCES_H
#define TMOUT_ATTEMPTS_LEDGER_SOURCES_H

#include "lib/attempts/ledger_record.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    SOURCES_SUCCEEDED_MAX = 32,
    SOURCES_IPV4_MAX = 48,
    SOURCES_IPV6_MAX = 48,
    NETWORK_56_MAX = 8,
    NETWORK_48_MAX = 16,
    NETWORK_32_MAX = 32,
    /* How often records whose count has expired are looked for. */
    SWEEP_INTERVAL_MS = 1000
};

_Static_assert(SOURCES_SUCCEEDED_MAX + SOURCES_IPV4_MAX + SOURCES_IPV6_MAX == SOURCES,
               "each limit can be reached");

/* Does the policy count this origin by its address? */
bool sources_count(const struct origin *origin, const struct attempt_limits *limits);

/* The record that counts an origin. */
struct source_record {
    uint32_t number;
    struct file_bank bank; /* its content */
    bool assigned;         /* just now, or the index has changed: it has to be stored */
    struct index_bank index;
    uint64_t emptied[2]; /* a bit for each source that has moved into this record */
};

/*
 * Finds or assigns the record for an origin with a count of its own, in a ledger
 * with records for sources, under their lock or only looking. Failures that were
 * counted for this origin while it had no record come with it.
 */
enum ledger_status sources_find(const struct ledger *ledger, const struct origin *origin,
                                const struct attempt_limits *limits, const struct timestamp *now,
                                struct source_record *found, struct failure *failure);

/* Stores found->bank, which the caller may have changed, and the assignment. */
enum ledger_status sources_store(const struct ledger *ledger, struct source_record *found,
                                 struct failure *failure);

/*
 * The origin has logged in, counted on this record, which has been stored: it
 * gets a record that no stranger can take.
 */
enum ledger_status sources_succeeded(const struct ledger *ledger, const struct origin *origin,
                                     const struct attempt_limits *limits,
                                     const struct timestamp *now, struct failure *failure);

/* The entries of a bank that are this origin's, a bit each. */
uint64_t sources_entries(const struct file_bank *bank, const struct origin *origin);

#endif
