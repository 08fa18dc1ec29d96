/*
 * The count of one user's attempts from one origin: which failed, which are
 * in flight, and whether they are locked. Pure functions: the caller has locked
 * the count, passes the time, and knows which attempts still have a process.
 *
 * An attempt is admitted into an entry and is then in flight. It ends when it
 * is settled: a success empties the entry and forgets the failures, a failure stays
 * in it, and an attempt that is withdrawn, because its password is not going to be
 * checked, only gives it back. The end of its process and too high an age turn it
 * into a failure, too. Never more than max_attempts entries are taken, and therefore no more
 * wrong passwords reach the password check, however many arrive at once.
 *
 * Order of calls: count_bring_up_to_date() first, always.
 */
#ifndef TMOUT_ATTEMPTS_COUNT_H
#define TMOUT_ATTEMPTS_COUNT_H

#include "lib/host/clock.h"
#include "lib/policy/settings.h"
#include "lib/attempts/limits.h"

#include <stdbool.h>
#include <stdint.h>

/* An attempt that is in flight for longer counts as failed: its user may have
 * stopped the process. As long as sshd's default LoginGraceTime. */
enum { ATTEMPT_AGE_MAX_MS = 120 * 1000, ATTEMPT_STALLED_MS = 10 * 1000 };

/* No lock, in locked_ms. */
#define NOT_LOCKED INT64_MIN

/* Written into ledgers as it is. All times are of the boot clock of written. */
struct attempt_count {
    uint64_t failed, in_flight; /* a bit an entry; never both */
    uint64_t carried;           /* those in flight of which only the age can tell that they died */
    int64_t locked_ms;          /* since when, or NOT_LOCKED */
    int64_t at_ms[ATTEMPTS_MAX];
    uint32_t generation[ATTEMPTS_MAX]; /* tells one attempt in an entry from the next */
    uint32_t last_generation;
    uint32_t unused;
    struct timestamp written;
};

/* An attempt that was admitted: its entry, and the entry's generation, which
 * tells it from earlier and later attempts there. */
struct count_slot {
    uint32_t entry, generation;
};

/* What has happened to a count since it was last brought up to date. */
struct count_changes {
    unsigned died;     /* attempts that nobody settled, now failures */
    bool locked;       /* the failures have reached the limit */
    bool lock_expired; /* and the failures that caused it are forgotten */
};

void count_start(struct attempt_count *count, const struct timestamp *now);

/*
 * Brings the count up to date, over a reboot too. alive: a bit for each entry
 * whose process is alive. What changed is added to *changes.
 */
void count_bring_up_to_date(struct attempt_count *count, uint64_t alive,
                            const struct attempt_limits *limits, const struct timestamp *now,
                            struct count_changes *changes);

enum admission {
    ADMITTED,
    REJECTED_LOCKED,
    REJECTED_BUSY /* the attempts in flight might all fail: one must settle first */
};

/* On ADMITTED *slot is the attempt's. */
enum admission count_admit(struct attempt_count *count, const struct attempt_limits *limits,
                           const struct timestamp *now, struct count_slot *slot);

/* How an attempt that was admitted has ended. */
enum attempt_outcome {
    ATTEMPT_FAILED,
    ATTEMPT_SUCCEEDED,
    ATTEMPT_WITHDRAWN /* no password has been checked: nothing is charged, nor cleared */
};

/*
 * The attempt in this slot has ended. Returns false, with nothing changed, if
 * it was given up before and is a failure already.
 */
bool count_settle(struct attempt_count *count, const struct count_slot *slot,
                  enum attempt_outcome outcome, const struct attempt_limits *limits,
                  const struct timestamp *now, struct count_changes *changes);

/*
 * The count moves to another ledger, where the caller cannot tell which of its
 * attempts have a process: those in flight then count as alive until they are
 * settled, or too old. A process that has been frozen since before may still admit
 * its attempt to the count that stays behind: that generation will not be given to
 * an attempt here, which the process would otherwise take for its own later.
 */
void count_carry(struct attempt_count *count);

/* Is the attempt of this slot in flight, and carried? Then the caller is its
 * process, and can tell from now on. */
bool count_adopt(struct attempt_count *count, const struct count_slot *slot);

/*
 * Adds the failures and the lock of another count, both brought up to date at
 * the same time. Its attempts in flight are not added: there are none. If there
 * is no room for all failures, the latest ones stay.
 */
void count_merge(struct attempt_count *count, const struct attempt_count *other);

/* Forgets failures and lock; attempts in flight go on. */
void count_reset(struct attempt_count *count);

/*
 * Forgets what failed at until_ms or before, by the boot clock of now, and the lock: if the later
 * failures are enough for one, count_bring_up_to_date() locks again. Attempts in flight go on.
 * Returns how many failures that were, and sets *was_locked where a lock was lifted.
 */
unsigned count_forget(struct attempt_count *count, int64_t until_ms, const struct timestamp *now,
                      bool *was_locked);

/* The entries in flight whose process is gone, or that started at least
 * ATTEMPT_STALLED_MS ago: an administrator who unlocks wants the user in, and
 * stopped processes must not prevent that. A bit each. */
uint64_t count_stale(const struct attempt_count *count, uint64_t alive,
                     const struct timestamp *now);

unsigned count_failures(const struct attempt_count *count);
unsigned count_in_flight(const struct attempt_count *count);

/* How many more attempts may be in flight now. */
unsigned count_free(const struct attempt_count *count, const struct attempt_limits *limits);

/* Milliseconds until the lock expires; 0 if there is none or it has expired,
 * SETTING_FOREVER if it never does. */
int64_t count_lock_left_ms(const struct attempt_count *count, const struct attempt_limits *limits,
                           const struct timestamp *now);

#endif
