/* A call of lib/fleet/attempts.lua, as words, and its answer. */
#ifndef TMOUT_FLEETD_SCRIPT_CALL_H
#define TMOUT_FLEETD_SCRIPT_CALL_H

#include "lib/fleet/wire.h"

#include <stdint.h>

enum {
    SCRIPT_WORDS_MAX = 20,
    SCRIPT_WORD_SIZE = 72,
    SCRIPT_KEY_SIZE = 2 * 32 + 8 + 3 * FLEET_USER_MAX
};

/* How the keys of a prefix begin, which is named twice: in a cluster, what is between the braces
 * puts them all into one slot, and so on one node. */
#define SCRIPT_KEYS "%.32s:{%.32s}:"

/* No store's clock shows more: it is a number that Lua has exactly. */
#define SCRIPT_TIME_MAX_MS (INT64_C(1) << 53)

/* What ends in the future ends now. */
#define SCRIPT_NOW_MS (SCRIPT_TIME_MAX_MS - 1)

struct script_call {
    char key[SCRIPT_KEY_SIZE];
    char word[SCRIPT_WORDS_MAX][SCRIPT_WORD_SIZE];
    unsigned words;
};

/* The script's own statuses. */
enum script_status {
    SCRIPT_ADMITTED = 0,
    SCRIPT_BUSY = 1,
    SCRIPT_LOCKED = 2,
    SCRIPT_LATE = 3,
    SCRIPT_GIVEN_UP = 4,
    SCRIPT_UNKNOWN = 5
};

enum { SCRIPT_NUMBERS = 7 };

struct script_answer {
    enum script_status status;
    uint32_t failures, in_flight;
    int64_t lock_left_ms; /* or SETTING_FOREVER */
    int64_t now_ms;       /* on the store's clock */
    int64_t changes;
    int64_t since_ms; /* of the lock, or 0; or what script_call_began() asks */
};

/* Whose count is asked, and who asks. lease_ms: for how long an attempt is in flight without a
 * renewal. */
struct script_target {
    const char *prefix, *host;
    int lease_ms;
    const struct fleet_request *request;
};

/* How an attempt has ended, but for its outcome. locked_ms: since when it is known to have locked
 * the user, or 0. */
struct script_end {
    int64_t since_ms, at_ms, locked_ms;
};

/* Times are on the store's clock. deadline_ms: 0 for none. */
void script_call_admit(struct script_call *call, const struct script_target *target,
                       int64_t deadline_ms);
void script_call_renew(struct script_call *call, const struct script_target *target);
void script_call_settle(struct script_call *call, const struct script_target *target,
                        const struct script_end *end);

/* The attempt is in flight since then: the store may have lost it. */
void script_call_merge(struct script_call *call, const struct script_target *target,
                       int64_t since_ms);

void script_call_look(struct script_call *call, const struct script_target *target);

/* An administrator has unlocked the request's user, at that time. */
void script_call_forget(struct script_call *call, const struct script_target *target,
                        int64_t at_ms);

/* Tells that this host is there, and asks for the others. policy: 0 for none. */
void script_call_announce(struct script_call *call, const struct script_target *target,
                          uint64_t policy);

/* Adds the mark of the request's user, and asks for all marks. */
void script_call_mark(struct script_call *call, const struct script_target *target);
void script_call_marks(struct script_call *call, const struct script_target *target);

/* Asks whether the store has the keys, and accepts changes: at first, each kind of them. */
void script_call_probe(struct script_call *call, const char *prefix, bool at_first);

/* Asks since when the server of this run id has kept anything. */
void script_call_began(struct script_call *call, const char *prefix, const char *run_id);

/* Returns false if these numbers are no answer. */
bool script_answer_decode(const int64_t *number, size_t count, struct script_answer *answer);

#endif
