/*
 * A user's login attempts, counted in a ledger (ledger_file.h says where): each
 * is admitted, or rejected, and settled when its outcome is known.
 *
 * Times arrive as arguments. Waiting for another process is bounded as
 * ledger_lock.h says. A caller that its user could kill or stop has to prevent that
 * during these calls; ledger_wait() is the exception.
 */
#ifndef TMOUT_ATTEMPTS_LEDGER_H
#define TMOUT_ATTEMPTS_LEDGER_H

#include "lib/attempts/count.h"
#include "lib/attempts/ledger_file.h"
#include "lib/attempts/origin.h"
#include "lib/host/failure.h"

#include <stdbool.h>
#include <stdint.h>

/* What became of an attempt, and what else was found on the way. */
struct attempt_report {
    enum admission admission;
    struct count_changes changes;
    unsigned failures, in_flight;
    int64_t lock_left_ms;  /* SETTING_FOREVER: until an administrator unlocks */
    uint32_t record, seen; /* for ledger_wait() */
    bool lock_stuck;       /* another process did not release the lock: there is a copy now */
};

/*
 * Is the origin's record locked, with nothing to be noted in it? bank is its content from
 * ledger_open_existing(), which this changes. Then *report is that of an attempt that was
 * rejected. Whatever the answer, the ledger has not changed, no lock was needed, and a
 * user who stops or kills the caller gains nothing. False may also mean that only
 * ledger_admit() can tell.
 */
bool ledger_rejects(const struct ledger *ledger, struct file_bank *bank,
                    const struct origin *origin, const struct attempt_limits *limits,
                    const struct timestamp *now, struct attempt_report *report);

/*
 * Asks for one attempt; on ADMITTED it is to be settled. If another process does
 * not release the ledger's lock, or has replaced the ledger, this goes on with a
 * new one. LEDGER_DAMAGED (set aside as by ledger_open()) and LEDGER_ABSENT
 * (removed by root meanwhile): open it again. One attempt a struct ledger: a second
 * one would take the first for dead.
 */
enum ledger_status ledger_admit(struct ledger *ledger, const struct origin *origin,
                                const struct attempt_limits *limits, const struct timestamp *now,
                                struct attempt_report *report, struct failure *failure);

/*
 * Settles it; withdrawn, it gives its entry to whoever waits. report->admission is REJECTED_LOCKED
 * if the attempt had been given up meanwhile, which stays a failure, and ADMITTED otherwise.
 */
enum ledger_status ledger_settle(struct ledger *ledger, enum attempt_outcome outcome,
                                 const struct attempt_limits *limits, const struct timestamp *now,
                                 struct attempt_report *report, struct failure *failure);

/*
 * An admitted attempt waits for something outside the ledger, and that has moved on:
 * shows it to those who wait for the attempt, as a change of the record. It changes
 * nothing else, and not whose turn is next.
 */
void ledger_show_progress(struct ledger *ledger);

/* Waits until an attempt on the report's record is settled, or for
 * timeout_ms. Returns true if one was. */
bool ledger_wait(const struct ledger *ledger, const struct attempt_report *report, int timeout_ms);

/* One origin's count as it is now. */
struct attempt_state {
    struct origin origin;
    unsigned failures, in_flight;
    int64_t lock_left_ms; /* 0: not locked */
};

/*
 * Looks at record number, from 1 up to record_count. Returns 1 and fills
 * *state, 0 if the record is not in use, -1 if it is damaged.
 */
int ledger_look(const struct ledger *ledger, uint32_t number, const struct attempt_limits *limits,
                const struct timestamp *now, struct attempt_state *state);

/* The same for the record that counts this origin; where there is none yet,
 * a state without attempts. Returns 0, or -1 if it is damaged. */
int ledger_look_at(const struct ledger *ledger, const struct origin *origin,
                   const struct attempt_limits *limits, const struct timestamp *now,
                   struct attempt_state *state);

#endif
