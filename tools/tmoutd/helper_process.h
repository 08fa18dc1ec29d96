/* One helper process: how it is forked, works through its batch, and sends its
 * answers. helpers.h decides which questions it gets, and how long it may take. */
#ifndef TMOUT_TMOUTD_HELPER_PROCESS_H
#define TMOUT_TMOUTD_HELPER_PROCESS_H

#include "lib/host/proc_text.h"
#include "tools/tmoutd/answer.h"

#include <sys/types.h>

enum { HELPER_JOBS_MAX = 128 };

struct job {
    work_function work;
    prepare_function prepare; /* or NULL */
    const void *input;
    unsigned powers; /* enum power */
    int fd;          /* the only descriptor of ours that the helper keeps for it, or -1 */
};

/* What a helper has had of the processors. */
struct helper_cpu {
    int64_t seen_ms; /* CLOCK_MONOTONIC */
    struct cpu_use use;
    bool is_runnable;
};

struct helper_process {
    pid_t pid;
    int pidfd;             /* or -1: then it is known by its pid alone until it was waited for */
    int socket;            /* its answers; end of file when it ends */
    struct helper_cpu cpu; /* seen last */
};

/* Forks a helper for these jobs. Returns 0, or -1 with errno. The caller closes
 * the descriptors. */
int helper_process_start(struct helper_process *process, const struct job *job, size_t count);

/* This job is its last one. One behind it may have been begun, if its answer is
 * on the way. */
void helper_process_stop_after(const struct helper_process *process, uint32_t index);

/* In the place of an index: all is prepared, and the first job begins. Comes if any job
 * of the batch has something to be prepared. */
#define JOBS_PREPARED UINT32_MAX

struct done_job {
    uint32_t index, took_ms; /* without the time that it waited for a processor */
};

/* The next answer, and which job it is to. Returns 1, 0 when there will be none
 * any more, or -1 with errno, EAGAIN if there is none yet. */
int helper_process_receive(const struct helper_process *process, struct done_job *job,
                           struct answer *answer);

/* Is there one to be received? */
bool helper_process_has_answer(const struct helper_process *process);

/*
 * How long it has waited for a processor since it was looked at last, or since since_ms
 * (CLOCK_MONOTONIC), if that is later. What cannot be told is not counted, but for this:
 * who waits for a processor now, and was not looked at since since_ms, has done so all
 * the time.
 */
int64_t helper_process_waited_ms(struct helper_process *process, int64_t since_ms);

/* The same, from what was seen. Pure. */
int64_t helper_cpu_waited_ms(const struct helper_cpu *then, const struct helper_cpu *now,
                             int64_t since_ms);

/* Signals it. It may not end for that. */
void helper_process_signal(const struct helper_process *process, int signal_number);

/* Has it ended? Does not wait. */
bool helper_process_reap(const struct helper_process *process);

#endif
