/*
 * Locks between the processes that share a ledger.
 *
 * Open file description locks (fcntl(2)): the kernel releases them with the
 * last descriptor of the open file, however the process ends. Unlike POSIX
 * locks they survive the closing of another descriptor of the same file, and
 * unlike flock(2) they cover a byte, so that every attempt has its own.
 */
#ifndef TMOUT_ATTEMPTS_LEDGER_LOCK_H
#define TMOUT_ATTEMPTS_LEDGER_LOCK_H

#include "lib/attempts/ledger_record.h"
#include "lib/host/failure.h"

#include <stdbool.h>
#include <stdint.h>

/* A lock is held for microseconds, so a ledger that has not changed for the first of
 * these has a holder who is stuck. While hundreds of logins on a busy host pass the lock
 * on, it changes, and they wait, up to the second one. Only time that this process has
 * slept counts: while it is itself frozen, none goes by. */
enum { LEDGER_LOCK_WAIT_MS = 5000, LEDGER_LOCK_WAIT_MAX_MS = 30 * 1000 };

/* The record that counts attempts from this origin, unless its source has one
 * of its own; both have the same lock. */
uint32_t ledger_shared_record(const struct origin *origin);

/*
 * Locks a record against changes, waiting as above: the holder may be frozen. One lock covers
 * RECORD_LOCAL, another one all the other records, the header and the index too. Returns 0, or -1
 * with errno and the reason. After ETIMEDOUT the ledger can be replaced, and after ESTALE another
 * process is doing that (ledger_replace.h).
 */
int ledger_lock(const struct ledger *ledger, uint32_t record, struct failure *failure);

/* Locks all records, one lock after the other. */
int ledger_lock_all(const struct ledger *ledger, struct failure *failure);

/* As ledger_lock(), without waiting. */
int ledger_try_lock(const struct ledger *ledger, uint32_t record);

/* Are both covered by one lock? */
bool ledger_same_lock(uint32_t record, uint32_t other);

void ledger_release(const struct ledger *ledger, uint32_t record);

/* Marks an attempt as alive for as long as this process holds the ledger
 * open. Returns 0, or -1 with errno. */
int ledger_lock_attempt(const struct ledger *ledger, const struct attempt_slot *slot);

/* The entries of a record whose attempt is in flight in another process that
 * is alive, a bit each. The caller's own attempt is not among them: a lock does
 * not show to its owner. */
uint64_t ledger_live_attempts(const struct ledger *ledger, uint32_t number,
                              const struct attempt_count *count);

#endif
