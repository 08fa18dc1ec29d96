/*
 * The registry of logins: one file per login in /run/tmout/sessions, named
 * after the process that opened the session. It tells tmoutd which logins to
 * watch, and lets su and sudo find the login that they were started in.
 *
 * Files and directory are owned by root. A record is stale if its process is
 * gone, or has another start time because the pid was reused. The files' layout
 * is in registry_format.h.
 */
#ifndef TMOUT_SESSIONS_REGISTRY_H
#define TMOUT_SESSIONS_REGISTRY_H

#include "lib/host/clock.h"
#include "lib/host/procfs.h"
#include "lib/host/failure.h"
#include "lib/sessions/watch_limits.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* How a login became known. Written to disk: append only, never reorder. */
enum login_source {
    LOGIN_FROM_PAM,      /* the module wrote its record */
    LOGIN_FROM_MESSAGE,  /* the module could not, and sent it to tmoutd */
    LOGIN_FROM_TERMINAL, /* no record: found when one of its terminals appeared */
    LOGIN_FROM_LOGIND,   /* ... when systemd-logind reported its session */
    LOGIN_FROM_SCAN,     /* ... among the processes of the host */
    LOGIN_REBUILT,       /* its record was damaged */
    LOGIN_SOURCE_COUNT
};

/* No uid. */
#define NO_UID ((uid_t)-1)

struct session_record {
    pid_t pid;
    bool is_ssh;
    bool has_spare;         /* its file was reserved beforehand (registry_spare.h) */
    uint64_t start_ticks;   /* of the process: field 22 of /proc/PID/stat */
    uint32_t audit_session; /* /proc/PID/sessionid, or NO_AUDIT_SESSION */
    enum login_source source;
    uid_t uid; /* of the user, or NO_UID: not looked up yet */
    struct timestamp since;
    char user[256];            /* PAM_USER */
    char service[32];          /* PAM_SERVICE */
    char address[64];          /* of the client, or "local" */
    char terminal[32];         /* of login(1), relative to /dev; else "" */
    uint64_t policy;           /* snapshot_identity() of the one that gave limits; 0: none did */
    struct user_limits limits; /* those known last */
};

enum registry_status {
    REGISTRY_OK,
    REGISTRY_ABSENT,
    REGISTRY_DAMAGED, /* there is a file, but its content cannot be trusted */
    REGISTRY_NEWER,   /* a later version of this software wrote it */
    REGISTRY_FAILED   /* errno */
};

/* For people and scripts: pam, message, terminal, logind, scan, rebuilt. */
const char *login_source_name(enum login_source source);

/* The registry that belongs to this state directory: the one in /run, or
 * DIR-sessions for a state directory other than the default. False if path is
 * too small. */
bool registry_directory(const char *state_dir, char *path, size_t size);

/* Creates the directory and its parent if they are missing. Returns 0, or -1
 * with errno. */
int registry_make(const char *directory);

/*
 * Writes the record of a login atomically, and creates the directory first if
 * it is missing. Where the file system is full, it uses a spare file. Returns
 * 0, or -1 with errno and the reason.
 */
int registry_put(const char *directory, uid_t owner, const struct session_record *record,
                 struct failure *failure);

/* The same for a login that has no record yet: -1 with EEXIST if there is one. */
int registry_add(const char *directory, uid_t owner, const struct session_record *record,
                 struct failure *failure);

/* Removes a login; it need not be there. What was a spare becomes one again. */
void registry_remove(const char *directory, uid_t owner, pid_t pid);

/* Removes the login of a process whose session ends, unless it may leave something
 * behind: tmoutd removes that record, and would otherwise miss what is left while it
 * is restarted. */
void registry_log_out(const char *directory, uid_t owner, const struct process *process);

/* The record of the login whose session this process opened. The directory and
 * the file must belong to owner. */
enum registry_status registry_get(const char *directory, uid_t owner, pid_t pid,
                                  struct session_record *record);

/* Is the login's process still running, and still the same? Returns 0 if so,
 * or -1 with errno: ENOENT or ESRCH if it has ended; with any other errno /proc
 * could not be read. */
int session_check_live(const struct session_record *record);

/*
 * Is the user who was found the one who logged in, with the uid of the record? If not,
 * returns false with the reason: nobody's uid changes while they are logged in, so one
 * of the two answers of the name service was about somebody else.
 */
bool session_is_of(uid_t registered_uid, uid_t found_uid, struct failure *failure);

/*
 * The login that this process belongs to, found by the audit session, which
 * users cannot change, or else by ancestry; never by the environment. Returns
 * 1 and fills *record, 0 if there is none, -1 if a record or a process cannot
 * be read that might be the one.
 */
int registry_find_own(const char *directory, uid_t owner, struct session_record *record);

/* All pids that have a record, in *pids, which the caller frees. Returns how
 * many, or -1 with errno; 0 if there is no directory. Temporary files that
 * killed processes have left there are removed on the way. */
ssize_t registry_list(const char *directory, uid_t owner, pid_t **pids);

#endif
