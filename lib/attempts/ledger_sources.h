/* Which record counts attempts from an origin: with count_by = source, each
 * address in the network has one of its own as long as there are any left. */
#ifndef TMOUT_ATTEMPTS_LEDGER_SOURCES_H
#define TMOUT_ATTEMPTS_LEDGER_SOURCES_H

#include "lib/attempts/ledger_record.h"

#include <stdint.h>

/* Maps what another process has added since this one mapped the file. Returns
 * 0, or -1 with errno. */
int ledger_follow_size(struct ledger *ledger, const struct file_bank *header);

/*
 * The record for an attempt from this origin, under its lock. A source without
 * a record gets one; the file grows for that the first time, which changes
 * *header. Returns 0, or -1 if a record on the way is damaged.
 */
int ledger_find_record(struct ledger *ledger, const struct origin *origin,
                       const struct attempt_limits *limits, const struct timestamp *now,
                       struct file_bank *header, uint32_t *number);

/*
 * The record that counts this origin's attempts now, without changing
 * anything; RECORD_HEADER if none does yet. Returns 0, or -1 if a record on the
 * way is damaged.
 */
int ledger_look_up_record(const struct ledger *ledger, const struct origin *origin,
                          const struct attempt_limits *limits, const struct timestamp *now,
                          uint32_t *number);

#endif
