/*
 * The processes and terminals of a registered login, as /proc shows them.
 *
 * sshd's process that opened the session is root's and stays to the end. It
 * holds the master side of every terminal of the connection, and only of
 * those: tmux, screen and script hold those of their own.
 */
#ifndef TMOUT_SESSIONS_LOGIN_PROCESSES_H
#define TMOUT_SESSIONS_LOGIN_PROCESSES_H

#include "lib/sessions/registry.h"

/* A connection has as many as MaxSessions, which is 10 unless raised. */
enum { LOGIN_TERMINALS_MAX = 256 };

/*
 * The numbers of the login's terminals in /dev/pts, in index[]. Returns how
 * many, or -1 with errno: ENOENT or ESRCH where the process is gone, anything
 * else where they could not be read, which does not mean that there are none.
 */
int login_terminals(const struct session_record *login, unsigned index[LOGIN_TERMINALS_MAX]);

/* Is the terminal with this number one of the login's? */
bool login_has_terminal(const struct session_record *login, unsigned index);

/*
 * The session that has this terminal of an SSH login for its controlling one.
 * Numbers alone do not tell: every container counts its terminals from 0. 0
 * where no session has it, -1 where the kernel does not say (see below).
 */
pid_t login_terminal_session(const struct session_record *login, unsigned index);

/* The path of a terminal of this login. */
void terminal_path(const struct session_record *login, unsigned index, char *path, size_t size);

/*
 * A number that changes when the login moves data and at no other time. It
 * holds the bytes that all processes below the connection have read and
 * written, and those that the connection itself has moved elsewhere than to
 * and from the client: through pipes and forwarded connections of any kind,
 * also such as came and went between two looks. A queue that waits to be sent
 * to the client counts as it gets shorter. All else that stays between sshd
 * and the client is no data: keep-alives of either side, new keys; and also
 * how far the client is with what it has received (up to 2 MB are under way
 * in a channel of OpenSSH).
 *
 * The kernel counts both what sshd reads and writes (/proc/PID/io) and what
 * passes the connection to the client (TCP_INFO, by pidfd_getfd()). Where
 * the second cannot be had (before Linux 5.6, with kernel.yama.ptrace_scope 3,
 * or where the client comes by something else than TCP, as to sshd -i behind
 * a pipe) all that sshd moves counts, keep-alives too: better a login that is
 * not idle than a transfer that is cut.
 *
 * Returns 0, or -1 with errno: ENOENT or ESRCH where the login is gone.
 */
int login_bytes_moved(const struct session_record *login, uint64_t *bytes);

/* The process that speaks with the client, and whose children are the
 * sessions; 0 where it is gone. */
pid_t login_connection(const struct session_record *login);

/*
 * The processes of a login, connection and all below: to be ended with it.
 * Returns how many were put into *processes, to be freed, or -1 with errno.
 * Each was a child of one before it while that one ran; by the time that it is
 * acted upon, its number may be another's: compare start_ticks.
 */
ssize_t login_processes(const struct session_record *login, struct process **processes);

#endif
