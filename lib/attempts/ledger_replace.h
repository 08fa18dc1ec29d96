/*
 * Putting another file in a ledger's place: with the same counts, where its lock
 * is stuck, it is of an earlier version, or it has to have more records; or
 * locked, where it is damaged.
 *
 * Any process may be frozen at any point of this, and go on later. So:
 *
 * 1. A ledger that is to be replaced is first revoked, for good: its mode says
 *    so. What a process changes in a ledger counts only if the ledger is still
 *    in its place and not revoked *afterwards*. So what counts has been written
 *    before the ledger was revoked, and whoever copies it then finds it.
 * 2. Each process that finds it revoked writes a copy under a name that is never
 *    used again, and appends that name to the revoked ledger. The name that was
 *    appended first is the successor, whoever reads it.
 * 3. Any process renames the successor into the ledger's place. Only the first
 *    one can, for then the name is gone: a process that comes late changes
 *    nothing.
 *
 * Attempts that are in flight are in flight in the copy, too, with the same entry
 * and generation; their processes settle them there.
 */
#ifndef TMOUT_ATTEMPTS_LEDGER_REPLACE_H
#define TMOUT_ATTEMPTS_LEDGER_REPLACE_H

#include "lib/attempts/ledger_record.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

/* Where a ledger is, once its directory is open. */
struct ledger_place {
    int directory_fd;
    uid_t uid, owner;
};

enum { LEDGER_NAME_SIZE = 16 };

/* The name of a user's ledger. */
void ledger_file_name(char name[LEDGER_NAME_SIZE], uid_t uid);

/*
 * Replaces a ledger of this or an earlier version, which is open for writing, by
 * one with the same counts and record_count records, at least as many as it has.
 * If a process of version 1 has set aside one of this version as damaged, and put its
 * own, locked one in its place, then the counts are those of the one that was set aside.
 * Returns LEDGER_REPLACED when that is done, by this or another process,
 * LEDGER_DAMAGED, or LEDGER_FAILED with the reason.
 */
enum ledger_status ledger_carry_over(const struct ledger_place *place, int fd,
                                     uint32_t record_count, const struct timestamp *now,
                                     struct failure *failure);

/*
 * Puts a new file in the place of the one that st describes, if that is still
 * there, and keeps the old one as evidence. Of several processes at once all
 * leave a new one, and none of them finds the place empty. Returns 0, or -1 with
 * errno.
 */
int ledger_replace_damaged(const struct ledger_place *place, const struct stat *st, bool sealed,
                           const struct timestamp *now);

/* Creates a user's first ledger. sealed: there was one, and it was damaged.
 * Returns 0, also where there is one already, or -1 with errno. */
int ledger_create(const struct ledger_place *place, bool sealed, const struct timestamp *now);

#endif
