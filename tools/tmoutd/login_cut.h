/*
 * Ending one login. First what suffices, and needs nobody's help: SIGTERM to its
 * connection, and SIGKILL to all of sshd's processes for it if they remain. What
 * runs below the connection is ended as ending.h does, in helpers: it is looked for
 * before the connection ends, since nothing tells it from what a login leaves behind
 * afterwards. If three seconds later no helper has got a processor for that, the
 * connection is stopped meanwhile, for up to a minute. Only a login whose processes are
 * not held needs a helper before anything else: it opens them. What could not be found or
 * killed is logged.
 */
#ifndef TMOUT_TMOUTD_LOGIN_CUT_H
#define TMOUT_TMOUTD_LOGIN_CUT_H

#include "lib/sessions/registry.h"
#include "tools/tmoutd/loop.h"

struct login_cut;

/* Called after the last step. The login may still be there. */
typedef void (*login_cut_function)(void *context);

/* Begins. pidfds are that of the process in the record, or -1 if not all of the
 * login's are held, and that of the one that talks to the client, or -1 if that is
 * the same; they are copied. The cut goes on by itself, and frees itself after it
 * has called done. NULL with errno: EMFILE if too many logins are being ended. */
struct login_cut *login_cut_begin(struct loop *loop, const struct session_record *login,
                                  const int pidfds[2], login_cut_function done, void *context);

/* Nobody wants to know any more. It goes on. */
void login_cut_detach(struct login_cut *cut);

/* Stops all of them. */
void login_cuts_free(struct loop *loop);

#endif
