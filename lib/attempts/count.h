/*
 * The count of one user's attempts from one origin: which failed, which are
 * in flight, and whether they are locked. Pure: whoever calls has locked the
 * count, tells the time, and knows which attempts still have a process.
 *
 * An attempt is admitted into an entry, in flight. It ends by being settled:
 * a success empties the entry and forgets the failures, anything else turns
 * it into a failure; so does the end of its process, or too great an age. No
 * more than max_attempts entries are ever taken, and therefore no more wrong
 * passwords reach a check, however many arrive at once.
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

/* An attempt that is in flight for longer counts as failed: it may belong to
 * a process that its user has stopped. As long as sshd's LoginGraceTime. */
enum { ATTEMPT_AGE_MOST_MS = 120 * 1000, ATTEMPT_STALLED_MS = 10 * 1000 };

/* No lock, in locked_ms. */
#define NOT_LOCKED INT64_MIN

/* Written into ledgers as it is. All times are of the boot clock of written. */
struct attempt_count {
    uint64_t failed, in_flight; /* a bit an entry; never both */
    int64_t locked_ms;          /* since when, or NOT_LOCKED */
    int64_t at_ms[ATTEMPTS_MAX];
    uint32_t generation[ATTEMPTS_MAX]; /* tells one attempt in an entry from the next */
    uint32_t last_generation;
    uint32_t unused;
    struct timestamp written;
};

/* What has happened to a count since it was last looked at. */
struct count_changes {
    unsigned died;   /* attempts that nobody settled, now failures */
    bool locked;     /* the failures have reached the limit */
    bool lock_ended; /* and the failures that made it are forgotten */
};

void count_start(struct attempt_count *count, const struct timestamp *now);

/*
 * Takes the count to now, over a reboot too: alive has the bits of the
 * entries whose process lives. What changed is added to *changes.
 */
void count_bring_up_to_date(struct attempt_count *count, uint64_t alive,
                            const struct attempt_limits *limits, const struct timestamp *now,
                            struct count_changes *changes);

enum admission {
    ADMITTED,
    REJECTED_LOCKED,
    REJECTED_BUSY /* the attempts in flight might all fail: one must settle first */
};

/* On ADMITTED *entry and its generation are the attempt's. */
enum admission count_admit(struct attempt_count *count, const struct attempt_limits *limits,
                           const struct timestamp *now, unsigned *entry);

/*
 * The attempt in this entry has come to its end. Returns false, with nothing
 * changed, if it was given up before and is a failure already.
 */
bool count_settle(struct attempt_count *count, unsigned entry, uint32_t generation, bool success,
                  const struct attempt_limits *limits, const struct timestamp *now,
                  struct count_changes *changes);

/* Forgets failures and lock; attempts in flight go on. */
void count_reset(struct attempt_count *count);

/* The entries in flight whose process is gone, or that have not moved for
 * ATTEMPT_STALLED_MS: root who unlocks wants the user in, and somebody may
 * have stopped them to prevent it. */
uint64_t count_stale(const struct attempt_count *count, uint64_t alive,
                     const struct timestamp *now);

unsigned count_failures(const struct attempt_count *count);
unsigned count_in_flight(const struct attempt_count *count);

/* How many more attempts may be in flight now. */
unsigned count_free(const struct attempt_count *count, const struct attempt_limits *limits);

/* Milliseconds until the lock ends; 0 if there is none or it is over,
 * SETTING_FOREVER if it does not end. */
int64_t count_lock_left_ms(const struct attempt_count *count, const struct attempt_limits *limits,
                           const struct timestamp *now);

#endif
