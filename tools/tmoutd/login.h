/*
 * One login that is watched: samples its terminals and traffic when that is
 * due, and carries out what decide_terminal.h and decide_login.h decide.
 */
#ifndef TMOUT_TMOUTD_LOGIN_H
#define TMOUT_TMOUTD_LOGIN_H

#include "lib/sessions/watch_limits.h"
#include "tools/tmoutd/decide_login.h"
#include "tools/tmoutd/hangup.h"

enum {
    RETRY_MS = 30 * 1000, /* after an error, until the next try */
    SETTLE_MS = 1000      /* from an event to what it leads to, so that many events cost one scan */
};

/* What all logins share. */
struct common {
    struct timestamp now;
    struct process_list processes;   /* of the host, during one turn */
    struct hangup *detached_hangups; /* of terminals and logins that are gone by now */
    size_t detached_hangup_count;
};

struct login {
    struct session_record record;
    int pidfd;          /* of the process that opened the session, or -1 */
    uid_t uid;          /* valid with has_limits, else -1 */
    bool has_limits;    /* the login is watched once it has them */
    bool lookup_failed; /* of the limits, last time */
    struct user_limits limits;
    int64_t limits_ms;       /* look the limits up then */
    int64_t limits_found_ms; /* when they were looked up last */
    struct terminal *terminal;
    size_t terminal_count;
    int64_t scan_ms; /* look for terminals then */
    int64_t next_ms; /* judge the login as a whole then */
    struct traffic_state traffic;
    bool is_age_reported; /* that its age has ended it is logged once */
    bool has_hangup;
    struct hangup hangup;
};

/* A login that is watched from now on, once it has limits. NULL without memory. */
struct login *login_new(const struct common *common, const struct session_record *record);

/* It has ended. Hang-ups of its terminals go on without it. */
void login_free(struct common *common, struct login *login);

/* Something has changed: judge it again now. */
void login_reconsider(const struct common *common, struct login *login);

/* A terminal in /dev/pts is gone, or its times or mode were changed. The latter
 * returns whether it is one of this login's. */
void login_terminal_vanished(struct common *common, struct login *login, unsigned index);
bool login_terminal_touched(struct login *login, unsigned index);

/* Does what is due. */
void login_run(struct common *common, struct login *login);

/* When there is more to do. */
int64_t login_next_ms(const struct login *login);

/* Takes the next steps of detached hang-ups. Returns when to call again, or
 * NEVER_MS. */
int64_t common_continue_hangups(struct common *common);

void common_free(struct common *common);

#endif
