#include "tools/tmoutd/helper_process.h"

#include "lib/host/clock.h"
#include "lib/host/pidfd.h"
#include "lib/host/procfs.h"
#include "tools/tmoutd/message.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { NS_PER_MS = 1000 * 1000 };

/* Returns the helper's pid, and *socket for its answers; -1 with errno. */
static pid_t start_once(struct helper_starter *starter, const struct job *job, size_t count,
                        int *socket)
{
    const pid_t parent = getpid();
    int end[2];

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, end) != 0)
        return -1;
    pid_t pid = helper_starter_fork(starter, end[1], job, count);
    if (pid < 0 && errno != ETIMEDOUT) {
        pid = fork();
        if (pid == 0)
            helper_run(parent, end[1], job, count);
    }
    const int error = errno;
    close(end[1]);
    if (pid < 0)
        close(end[0]);
    *socket = end[0];
    errno = error;
    return pid;
}

int helper_process_start(struct helper_starter *starter, struct helper_process *process,
                         const struct job *job, size_t count)
{
    int socket;

    if (count > HELPER_JOBS_MAX) {
        errno = E2BIG;
        return -1;
    }
    pid_t pid = start_once(starter, job, count, &socket);
    /* The starter had its time, and is gone. Should it have started a helper all the same,
     * nobody hears that one. */
    if (pid < 0 && errno == ETIMEDOUT)
        pid = start_once(starter, job, count, &socket);
    if (pid < 0)
        return -1;
    *process =
        (struct helper_process){.pid = pid,
                                .pidfd = pidfd_of(pid),
                                .socket = socket,
                                .cpu = {.seen_ms = clock_ms(CLOCK_MONOTONIC), .is_runnable = true}};
    return 0;
}

void helper_process_stop_after(const struct helper_process *process, uint32_t index)
{
    send(process->socket, &index, sizeof index, MSG_NOSIGNAL | MSG_DONTWAIT);
}

int helper_process_receive(const struct helper_process *process, struct done_job *job,
                           struct answer *answer)
{
    struct wire wire;
    struct message message = {.part = {{&wire, sizeof wire}, {answer->data, sizeof answer->data}},
                              .fd = answer->fd};
    ssize_t size;

    do {
        message.fd_count = ANSWER_FDS_MAX;
        size = message_receive(process->socket, &message, MSG_DONTWAIT);
    } while (size < 0 && errno == ECONNRESET); /* with answers behind it */
    if (size <= 0)
        return (int)size;
    answer->fd_count = (int)message.fd_count;
    if ((size_t)size < sizeof wire || (size_t)size != sizeof wire + wire.size) {
        answer_close_fds(answer);
        errno = EPROTO;
        return -1;
    }
    *job = wire.job;
    answer->presence = (enum presence)wire.presence;
    answer->error = wire.error;
    answer->size = wire.size;
    answer->retry_ms = 0;
    return 1;
}

bool helper_process_has_answer(const struct helper_process *process)
{
    return recv(process->socket, &(char){0}, 1, MSG_DONTWAIT | MSG_PEEK) > 0;
}

int64_t helper_cpu_waited_ms(const struct helper_cpu *then, const struct helper_cpu *now,
                             int64_t since_ms)
{
    const bool is_first = then->seen_ms < since_ms;
    const int64_t elapsed_ms = now->seen_ms - (is_first ? since_ms : then->seen_ms);
    /* What it waits for a processor counts when it has got one. */
    const bool has_not_run =
        now->use.turns == then->use.turns && now->use.ran_ns == then->use.ran_ns;
    const int64_t waited_ms = (int64_t)((now->use.waited_ns - then->use.waited_ns) / NS_PER_MS);

    if (is_first || has_not_run)
        return now->is_runnable && (is_first || then->is_runnable) ? elapsed_ms : 0;
    return waited_ms < elapsed_ms ? waited_ms : elapsed_ms;
}

int64_t helper_process_waited_ms(struct helper_process *process, int64_t since_ms)
{
    const struct helper_cpu then = process->cpu;
    struct helper_cpu now = {.seen_ms = clock_ms(CLOCK_MONOTONIC)};

    /* It is a fork of this process, which runs no other program: neither file makes its
     * reader wait. */
    if (!process_cpu_use(process->pid, &now.use))
        return 0;
    now.is_runnable = process_is_runnable(process->pid);
    process->cpu = now;
    return helper_cpu_waited_ms(&then, &now, since_ms);
}

void helper_process_signal(const struct helper_process *process, int signal_number)
{
    /* Not waited for yet: the pid cannot be another process's. */
    if (process->pidfd < 0 || pidfd_signal(process->pidfd, signal_number) != 0)
        kill(process->pid, signal_number);
}

bool helper_process_reap(const struct helper_process *process)
{
    const pid_t ended = waitpid(process->pid, NULL, WNOHANG);

    return ended == process->pid || (ended < 0 && errno == ECHILD);
}
