#include "lib/attempts/ledger_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum {
    LOCK_WAIT_US = 5 * 1000 * 1000, /* a lock is held for microseconds */
    LOCK_PAUSE_MIN_US = 50,
    LOCK_PAUSE_MAX_US = 5000
};

/* The system call that reads a struct timespec as the C library declares it: on
 * 32-bit hosts time_t may be wider than the kernel's long. */
#ifndef SYS_futex_time64
#define FUTEX_CALL SYS_futex
#elif !defined SYS_futex
#define FUTEX_CALL SYS_futex_time64
#else
#define FUTEX_CALL (sizeof(time_t) > sizeof(long) ? SYS_futex_time64 : SYS_futex)
#endif

static int64_t lock_of(uint32_t record)
{
    return record == RECORD_LOCAL ? LOCK_LOCAL : LOCK_NETWORK;
}

static int64_t attempt_lock_of(uint32_t record, uint32_t generation)
{
    return LOCK_ATTEMPT(record, generation);
}

uint32_t ledger_shared_record(const struct origin *origin)
{
    return origin->kind == ORIGIN_LOCAL ? RECORD_LOCAL : RECORD_NETWORK;
}

static int lock_byte(int fd, int64_t byte, short type)
{
    struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};

    return fcntl(fd, F_OFD_SETLK, &lock);
}

int ledger_try_lock(const struct ledger *ledger, uint32_t record)
{
    return lock_byte(ledger->fd, lock_of(record), F_WRLCK);
}

/* Polls: F_OFD_SETLKW could only be ended by a signal, and signals are the
 * host program's. */
static int lock_with_timeout(const struct ledger *ledger, uint32_t record)
{
    long waited_us = 0, pause_us = LOCK_PAUSE_MIN_US;

    while (ledger_try_lock(ledger, record) != 0) {
        if (errno != EAGAIN && errno != EACCES && errno != EINTR)
            return -1;
        if (waited_us >= LOCK_WAIT_US) {
            errno = ETIMEDOUT;
            return -1;
        }
        nanosleep(&(struct timespec){.tv_nsec = pause_us * 1000}, NULL);
        waited_us += pause_us;
        pause_us = pause_us * 2 < LOCK_PAUSE_MAX_US ? pause_us * 2 : LOCK_PAUSE_MAX_US;
    }
    return 0;
}

int ledger_lock(const struct ledger *ledger, uint32_t record, struct failure *failure)
{
    if (lock_with_timeout(ledger, record) == 0)
        return 0;
    failure_set(failure, "cannot be locked: %s",
                errno == ETIMEDOUT ? "timed out waiting for a lock held by another process"
                                   : strerror(errno));
    return -1;
}

bool ledger_same_lock(uint32_t record, uint32_t other)
{
    return lock_of(record) == lock_of(other);
}

void ledger_release(const struct ledger *ledger, uint32_t record)
{
    lock_byte(ledger->fd, lock_of(record), F_UNLCK);
}

int ledger_lock_attempt(const struct ledger *ledger, const struct attempt_slot *slot)
{
    return lock_byte(ledger->fd, attempt_lock_of(slot->record, slot->entry.generation), F_WRLCK);
}

static bool is_locked_by_other(int fd, int64_t byte)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};

    /* If the kernel does not answer, the attempt counts as alive: that is
     * stricter than a failure, and it has a maximum age. */
    return fcntl(fd, F_OFD_GETLK, &lock) != 0 || lock.l_type != F_UNLCK;
}

uint64_t ledger_live_attempts(const struct ledger *ledger, uint32_t number,
                              const struct attempt_count *count)
{
    uint64_t alive = 0;

    for (unsigned i = 0; i < ATTEMPTS_MAX; i++)
        if ((count->in_flight >> i & 1) != 0 &&
            is_locked_by_other(ledger->fd, attempt_lock_of(number, count->generation[i])))
            alive |= UINT64_C(1) << i;
    return alive;
}

uint32_t ledger_settled(const struct ledger *ledger, uint32_t number)
{
    return __atomic_load_n(&ledger->record[number].settled, __ATOMIC_ACQUIRE);
}

void ledger_wake(struct ledger *ledger, uint32_t number, unsigned how_many)
{
    uint32_t *settled = &ledger->record[number].settled;

    __atomic_add_fetch(settled, 1, __ATOMIC_RELEASE);
    syscall(FUTEX_CALL, settled, FUTEX_WAKE, how_many < INT_MAX ? (int)how_many : INT_MAX, NULL,
            NULL, 0);
}

bool ledger_wait_settled(const struct ledger *ledger, uint32_t number, uint32_t seen,
                         int timeout_ms)
{
    const struct timespec timeout = {timeout_ms / 1000, timeout_ms % 1000 * 1000000L};

    syscall(FUTEX_CALL, &ledger->record[number].settled, FUTEX_WAIT, seen, &timeout, NULL, 0);
    return ledger_settled(ledger, number) != seen;
}
