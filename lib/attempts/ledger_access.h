/*
 * Why a ledger cannot be used, and what to do about it: asked after a failure by
 * a login, and beforehand by whoever shows a user's attempts.
 */
#ifndef TMOUT_ATTEMPTS_LEDGER_ACCESS_H
#define TMOUT_ATTEMPTS_LEDGER_ACCESS_H

#include "lib/host/failure.h"

#include <stdbool.h>
#include <sys/types.h>

enum ledger_access {
    ACCESS_FINE,         /* the ledger can be written, or created where there is none */
    ACCESS_READ_ONLY,    /* the file system is read-only for this process */
    ACCESS_DENIED,       /* although root: by a security module, or without a capability */
    ACCESS_IMMUTABLE,    /* although root: a flag of the file or directory, see chattr(1) */
    ACCESS_NO_SPACE,     /* for a new ledger, or for one that is copied on write */
    ACCESS_SIZE_LIMIT,   /* the process may not write a file of this size (ulimit -f) */
    ACCESS_NO_DIRECTORY, /* there is no state directory */
    ACCESS_BROKEN,       /* the disk, or the server of a network file system, fails */
    ACCESS_FAILED        /* something else */
};

/* Does a flag that chattr(1) sets keep root, too, from changing the open file? */
bool ledger_is_immutable(int fd);

/* Tries what a login would do, and changes nothing. owner as in secure_path.h.
 * failure says what is wrong unless the result is ACCESS_FINE. */
enum ledger_access ledger_check_access(const char *state_dir, uid_t uid, uid_t owner,
                                       struct failure *failure);

/* The same by reading the whole ledger and writing its first bytes again as they are, which
 * are the same in every one: where blocks are copied on write, that needs space. */
enum ledger_access ledger_probe_access(const char *state_dir, uid_t uid, uid_t owner,
                                       struct failure *failure);

/*
 * What to do about it, for a message: "free up space on the file system of ...".
 * Where only this process cannot write, its service's unit is to be changed.
 * user is the name for `tmoutctl unlock`, which helps where nothing else is wrong.
 */
void ledger_access_advice(enum ledger_access access, const char *state_dir, const char *user,
                          struct failure *advice);

#endif
