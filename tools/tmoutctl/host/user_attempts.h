/* What is counted against a user, for those verbs that tell it. */
#ifndef TMOUT_TMOUTCTL_HOST_USER_ATTEMPTS_H
#define TMOUT_TMOUTCTL_HOST_USER_ATTEMPTS_H

#include "tools/tmoutctl/cli.h"

#include "lib/attempts/ledger.h"
#include "lib/host/failure.h"

#include <jansson.h>

struct user_attempts {
    bool limited, damaged;
    struct attempt_limits limits; /* where limited */
    struct attempt_state *count;  /* one an origin, those alone that have something */
    size_t count_size;
};

/* May this process look at ledgers and change them? They are root's alone. */
bool attempts_are_ours(const struct tmoutctl_context *context);

/*
 * Looks at all of a user's counts. resolution NULL stands for a user without
 * limits. Returns 0, and the caller frees with user_attempts_free(), or -1
 * after a message.
 */
int user_attempts_find(const struct tmoutctl_context *context, uid_t uid,
                       const struct resolution *resolution, struct user_attempts *attempts);

void user_attempts_free(struct user_attempts *attempts);

/*
 * Looks at the one count that a login from this origin meets. Returns 0 and
 * fills *state, or -1 with the reason.
 */
int attempt_state_find(const struct tmoutctl_context *context, uid_t uid,
                       const struct origin *origin, const struct attempt_limits *limits,
                       struct attempt_state *state, struct failure *failure);

/* "not locked", "locked for 9m12s", "locked until tmoutctl unlock". */
void lock_state_format(int64_t lock_left_ms, char *text, size_t size);

/* Sets failures, in_flight, locked and unlock_in (seconds, or null where
 * there is no lock or no end of it) in an object. */
void set_lock_state(json_t *object, unsigned failures, unsigned in_flight, int64_t lock_left_ms);

#endif
