/*
 * A user's ledger: the file STATE_DIR/attempts/UID with the counts of his
 * login attempts. Root's, like its directory; what is damaged, or cannot be
 * root's own work, is set aside as UID.damaged, and a new ledger begins
 * sealed: as if its user had reached the limit just then.
 *
 * Times arrive as arguments. Waiting for another process takes a few seconds
 * at the most. Whoever may be killed or stopped by the user has to see to it
 * that this cannot happen inside these calls; ledger_wait() is the exception.
 */
#ifndef TMOUT_ATTEMPTS_LEDGER_H
#define TMOUT_ATTEMPTS_LEDGER_H

#include "lib/attempts/count.h"
#include "lib/attempts/origin.h"
#include "lib/host/failure.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define LEDGER_DIRECTORY "attempts"

struct ledger {
    uid_t uid;
    int fd;           /* -1: not open */
    int directory_fd; /* where it is; -1 in a view */
    struct file_record *record;
    uint32_t record_count;
};

enum ledger_status {
    LEDGER_OK,
    LEDGER_ABSENT,  /* there is none; only where none is to be made */
    LEDGER_DAMAGED, /* reason says how; ledger_open() has set it aside and begun a new one */
    LEDGER_FAILED   /* it could not be had: reason says why */
};

/* What came of an attempt, and what else was found on the way. */
struct attempt_report {
    enum admission admission;
    struct count_changes changes;
    unsigned failures, in_flight;
    int64_t lock_left_ms;  /* SETTING_FOREVER: until root lifts it */
    uint32_t record, seen; /* for ledger_wait() */
};

/* An attempt that was admitted. */
struct attempt_slot {
    uint32_t record, entry, generation;
};

/*
 * Opens the ledger, and makes it where there is none. owner as in trusted.h.
 * On LEDGER_OK and LEDGER_DAMAGED the caller closes it.
 */
enum ledger_status ledger_open(const char *state_dir, uid_t uid, uid_t owner,
                               const struct timestamp *now, struct ledger *ledger,
                               struct failure *failure);

/* Only to look: LEDGER_ABSENT where there is none, and nothing is changed. */
enum ledger_status ledger_open_view(const char *state_dir, uid_t uid, uid_t owner,
                                    struct ledger *ledger, struct failure *failure);

/* Gives up what was admitted and not settled: its slot counts as failed. */
void ledger_close(struct ledger *ledger);

/*
 * Asks for one attempt; on ADMITTED *slot is to be settled. LEDGER_DAMAGED
 * (set aside as by ledger_open()) and LEDGER_ABSENT (replaced or removed by
 * root meanwhile): open it again. One attempt a struct ledger: a second one
 * would take the first for dead.
 */
enum ledger_status ledger_admit(struct ledger *ledger, const struct origin *origin,
                                const struct attempt_limits *limits, const struct timestamp *now,
                                struct attempt_slot *slot, struct attempt_report *report,
                                struct failure *failure);

/*
 * Settles it. report->admission is REJECTED_LOCKED if the attempt had been
 * given up meanwhile, which stays a failure, and ADMITTED otherwise.
 */
enum ledger_status ledger_settle(struct ledger *ledger, const struct attempt_slot *slot,
                                 bool success, const struct attempt_limits *limits,
                                 const struct timestamp *now, struct attempt_report *report,
                                 struct failure *failure);

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

/* What unlocking has undone. */
struct ledger_unlocked {
    unsigned failures;
    bool locked;
    bool replaced; /* there is a new ledger; reason says what was wrong with the old one */
};

/*
 * Root's unlock: forgets all failures and locks; attempts in flight go on,
 * unless they have stalled. A ledger that is damaged, or whose lock another process does not give
 * back, is replaced. Returns LEDGER_OK, LEDGER_ABSENT, or LEDGER_FAILED with the reason.
 */
enum ledger_status ledger_unlock(const char *state_dir, uid_t uid, uid_t owner,
                                 const struct timestamp *now, struct ledger_unlocked *forgotten,
                                 struct failure *failure);

#endif
