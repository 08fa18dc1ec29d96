/*
 * The file STATE_DIR/attempts/UID that holds a user's ledger: opening it,
 * creating it where there is none, replacing it where it is damaged.
 *
 * It belongs to root, like its directory. What is damaged, or cannot be root's
 * own work, is renamed to UID.damaged, and the new ledger starts sealed: as if
 * its user had reached the limit just then.
 */
#ifndef TMOUT_ATTEMPTS_LEDGER_FILE_H
#define TMOUT_ATTEMPTS_LEDGER_FILE_H

#include "lib/attempts/ledger_record.h"
#include "lib/host/failure.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#define LEDGER_DIRECTORY "attempts"

/* A failure's text goes behind the ledger's path: "is damaged". */
enum ledger_status {
    LEDGER_OK,
    LEDGER_ABSENT,  /* there is none */
    LEDGER_DAMAGED, /* the failure says how */
    LEDGER_FAILED   /* it could not be used; the failure says why */
};

/*
 * Opens the ledger for a login, and creates it where there is none. owner as
 * in secure_path.h. LEDGER_DAMAGED: the old one has been set aside, and a new,
 * sealed one is open. On LEDGER_OK and LEDGER_DAMAGED the caller closes it.
 */
enum ledger_status ledger_open(const char *state_dir, uid_t uid, uid_t owner,
                               const struct timestamp *now, struct ledger *ledger,
                               struct failure *failure);

/* Opens it read-only, and changes nothing: LEDGER_ABSENT where there is none. On
 * LEDGER_OK the caller closes it. */
enum ledger_status ledger_open_view(const char *state_dir, uid_t uid, uid_t owner,
                                    struct ledger *ledger, struct failure *failure);

/* Gives up what was admitted and not settled: it counts as failed. May be
 * called again. */
void ledger_close(struct ledger *ledger);

/* --- for the other parts of the ledger --------------------------------------- */

/* Where a ledger is, once its directory is open. */
struct ledger_place {
    int directory_fd;
    uid_t uid, owner;
};

/* How often to look again when other processes replace the file meanwhile. */
enum { LEDGER_OPEN_TRIES = 8 };

/* Opens STATE_DIR/attempts; create: makes it where it is missing. Returns a
 * descriptor, or -1 with errno and the reason. */
int ledger_open_directory(const char *state_dir, uid_t owner, bool create, struct failure *failure);

/* Opens the file that is there, for reading and writing or only for reading.
 * Only LEDGER_OK leaves anything to close. On LEDGER_DAMAGED *st tells which
 * file it was. */
enum ledger_status ledger_open_file(const struct ledger_place *place, bool to_write,
                                    struct ledger *ledger, struct stat *st,
                                    struct failure *failure);

/*
 * Puts a new file in the place of the one that st describes, if that is still
 * there, and keeps the old one as evidence. Of several processes at once one
 * does it, and none of them finds the place empty. Returns 0, or -1 with errno.
 */
int ledger_replace(const struct ledger_place *place, const struct stat *st, bool sealed,
                   const struct timestamp *now);

/* Is it still the file that others will open? */
bool ledger_is_current(const struct ledger *ledger);

/* Maps the first record_count records for writing. Returns 0, or -1 with errno and
 * the old mapping in place. */
int ledger_map_more(struct ledger *ledger, uint32_t record_count);

#endif
