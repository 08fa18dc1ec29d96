#include "lib/attempts/ledger_queue.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum {
    PAGE_MAX_BYTES = 64 * 1024, /* of any machine, and a multiple of all others */
    TICKETS_PER_MS = 1024,
    JOIN_TRIES = 4 * TICKETS_PER_MS,
    /* Where the page cannot be mapped. */
    BLIND_WAIT_MS = 20
};

#define TICKET_END (UINT64_C(1) << 48)

/* The system call that reads a struct timespec as the C library declares it: on
 * 32-bit hosts time_t may be wider than the kernel's long. */
#ifndef SYS_futex_time64
#define FUTEX_CALL SYS_futex
#elif !defined SYS_futex
#define FUTEX_CALL SYS_futex_time64
#else
#define FUTEX_CALL (sizeof(time_t) > sizeof(long) ? SYS_futex_time64 : SYS_futex)
#endif

/* --- tickets ---------------------------------------------------------------------- */

static int set_ticket_lock(const struct ledger *ledger, const struct attempt_ticket *ticket,
                           short type)
{
    struct flock lock = {.l_type = type,
                         .l_whence = SEEK_SET,
                         .l_start = LOCK_TICKET(ticket->record, ticket->number),
                         .l_len = 1};

    return fcntl(ledger->fd, F_OFD_SETLK, &lock);
}

void queue_leave(struct ledger *ledger)
{
    if (ledger->ticket.record == RECORD_HEADER)
        return;
    set_ticket_lock(ledger, &ledger->ticket, F_UNLCK);
    ledger->ticket.record = RECORD_HEADER;
}

void queue_join(struct ledger *ledger, uint32_t record, const struct timestamp *now)
{
    struct attempt_ticket ticket = {.record = record, .number = ledger->ticket.number};

    if (ledger->ticket.record == record)
        return;
    queue_leave(ledger);
    /* Who waits for another record now has still been waiting since then. */
    if (ticket.number == 0)
        ticket.number =
            ((uint64_t)now->boot_ms * TICKETS_PER_MS + (uint64_t)gettid() % TICKETS_PER_MS) %
            TICKET_END;
    for (unsigned i = 0; i < JOIN_TRIES && ticket.number < TICKET_END; i++, ticket.number++) {
        if (set_ticket_lock(ledger, &ticket, F_WRLCK) == 0) {
            ledger->ticket = ticket;
            return;
        }
        if (errno != EAGAIN && errno != EACCES && errno != EINTR)
            return;
    }
}

/* Is there another process's ticket from one number up to, but not including,
 * another? Any of them, if there are several. */
static bool find_ticket(const struct ledger *ledger, uint32_t record, uint64_t from, uint64_t until,
                        uint64_t *number)
{
    struct flock lock = {.l_type = F_WRLCK,
                         .l_whence = SEEK_SET,
                         .l_start = LOCK_TICKET(record, from),
                         .l_len = (off_t)(until - from)};

    if (from >= until || fcntl(ledger->fd, F_OFD_GETLK, &lock) != 0 || lock.l_type == F_UNLCK ||
        lock.l_start < LOCK_TICKET(record, from) || lock.l_start >= LOCK_TICKET(record, until))
        return false;
    *number = (uint64_t)(lock.l_start - LOCK_TICKET(record, 0));
    return true;
}

/* The lowest of them. The kernel mostly reports it first: it is the oldest lock. */
static bool find_lowest(const struct ledger *ledger, uint32_t record, uint64_t from, uint64_t until,
                        uint64_t *number)
{
    bool found = false;

    while (find_ticket(ledger, record, from, until, number)) {
        found = true;
        until = *number;
    }
    if (found)
        *number = until;
    return found;
}

bool queue_is_my_turn(const struct ledger *ledger, uint32_t record, struct file_bank *bank,
                      unsigned free_slots, const struct timestamp *changed,
                      const struct timestamp *now)
{
    const bool waiting = ledger->ticket.record == record;
    const bool same_boot = memcmp(changed->boot_id, now->boot_id, sizeof now->boot_id) == 0;
    const bool patient =
        same_boot && clock_elapsed_ms(changed->boot_ms, now->boot_ms) < QUEUE_PATIENCE_MS;
    const uint64_t end = waiting ? ledger->ticket.number : TICKET_END;
    uint64_t from, number;
    unsigned ahead = 0;

    if (!same_boot)
        bank->queue_start = 0;
    from = bank->queue_start;
    /* Whoever has just come need not ask if the record has been still for long. */
    if (!patient && !waiting)
        return true;
    while (ahead < free_slots && find_lowest(ledger, record, from, end, &number)) {
        ahead++;
        from = number + 1;
    }
    if (ahead < free_slots)
        return true;
    if (patient)
        return false;
    bank->queue_start = from;
    return true;
}

