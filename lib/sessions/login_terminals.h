/*
 * The terminals of a registered login, as /proc shows them.
 *
 * The process of sshd that opened the session runs as root and lasts as long
 * as the connection. It holds the master side of every terminal of that
 * connection and of no other: tmux, screen and script hold the masters of the
 * terminals that they create. A login(1) has one terminal, which its record
 * names.
 */
#ifndef TMOUT_SESSIONS_LOGIN_TERMINALS_H
#define TMOUT_SESSIONS_LOGIN_TERMINALS_H

#include "lib/sessions/registry.h"

/* A connection has at most MaxSessions of them, which is 10 unless raised. */
enum { LOGIN_TERMINALS_MAX = 256 };

/*
 * The numbers of the login's terminals in /dev/pts, in index[]; 0 for the one
 * of login(1). Returns how many, or -1 with errno: ENOENT or ESRCH if the
 * process is gone; with any other errno /proc could not be read, and the login
 * may have terminals all the same.
 */
int login_terminals(const struct session_record *login, unsigned index[LOGIN_TERMINALS_MAX]);

/*
 * Opens the terminal with this number, without waiting, if it is the login's. Checked
 * after opening: from then on the number cannot be reused. Returns a descriptor, or -1
 * with errno: ENOENT or ESRCH if the terminal, or the login, is gone; with any other
 * errno it may still be there.
 */
int login_terminal_open(const struct session_record *login, unsigned index);

/*
 * The session whose controlling terminal this terminal of a login is; 0 if it is
 * none's. For sshd it is asked of the master: a device number alone would not do,
 * since every container numbers its terminals from 0. Where the kernel does not
 * tell (before Linux 5.6, or with kernel.yama.ptrace_scope 3), and for login(1), it
 * is looked for among the sessions that the login has started.
 */
pid_t login_terminal_session(const struct session_record *login, unsigned index);

/* The path of a terminal of this login. */
void terminal_path(const struct session_record *login, unsigned index, char *path, size_t size);

#endif
