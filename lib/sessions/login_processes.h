/* The processes of a registered login, as /proc shows them. */
#ifndef TMOUT_SESSIONS_LOGIN_PROCESSES_H
#define TMOUT_SESSIONS_LOGIN_PROCESSES_H

#include "lib/sessions/registry.h"

/* The process that talks to the client and whose children lead the sessions;
 * 0 if it is gone. */
pid_t login_connection(const struct session_record *login);

/*
 * The connection of a login and all processes below it, parents before their
 * children: those that end with the login. Returns how many were put into
 * *processes, which the caller frees, or -1 with errno. Each was seen as a
 * child of one before it. By the time a process is acted upon, its number may
 * belong to another one: compare start_ticks.
 */
ssize_t login_processes(const struct session_record *login, struct process **processes);

#endif
