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

struct leftovers_ended {
    uint64_t process_count; /* that there are */
    uint64_t moving;        /* of these, by stop_leftovers(): as leftovers_stop() */
};

/* Asks them to end, as a hang-up and a shutdown would. input: struct login_trace.
 * Answers with a struct leftovers_ended. */
void terminate_leftovers(const void *input, int fd, struct answer *answer);

/* Stops them, and kills them. input and answer: the same. */
void stop_leftovers(const void *input, int fd, struct answer *answer);
void kill_leftovers(const void *input, int fd, struct answer *answer);

#endif
