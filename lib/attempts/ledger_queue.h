/*
 * The queue of attempts that wait for a free entry in a record: who has waited
 * longest goes first.
 *
 * A waiter locks one byte behind the end of the file, at its ticket: the time of
 * its arrival. So the others see it, for as long as its process lives. A slot
 * that is free belongs to the waiters with the lowest tickets. If they do not
 * take it within QUEUE_PATIENCE_MS, their processes are stopped: anybody may
 * take it then, and they lose their turn.
 *
 * Waiters sleep on a futex(2) in the file: the sequence of the bank that the
 * next change is written to. The page is mapped only as the futex's address.
 * This process never reads or writes through that mapping; so a file that is
 * cut short, or a broken disk, is an error of the system call and no SIGBUS.
 */
#ifndef TMOUT_ATTEMPTS_LEDGER_QUEUE_H
#define TMOUT_ATTEMPTS_LEDGER_QUEUE_H

#include "lib/attempts/ledger_record.h"

#include <stdbool.h>
#include <stdint.h>

enum { QUEUE_PATIENCE_MS = 1000 };

/* Takes a ticket for this record, unless this attempt has one. Without the
 * lock, as on an error, the attempt waits as well, without precedence. */
void queue_join(struct ledger *ledger, uint32_t record, const struct timestamp *now);

/* Gives the ticket back, if there is one. */
void queue_leave(struct ledger *ledger);

/*
 * May this attempt take one of free_slots, which is above 0? False while that
 * many others have waited longer. Under the record's lock. changed: when the
 * record was last stored. Where others lose their turn, bank->queue_start is set.
 */
bool queue_is_my_turn(const struct ledger *ledger, uint32_t record, struct file_bank *bank,
                      unsigned free_slots, const struct timestamp *changed,
                      const struct timestamp *now);

/* Wakes so many of those who have waited longest for this record, after a change
 * of it; bank is the one in force. UINT_MAX: all of them. */
void queue_wake(const struct ledger *ledger, uint32_t record, const struct file_bank *bank,
                unsigned how_many);

/* Waits until somebody wakes this attempt, or for timeout_ms. Returns true if the
 * record's sequence is no longer seen. */
bool queue_wait(const struct ledger *ledger, uint32_t record, uint32_t seen, int timeout_ms);

#endif
