/* What a helper process does: it works through its batch, and sends an answer to each
 * question. helper_process.h is the other side. */
#ifndef TMOUT_TMOUTD_HELPER_WORK_H
#define TMOUT_TMOUTD_HELPER_WORK_H

#include "tools/tmoutd/answer.h"

#include <sys/types.h>

enum { HELPER_JOBS_MAX = 128 };

struct job {
    work_function work;
    prepare_function prepare; /* or NULL */
    const void *input;
    size_t input_size;
    unsigned powers; /* enum power */
    int fd;          /* the only descriptor of ours that the helper keeps for it, or -1 */
};

/* In the place of an index: all is prepared, and the first job begins. Comes if any job
 * of the batch has something to be prepared. */
#define JOBS_PREPARED UINT32_MAX

struct done_job {
    uint32_t index, took_ms; /* without the time that it waited for a processor */
};

/* In front of each answer on the socket. */
struct wire {
    struct done_job job;
    uint32_t presence, size;
    int32_t error;
};

/* Ends with its parent, and ends at once if that is not this process any more. Closes
 * everything above standard error but these, which may be -1, and sorts them. */
void helper_enter(pid_t parent, const char *name, int *kept, size_t count);

/* What a process does that was forked to be a helper of this parent. */
_Noreturn void helper_run(pid_t parent, int socket, const struct job *job, size_t count);

#endif
