/* A login's record in the registry, even if its file is damaged. */
#ifndef TMOUT_TMOUTD_RECORD_H
#define TMOUT_TMOUTD_RECORD_H

#include "lib/sessions/registry.h"

enum record_status {
    RECORD_FOUND,
    RECORD_NONE, /* no login; the record was removed if that is certain */
    RECORD_LATER /* could not be determined now, which was logged: ask again */
};

/*
 * The record of the login whose session this process opened. A damaged one is
 * rebuilt from /proc, and one whose process has ended is removed.
 */
enum record_status record_read(const char *sessions_dir, pid_t pid, const struct timestamp *now,
                               struct session_record *record);

/* What /proc and NSS say about the process whose record is damaged. */
struct record_evidence {
    bool is_read; /* /proc/PID/stat, into process; else errno in error */
    int error;
    struct process process;
    bool is_root;           /* all of its uids are 0 */
    char name[32];          /* of its program, or "" */
    uint32_t terminal;      /* its controlling one, or that of a child; see struct process */
    uint32_t audit_session; /* or NO_AUDIT_SESSION */
    char user[256];         /* the account that its login uid belongs to, or "" */
};

enum record_verdict {
    RECORD_REBUILD, /* a login: it says who has logged in */
    RECORD_REMOVE,  /* certainly no login */
    RECORD_KEEP,    /* another process of root's: ignore the record */
    RECORD_RETRY    /* not everything could be read now */
};

/* What to do about the record. Only a process of root's sshd or login(1) counts
 * as a login, whatever the file is called. Pure. */
enum record_verdict record_judge(const struct record_evidence *evidence);

/* The record that follows from the evidence, for RECORD_REBUILD. Pure. */
void record_rebuild(const struct record_evidence *evidence, const struct timestamp *now,
                    uint64_t ticks_per_sec, struct session_record *record);

#endif
