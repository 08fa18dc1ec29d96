/* What helpers do about the processes that a login has left behind. */
#ifndef TMOUT_TMOUTD_LEFTOVER_WORK_H
#define TMOUT_TMOUTD_LEFTOVER_WORK_H

#include "lib/sessions/leftovers.h"
#include "tools/tmoutd/answer.h"

struct leftovers_view {
    uint64_t process_count;
    uint64_t terminal_count;
    struct leftover_terminal terminal[LEFTOVER_TERMINALS_MAX];
};

/* input: struct login_trace. Answers with a struct leftovers_view, and with a pidfd
 * of one of the processes, if there are any. */
void look_at_leftovers(const void *input, int fd, struct answer *answer);

/* Asks them to end, as a hang-up and a shutdown would. input: struct login_trace.
 * Answers with a uint64_t: how many there are. */
void terminate_leftovers(const void *input, int fd, struct answer *answer);

/* Kills them. input and answer: the same. */
void kill_leftovers(const void *input, int fd, struct answer *answer);

#endif
