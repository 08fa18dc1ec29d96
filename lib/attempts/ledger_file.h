/*
 * The file STATE_DIR/attempts/UID that holds a user's ledger: opening it,
 * creating it where there is none, replacing it where it is damaged.
 *
 * It belongs to root, like its directory. What is damaged, or cannot be root's
 * own work, is renamed to UID.damaged, and the new ledger starts sealed: as if
 * its user had reached the limit just then. One of an earlier version is replaced
 * by one with the same counts; one of a later version is left alone.
 */
#ifndef TMOUT_ATTEMPTS_LEDGER_FILE_H
#define TMOUT_ATTEMPTS_LEDGER_FILE_H

#include "lib/attempts/ledger_record.h"
#include "lib/attempts/ledger_replace.h"
#include "lib/host/failure.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#define LEDGER_DIRECTORY "attempts"

/*
 * Opens the ledger for a login, and creates it where there is none. owner as
 * in secure_path.h. LEDGER_DAMAGED: the old one has been set aside, and a new,
 * sealed one is open. On LEDGER_OK and LEDGER_DAMAGED the caller closes it.
 */
enum ledger_status ledger_open(const char *state_dir, uid_t uid, uid_t owner,
                               const struct timestamp *now, struct ledger *ledger,
                               struct failure *failure);

/* Opens it, but changes nothing, and needs no protection from the user. *bank becomes the
 * content of record number, one of RECORDS_WITHOUT_SOURCES, while the ledger was in force.
 * Returns false if there is not a good one: then ledger_open() has to. */
bool ledger_open_existing(const char *state_dir, uid_t uid, uid_t owner, uint32_t number,
                          struct ledger *ledger, struct file_bank *bank);

/* Opens it read-only, and changes nothing: LEDGER_ABSENT where there is none. On
 * LEDGER_OK the caller closes it; LEDGER_FAILED leaves errno, EPROTO for one that a newer
 * version wrote. */
enum ledger_status ledger_open_view(const char *state_dir, uid_t uid, uid_t owner,
                                    struct ledger *ledger, struct failure *failure);

/* Gives up what was admitted and not settled: it counts as failed. May be
 * called again. */
void ledger_close(struct ledger *ledger);

/* --- for the other parts of the ledger --------------------------------------- */

/*
 * Looking again where another process has replaced the file meanwhile, for a number of
 * times, and then for a while: of many processes each may be overtaken by any other one.
 * {0} to begin with; ledger_may_retry() is true the first time, too.
 */
enum { LEDGER_RETRIES_MIN = 8, LEDGER_RETRY_MS = 10 * 1000 };

struct ledger_retry {
    unsigned tries;
    int64_t end_ms; /* CLOCK_MONOTONIC */
};

bool ledger_may_retry(struct ledger_retry *retry);

/* Opens STATE_DIR/attempts; create: makes it where it is missing. Returns a
 * descriptor, or -1 with errno and the reason. */
int ledger_open_directory(const char *state_dir, uid_t owner, bool create, struct failure *failure);

/*
 * Opens the file that is there for reading and writing. One of an earlier
 * version, or that was revoked, is replaced first: LEDGER_REPLACED, look again.
 * Only LEDGER_OK leaves anything to close. On LEDGER_DAMAGED and LEDGER_NEWER *st
 * tells which file it was.
 */
enum ledger_status ledger_open_file(const struct ledger_place *place, const struct timestamp *now,
                                    struct ledger *ledger, struct stat *st,
                                    struct failure *failure);

/* Where a ledger that was opened for a login is. */
struct ledger_place ledger_place_of(const struct ledger *ledger);

/* Is it still the file that others will open, and not revoked? */
bool ledger_is_current(const struct ledger *ledger);

/*
 * Replaces an open ledger by one with the same counts and record_count records, or
 * as many as it has if that is more. Returns LEDGER_REPLACED (it stays open),
 * LEDGER_DAMAGED or LEDGER_FAILED.
 */
enum ledger_status ledger_grow(const struct ledger *ledger, uint32_t record_count,
                               const struct timestamp *now, struct failure *failure);

/*
 * Goes on with the ledger that is in the place of this one, for the same attempt. If
 * there is no other one yet, this one is stuck or revoked, and is replaced first.
 * LEDGER_OK and LEDGER_DAMAGED as in ledger_open(); otherwise the old one stays open.
 * LEDGER_ABSENT: root has removed it.
 */
enum ledger_status ledger_renew(struct ledger *ledger, const struct timestamp *now,
                                struct failure *failure);

#endif
