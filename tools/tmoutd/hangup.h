/*
 * Ending a terminal, or a login without one, in steps: a hang-up as if the
 * line had been lost, then force for what ignores it. Whom that may hit is
 * settled before the first step and held by descriptors, so that no number
 * given to somebody else meanwhile can be mistaken for it.
 */
#ifndef TMOUT_TMOUTD_HANGUP_H
#define TMOUT_TMOUTD_HANGUP_H

#include "lib/sessions/login_processes.h"

struct hangup {
    int terminal_fd; /* -1: a login without a terminal */
    int *pidfd;
    size_t count;
    int step;
    int64_t next_ms; /* on the boot clock */
};

/* The processes of the host, read once for many that end together. */
struct process_list {
    struct process *process;
    size_t count;
};

void process_list_free(struct process_list *list);

/*
 * Begins with the leader of the session that has this terminal: SIGHUP, and
 * SIGCONT for one that is stopped. all is filled where it is empty. Returns 0, or -1 with errno;
 * ENOENT if the terminal is no longer this login's.
 */
int hangup_terminal(struct hangup *hangup, const struct session_record *login, unsigned index,
                    struct process_list *all, int64_t now_ms);

/* Begins with SIGHUP to all processes of the login below its connection, and
 * ends the connection. */
int hangup_login(struct hangup *hangup, const struct session_record *login, int64_t now_ms);

/* The next step, when next_ms has come. Returns true after the last one. */
bool hangup_step(struct hangup *hangup, int64_t now_ms);

void hangup_free(struct hangup *hangup);

#endif
