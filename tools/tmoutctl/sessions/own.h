/*
 * An ordinary user's own logins. Their records in the registry are root's, as they name
 * everybody's addresses; but that there is a record of a process is no secret, and
 * neither are the user's own processes and terminals. So the user gets true answers
 * without any program that runs as somebody else.
 */
#ifndef TMOUT_TMOUTCTL_SESSIONS_OWN_H
#define TMOUT_TMOUTCTL_SESSIONS_OWN_H

#include "lib/sessions/registry.h"

/* A terminal of a login, or a login without one. */
struct own_login {
    struct session_record login; /* pid, start, uid, whether over SSH; the address where the
                                    login's processes know it, else "". The rest is empty */
    char terminal[64];           /* below /dev, or "" */
};

/*
 * Finds the registered logins of a user among all processes, those of one login together,
 * in *found, which the caller frees. Returns how many, or -1 with the reason: where /proc
 * hides the processes of others (proc(5), hidepid), nobody but root can tell.
 */
ssize_t own_logins_find(const char *directory, uid_t uid, struct own_login **found,
                        struct failure *failure);

#endif
