/*
 * What a login leaves behind: the processes that still run when its connection
 * has ended, such as mosh-server, tmux, screen, a private sshd, and nohup jobs.
 *
 * They are known by the audit session, which pam_loginuid gives to a login and no
 * user can change, and by the control group. systemd-logind puts the processes
 * of a login into a unit of its own (session-12.scope). A process in any other
 * unit is none of the login's business any more: a system service, which may
 * have been started by hand, or a unit of the user's own manager, which lives as
 * long as the user is logged in or lingers.
 *
 *   audit session   logind   what belongs to the login
 *   yes             yes      the same audit session, and a session's unit
 *   yes             no       the same audit session and the login's user: root's are left
 *                            alone, since nothing tells them from system services
 *   no              yes      the login's unit
 *   no              no       nothing: nobody can tell
 *
 * The functions that look at processes are for helpers, since a process may
 * block whoever looks at it. What they read first never blocks: sessionid,
 * cgroup, and the owner of /proc/PID.
 */
#ifndef TMOUT_SESSIONS_LEFTOVERS_H
#define TMOUT_SESSIONS_LEFTOVERS_H

#include "lib/sessions/registry.h"

/* The unit of a session, with its NUL. */
enum { SCOPE_MAX = 64 };

/* What a login's processes are known by. */
struct login_trace {
    uint32_t audit_session; /* or NO_AUDIT_SESSION */
    uid_t uid;              /* of the user, or NO_UID */
    char scope[SCOPE_MAX];  /* such as session-12.scope; "" without logind, or not known */
};

enum process_place {
    PLACE_NO_UNIT, /* no control group, or that of a service: the login's own, without logind */
    PLACE_SESSION, /* the unit of a session; its name is in the scope */
    PLACE_UNIT     /* another scope, or a unit of a user's manager */
};

/* Where a process is, by the text of its /proc/PID/cgroup, of version 1 or 2.
 * Pure. */
enum process_place process_place(const char *text, char scope[SCOPE_MAX]);

/* What is known of a process that may have been left behind. */
struct leftover_evidence {
    uint32_t audit_session;
    enum process_place place;
    char scope[SCOPE_MAX];
    uid_t uid; /* that all of its uids are, or NO_UID */
};

/* Was it left behind by the login? Pure. */
bool is_leftover(const struct login_trace *trace, const struct leftover_evidence *evidence);

/* Can anything be known to be left behind by it? Pure. */
bool trace_is_usable(const struct login_trace *trace);

/* What the processes of a login that still runs are known by: its record, and what
 * its process has by now. */
void login_trace_read(const struct session_record *login, struct login_trace *trace);

/* Lists the host's processes, which all that follows does otherwise. Nothing that a user
 * does blocks it. */
void leftovers_prepare(void);

/*
 * Asks everything that the login left behind to end, but this process and its parent:
 * SIGHUP, SIGTERM, and SIGCONT for what is stopped. Returns how many there are that have
 * not ended, or -1 with errno.
 */
ssize_t leftovers_terminate(const struct login_trace *trace);

/*
 * Stops all of it. What is stopped starts nothing new, and keeps its place among the
 * processes that its user may have, which a killed one would make free. *moving is how
 * many ran or slept until now: while there are any, another one may have appeared, and a
 * list that is made later has it. Returns as leftovers_terminate() does.
 */
ssize_t leftovers_stop(const struct login_trace *trace, size_t *moving);

/* Kills all of it, however many there are. Returns as leftovers_terminate() does. */
ssize_t leftovers_kill(const struct login_trace *trace);

enum { LEFTOVER_TERMINALS_MAX = 256 };

/* A terminal, and the process that holds its master. */
struct leftover_terminal {
    unsigned index; /* in /dev/pts */
    pid_t pid;
    uint64_t start_ticks;
};

struct leftovers_found {
    size_t process_count, terminal_count;
    pid_t witness; /* one of the processes: the last that holds a terminal, or any */
};

/* How many processes there are, and the terminals that they have opened. Returns 0,
 * or -1 with errno. */
int leftovers_find(const struct login_trace *trace,
                   struct leftover_terminal terminal[LEFTOVER_TERMINALS_MAX],
                   struct leftovers_found *found);

#endif
