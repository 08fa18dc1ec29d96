/* What helpers look at. Each function may block, and takes and gives plain
 * structs; the work_function next to it puts it into a question. */
#ifndef TMOUT_TMOUTD_LOOK_H
#define TMOUT_TMOUTD_LOOK_H

#include "lib/sessions/leftovers.h"
#include "lib/sessions/login_terminals.h"
#include "lib/sessions/login_traffic.h"
#include "tools/tmoutd/answer.h"

/* --- a login ------------------------------------------------------------------ */

struct login_view {
    unsigned terminal_count;
    unsigned terminal[LOGIN_TERMINALS_MAX]; /* as login_terminals() */
    struct login_trace trace;               /* what it leaves behind will be known by */
};

/*
 * Asks whether a login lasts, for its terminals, and for the process that talks
 * to the client. input: struct session_record. Answers with a struct login_view,
 * and with a pidfd of the connection if that is another process than the one in
 * the record; GONE if the login has ended.
 */
void look_at_login(const void *input, int fd, struct answer *answer);

/* Answers with a pidfd of the process in the record and, if that is another one,
 * one of the process that talks to the client. Both are this login's: that is looked
 * at while they are held. Otherwise as look_at_login(). */
void open_login(const void *input, int fd, struct answer *answer);

/* --- whose a terminal is ------------------------------------------------------- */

enum { WANTED_MAX = 32 };

struct terminal_search {
    unsigned wanted_count, login_count;
    unsigned wanted[WANTED_MAX]; /* in /dev/pts */
    struct login_id {
        pid_t pid;
        uint64_t start_ticks;
    } login[]; /* of sshd */
};

struct terminal_owners {
    pid_t owner[WANTED_MAX]; /* the login that holds the master, or 0 */
};

/* Looks for the logins that these terminals belong to, in their order. input:
 * struct terminal_search. Answers with a struct terminal_owners. */
void find_owners(const void *input, int fd, struct answer *answer);

/* --- traffic ------------------------------------------------------------------- */

struct traffic_question {
    struct session_record login;
    bool only_client;
    struct client_evidence evidence; /* of the last time */
};

struct traffic_view {
    uint64_t mark; /* as login_traffic_mark() */
    struct client_evidence evidence;
};

/* input: struct traffic_question. Answers with a struct traffic_view. */
void look_at_traffic(const void *input, int fd, struct answer *answer);

#endif
