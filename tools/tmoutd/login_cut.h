/*
 * Ending one login. First what suffices, and needs nobody's help: SIGTERM to its
 * connection, and SIGKILL to all of sshd's processes for it if they remain. What
 * runs below the connection is ended as ending.h does, in helpers: it is looked for
 * before the connection ends, but no longer than LOOK_MS.
 */
#ifndef TMOUT_TMOUTD_LOGIN_CUT_H
#define TMOUT_TMOUTD_LOGIN_CUT_H

#include "lib/sessions/registry.h"
#include "tools/tmoutd/loop.h"

struct login_cut;

/* Called after the last step. The login may still be there. */
typedef void (*login_cut_function)(void *context);

/* Begins. pidfd and connection_pidfd are copied; the latter is -1 if the process in
 * the record is also the one that talks to the client. The cut goes on by itself,
 * and frees itself after it has called done. NULL with errno. */
struct login_cut *login_cut_begin(struct loop *loop, about_t about,
                                  const struct session_record *login, const int pidfds[2],
                                  login_cut_function done, void *context);

/* Nobody wants to know any more. It goes on. */
void login_cut_detach(struct login_cut *cut);

/* Stops all of them. */
void login_cuts_free(struct loop *loop);

#endif
