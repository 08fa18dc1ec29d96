/* A login's record in the registry, even if its file is damaged. */
#ifndef TMOUT_TMOUTD_RECORD_H
#define TMOUT_TMOUTD_RECORD_H

#include "lib/sessions/login_search.h"

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

enum record_verdict {
    RECORD_REBUILD, /* a login: it says who has logged in */
    RECORD_REMOVE,  /* certainly no login */
    RECORD_KEEP,    /* another process of root's: ignore the record */
    RECORD_RETRY    /* not everything could be read now */
};

/* What to do about a damaged record, by what /proc says about its process; for
 * RECORD_REBUILD also the uid of the user. Only a process that login_search.h
 * would find counts as a login, whatever the file is called. Pure. */
enum record_verdict record_judge(const struct login_evidence *evidence, uid_t *uid);

#endif
