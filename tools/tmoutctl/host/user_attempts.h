/* The failed logins that count against a user: to list, and to forget. */
#ifndef TMOUT_TMOUTCTL_HOST_USER_ATTEMPTS_H
#define TMOUT_TMOUTCTL_HOST_USER_ATTEMPTS_H

#include "lib/attempts/ledger.h"
#include "lib/attempts/ledger_unlock.h"
#include "lib/host/failure.h"
#include "tools/tmoutctl/cli.h"
#include "tools/tmoutctl/host/mac.h"

#include <jansson.h>

struct user_attempts {
    bool limited, damaged;
    struct failure rejecting;     /* as find_rejecting() sets it */
    struct failure fault;         /* "LEDGER REASON; REMEDY" if its passwords are rejected because
                                     of what reading the ledger shows, else "" */
    struct attempt_limits limits; /* where limited */
    struct attempt_state *count;  /* one per origin that has failures, attempts or a lock */
    size_t count_size;
};

/* May this process read and change ledgers? Only their owner may: root. */
bool may_read_attempts(const struct tmoutctl_context *context);

/* Is there a state directory that belongs to somebody else? */
bool is_others_state(const struct tmoutctl_context *context);

/* A user without a ledger. */
#define NOBODYS_UID ((uid_t)-1)

/* "LEDGER REASON; REMEDY" in *fault if SELinux keeps logins from this user's ledger, and not
 * from new ones, else "". labels: from mac_ledgers_begin(), for all users. */
void find_wrong_label(const struct tmoutctl_context *context, uid_t uid, struct mac_ledgers *labels,
                      struct failure *fault);

/*
 * "rejecting passwords: REASON; REMEDY" in *rejecting if a login could not write the
 * user's ledger now, else "". by_writing: tries that, and changes nothing in it. labels:
 * for what an administrator's own try does not show.
 */
void find_rejecting(const struct tmoutctl_context *context, uid_t uid, bool by_writing,
                    struct mac_ledgers *labels, struct failure *rejecting);

/*
 * Reads all of a user's counts. Returns 0, and the caller frees with
 * user_attempts_free(), or -1 with the reason; if the ledger cannot be read or was written
 * by a newer version, that is "rejecting passwords: FAULT; ...", and attempts->fault is set.
 */
int user_attempts_find(const struct tmoutctl_context *context, uid_t uid,
                       const struct resolution *resolution, const struct timestamp *now,
                       struct user_attempts *attempts, struct failure *failure);

void user_attempts_free(struct user_attempts *attempts);

/*
 * Reads the one count that applies to a login from this origin. Returns 0 and
 * fills *state, or -1 with the reason, as above.
 */
int attempt_state_find(const struct tmoutctl_context *context, uid_t uid,
                       const struct origin *origin, const struct attempt_limits *limits,
                       struct attempt_state *state, struct failure *failure);

/* The users who have a ledger, by number, in *uid, which the caller frees.
 * Returns how many, or -1 with the reason. */
ssize_t ledger_users(const char *state_dir, uid_t **uid, struct failure *failure);

/* The uid of a user by name, or by number for one who no longer exists.
 * Returns 0, or -1 with the reason. */
int find_uid(const char *user, uid_t *uid, struct failure *failure);

/*
 * Forgets a user's failures and lifts their locks, whatever state ledger and
 * policy are in, and logs it if there was anything. user is the name for the
 * log. Returns 0 and fills *undone, or -1; with the reason then, and where
 * undone->replaced.
 */
int unlock_user(const struct tmoutctl_context *context, const char *user, uid_t uid,
                struct ledger_unlocked *undone, struct failure *failure);

/*
 * The same for a user whom another host has unlocked at unlocked_ms, since 1970: only what had
 * failed by then is forgotten. Does nothing for a user who is not known here. Returns 0 and
 * fills *undone, or -1 with the reason.
 */
int unlock_user_as_told(const struct tmoutctl_context *context, const char *user,
                        int64_t unlocked_ms, struct ledger_unlocked *undone,
                        struct failure *failure);

/* "not locked", "locked for 9m12s", "locked until tmoutctl unlock". */
void lock_state_format(int64_t lock_left_ms, char *text, size_t size);

/* The text, or null where there is none. */
json_t *rejecting_json(const struct failure *rejecting);

/* Sets failures, in_flight, locked, and in an object when the lock ends: unlock_in
 * (seconds), unlock_at (since 1970), unlock_at_time; null where there is no lock, or it
 * has no end. */
void set_lock_state(json_t *object, unsigned failures, unsigned in_flight, int64_t lock_left_ms);

#endif
