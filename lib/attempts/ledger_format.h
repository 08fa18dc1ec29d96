/*
 * A ledger's layout: records of one size, all of them there from the start,
 * so that later nothing has to grow. All numbers in the host's byte order.
 *
 *   whole file | local | network [ | source ... ]
 *
 * Each record keeps its content twice. A change is written into the bank that
 * is not in use, and takes effect with the one aligned store that names it:
 * a process that is killed at any point leaves the old content or the new.
 */
#ifndef TMOUT_ATTEMPTS_LEDGER_FORMAT_H
#define TMOUT_ATTEMPTS_LEDGER_FORMAT_H

#include "lib/attempts/count.h"
#include "lib/attempts/origin.h"

#include <stdint.h>

/* Begins every checksum, with the uid and the record's number: a record of
 * another file, place or format is a damaged one. */
#define LEDGER_MAGIC "tmoutat1"

enum {
    RECORD_HEADER = 0, /* the file itself: sealed after damage, and its size */
    RECORD_LOCAL = 1,
    RECORD_NETWORK = 2, /* and the sources that find no record of their own */
    RECORD_SOURCES = 3, /* the first of them */
    RECORDS_WITHOUT_SOURCES = RECORD_SOURCES,
    SOURCES = 128,
    RECORDS_WITH_SOURCES = RECORD_SOURCES + SOURCES
};

struct file_bank {
    uint64_t checksum; /* of all that follows */
    uint32_t sequence;
    uint32_t record_count; /* of the file; in RECORD_HEADER only */
    struct origin origin;
    uint32_t unused;
    struct attempt_count count;
};

struct file_record {
    uint64_t current; /* the sequence in force, as naming() writes it */
    uint32_t settled; /* a futex(2): moves when waiting may have an end */
    uint32_t unused;
    struct file_bank bank[2];
};

/* What names the bank with this sequence: its lowest bit tells which. Twice,
 * the second time inverted, so that no flipped bit can bring the other back. */
static inline uint64_t commit_word(uint32_t sequence)
{
    return (uint64_t)~sequence << 32 | sequence;
}

/*
 * Bytes far behind the end of the file, which are only ever locked. OFD locks
 * (fcntl(2)): they belong to the open file and are gone with its last
 * descriptor, whatever becomes of the process.
 */
#define LOCK_LOCAL   (INT64_C(1) << 62)       /* RECORD_LOCAL */
#define LOCK_NETWORK ((INT64_C(1) << 62) + 1) /* all the others */

/* Locked for as long as the attempt of this record and generation lives. */
#define LOCK_ATTEMPT(record, generation)                                                           \
    ((INT64_C(1) << 61) + ((int64_t)(record) << 32) + (int64_t)(generation))

#endif
