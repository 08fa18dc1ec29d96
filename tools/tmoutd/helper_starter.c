#include "tools/tmoutd/helper_starter.h"

#include "lib/host/clock.h"
#include "tools/tmoutd/message.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    INPUT_MAX = 128 * 1024, /* a message fits into the usual buffer of a socket, 208 KiB */
    INPUT_ALIGNMENT = 16,   /* as of malloc() */
    ANSWER_MS = 2000,       /* it only forks: a longer time shows that something is wrong */
    RESTART_MS = 60 * 1000  /* one that ends at once is not started for each helper */
};

/* The inputs' pointers hold on the other side, too: the starter is a fork, and receives
 * this where it was sent from. Descriptors get other numbers. */
static struct batch {
    uint32_t count;
    struct job job[HELPER_JOBS_MAX];
    unsigned char input[INPUT_MAX] __attribute__((aligned(INPUT_ALIGNMENT)));
} batch;

struct started {
    pid_t pid; /* or -1 */
    int error;
};

/* --- in the starter ---------------------------------------------------------- */

/* Its parent is the starter's. What fork(3) does in the child besides is of use only to
 * processes with threads. */
static pid_t fork_sibling(void)
{
    const unsigned long flags = CLONE_PARENT | SIGCHLD;

#ifdef __s390__
    return (pid_t)syscall(SYS_clone, 0UL, flags, 0UL, 0UL, 0UL);
#else
    return (pid_t)syscall(SYS_clone, flags, 0UL, 0UL, 0UL, 0UL);
#endif
}

/* Receives a batch, and at least the helper's socket. False if there is nothing to do any more. */
static bool receive_batch(int socket, struct message *message)
{
    message->part[0] = (struct iovec){&batch, sizeof batch};
    message->fd_count = MESSAGE_FDS_MAX;
    return message_receive(socket, message, 0) > 0 && message->fd_count > 0;
}

static void start_helper(pid_t parent, const int *fds, struct started *started)
{
    const int *next = fds + 1;

    for (uint32_t i = 0; i < batch.count; i++)
        if (batch.job[i].fd >= 0)
            batch.job[i].fd = *next++;
    started->pid = fork_sibling();
    started->error = errno;
    if (started->pid == 0)
        helper_run(parent, fds[0], batch.job, batch.count);
}

_Noreturn static void serve(pid_t parent, int socket)
{
    int fds[MESSAGE_FDS_MAX];
    struct message message = {.fd = fds};
    struct started started;

    helper_enter(parent, "tmoutd-starter", &(int){socket}, 1);
    while (receive_batch(socket, &message)) {
        start_helper(parent, fds, &started);
        for (size_t i = 0; i < message.fd_count; i++)
            close(fds[i]);
        if (send(socket, &started, sizeof started, MSG_NOSIGNAL) < 0)
            break;
    }
    _exit(0);
}

/* --- in the main process ----------------------------------------------------- */

void helper_starter_begin(struct helper_starter *starter)
{
    const pid_t parent = getpid();
    int end[2];

    if (starter->pid > 0)
        waitpid(starter->pid, NULL, WNOHANG);
    *starter = (struct helper_starter){
        .socket = -1, .started_ms = clock_ms(CLOCK_MONOTONIC), .answer_ms = ANSWER_MS};
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, end) != 0)
        return;
    const pid_t pid = fork();
    if (pid == 0)
        serve(parent, end[1]);
    close(end[1]);
    if (pid < 0) {
        close(end[0]);
        return;
    }
    starter->pid = pid;
    starter->socket = end[0];
}

void helper_starter_end(struct helper_starter *starter)
{
    if (starter->socket < 0)
        return;
    close(starter->socket);
    starter->socket = -1;
    kill(starter->pid, SIGKILL);
    if (waitpid(starter->pid, NULL, WNOHANG) == starter->pid)
        starter->pid = 0;
}

/* False if they do not fit. */
static bool fill_batch(const struct job *job, size_t count, size_t *size)
{
    size_t at = 0;

    for (size_t i = 0; i < count; i++) {
        if (job[i].input_size > INPUT_MAX - at)
            return false;
        batch.job[i] = job[i];
        batch.job[i].input = batch.input + at;
        if (job[i].input_size > 0)
            memcpy(batch.input + at, job[i].input, job[i].input_size);
        at += (job[i].input_size + INPUT_ALIGNMENT - 1) / INPUT_ALIGNMENT * INPUT_ALIGNMENT;
        if (at > INPUT_MAX)
            return false;
    }
    batch.count = (uint32_t)count;
    *size = offsetof(struct batch, input) + at;
    return true;
}

/* The helper's socket is the first of the descriptors. */
static bool send_batch(const struct helper_starter *starter, int socket, size_t size)
{
    int fds[MESSAGE_FDS_MAX] = {socket};
    struct message message = {.part = {{&batch, size}}, .fd = fds, .fd_count = 1};

    for (uint32_t i = 0; i < batch.count; i++)
        if (batch.job[i].fd >= 0)
            fds[message.fd_count++] = batch.job[i].fd;
    return message_send(starter->socket, &message, MSG_DONTWAIT) == 0;
}

static bool receive_started(const struct helper_starter *starter, struct started *started)
{
    struct pollfd answer = {.fd = starter->socket, .events = POLLIN};
    int ready;

    do
        ready = poll(&answer, 1, starter->answer_ms);
    while (ready < 0 && errno == EINTR);
    return ready > 0 &&
           recv(starter->socket, started, sizeof *started, MSG_DONTWAIT) == sizeof *started;
}

pid_t helper_starter_fork(struct helper_starter *starter, int socket, const struct job *job,
                          size_t count)
{
    struct started started;
    size_t size;

    if (starter->socket < 0 && clock_ms(CLOCK_MONOTONIC) - starter->started_ms >= RESTART_MS)
        helper_starter_begin(starter);
    if (starter->socket < 0 || !fill_batch(job, count, &size)) {
        errno = EAGAIN;
        return -1;
    }
    if (!send_batch(starter, socket, size)) {
        const int error = errno;
        if (error == EPIPE || error == ECONNRESET)
            helper_starter_end(starter);
        errno = error == ETIMEDOUT ? EAGAIN : error;
        return -1;
    }
    if (!receive_started(starter, &started)) {
        helper_starter_end(starter);
        errno = ETIMEDOUT;
        return -1;
    }
    errno = started.error;
    return started.pid;
}
