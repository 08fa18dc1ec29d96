/*
 * The steps of hanging up a terminal, as if the line had dropped, and then
 * ending what ignores it. Each runs in a helper, since opening a terminal, using
 * it, or reading what a process has open may block for as long as a user likes.
 * What is asked here without blocking: the session of a process (getsid(2)), its
 * children, and a pidfd of it.
 */
#ifndef TMOUT_TMOUTD_HANGUP_H
#define TMOUT_TMOUTD_HANGUP_H

#include "lib/sessions/login_terminals.h"
#include "tools/tmoutd/answer.h"

/* What the first step finds out: in the place of a number that may be reused. */
struct hangup_terminal {
    dev_t file_system, device;
    ino_t inode;
    pid_t session; /* whose controlling terminal it is; 0: nobody's */
};

/* A terminal of a login. */
struct hangup_target {
    struct session_record login;
    unsigned index;
    struct hangup_terminal terminal;
};

/*
 * The first step: SIGHUP to the leader of the session that has this terminal,
 * and SIGCONT in case it is stopped. input: struct hangup_target, but for
 * terminal, which is the answer. GONE if the terminal is no longer this login's.
 */
void hangup_begin(const void *input, int fd, struct answer *answer);

/* The second step: every process that has the terminal open loses it. input:
 * struct hangup_target. GONE if it is no longer that session's. */
void hangup_line(const void *input, int fd, struct answer *answer);

/* Lists the host's processes for the last step. */
void hangup_prepare(void);

/*
 * The last step: SIGKILL to the session's leader, and to those of its members,
 * and of the connection's own children, that have the terminal open. A nohup job,
 * for example, does not use the terminal, and lives on. Device numbers are not
 * enough to tell, since containers have the same ones. input: struct
 * hangup_target.
 */
void hangup_kill(const void *input, int fd, struct answer *answer);

/* The same, without asking which of the members have the terminal open. */
void hangup_kill_all(const void *input, int fd, struct answer *answer);

#endif
