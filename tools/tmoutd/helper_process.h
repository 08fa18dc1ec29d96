/* One helper process, as the main process sees it: how it starts and ends, and its
 * answers. helpers.h decides which questions it gets, and how long it may take. */
#ifndef TMOUT_TMOUTD_HELPER_PROCESS_H
#define TMOUT_TMOUTD_HELPER_PROCESS_H

#include "lib/host/proc_text.h"
#include "tools/tmoutd/helper_starter.h"

#include <sys/types.h>

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

/* Starts a helper with these jobs. If the starter has none, this process forks it.
 * Returns 0, or -1 with errno. The caller closes the descriptors. */
int helper_process_start(struct helper_starter *starter, struct helper_process *process,
                         const struct job *job, size_t count);

/* This job is its last one. One behind it may have been begun, if its answer is
 * on the way. */
void helper_process_stop_after(const struct helper_process *process, uint32_t index);

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
