#include "lib/attempts/ledger_format.h"

#include "lib/attempts/ledger.h"

#include "lib/host/atomic_file.h"
#include "lib/host/descriptor.h"
#include "lib/host/secure_path.h"
#include "lib/host/checksum.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum {
    LOCK_WAIT_US = 5 * 1000 * 1000, /* a lock is held for microseconds */
    LOCK_PAUSE_MIN_US = 50,
    LOCK_PAUSE_MAX_US = 5000,
    OPEN_TRIES = 8, /* others may replace the file under our eyes */
    NAME_SIZE = 16
};

/* Where time_t outgrows the machine's word, the old call would misread it. */
#if defined SYS_futex_time64 && (!defined SYS_futex || (__SIZEOF_LONG__ == 4 && __TIMESIZE == 64))
#define FUTEX_CALL SYS_futex_time64
#else
#define FUTEX_CALL SYS_futex
#endif

_Static_assert(__atomic_always_lock_free(sizeof(uint64_t), 0),
               "a lock of the C library's would not work between processes");

static void file_name(char *name, uid_t uid)
{
    snprintf(name, NAME_SIZE, "%u", (unsigned)uid);
}

static size_t file_size(uint32_t record_count)
{
    return record_count * sizeof(struct file_record);
}

/* --- records --------------------------------------------------------------- */

static uint64_t bank_checksum(uid_t uid, uint32_t number, const struct file_bank *bank)
{
    const uint32_t place[2] = {(uint32_t)uid, number};
    const size_t skipped = offsetof(struct file_bank, sequence);
    uint64_t sum = checksum(CHECKSUM_START, LEDGER_MAGIC, sizeof LEDGER_MAGIC - 1);

    _Static_assert(sizeof *bank % sizeof(uint64_t) == 0, "checksum_words() takes whole words");
    sum = checksum(sum, place, sizeof place);
    return checksum_words(sum, &bank->sequence, sizeof *bank - skipped);
}

/* Copies what is in force. Needs no lock: a writer changes the other bank.
 * Returns 0, or -1 if it is damaged. */
static int load(const struct ledger *ledger, uint32_t number, struct file_bank *bank)
{
    const struct file_record *record = &ledger->record[number];
    uint64_t current = __atomic_load_n(&record->current, __ATOMIC_ACQUIRE), again;

    for (;;) {
        *bank = record->bank[current & 1];
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
        again = __atomic_load_n(&record->current, __ATOMIC_ACQUIRE);
        if (again == current)
            break;
        current = again; /* changed while we copied, perhaps twice */
    }
    return commit_word(bank->sequence) == current &&
                   bank->checksum == bank_checksum(ledger->uid, number, bank)
               ? 0
               : -1;
}

static void store(struct ledger *ledger, uint32_t number, struct file_bank *bank)
{
    struct file_record *record = &ledger->record[number];

    bank->sequence = (uint32_t)record->current + 1;
    bank->checksum = bank_checksum(ledger->uid, number, bank);
    record->bank[bank->sequence & 1] = *bank;
    __atomic_store_n(&record->current, commit_word(bank->sequence), __ATOMIC_RELEASE);
    /* The next change writes into the bank that was just given up. */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

/* Wakes so many of those who wait for this record to move. */
static void wake_waiters(struct ledger *ledger, uint32_t number, unsigned how_many)
{
    uint32_t *settled = &ledger->record[number].settled;

    __atomic_add_fetch(settled, 1, __ATOMIC_RELEASE);
    syscall(FUTEX_CALL, settled, FUTEX_WAKE, how_many < INT_MAX ? (int)how_many : INT_MAX, NULL,
            NULL, 0);
}

bool ledger_wait(const struct ledger *ledger, const struct attempt_report *report, int timeout_ms)
{
    uint32_t *settled = &ledger->record[report->record].settled;
    const struct timespec timeout = {timeout_ms / 1000, timeout_ms % 1000 * 1000000L};

    syscall(FUTEX_CALL, settled, FUTEX_WAIT, report->seen, &timeout, NULL, 0);
    return __atomic_load_n(settled, __ATOMIC_ACQUIRE) != report->seen;
}

/* The content of an unused record. */
static void start_record(struct file_record *record, uid_t uid, uint32_t number,
                         uint32_t record_count, const struct timestamp *now, bool sealed)
{
    struct file_bank *bank = &record->bank[0];

    memset(record, 0, sizeof *record);
    record->current = commit_word(0);
    count_start(&bank->count, now);
    if (number == RECORD_HEADER) {
        bank->record_count = record_count;
        if (sealed)
            bank->count.locked_ms = now->boot_ms;
    } else if (number == RECORD_LOCAL) {
        bank->origin.kind = ORIGIN_LOCAL;
    } else if (number == RECORD_NETWORK) {
        bank->origin.kind = ORIGIN_NETWORK;
    }
    bank->checksum = bank_checksum(uid, number, bank);
}

/* --- locks ----------------------------------------------------------------- */

static int lock_byte(int fd, int64_t byte, short type)
{
    struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};

    return fcntl(fd, F_OFD_SETLK, &lock);
}

