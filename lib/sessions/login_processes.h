/*
 * The processes and terminals of a registered login, as /proc shows them.
 *
 * sshd's process that opened the session is root's and stays to the end. It
 * holds the master side of every terminal of the connection, and only of
 * those: tmux, screen and script hold those of their own.
 */
#ifndef TMOUT_LOGIN_PROCESSES_H
#define TMOUT_LOGIN_PROCESSES_H

#include "registry.h"

/* A connection has as many as MaxSessions, which is 10 unless raised. */
enum { LOGIN_TERMINALS_MOST = 256 };

/*
 * The numbers of the login's terminals in /dev/pts, in index[]. Returns how
 * many, or -1 with errno: ENOENT or ESRCH where the process is gone.
 */
int login_terminals(const struct session_record *login, unsigned index[LOGIN_TERMINALS_MOST]);

/* Is the terminal with this number one of the login's? */
bool login_has_terminal(const struct session_record *login, unsigned index);

/*
 * The session that has this terminal of an SSH login for its controlling one.
 * Numbers alone do not tell: every container counts its terminals from 0. 0
 * where no session has it, -1 with errno where the kernel does not say (it has
 * pidfd_getfd() since 5.6; Yama may forbid it).
 */
pid_t login_terminal_session(const struct session_record *login, unsigned index);

/* The path of a terminal of this login. */
void terminal_path(const struct session_record *login, unsigned index, char *path, size_t size);

/*
 * How many bytes the login's own work has moved so far: that of all processes
 * below the connection, and of the connection itself while it forwards
 * something. Its keep-alives are no work. Returns 0, or -1 with errno.
 */
int login_bytes_moved(const struct session_record *login, uint64_t *bytes);

/* The process that speaks with the client, and whose children are the
 * sessions; 0 where it is gone. */
pid_t login_connection(const struct session_record *login);

/*
 * The processes of a login, connection and all below: to be ended with it.
 * Returns how many were put into pids[], to be freed, or -1.
 */
ssize_t login_processes(const struct session_record *login, pid_t **pids);

#endif
