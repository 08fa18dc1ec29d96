/*
 * A small process that starts helpers. A fork copies its process's page tables and
 * descriptors: of tmoutd, that is some for each login, of this one nearly nothing. It
 * is forked before there are any logins, and does nothing else.
 *
 * Its helpers are children of the main process, as are those that this one forks itself:
 * they end with it, and are waited for and signalled in the same way. It only saves time:
 * without it, and for batches that do not fit into a message, the main process forks.
 *
 * Helpers get a copy of the memory that the main process had when the starter was
 * forked, and their questions' inputs. So an input may point to nothing that is younger.
 */
#ifndef TMOUT_TMOUTD_HELPER_STARTER_H
#define TMOUT_TMOUTD_HELPER_STARTER_H

#include "tools/tmoutd/helper_work.h"

struct helper_starter {
    pid_t pid;          /* not waited for yet, or 0 */
    int socket;         /* -1 if there is none, or it has ended */
    int64_t started_ms; /* CLOCK_MONOTONIC */
    int answer_ms;      /* how long an answer may take */
};

/* Forks one; all is 0, or one has ended. If that fails, helper_starter_fork() tries again
 * now and then. */
void helper_starter_begin(struct helper_starter *starter);

/*
 * Has it start a helper with these jobs and this end of a socket, which the caller closes.
 * Returns its pid, or -1 with errno: ETIMEDOUT if it is not known whether there is
 * one, otherwise there is none.
 */
pid_t helper_starter_fork(struct helper_starter *starter, int socket, const struct job *job,
                          size_t count);

/* Ends it without waiting for it; its helpers go on. */
void helper_starter_end(struct helper_starter *starter);

#endif