/* --- sleeping and waking ---------------------------------------------------------- */

/* The pages that a record is in. */
struct futex_page {
    void *mapped;
    size_t size, offset; /* of the record in it */
};

static int map_futex(const struct ledger *ledger, uint32_t record, struct futex_page *page)
{
    const int64_t offset = ledger_record_offset(record);
    const int64_t start = offset / PAGE_MAX_BYTES * PAGE_MAX_BYTES;

    page->offset = (size_t)(offset - start);
    page->size = page->offset + sizeof(struct file_record);
    page->mapped = mmap(NULL, page->size, PROT_READ, MAP_SHARED, ledger->fd, (off_t)start);
    return page->mapped == MAP_FAILED ? -1 : 0;
}

/* The address of the sequence in a bank's lead. Not to be read from. */
static void *futex_of(const struct futex_page *page, unsigned bank)
{
    enum { LOW_HALF = BYTE_ORDER == LITTLE_ENDIAN ? 0 : sizeof(uint32_t) };

    return (char *)page->mapped + page->offset + bank * BANK_SIZE + LOW_HALF;
}

static uint32_t ticket_bit(uint64_t number)
{
    return UINT32_C(1) << number % 32;
}

/* The bits of so many that have waited longest. */
static uint32_t bits_to_wake(const struct ledger *ledger, uint32_t record, uint64_t from,
                             unsigned how_many)
{
    uint32_t bits = 0;
    uint64_t number;

    if (how_many == UINT_MAX)
        return find_ticket(ledger, record, 0, TICKET_END, &number) ? UINT32_MAX : 0;
    for (; how_many > 0 && bits != UINT32_MAX; how_many--) {
        if (!find_lowest(ledger, record, from, TICKET_END, &number))
            break;
        bits |= ticket_bit(number);
        from = number + 1;
    }
    return bits;
}

void queue_wake(const struct ledger *ledger, uint32_t record, const struct file_bank *bank,
                unsigned how_many)
{
    const uint32_t bits = bits_to_wake(ledger, record, bank->queue_start, how_many);
    struct futex_page page;

    if (bits == 0 || map_futex(ledger, record, &page) != 0)
        return;
    /* Some may have gone to sleep before the previous change. */
    for (unsigned i = 0; i < 2; i++)
        syscall(FUTEX_CALL, futex_of(&page, i), FUTEX_WAKE_BITSET, INT_MAX, NULL, NULL, bits);
    munmap(page.mapped, page.size);
}

/* Reads the record without a lock. *next becomes the sequence in the bank that the
 * next change goes to. */
static bool has_changed(const struct ledger *ledger, uint32_t record, uint32_t seen, uint32_t *next)
{
    struct file_record both;
    struct failure failure = {""};

    *next = seen;
    if (records_read(ledger, record, 1, &both, &failure) != LEDGER_OK)
        return false;
    *next = (uint32_t)both.bank[(seen + 1) & 1].lead;
    return (uint32_t)both.bank[seen & 1].lead != seen || (int32_t)(*next - seen) > 0;
}

static void sleep_ms(int ms)
{
    const struct timespec time = {ms / 1000, ms % 1000 * 1000000L};

    nanosleep(&time, NULL);
}

static void sleep_on(const struct ledger *ledger, const struct futex_page *page, unsigned bank,
                     uint32_t value, int timeout_ms)
{
    const uint32_t bits =
        ledger->ticket.record != RECORD_HEADER ? ticket_bit(ledger->ticket.number) : UINT32_MAX;
    struct timespec end;

    clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_sec += timeout_ms / 1000;
    end.tv_nsec += timeout_ms % 1000 * 1000000L;
    if (end.tv_nsec >= 1000000000L) {
        end.tv_sec++;
        end.tv_nsec -= 1000000000L;
    }
    syscall(FUTEX_CALL, futex_of(page, bank), FUTEX_WAIT_BITSET, value, &end, NULL, bits);
}

bool queue_wait(const struct ledger *ledger, uint32_t record, uint32_t seen, int timeout_ms)
{
    struct futex_page page;
    uint32_t next;

    if (has_changed(ledger, record, seen, &next))
        return true;
    if (map_futex(ledger, record, &page) != 0) {
        sleep_ms(timeout_ms < BLIND_WAIT_MS ? timeout_ms : BLIND_WAIT_MS);
    } else {
        sleep_on(ledger, &page, (seen + 1) & 1, next, timeout_ms);
        munmap(page.mapped, page.size);
    }
    return has_changed(ledger, record, seen, &next);
}
