/*
 * A ledger's layout: records of one size, all allocated in advance, so that no
 * later change can run out of space. All numbers are in the host's byte order.
 *
 *   header | local | network [ | source ... ]
 *
 * Each record has two banks. A change is written into the bank that is not in
 * use, and takes effect with the one aligned store that selects it: a process
 * that is killed at any point leaves the old content or the new.
 */
#ifndef TMOUT_ATTEMPTS_LEDGER_FORMAT_H
#define TMOUT_ATTEMPTS_LEDGER_FORMAT_H

#include "lib/attempts/count.h"
#include "lib/attempts/origin.h"

#include <stdint.h>

/* Every checksum starts with this, the uid and the record's number: a record
 * from another file, place or format counts as damaged. */
#define LEDGER_MAGIC "tmoutat1"

enum {
    RECORD_HEADER = 0, /* the file's size, and its penalty lock after damage */
    RECORD_LOCAL = 1,
    RECORD_NETWORK = 2, /* also for sources without a record of their own */
    RECORD_SOURCES = 3, /* the first of them */
    RECORDS_WITHOUT_SOURCES = RECORD_SOURCES,
    SOURCES = 128,
    RECORDS_WITH_SOURCES = RECORD_SOURCES + SOURCES
};

struct file_bank {
    uint64_t checksum; /* of everything below */
    uint32_t sequence;
    uint32_t record_count; /* of the file; in RECORD_HEADER only */
    struct origin origin;
    uint32_t unused;
    struct attempt_count count;
};

struct file_record {
    uint64_t current; /* commit_word() of the sequence in force */
    uint32_t settled; /* a futex(2): changes whenever an attempt is settled */
    uint32_t unused;
    struct file_bank bank[2];
};

/* Puts the bank with this sequence in force, the one that its lowest bit
 * selects. The inverted copy makes a flipped bit show, which could otherwise
 * bring back the other bank. */
static inline uint64_t commit_word(uint32_t sequence)
{
    return (uint64_t)~sequence << 32 | sequence;
}

/* Bytes far behind the end of the file, which are only ever locked: see
 * ledger_lock.h. */
#define LOCK_LOCAL   (INT64_C(1) << 62)       /* RECORD_LOCAL */
#define LOCK_NETWORK ((INT64_C(1) << 62) + 1) /* all the others */

/* Locked while the attempt of this record and generation is alive. */
#define LOCK_ATTEMPT(record, generation)                                                           \
    ((INT64_C(1) << 61) + ((int64_t)(record) << 32) + (int64_t)(generation))

#endif
