/*
 * One login that is watched: its terminals, when to look at which, and its
 * end.
 */
#ifndef TMOUT_TMOUTD_LOGIN_H
#define TMOUT_TMOUTD_LOGIN_H

#include "lib/sessions/watch_limits.h"
#include "tools/tmoutd/hangup.h"

enum {
    RETRY_MS = 30 * 1000, /* what could not be found out is asked again */
    SETTLE_MS = 1000      /* after an event, so that many make one look */
};

/* What all logins have in common. */
struct common {
    struct timestamp now;
    struct process_list processes; /* all of the host, while logins run */
    struct hangup *rest;           /* hang-ups whose terminal or login is gone already */
    size_t rest_count;
};

struct login {
    struct session_record record;
    int pidfd;
    uid_t uid;                      /* once it has limits */
    bool has_limits, has_no_answer; /* the latter is worth one line */
    struct user_limits limits;
    int64_t limits_ms; /* look them up then */
    int64_t limits_found_ms;
    struct terminal *terminal;
    size_t terminal_count;
    int64_t scan_ms; /* look for terminals then */
    int64_t next_ms; /* look at the login as a whole then */
    uint64_t bytes;
    int64_t moved_ms; /* when bytes were seen to change */
    bool has_hangup, reported_age;
    struct hangup hangup;
};

static inline int64_t earlier(int64_t a_ms, int64_t b_ms)
{
    return a_ms < b_ms ? a_ms : b_ms;
}

/* From here on it is watched, once it has limits. NULL without memory. */
struct login *login_new(const struct common *common, const struct session_record *record);

/* It has ended, or is not ours any more; what is being hung up goes on. */
void login_free(struct common *common, struct login *login);

/* Whatever was planned, it may be wrong now. */
void login_look_anew(const struct common *common, struct login *login);

/* What became of a terminal in /dev/pts that may be one of its own. */
void login_terminal_vanished(struct common *common, struct login *login, unsigned index);
bool login_terminal_touched(struct login *login, unsigned index); /* is it? */

/* Does what is due; at login_next_ms() there is more to do. */
void login_run(struct common *common, struct login *login);
int64_t login_next_ms(const struct login *login);

/* Goes on with the hang-ups of what is gone. Returns when to call again, or
 * NEVER_MS. */
int64_t common_finish(struct common *common);

void common_free(struct common *common);

#endif