/* Does somebody else's attempt live? */
static bool is_locked_by_other(int fd, int64_t byte)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};

    /* Where the kernel does not say, it counts as living: that is stricter
     * than a failure, and its age will tell. */
    return fcntl(fd, F_OFD_GETLK, &lock) != 0 || lock.l_type != F_UNLCK;
}

static uint64_t live_attempts(const struct ledger *ledger, uint32_t number,
                              const struct attempt_count *count)
{
    uint64_t alive = 0;

    for (unsigned i = 0; i < ATTEMPTS_MAX; i++)
        if ((count->in_flight >> i & 1) != 0 &&
            is_locked_by_other(ledger->fd, LOCK_ATTEMPT(number, count->generation[i])))
            alive |= UINT64_C(1) << i;
    return alive;
}

/* Waiting without a signal, and not for ever: the holder may be frozen. */
static int lock_with_timeout(int fd, int64_t byte)
{
    long waited_us = 0, pause_us = LOCK_PAUSE_MIN_US;

    while (lock_byte(fd, byte, F_WRLCK) != 0) {
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

static int64_t lock_of(uint32_t number)
{
    return number == RECORD_LOCAL ? LOCK_LOCAL : LOCK_NETWORK;
}

static enum ledger_status take_lock(const struct ledger *ledger, int64_t byte,
                                    struct failure *failure)
{
    if (lock_with_timeout(ledger->fd, byte) == 0)
        return LEDGER_OK;
    if (errno == ETIMEDOUT)
        failure_set(failure, "another process holds its lock and does not go on");
    else
        failure_set(failure, "cannot be locked: %s", strerror(errno));
    return LEDGER_FAILED;
}

static void release_lock(const struct ledger *ledger, int64_t byte)
{
    lock_byte(ledger->fd, byte, F_UNLCK);
}

/* --- the file -------------------------------------------------------------- */

static int make_directory(const char *state_dir, uid_t owner, struct failure *failure)
{
    const int above = secure_open_directory(state_dir, owner, O_RDONLY, failure);
    int error = 0;

    if (above < 0)
        return -1;
    if (mkdirat(above, LEDGER_DIRECTORY, 0755) == 0) {
        /* Whatever the caller's umask is. */
        if (fchmodat(above, LEDGER_DIRECTORY, 0755, 0) != 0)
            error = errno;
    } else if (errno != EEXIST) {
        error = errno;
    }
    close(above);
    if (error == 0)
        return 0;
    failure_set(failure, "cannot make the directory: %s", strerror(error));
    errno = error;
    return -1;
}

static int open_directory(const char *state_dir, uid_t owner, bool make, struct failure *failure)
{
    char path[PATH_MAX];
    const int length = snprintf(path, sizeof path, "%s/" LEDGER_DIRECTORY, state_dir);

    if (length < 0 || (size_t)length >= sizeof path) {
        failure_set(failure, "the path is too long");
        errno = ENAMETOOLONG;
        return -1;
    }
    int fd = secure_open_directory(path, owner, O_RDONLY, failure);
    if (fd >= 0 || errno != ENOENT || !make || make_directory(state_dir, owner, failure) != 0)
        return fd;
    return secure_open_directory(path, owner, O_RDONLY, failure);
}

/* What is wrong with an open file as such, or NULL. */
static const char *wrong_file(const struct stat *st, uid_t owner)
{
    if (!S_ISREG(st->st_mode))
        return "is not a regular file";
    if (insecure_because(st, owner) != NULL)
        return "does not belong to root alone";
    if ((size_t)st->st_size < file_size(RECORDS_WITHOUT_SOURCES))
        return "is too short";
    return NULL;
}

static enum ledger_status damaged(struct failure *failure)
{
    failure_set(failure, "is damaged");
    return LEDGER_DAMAGED;
}

static const char *map_records(struct ledger *ledger, uint32_t record_count, int protection)
{
    void *mapped = mmap(NULL, file_size(record_count), protection, MAP_SHARED, ledger->fd, 0);

    if (mapped == MAP_FAILED)
        return strerror(errno);
    if (ledger->record != NULL)
        munmap(ledger->record, file_size(ledger->record_count));
    ledger->record = mapped;
    ledger->record_count = record_count;
    return NULL;
}

/* Maps all records that the file says it has. */
static enum ledger_status map_all(struct ledger *ledger, int protection, struct failure *failure)
{
    struct file_bank whole;
    struct stat st;
    const char *failed;

    if (fstat(ledger->fd, &st) != 0) {
        failure_set(failure, "%s", strerror(errno));
        return LEDGER_FAILED;
    }
    if ((failed = map_records(ledger, RECORDS_WITHOUT_SOURCES, protection)) != NULL) {
        failure_set(failure, "cannot be mapped: %s", failed);
        return LEDGER_FAILED;
    }
    if (load(ledger, RECORD_HEADER, &whole) != 0)
        return damaged(failure);
    if (whole.record_count == RECORDS_WITHOUT_SOURCES)
        return LEDGER_OK;
    if (whole.record_count != RECORDS_WITH_SOURCES ||
        (size_t)st.st_size < file_size(RECORDS_WITH_SOURCES))
        return damaged(failure);
    if ((failed = map_records(ledger, RECORDS_WITH_SOURCES, protection)) == NULL)
        return LEDGER_OK;
    failure_set(failure, "cannot be mapped: %s", failed);
    return LEDGER_FAILED;
}

static enum ledger_status check_records(const struct ledger *ledger, uint32_t record_count,
                                        struct failure *failure)
{
    struct file_bank bank;

    for (uint32_t number = 0; number < record_count; number++) {
        if (load(ledger, number, &bank) == 0)
            continue;
        failure_set(failure, "is damaged (record %u)", (unsigned)number);
        return LEDGER_DAMAGED;
    }
    return LEDGER_OK;
}

/* Opens the file that is there. On LEDGER_DAMAGED *st tells which it was. */
static enum ledger_status open_file(int directory_fd, uid_t uid, uid_t owner, bool to_write,
                                    struct ledger *ledger, struct stat *st, struct failure *failure)
{
    const int flags = (to_write ? O_RDWR : O_RDONLY) | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;
    enum ledger_status status;
    const char *wrong;
    char name[NAME_SIZE];

    file_name(name, uid);
    *ledger = (struct ledger){.uid = uid, .directory_fd = -1};
    if (fstatat(directory_fd, name, st, AT_SYMLINK_NOFOLLOW) != 0) {
        failure_set(failure, "%s", strerror(errno));
        return ledger->fd = -1, errno == ENOENT ? LEDGER_ABSENT : LEDGER_FAILED;
    }
    wrong = wrong_file(st, owner);
    if (wrong != NULL) {
        failure_set(failure, "%s", wrong);
        return ledger->fd = -1, LEDGER_DAMAGED;
    }
    ledger->fd = fd_above_stdio(openat(directory_fd, name, flags | O_CLOEXEC));
    if (ledger->fd < 0) {
        failure_set(failure, "%s", strerror(errno));
        return errno == ENOENT ? LEDGER_ABSENT : LEDGER_FAILED;
    }
    status = map_all(ledger, to_write ? PROT_READ | PROT_WRITE : PROT_READ, failure);
    if (status == LEDGER_OK)
        /* Whoever looks for a source meets the others under the lock. */
        status = check_records(ledger, to_write ? RECORDS_WITHOUT_SOURCES : ledger->record_count,
                               failure);
    if (status != LEDGER_OK)
        ledger_close(ledger);
    return status;
}

/* Makes the file where there is none. */
static int put_new_file(int directory_fd, const char *name, uid_t uid, bool sealed,
                        const struct timestamp *now)
{
    struct file_record record[RECORDS_WITHOUT_SOURCES];

    for (uint32_t i = 0; i < RECORDS_WITHOUT_SOURCES; i++)
        start_record(&record[i], uid, i, RECORDS_WITHOUT_SOURCES, now, sealed);
    return atomic_create(directory_fd, name, 0600, record, sizeof record);
}

static bool is_same_inode(int directory_fd, const char *name, const struct stat *which)
{
    struct stat st;

    return fstatat(directory_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
           st.st_ino == which->st_ino && st.st_dev == which->st_dev;
}

/*
 * Puts made into the place of what which describes, and that under the name
 * aside. In one step: nobody may find the place empty and begin with an open
 * account. Of several who try at once one does it.
 */
static int exchange(int directory_fd, const char *made, const char *name, const char *aside,
                    const struct stat *which)
{
    if (renameat2(directory_fd, made, directory_fd, name, RENAME_EXCHANGE) != 0)
        return -1;
    if (is_same_inode(directory_fd, made, which)) {
        unlinkat(directory_fd, aside, 0);
        renameat(directory_fd, made, directory_fd, aside);
        return 0;
    }
    /* Somebody was faster: back with his. */
    if (renameat2(directory_fd, made, directory_fd, name, RENAME_EXCHANGE) == 0)
        unlinkat(directory_fd, made, 0);
    return 0;
}

/* Puts a new file in the place of the one that which describes, if that is
 * still there, and keeps the old one as evidence. */
static int replace_damaged(int directory_fd, uid_t uid, const struct stat *which, bool sealed,
                           const struct timestamp *now)
{
    char name[NAME_SIZE], aside[NAME_SIZE + 16], made[NAME_SIZE + 16];

    file_name(name, uid);
    snprintf(aside, sizeof aside, "%s.damaged", name);
    snprintf(made, sizeof made, "%s.%d", name, (int)gettid());
    if (!is_same_inode(directory_fd, name, which))
        return 0;
    unlinkat(directory_fd, made, 0); /* of a process that was killed */
    if (put_new_file(directory_fd, made, uid, sealed, now) != 0) {
        /* On a full disk the evidence of the last time has to go. */
        if (errno != ENOSPC || unlinkat(directory_fd, aside, 0) != 0 ||
            put_new_file(directory_fd, made, uid, sealed, now) != 0)
            return -1;
    }
    if (exchange(directory_fd, made, name, aside, which) == 0)
        return 0;
    const int error = errno;
    unlinkat(directory_fd, made, 0);
    errno = error;
    return -1;
}

/* One look at the place: opens what is good, sets aside what is not, and
 * makes a file where there is none. LEDGER_ABSENT: look again. */
static enum ledger_status open_or_make(int directory_fd, uid_t uid, uid_t owner,
                                       const struct timestamp *now, bool *damaged,
                                       struct ledger *ledger, struct failure *failure)
{
    struct failure wrong = {""};
    char name[NAME_SIZE];
    struct stat st;
    enum ledger_status status = open_file(directory_fd, uid, owner, true, ledger, &st, &wrong);

    if (status == LEDGER_OK)
        return LEDGER_OK;
    if (status == LEDGER_ABSENT) {
        file_name(name, uid);
        if (put_new_file(directory_fd, name, uid, *damaged, now) == 0 || errno == EEXIST)
            return LEDGER_ABSENT;
        failure_set(failure, "cannot be made: %s%s", strerror(errno),
                    errno == EFBIG ? " (for the file size limit of the caller)" : "");
        return LEDGER_FAILED;
    }
    *failure = wrong;
    if (status == LEDGER_FAILED)
        return LEDGER_FAILED;
    *damaged = true;
    if (replace_damaged(directory_fd, uid, &st, true, now) == 0)
        return LEDGER_ABSENT;
    failure_set(failure, "%s; it cannot be replaced: %s", wrong.text, strerror(errno));
    return LEDGER_FAILED;
}

enum ledger_status ledger_open(const char *state_dir, uid_t uid, uid_t owner,
                               const struct timestamp *now, struct ledger *ledger,
                               struct failure *failure)
{
    enum ledger_status status = LEDGER_ABSENT;
    bool damaged = false;

    *ledger = (struct ledger){.fd = -1, .directory_fd = -1};
    const int directory_fd = fd_above_stdio(open_directory(state_dir, owner, true, failure));
    if (directory_fd < 0)
        return LEDGER_FAILED;
    for (int i = 0; i < OPEN_TRIES && status == LEDGER_ABSENT; i++)
        status = open_or_make(directory_fd, uid, owner, now, &damaged, ledger, failure);
    if (status == LEDGER_OK) {
        ledger->directory_fd = directory_fd;
        return damaged ? LEDGER_DAMAGED : LEDGER_OK;
    }
    if (status == LEDGER_ABSENT)
        failure_set(failure, "does not stay where it is put");
    close(directory_fd);
    return LEDGER_FAILED;
}

enum ledger_status ledger_open_view(const char *state_dir, uid_t uid, uid_t owner,
                                    struct ledger *ledger, struct failure *failure)
{
    struct stat st;

    *ledger = (struct ledger){.fd = -1, .directory_fd = -1};
    const int directory_fd = open_directory(state_dir, owner, false, failure);
    if (directory_fd < 0)
        return errno == ENOENT ? LEDGER_ABSENT : LEDGER_FAILED;
    const enum ledger_status status =
        open_file(directory_fd, uid, owner, false, ledger, &st, failure);
    close(directory_fd);
    return status;
}

void ledger_close(struct ledger *ledger)
{
    if (ledger->record != NULL)
        munmap(ledger->record, file_size(ledger->record_count));
    if (ledger->fd >= 0)
        close(ledger->fd);
    if (ledger->directory_fd >= 0)
        close(ledger->directory_fd);
    *ledger = (struct ledger){.fd = -1, .directory_fd = -1};
}

/* Is it still the file that others will open? */
static bool is_current(const struct ledger *ledger)
{
    struct stat here, there;
    char name[NAME_SIZE];

    file_name(name, ledger->uid);
    return fstat(ledger->fd, &here) == 0 &&
           fstatat(ledger->directory_fd, name, &there, AT_SYMLINK_NOFOLLOW) == 0 &&
           here.st_ino == there.st_ino && here.st_dev == there.st_dev;
}

/* --- sources --------------------------------------------------------------- */

/* Makes room for sources, under LOCK_NETWORK. The new records are there,
 * complete, before the file says so. */
static int add_sources(struct ledger *ledger, struct file_bank *whole, const struct timestamp *now)
{
    struct file_record record;

    for (uint32_t i = RECORDS_WITHOUT_SOURCES; i < RECORDS_WITH_SOURCES; i++) {
        start_record(&record, ledger->uid, i, 0, now, false);
        if (pwrite(ledger->fd, &record, sizeof record, (off_t)file_size(i)) !=
            (ssize_t)sizeof record)
            return -1;
    }
    if (fdatasync(ledger->fd) != 0 ||
        map_records(ledger, RECORDS_WITH_SOURCES, PROT_READ | PROT_WRITE) != NULL)
        return -1;
    whole->record_count = RECORDS_WITH_SOURCES;
    store(ledger, RECORD_HEADER, whole);
    return 0;
}

/* Another process may have made room since we mapped the file. */
static int follow_size(struct ledger *ledger, const struct file_bank *whole)
{
    if (whole->record_count <= ledger->record_count)
        return 0;
    return map_records(ledger, whole->record_count, PROT_READ | PROT_WRITE) == NULL ? 0 : -1;
}

static bool is_reusable(const struct ledger *ledger, uint32_t number, struct attempt_count *count,
                        const struct attempt_limits *limits, const struct timestamp *now)
{
    struct count_changes changes = {0};

    count_bring_up_to_date(count, live_attempts(ledger, number, count), limits, now, &changes);
    return count->failed == 0 && count->in_flight == 0 && count->locked_ms == NOT_LOCKED;
}

/*
 * The record of this source: its own; or one that nobody needs any more, taken
 * being false then; or the one that all others share. -1 if one on the way is
 * damaged.
 */
static int search_source(const struct ledger *ledger, const struct origin *origin,
                         const struct attempt_limits *limits, const struct timestamp *now,
                         uint32_t *number, bool *taken)
{
    struct file_bank bank;
    uint32_t unused = RECORD_NETWORK;

    *taken = true;
    for (uint32_t i = RECORD_SOURCES; i < ledger->record_count; i++) {
        if (load(ledger, i, &bank) != 0)
            return -1;
        if (memcmp(&bank.origin, origin, sizeof *origin) == 0) {
            *number = i;
            return 0;
        }
        if (unused == RECORD_NETWORK && is_reusable(ledger, i, &bank.count, limits, now))
            unused = i;
    }
    *number = unused;
    *taken = unused == RECORD_NETWORK;
    return 0;
}

static int find_source(struct ledger *ledger, const struct origin *origin,
                       const struct attempt_limits *limits, const struct timestamp *now,
                       uint32_t *number)
{
    struct file_bank bank;
    bool taken;

    if (search_source(ledger, origin, limits, now, number, &taken) != 0)
        return -1;
    if (taken)
        return 0;
    if (load(ledger, *number, &bank) != 0)
        return -1;
    bank.origin = *origin;
    count_reset(&bank.count);
    bank.count.in_flight = 0;
    store(ledger, *number, &bank);
    return 0;
}

static int find_record(struct ledger *ledger, const struct origin *origin,
                       const struct attempt_limits *limits, const struct timestamp *now,
                       struct file_bank *whole, uint32_t *number)
{
    if (origin->kind == ORIGIN_LOCAL) {
        *number = RECORD_LOCAL;
        return 0;
    }
    *number = RECORD_NETWORK;
    if (!limits->by_source || origin->kind == ORIGIN_NETWORK)
        return 0;
    /* On a full disk all sources share one count: that is no looser. */
    if (ledger->record_count < RECORDS_WITH_SOURCES && add_sources(ledger, whole, now) != 0)
        return 0;
    return find_source(ledger, origin, limits, now, number);
}

/* --- attempts -------------------------------------------------------------- */

static void fill_report(const struct ledger *ledger, uint32_t number,
                        const struct attempt_count *count, const struct attempt_limits *limits,
                        const struct timestamp *now, struct attempt_report *report)
{
    report->failures = count_failures(count);
    report->in_flight = count_in_flight(count);
    report->lock_left_ms = count_lock_left_ms(count, limits, now);
    report->record = number;
    report->seen = __atomic_load_n(&ledger->record[number].settled, __ATOMIC_ACQUIRE);
}

/* The attempt's own lock comes first: without it, it would look dead. */
static enum ledger_status take_slot(struct ledger *ledger, uint32_t number,
                                    const struct attempt_count *count, struct attempt_slot *slot,
                                    struct failure *failure)
{
    slot->record = number;
    slot->generation = count->generation[slot->entry];
    if (lock_byte(ledger->fd, LOCK_ATTEMPT(number, slot->generation), F_WRLCK) == 0)
        return LEDGER_OK;
    failure_set(failure, "cannot be locked: %s", strerror(errno));
    return LEDGER_FAILED;
}

/* A seal that has ended must not come back with a longer lock_time. Its record
 * belongs to LOCK_NETWORK; where that is held, the next one does it. */
static void lift_seal(struct ledger *ledger, const struct origin *origin, struct file_bank *whole)
{
    const bool is_local = origin->kind == ORIGIN_LOCAL;

    if (is_local && lock_byte(ledger->fd, LOCK_NETWORK, F_WRLCK) != 0)
        return;
    if (load(ledger, RECORD_HEADER, whole) == 0) {
        count_reset(&whole->count);
        store(ledger, RECORD_HEADER, whole);
    }
    if (is_local)
        lock_byte(ledger->fd, LOCK_NETWORK, F_UNLCK);
}

/* Under the lock of the origin's records. */
static enum ledger_status admit_locked(struct ledger *ledger, const struct origin *origin,
                                       const struct attempt_limits *limits,
                                       const struct timestamp *now, struct attempt_slot *slot,
                                       struct attempt_report *report, struct failure *failure)
{
    struct file_bank whole, bank;
    uint32_t number;

    failure_set(failure, "is damaged");
    if (!is_current(ledger))
        return LEDGER_ABSENT;
    if (load(ledger, RECORD_HEADER, &whole) != 0)
        return LEDGER_DAMAGED;
    if (follow_size(ledger, &whole) != 0) {
        failure_set(failure, "cannot be mapped: %s", strerror(errno));
        return LEDGER_FAILED;
    }
    if (whole.count.locked_ms != NOT_LOCKED && count_lock_left_ms(&whole.count, limits, now) == 0)
        lift_seal(ledger, origin, &whole);
    if (count_lock_left_ms(&whole.count, limits, now) > 0) {
        report->admission = REJECTED_LOCKED;
        report->failures = limits->max_attempts;
        report->lock_left_ms = count_lock_left_ms(&whole.count, limits, now);
        return LEDGER_OK;
    }
    if (find_record(ledger, origin, limits, now, &whole, &number) != 0 ||
        load(ledger, number, &bank) != 0)
        return LEDGER_DAMAGED;
    count_bring_up_to_date(&bank.count, live_attempts(ledger, number, &bank.count), limits, now,
                           &report->changes);
    report->admission = count_admit(&bank.count, limits, now, &slot->entry);
    if (report->admission == ADMITTED &&
        take_slot(ledger, number, &bank.count, slot, failure) != LEDGER_OK)
        return LEDGER_FAILED;
    /* What only time has done, the next one finds as well. */
    if (report->admission == ADMITTED || report->changes.died > 0 || report->changes.locked ||
        report->changes.lock_ended)
        store(ledger, number, &bank);
    fill_report(ledger, number, &bank.count, limits, now, report);
    return LEDGER_OK;
}

/* What turned out to be damaged when it was needed. */
static enum ledger_status seal(const struct ledger *ledger, const struct timestamp *now,
                               struct failure *failure)
{
    struct stat st;

    if (fstat(ledger->fd, &st) == 0 &&
        replace_damaged(ledger->directory_fd, ledger->uid, &st, true, now) == 0)
        return LEDGER_DAMAGED;
    failure_append(failure, "; it cannot be replaced: %s", strerror(errno));
    return LEDGER_FAILED;
}

enum ledger_status ledger_admit(struct ledger *ledger, const struct origin *origin,
                                const struct attempt_limits *limits, const struct timestamp *now,
                                struct attempt_slot *slot, struct attempt_report *report,
                                struct failure *failure)
{
    const int64_t byte = origin->kind == ORIGIN_LOCAL ? LOCK_LOCAL : LOCK_NETWORK;
    enum ledger_status status = take_lock(ledger, byte, failure);

    *report = (struct attempt_report){.admission = REJECTED_BUSY};
    if (status != LEDGER_OK)
        return status;
    status = admit_locked(ledger, origin, limits, now, slot, report, failure);
    if (status == LEDGER_DAMAGED)
        status = seal(ledger, now, failure);
    release_lock(ledger, byte);
    return status;
}

enum ledger_status ledger_settle(struct ledger *ledger, const struct attempt_slot *slot,
                                 bool success, const struct attempt_limits *limits,
                                 const struct timestamp *now, struct attempt_report *report,
                                 struct failure *failure)
{
    const int64_t byte = lock_of(slot->record);
    struct file_bank bank;
    uint64_t alive;
    enum ledger_status status = take_lock(ledger, byte, failure);

    *report = (struct attempt_report){.admission = REJECTED_LOCKED};
    if (status != LEDGER_OK)
        return status;
    if (load(ledger, slot->record, &bank) != 0) {
        status = damaged(failure);
        goto out;
    }
    /* One's own lock does not show as somebody else's. */
    alive = live_attempts(ledger, slot->record, &bank.count) | UINT64_C(1) << slot->entry;
    count_bring_up_to_date(&bank.count, alive, limits, now, &report->changes);
    if (count_settle(&bank.count, slot->entry, slot->generation, success, limits, now,
                     &report->changes))
        report->admission = ADMITTED;
    store(ledger, slot->record, &bank);
    fill_report(ledger, slot->record, &bank.count, limits, now, report);
    if (bank.count.locked_ms != NOT_LOCKED)
        wake_waiters(ledger, slot->record, INT_MAX);
    else
        wake_waiters(ledger, slot->record, count_free(&bank.count, limits));

out:
    release_lock(ledger, byte);
    return status;
}

int ledger_look(const struct ledger *ledger, uint32_t number, const struct attempt_limits *limits,
                const struct timestamp *now, struct attempt_state *state)
{
    struct count_changes changes = {0};
    struct file_bank whole, bank;

    if (load(ledger, RECORD_HEADER, &whole) != 0 || load(ledger, number, &bank) != 0)
        return -1;
    count_bring_up_to_date(&bank.count, live_attempts(ledger, number, &bank.count), limits, now,
                           &changes);
    *state = (struct attempt_state){.origin = bank.origin,
                                    .failures = count_failures(&bank.count),
                                    .in_flight = count_in_flight(&bank.count),
                                    .lock_left_ms = count_lock_left_ms(&bank.count, limits, now)};
    const int64_t sealed_ms = count_lock_left_ms(&whole.count, limits, now);
    if (sealed_ms > 0 && sealed_ms >= state->lock_left_ms) {
        state->lock_left_ms = sealed_ms;
        state->failures = limits->max_attempts;
    }
    return bank.origin.kind != ORIGIN_NONE;
}

int ledger_look_at(const struct ledger *ledger, const struct origin *origin,
                   const struct attempt_limits *limits, const struct timestamp *now,
                   struct attempt_state *state)
{
    uint32_t number = origin->kind == ORIGIN_LOCAL ? RECORD_LOCAL : RECORD_NETWORK;
    bool taken = true;

    if (limits->by_source && origin->kind != ORIGIN_LOCAL && origin->kind != ORIGIN_NETWORK &&
        search_source(ledger, origin, limits, now, &number, &taken) != 0)
        return -1;
    /* A fresh record says nothing, but the whole file may be sealed. */
    if (ledger_look(ledger, taken ? number : RECORD_HEADER, limits, now, state) < 0)
        return -1;
    state->origin = *origin;
    return 0;
}

/* --- root's unlock --------------------------------------------------------- */

/* What there is to forget. Needs no lock, which may be what is wrong. */
static enum ledger_status sum_up(const struct ledger *ledger, const struct timestamp *now,
                                 struct ledger_unlocked *forgotten, struct failure *failure)
{
    struct file_bank bank;
    uint64_t lost;

    for (uint32_t i = 0; i < ledger->record_count; i++) {
        if (load(ledger, i, &bank) != 0)
            return damaged(failure);
        lost = count_stale(&bank.count, live_attempts(ledger, i, &bank.count), now);
        forgotten->failures += count_failures(&bank.count) + (unsigned)__builtin_popcountll(lost);
        forgotten->locked = forgotten->locked || bank.count.locked_ms != NOT_LOCKED;
    }
    return LEDGER_OK;
}

/* Under both locks. LEDGER_DAMAGED: it has to be replaced instead. */
static enum ledger_status reset_all(struct ledger *ledger, const struct timestamp *now,
                                    struct failure *failure)
{
    struct file_bank bank;

    for (uint32_t i = 0; i < ledger->record_count; i++) {
        if (load(ledger, i, &bank) != 0)
            return damaged(failure);
        count_reset(&bank.count);
        bank.count.in_flight &=
            ~count_stale(&bank.count, live_attempts(ledger, i, &bank.count), now);
        store(ledger, i, &bank);
        wake_waiters(ledger, i, INT_MAX);
    }
    return LEDGER_OK;
}

static enum ledger_status reset_under_locks(struct ledger *ledger, const struct timestamp *now,
                                            struct failure *failure)
{
    struct file_bank whole;

    /* Closing the file gives the locks back. */
    if (take_lock(ledger, LOCK_LOCAL, failure) != LEDGER_OK ||
        take_lock(ledger, LOCK_NETWORK, failure) != LEDGER_OK)
        return LEDGER_DAMAGED;
    if (load(ledger, RECORD_HEADER, &whole) != 0 || follow_size(ledger, &whole) != 0)
        return damaged(failure);
    return reset_all(ledger, now, failure);
}

/* One round: what is good is emptied, what is not is replaced. LEDGER_DAMAGED:
 * somebody else was at it, too; look again. */
static enum ledger_status unlock_or_replace(int directory_fd, uid_t uid, uid_t owner,
                                            const struct timestamp *now,
                                            struct ledger_unlocked *forgotten,
                                            struct failure *failure)
{
    struct ledger ledger = {.fd = -1, .directory_fd = -1};
    struct stat st;
    struct failure wrong = {""};
    enum ledger_status status = open_file(directory_fd, uid, owner, true, &ledger, &st, &wrong);

    if (status == LEDGER_OK)
        status = sum_up(&ledger, now, forgotten, &wrong);
    if (status == LEDGER_OK)
        status = reset_under_locks(&ledger, now, &wrong);
    ledger_close(&ledger);
    if (status != LEDGER_OK && status != LEDGER_ABSENT)
        *failure = wrong;
    if (status != LEDGER_DAMAGED)
        return status;
    forgotten->replaced = true;
    if (replace_damaged(directory_fd, uid, &st, false, now) == 0)
        return LEDGER_DAMAGED;
    failure_set(failure, "%s; it cannot be replaced: %s", wrong.text, strerror(errno));
    return LEDGER_FAILED;
}

enum ledger_status ledger_unlock(const char *state_dir, uid_t uid, uid_t owner,
                                 const struct timestamp *now, struct ledger_unlocked *forgotten,
                                 struct failure *failure)
{
    enum ledger_status status = LEDGER_DAMAGED;

    *forgotten = (struct ledger_unlocked){0};
    const int directory_fd = open_directory(state_dir, owner, false, failure);
    if (directory_fd < 0)
        return errno == ENOENT ? LEDGER_ABSENT : LEDGER_FAILED;
    for (int i = 0; i < OPEN_TRIES && status == LEDGER_DAMAGED; i++)
        status = unlock_or_replace(directory_fd, uid, owner, now, forgotten, failure);
    close(directory_fd);
    return status == LEDGER_DAMAGED ? LEDGER_FAILED : status;
}
