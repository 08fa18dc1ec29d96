/*
 * The records of an open ledger: reading and changing one so that nobody ever
 * sees half a change.
 */
#ifndef TMOUT_ATTEMPTS_LEDGER_RECORD_H
#define TMOUT_ATTEMPTS_LEDGER_RECORD_H

#include "lib/attempts/ledger_format.h"
#include "lib/host/clock.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* An admitted attempt: its record, and its entry there. */
struct attempt_slot {
    uint32_t record;
    struct count_slot entry;
};

/* One user's ledger, opened and mapped by ledger_file.h. */
struct ledger {
    uid_t uid;
    int fd;           /* -1: not open */
    int directory_fd; /* where it is; -1 in a view */
    struct file_record *record;
    uint32_t record_count;
    struct attempt_slot slot; /* of the attempt that ledger_admit() admitted */
};

/* The size in bytes of a file with so many records. */
size_t ledger_file_size(uint32_t record_count);

/* The content of an unused record. record_count and sealed count in
 * RECORD_HEADER only: a sealed header locks all of the user's attempts from
 * now on. */
void record_start(struct file_record *record, uid_t uid, uint32_t number, uint32_t record_count,
                  const struct timestamp *now, bool sealed);

/* Copies the bank in force. Needs no lock: a writer changes the other bank.
 * Returns 0, or -1 if the record is damaged. */
int record_load(const struct ledger *ledger, uint32_t number, struct file_bank *bank);

/* Puts a changed bank in force, under the record's lock. Sets the bank's
 * sequence and checksum. */
void record_store(struct ledger *ledger, uint32_t number, struct file_bank *bank);

#endif
