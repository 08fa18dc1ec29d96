/*
 * The records of an open ledger: reading one and changing one so that nobody
 * ever takes half a change for a whole one.
 *
 * They are read and written with pread(2) and pwrite(2). Through a mapping, a
 * disk that is full or broken would kill the login program with SIGBUS; so it
 * is an error, and the program rejects the password.
 */
#ifndef TMOUT_ATTEMPTS_LEDGER_RECORD_H
#define TMOUT_ATTEMPTS_LEDGER_RECORD_H

#include "lib/attempts/ledger_format.h"
#include "lib/host/clock.h"
#include "lib/host/failure.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* A failure's text goes behind the ledger's path: "is damaged". */
enum ledger_status {
    LEDGER_OK,
    LEDGER_ABSENT,   /* there is none */
    LEDGER_DAMAGED,  /* the failure says how */
    LEDGER_REPLACED, /* another one has taken its place, or has to: look again */
    LEDGER_NEWER,    /* a later version has written it; the failure says so */
    LEDGER_FAILED    /* it could not be used; the failure says why */
};

/* An admitted attempt: its record, and its entry there. */
struct attempt_slot {
    uint32_t record;
    struct count_slot entry;
};

/* A waiting attempt's place in the queue for a record: see ledger_queue.h. */
struct attempt_ticket {
    uint32_t record; /* RECORD_HEADER: none */
    uint64_t number;
};

/* One user's ledger, opened by ledger_file.h. */
struct ledger {
    uid_t uid, owner;
    int fd;           /* -1: not open */
    int directory_fd; /* where it is; -1 in a view */
    dev_t device;
    ino_t inode;
    uint32_t record_count;
    unsigned locked_records; /* when it was opened: a bit for each but those of sources */
    /* In a view of an earlier version's ledger: its content in this version's
     * layout. NULL otherwise. */
    unsigned char *image;
    struct attempt_slot slot; /* of the attempt that ledger_admit() admitted */
    struct origin origin;     /* and where it came from */
    struct attempt_ticket ticket;
};

/* --- a file's content, in memory ---------------------------------------------- */

/* Fills image[ledger_file_size(record_count)] with unused records. sealed: the
 * header locks all of the user's attempts from now on. */
void image_start(unsigned char *image, uid_t uid, uint32_t record_count,
                 const struct timestamp *now, bool sealed);

/* Puts a record, or the index, into an image. Sets sequence and checksum. */
void image_put_record(unsigned char *image, uid_t uid, uint32_t number, struct file_bank *bank);
void image_put_index(unsigned char *image, uid_t uid, struct index_bank *index);

/* The number of records that a file of this version has according to its head;
 * 0 if it is not one. *version becomes that of a file of any version, or 0. */
uint32_t head_record_count(const struct ledger_head *head, uint32_t *version);

/* --- records ------------------------------------------------------------------- */

/* Reads both banks of count records from number on, which are adjacent. */
enum ledger_status records_read(const struct ledger *ledger, uint32_t number, uint32_t count,
                                struct file_record *record, struct failure *failure);

/* The bank in force of a record that was read; NULL if the record is damaged. */
const struct file_bank *record_in_force(const struct ledger *ledger, uint32_t number,
                                        const struct file_record *record);

/* Reads a record and copies the bank in force. Needs no lock: a writer changes
 * the other bank. */
enum ledger_status record_load(const struct ledger *ledger, uint32_t number, struct file_bank *bank,
                               struct failure *failure);

/* Puts a changed bank in force, under the record's lock. Sets the bank's
 * sequence and checksum. LEDGER_FAILED: the old content is in force. */
enum ledger_status record_store(const struct ledger *ledger, uint32_t number,
                                struct file_bank *bank, struct failure *failure);

/* The same for the index, under the lock of the sources. */
enum ledger_status index_load(const struct ledger *ledger, struct index_bank *index,
                              struct failure *failure);
enum ledger_status index_store(const struct ledger *ledger, struct index_bank *index,
                               struct failure *failure);

/* A number that changes whenever the record does. */
static inline uint32_t bank_sequence(const struct file_bank *bank)
{
    return (uint32_t)bank->lead;
}

/* Orders what this process has written before what it reads next, or the other
 * way round, for processes that do the same. */
static inline void ledger_fence(void)
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

#endif
