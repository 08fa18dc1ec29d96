/*
 * The registry of logins: one file per login in /run/tmout/sessions, named
 * after the process that opened the session. It tells tmoutd which logins to
 * watch, and lets su and sudo find the login that they were started in.
 *
 * Files and directory are owned by root. A record is stale if its process is
 * gone, or has another start time because the pid was reused.
 */
#ifndef TMOUT_SESSIONS_REGISTRY_H
#define TMOUT_SESSIONS_REGISTRY_H

#include "lib/host/clock.h"
#include "lib/host/procfs.h"
#include "lib/host/failure.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* This is also the format on disk. */
struct session_record {
    int32_t pid;
    uint32_t is_ssh;
    uint64_t start_ticks;   /* of the process: field 22 of /proc/PID/stat */
    uint32_t audit_session; /* /proc/PID/sessionid, or NO_AUDIT_SESSION */
    uint32_t unused;
    struct timestamp since;
    char user[256];    /* PAM_USER */
    char service[32];  /* PAM_SERVICE */
    char address[64];  /* of the client, or "local" */
    char terminal[32]; /* of login(1), relative to /dev; else "" */
};

enum registry_status {
    REGISTRY_OK,
    REGISTRY_ABSENT,
    REGISTRY_DAMAGED, /* there is a file, but its content cannot be trusted */
    REGISTRY_FAILED   /* errno */
};

/* The registry that belongs to this state directory: the one in /run, or
 * DIR-sessions for a state directory other than the default. False if path is
 * too small. */
bool registry_directory(const char *state_dir, char *path, size_t size);

/* Creates the directory and its parent if they are missing. Returns 0, or -1
 * with errno. */
int registry_make(const char *directory);

/* Writes the record of a login atomically, and creates the directory first if
 * it is missing. Returns 0, or -1 with the reason. */
int registry_put(const char *directory, uid_t owner, const struct session_record *record,
                 struct failure *failure);

/* Removes a login; it need not be there. */
void registry_remove(const char *directory, pid_t pid);

/* The record of the login whose session this process opened. The directory and
 * the file must belong to owner. */
enum registry_status registry_get(const char *directory, uid_t owner, pid_t pid,
                                  struct session_record *record);

/* Is the login's process still running, and still the same? Returns 0 if so,
 * or -1 with errno: ENOENT or ESRCH if it has ended; with any other errno /proc
 * could not be read. */
int session_check_live(const struct session_record *record);

/* The same; false also if /proc could not be read. */
bool session_is_live(const struct session_record *record);

/*
 * The login that this process belongs to, found by the audit session, which
 * users cannot change, or else by ancestry; never by the environment. Returns
 * 1 and fills *record, 0 if there is none, -1 if a record is damaged or
 * unreadable that might be the one.
 */
int registry_find_own(const char *directory, uid_t owner, struct session_record *record);

/* All pids that have a record, in *pids, which the caller frees. Returns how
 * many, or -1 with errno; 0 if there is no directory. Temporary files that
 * killed processes have left there are removed on the way. */
ssize_t registry_list(const char *directory, pid_t **pids);

#endif
