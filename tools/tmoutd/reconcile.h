/*
 * Finds logins that are not watched: whose record could not be written, was
 * removed or is damaged, which began before pam_tmout was installed, or whose
 * PAM stack does not have its line.
 *
 * Whoever notices that there might be one asks for a look at the process that
 * announced it, or, if that is not known, for a search through all of the host's. It is
 * done once for whatever was noticed within a few seconds, in a helper; while nothing is
 * noticed, nothing is done. A login is taken for one without a record if it has none
 * when it is looked at twice: the module may be about to write it.
 */
#ifndef TMOUT_TMOUTD_RECONCILE_H
#define TMOUT_TMOUTD_RECONCILE_H

#include "lib/sessions/login_search.h"
#include "tools/tmoutd/loop.h"
#include "tools/tmoutd/record_store.h"

/* A login is found this long after it was noticed, or twice that. */
enum { RECONCILE_PAUSE_MS = 8 * 1000 };

struct reconcile_hooks {
    void *context;
    /* The pids of all logins that are watched, in any order, in *pids, to be freed.
     * Returns how many, or -1 without memory. */
    ssize_t (*watched)(void *context, pid_t **pids);
    bool (*is_watched)(void *context, pid_t pid);
    /* One that was not. Its record is saved; it may be one of the module's by now. */
    void (*found)(void *context, const struct session_record *record);
};

struct reconcile;

/* NULL without memory. */
struct reconcile *reconcile_new(struct loop *loop, struct record_store *store,
                                const struct reconcile_hooks *hooks);
void reconcile_free(struct reconcile *reconcile);

/* Search after this time: because of a terminal, of what systemd-logind reports, or
 * for another reason (LOGIN_FROM_SCAN). */
void reconcile_search(struct reconcile *reconcile, enum login_source reason, int64_t delay_ms);

/* Look at this process after this time: what it costs does not depend on how many others
 * there are. It is looked at again until it is watched, has opened no login after all,
 * or has ended. */
void reconcile_look(struct reconcile *reconcile, pid_t pid, enum login_source source,
                    int64_t delay_ms);

/* The record of this process, which is not watched, cannot be used: it is damaged,
 * or a newer version's, which stays as it is. */
void reconcile_replace(struct reconcile *reconcile, pid_t pid, bool is_newer);

enum record_verdict {
    RECORD_REBUILD, /* a login: it says who has logged in */
    RECORD_REMOVE,  /* certainly no login */
    RECORD_KEEP,    /* another process of root's: ignore the record */
    RECORD_RETRY    /* not everything could be read now */
};

/* What to do about such a record, by what /proc says about its process; for
 * RECORD_REBUILD also the uid of the user. Only a process that login_search.h
 * would find counts as a login, whatever the file is called. Pure. */
enum record_verdict record_judge(const struct login_evidence *evidence, uid_t *uid);

#endif
