/*
 * The registry of logins: a file for each in /run/tmout/sessions, named by
 * the process that opened the session. It is how tmoutd knows whom to watch,
 * and how su and sudo find the login that they were started in.
 *
 * Root's, like its directory. A record whose process is gone, or has another
 * start time (the number was given to somebody else), is stale.
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

/* Written to disk as it is. */
struct session_record {
    int32_t pid;
    uint32_t is_ssh;
    uint64_t start_ticks;   /* of the process: field 22 of /proc/PID/stat */
    uint32_t audit_session; /* /proc/PID/sessionid, or NO_AUDIT_SESSION */
    uint32_t unused;
    struct timestamp since;
    char user[256];    /* as PAM_USER says */
    char service[32];  /* of PAM */
    char address[64];  /* where it came from, or "local" */
    char terminal[32]; /* of a login at a terminal, below /dev; else "" */
};

enum registry_status {
    REGISTRY_OK,
    REGISTRY_ABSENT,
    REGISTRY_DAMAGED, /* there is a file, but nothing in it can be relied upon */
    REGISTRY_FAILED   /* errno */
};

/* The directory of the registry that goes with this state directory: in /run,
 * or DIR-sessions beside one that is not the usual. False: no room in path. */
bool registry_directory(const char *state_dir, char *path, size_t size);

/* Makes the directory, and the one above it, where they are missing. Returns
 * 0, or -1 with errno. */
int registry_make(const char *directory);

/* Writes the record of a login, whole. The directory is made where it is
 * missing, and its parent. Returns 0, or -1 with the reason. */
int registry_put(const char *directory, uid_t owner, const struct session_record *record,
                 struct failure *failure);

/* Takes a login out; one that is not in is fine. */
void registry_remove(const char *directory, pid_t pid);

enum registry_status registry_get(const char *directory, uid_t owner, pid_t pid,
                                  struct session_record *record);

/* Is the login's process still there, and the same? */
bool session_is_live(const struct session_record *record);

/*
 * The login that this process belongs to: by the audit session, which no user
 * can change, else by ancestry; never by the environment. Returns 1 and fills
 * *record, 0 if there is none, -1 if one of the records is damaged and it may
 * be that one.
 */
int registry_find_own(const char *directory, uid_t owner, struct session_record *record);

/* All pids that have a record, into *pids, to be freed. Returns how many, or
 * -1 with errno; 0 where there is no directory. */
ssize_t registry_list(const char *directory, pid_t **pids);

#endif
