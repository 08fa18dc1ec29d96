#include "tools/tmoutd/helper_work.h"

#include "lib/host/clock.h"
#include "lib/host/proc_text.h"
#include "lib/host/procfs.h"
#include "tools/tmoutd/message.h"

#include <errno.h>
#include <limits.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define BIT(capability) ((uint64_t)1 << (capability))

enum { NS_PER_MS = 1000 * 1000 };

static int compare_descriptors(const void *a, const void *b)
{
    const int left = *(const int *)a, right = *(const int *)b;

    return (left > right) - (left < right);
}

/* Closes everything above standard error but these. A helper that can never be
 * ended must keep nothing of ours open. */
static void close_all_but(int *kept, size_t count)
{
    unsigned from = STDERR_FILENO + 1;

    qsort(kept, count, sizeof *kept, compare_descriptors);
    for (size_t i = 0; i < count; i++) {
        if (kept[i] < 0 || (unsigned)kept[i] < from)
            continue;
        if ((unsigned)kept[i] > from)
            syscall(SYS_close_range, from, (unsigned)kept[i] - 1, 0);
        from = (unsigned)kept[i] + 1;
    }
    syscall(SYS_close_range, from, UINT_MAX, 0);
}

void helper_enter(pid_t parent, const char *name, int *kept, size_t count)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(1);
    prctl(PR_SET_NAME, name);
    close_all_but(kept, count);
}

static uint64_t capabilities_of(unsigned powers)
{
    static const struct {
        enum power power;
        uint64_t capabilities;
    } table[] = {
        {MAY_LOOK, BIT(CAP_SYS_PTRACE) | BIT(CAP_DAC_OVERRIDE) | BIT(CAP_DAC_READ_SEARCH)},
        {MAY_SIGNAL, BIT(CAP_KILL)},
        {MAY_HANG_UP, BIT(CAP_SYS_ADMIN) | BIT(CAP_SYS_TTY_CONFIG)},
    };
    uint64_t capabilities = 0;

    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        if ((powers & table[i].power) != 0)
            capabilities |= table[i].capabilities;
    return capabilities;
}

/*
 * Only what this question needs is in effect, and what none of those that are left
 * needs is gone for good. By raw system calls, without a library. A helper that
 * cannot drop them works all the same: better than a login that nobody watches.
 */
static void limit_powers(unsigned now, unsigned later)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct set[_LINUX_CAPABILITY_U32S_3] = {{0}};

    if (syscall(SYS_capget, &header, set) != 0)
        return;
    for (unsigned i = 0; i < _LINUX_CAPABILITY_U32S_3; i++) {
        set[i].permitted &= (uint32_t)(capabilities_of(now | later) >> (32 * i));
        set[i].effective = set[i].permitted & (uint32_t)(capabilities_of(now) >> (32 * i));
        set[i].inheritable = 0;
    }
    syscall(SYS_capset, &header, set);
}

static bool send_answer(int socket, struct done_job job, struct answer *answer)
{
    struct wire wire = {.job = job,
                        .presence = (uint32_t)answer->presence,
                        .size = (uint32_t)answer->size,
                        .error = answer->error};
    struct message message = {.part = {{&wire, sizeof wire}, {answer->data, answer->size}},
                              .fd = answer->fd,
                              .fd_count = (size_t)answer->fd_count};
    const bool is_sent = message_send(socket, &message, 0) == 0;

    answer_close_fds(answer);
    return is_sent;
}

/* The last job that the main process wants done, if it has said so by now. */
static void hear_stop(int socket, uint32_t *last)
{
    uint32_t index;

    if (recv(socket, &index, sizeof index, MSG_DONTWAIT) == sizeof index)
        *last = index;
}

/* A busy host is nobody's fault. *waited_ns is how long it has waited for a processor,
 * as of the last job that took some time. */
static uint32_t took_of_job_ms(int64_t begun_ms, uint64_t *waited_ns)
{
    const int64_t took_ms = clock_ms(CLOCK_MONOTONIC) - begun_ms;
    struct cpu_use use;

    if (took_ms <= 0 || !process_cpu_use(0, &use))
        return took_ms > 0 ? (uint32_t)took_ms : 0;
    const int64_t waited_ms = (int64_t)((use.waited_ns - *waited_ns) / NS_PER_MS);
    *waited_ns = use.waited_ns;
    return took_ms > waited_ms ? (uint32_t)(took_ms - waited_ms) : 0;
}

/* Those with the same function stand together, for the most part. */
static void prepare_jobs(int socket, const struct job *job, size_t count, unsigned powers)
{
    static struct answer nothing;
    prepare_function last = NULL;

    for (size_t i = 0; i < count; i++) {
        if (job[i].prepare == NULL || job[i].prepare == last)
            continue;
        if (last == NULL)
            limit_powers(MAY_LOOK, powers);
        last = job[i].prepare;
        last();
    }
    if (last != NULL && !send_answer(socket, (struct done_job){JOBS_PREPARED, 0}, &nothing))
        _exit(1);
}

static void work_through(int socket, const struct job *job, size_t count)
{
    static struct answer answer;
    unsigned later[HELPER_JOBS_MAX + 1] = {0}; /* than each */
    uint32_t last = (uint32_t)count;
    uint64_t waited_ns = 0;

    for (size_t i = count; i-- > 1;)
        later[i - 1] = later[i] | job[i].powers;
    prepare_jobs(socket, job, count, later[0] | job[0].powers);
    for (size_t i = 0; i < count; i++) {
        hear_stop(socket, &last);
        if (i > last)
            break;
        const int64_t begun_ms = clock_ms(CLOCK_MONOTONIC);
        if (i == 0 || job[i].powers != job[i - 1].powers || later[i] != later[i - 1])
            limit_powers(job[i].powers, later[i]);
        answer = (struct answer){.presence = PRESENT};
        job[i].work(job[i].input, job[i].fd, &answer);
        const struct done_job done = {(uint32_t)i, took_of_job_ms(begun_ms, &waited_ns)};
        if (!send_answer(socket, done, &answer))
            _exit(1);
    }
}

void helper_run(pid_t parent, int socket, const struct job *job, size_t count)
{
    sigset_t none;
    int kept[HELPER_JOBS_MAX + 1];

    for (size_t i = 0; i < count; i++)
        kept[i] = job[i].fd;
    kept[count] = socket;
    helper_enter(parent, "tmoutd-helper", kept, count + 1);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    work_through(socket, job, count);
    _exit(0);
}
