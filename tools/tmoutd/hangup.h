/*
 * Ending a terminal, or a login without one, in steps: first a hang-up as if
 * the line had dropped, then SIGKILL for whatever ignores it. The processes
 * that this may hit are chosen before the first step and held by pidfds, so
 * that a reused pid cannot be hit instead.
 */
#ifndef TMOUT_TMOUTD_HANGUP_H
#define TMOUT_TMOUTD_HANGUP_H

#include "lib/sessions/login_terminals.h"

struct hangup {
    int terminal_fd; /* -1: a login without a terminal */
    int *pidfd;      /* the first leads the session, if it has a leader */
    size_t count;
    int step;
    int64_t next_ms; /* of the next step, on the boot clock */
};

/* The processes of the host, read once for all terminals that are hung up in
 * one turn. */
struct process_list {
    struct process *process;
    size_t count;
};

/* What is known of a terminal when its processes are chosen. */
struct hangup_target {
    uint32_t terminal; /* its device, as in /proc/PID/stat */
    pid_t session;     /* whose controlling terminal it is; 0: nobody's, -1: not known */
    pid_t connection;  /* the parent of the sessions' leaders, or 0 */
};

/* Whether a hang-up of a terminal includes a process, and what else has to be
 * found out to know that. */
struct hangup_claim {
    bool possible;
    bool if_same_mounts; /* only in the mount namespace of the login */
    bool if_open;        /* only if it has the terminal open */
};

/*
 * Pure. A nohup job, for example, does not use the terminal, and lives on.
 * Device numbers are not enough to tell, since containers have the same ones.
 */
struct hangup_claim hangup_claim(const struct hangup_target *target, const struct process *process);

void process_list_free(struct process_list *list);

/*
 * Begins with SIGHUP to the leader of the session that has this terminal, and
 * SIGCONT in case it is stopped. all is filled if it is empty. Returns 0, or
 * -1 with errno; ENOENT if the terminal is no longer this login's.
 */
int hangup_terminal(struct hangup *hangup, const struct session_record *login, unsigned index,
                    struct process_list *all, int64_t now_ms);

/* Begins with SIGTERM to the connection of a login and SIGHUP to all processes
 * below it. Returns 0, or -1 with errno; ENOENT or ESRCH if the login is gone. */
int hangup_login(struct hangup *hangup, const struct session_record *login, int64_t now_ms);

/* Takes the next step, once next_ms has come. Returns true after the last. */
bool hangup_step(struct hangup *hangup, int64_t now_ms);

void hangup_free(struct hangup *hangup);

#endif
