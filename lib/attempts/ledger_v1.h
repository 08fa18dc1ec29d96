/* Ledgers of version 1, which had no head. An upgrade keeps their counts and
 * locks. */
#ifndef TMOUT_ATTEMPTS_LEDGER_V1_H
#define TMOUT_ATTEMPTS_LEDGER_V1_H

#include "lib/attempts/ledger_record.h"

#include <stdbool.h>
#include <stdint.h>

/* How many records a version 1 ledger that is open at fd needs in this version's
 * layout; 0 if it is none, or damaged. */
uint32_t v1_record_count(int fd, uid_t uid);

/* The size in bytes of one that needs so many. */
int64_t v1_file_size(uint32_t record_count);

/* Is it one that was created in the place of a ledger that its process took for
 * damaged, and has nothing been counted in it since? */
bool v1_is_fresh_seal(int fd, uid_t uid);

/*
 * Fills an image of this version with the counts of a version 1 ledger that has
 * no more records than the image. now is for records that are new. Attempts in
 * flight are carried over as such. Returns LEDGER_OK, LEDGER_DAMAGED or
 * LEDGER_FAILED.
 */
enum ledger_status v1_read(int fd, uid_t uid, const struct timestamp *now, unsigned char *image,
                           uint32_t record_count, struct failure *failure);

#endif
