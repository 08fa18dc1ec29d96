#include "lib/attempts/ledger_lock.h"

#include "lib/host/descriptor.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { LOCK_PAUSE_MIN_US = 50, LOCK_PAUSE_MAX_US = 5000 };

static int64_t lock_of(uint32_t record)
{
    return record == RECORD_LOCAL ? LOCK_LOCAL : LOCK_NETWORK;
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

/* A wait for a lock. */
struct lock_wait {
    struct timespec changed; /* the ledger, as last seen */
    long all_us;             /* the wait so far */
    long still_us;           /* of it, since the ledger changed */
};

/* Is there a reason to wait no longer? Then it is in errno. Who holds a lock changes the
 * ledger, so as long as it changes, the lock goes from hand to hand. */
static bool is_enough(const struct ledger *ledger, struct lock_wait *wait)
{
    struct stat st;

    if (fd_stat(ledger->fd, &st) != 0)
        return true;
    if (st.st_mtim.tv_sec != wait->changed.tv_sec || st.st_mtim.tv_nsec != wait->changed.tv_nsec) {
        wait->changed = st.st_mtim;
        wait->still_us = 0;
    }
    errno = (st.st_mode & LEDGER_REVOKED) != 0 ? ESTALE : ETIMEDOUT;
    return errno == ESTALE || wait->still_us >= LEDGER_LOCK_WAIT_MS * 1000L ||
           wait->all_us >= LEDGER_LOCK_WAIT_MAX_MS * 1000L;
}

/* Polls: F_OFD_SETLKW could only be ended by a signal, and signals are the
 * host program's. */
static int lock_with_timeout(const struct ledger *ledger, uint32_t record)
{
    struct lock_wait wait = {.all_us = 0};
    long pause_us = LOCK_PAUSE_MIN_US;

    while (ledger_try_lock(ledger, record) != 0) {
        if (errno != EAGAIN && errno != EACCES && errno != EINTR)
            return -1;
        if (pause_us == LOCK_PAUSE_MAX_US && is_enough(ledger, &wait))
            return -1;
        nanosleep(&(struct timespec){.tv_nsec = pause_us * 1000}, NULL);
        wait.all_us += pause_us;
        wait.still_us += pause_us;
        pause_us = pause_us * 2 < LOCK_PAUSE_MAX_US ? pause_us * 2 : LOCK_PAUSE_MAX_US;
    }
    return 0;
}

int ledger_lock(const struct ledger *ledger, uint32_t record, struct failure *failure)
{
    if (lock_with_timeout(ledger, record) == 0)
        return 0;
    const int error = errno;
    failure_set(failure, "cannot be locked: %s",
                error == ETIMEDOUT ? "timed out waiting for a lock held by another process"
                                   : failure_reason(error));
    errno = error;
    return -1;
}

int ledger_lock_all(const struct ledger *ledger, struct failure *failure)
{
    return ledger_lock(ledger, RECORD_LOCAL, failure) == 0
               ? ledger_lock(ledger, RECORD_NETWORK, failure)
               : -1;
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
    return lock_byte(ledger->fd, LOCK_ATTEMPT(slot->record, slot->entry.generation), F_WRLCK);
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
            is_locked_by_other(ledger->fd, LOCK_ATTEMPT(number, count->generation[i])))
            alive |= UINT64_C(1) << i;
    return alive;
}
