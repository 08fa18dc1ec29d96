/*
 * A ledger's layout. Its size is chosen when the file is created and never
 * changes: no later write needs space. All numbers are in the host's byte order.
 *
 *   head | header | local | network
 *   head | header | local | network | IPv4 | IPv6 | index | source ...
 *
 * The second form is for count_by = source. What follows the last record is a
 * list of struct ledger_successor, once the ledger has been replaced.
 *
 * Each record has two banks. A change is one write into the bank that is not in
 * force, and takes effect when that bank is complete: a process that is killed
 * at any point leaves the old content or the new. No bank crosses a page.
 */
#ifndef TMOUT_ATTEMPTS_LEDGER_FORMAT_H
#define TMOUT_ATTEMPTS_LEDGER_FORMAT_H

#include "lib/attempts/count.h"
#include "lib/attempts/origin.h"

#include <stdint.h>
#include <sys/stat.h>

/* Every checksum starts with this, the uid and the record's number: a record
 * from another file, place or format counts as damaged. */
#define LEDGER_MAGIC "tmoutat2"

/* The version is outside of all checksums, and what precedes it is the same in
 * every later version: so that a newer ledger is known as such. */
#define LEDGER_HEAD_MAGIC "tmoutlog"
enum { LEDGER_VERSION = 2 };

struct ledger_head {
    char magic[8];
    uint32_t version, version_inverted;
    uint32_t record_count, record_count_inverted;
};

enum {
    RECORD_HEADER = 0, /* the ledger's penalty lock after damage */
    RECORD_LOCAL = 1,
    RECORD_NETWORK = 2, /* also for sources while the file has no records of them */
    RECORDS_WITHOUT_SOURCES = 3,
    RECORD_OTHER_IPV4 = 3, /* shared by the sources that have no record of their own */
    RECORD_OTHER_IPV6 = 4,
    RECORD_SOURCES = 5, /* the first of them */
    SOURCES = 128,
    RECORDS_WITH_SOURCES = RECORD_SOURCES + SOURCES
};

struct file_bank {
    uint64_t lead;     /* commit_word() of the bank's sequence */
    uint64_t checksum; /* of everything below, but for the trail */
    struct origin origin;
    uint32_t unused;
    /* Waiters with a lower ticket have lost their turn: see ledger_queue.h. */
    uint64_t queue_start;
    struct attempt_count count;
    /* Whose attempt each entry is, for a record that several sources share:
     * origin_tag(). */
    uint16_t tag[ATTEMPTS_MAX];
    uint64_t trail; /* equal to lead in a bank that is complete */
};

struct file_record {
    struct file_bank bank[2]; /* in force: the complete one with the higher sequence */
};

/* What is known about the source in record RECORD_SOURCES + i, in the index. A
 * record whose entry says kind ORIGIN_NONE can be given to another source. */
struct source_entry {
    struct origin origin;
    uint32_t weight;  /* how many sources this one has taken the place of */
    uint32_t success; /* the number of its latest successful login; 0: none */
};

struct index_bank {
    uint64_t lead, checksum; /* as in a struct file_bank */
    uint32_t last_success;
    uint32_t unused;
    struct timestamp swept; /* when records whose count has expired were last looked for */
    struct source_entry source[SOURCES];
    uint64_t trail;
};

enum {
    BANK_SIZE = 1024,
    INDEX_BANK_SIZE = 4096,
    RECORDS_OFFSET = BANK_SIZE,
    INDEX_OFFSET = 12 * 1024,
    SOURCES_OFFSET = INDEX_OFFSET + 2 * INDEX_BANK_SIZE
};

_Static_assert(sizeof(struct file_bank) == BANK_SIZE, "a bank must not cross a page");
_Static_assert(sizeof(struct index_bank) <= INDEX_BANK_SIZE, "the index must not cross a page");

static inline int64_t ledger_record_offset(uint32_t number)
{
    return (number < RECORD_SOURCES ? RECORDS_OFFSET : SOURCES_OFFSET - RECORD_SOURCES * 2 * 1024) +
           (int64_t)number * (int64_t)sizeof(struct file_record);
}

/* The size in bytes of a file with so many records, without successors. */
static inline int64_t ledger_file_size(uint32_t record_count)
{
    return ledger_record_offset(record_count - 1) + (int64_t)sizeof(struct file_record);
}

/* A bank's lead and trail. The inverted copy makes a flipped bit show, which
 * could otherwise bring back the other bank. */
static inline uint64_t commit_word(uint32_t sequence)
{
    return (uint64_t)~sequence << 32 | sequence;
}

/* A ledger with this mode bit is revoked: see ledger_replace.h. */
enum { LEDGER_REVOKED = S_ISVTX };

/* Appended to a revoked ledger: the name of the file that takes its place. The
 * first one that is valid counts. */
struct ledger_successor {
    uint64_t checksum;
    char name[56];
};

/* Bytes far behind the end of the file, which are only ever locked: see
 * ledger_lock.h. They are the same in all versions. */
#define LOCK_LOCAL   (INT64_C(1) << 62)       /* RECORD_LOCAL */
#define LOCK_NETWORK ((INT64_C(1) << 62) + 1) /* all the others */

/* Locked while the attempt of this record and generation is alive. */
#define LOCK_ATTEMPT(record, generation)                                                           \
    ((INT64_C(1) << 61) + ((int64_t)(record) << 32) + (int64_t)(generation))

/* Locked while an attempt waits for this record: see ledger_queue.h. */
#define LOCK_TICKET(record, ticket)                                                                \
    ((INT64_C(1) << 60) + ((int64_t)(record) << 48) + (int64_t)(ticket))

#endif
