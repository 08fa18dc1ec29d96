#include "lib/attempts/ledger_file.h"

#include "lib/attempts/ledger_lock.h"
#include "lib/attempts/ledger_v1.h"
#include "lib/host/descriptor.h"
#include "lib/host/secure_path.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* --- the directory ----------------------------------------------------------- */

static int make_directory(const char *state_dir, uid_t owner, struct failure *why)
{
    const int above = secure_open_directory(state_dir, owner, O_RDONLY, why);

    if (above < 0)
        return -1;
    const int result = secure_make_directory(above, LEDGER_DIRECTORY);
    const int error = errno;
    close(above);
    if (result != 0)
        failure_set(why, "cannot create directory %s/" LEDGER_DIRECTORY ": %s", state_dir,
                    failure_reason(error));
    errno = error;
    return result;
}

int ledger_open_directory(const char *state_dir, uid_t owner, bool create, struct failure *failure)
{
    char path[PATH_MAX];
    struct failure why = {""};
    const int length = snprintf(path, sizeof path, "%s/" LEDGER_DIRECTORY, state_dir);

    if (length < 0 || (size_t)length >= sizeof path) {
        failure_set(failure, "cannot be opened: the path is too long");
        errno = ENAMETOOLONG;
        return -1;
    }
    int fd = secure_reopen_directory(path, owner, &why);
    if (fd < 0 && errno == ENOENT && create && make_directory(state_dir, owner, &why) == 0)
        fd = secure_reopen_directory(path, owner, &why);
    if (fd < 0) {
        const int error = errno;
        failure_set(failure, "cannot be opened: %s", why.text);
        errno = error;
    }
    return fd;
}

/* --- an existing file -------------------------------------------------------- */

/* What is wrong with a file as such, or NULL. */
static const char *wrong_file(const struct stat *st, uid_t owner)
{
    if (!S_ISREG(st->st_mode))
        return "is not a regular file";
    if (insecure_because(st, owner) != NULL)
        return "is not owned by root, or is writable by others";
    return NULL;
}

/* What open(2) fails with where there is something else than a file. */
static bool is_no_file(int error)
{
    return error == ELOOP || error == ENXIO || error == EISDIR;
}

/* Opens what is in a ledger's place, whatever it is. *st is filled on LEDGER_DAMAGED. */
static enum ledger_status open_place(const struct ledger_place *place, int flags,
                                     struct ledger *ledger, struct stat *st,
                                     struct failure *failure)
{
    char name[LEDGER_NAME_SIZE];

    ledger_file_name(name, place->uid);
    *ledger =
        (struct ledger){.uid = place->uid, .owner = place->owner, .fd = -1, .directory_fd = -1};
    ledger->fd = fd_open_at(place->directory_fd, name, flags | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    if (ledger->fd < 0 && is_no_file(errno) &&
        fstatat(place->directory_fd, name, st, AT_SYMLINK_NOFOLLOW) == 0) {
        failure_set(failure, "is not a regular file");
        return LEDGER_DAMAGED;
    }
    if (ledger->fd >= 0)
        return LEDGER_OK;
    const int error = errno;
    failure_set(failure, "cannot be opened: %s", failure_reason(error));
    errno = error;
    return error == ENOENT ? LEDGER_ABSENT : LEDGER_FAILED;
}

/* Checks what was read from the file's beginning. */
static enum ledger_status check_start(struct ledger *ledger, const unsigned char *start,
                                      size_t size, struct failure *failure)
{
    struct ledger_head head;
    uint32_t version;

    if (size < sizeof head) {
        failure_set(failure, "is too short");
        return LEDGER_DAMAGED;
    }
    memcpy(&head, start, sizeof head);
    ledger->record_count = head_record_count(&head, &version);
    if (version > LEDGER_VERSION) {
        failure_set(failure,
                    "was written by a newer version of pam_tmout (format %u; this one reads up to "
                    "%d)",
                    (unsigned)version, LEDGER_VERSION);
        return LEDGER_NEWER;
    }
    if (version == 0 && (ledger->record_count = v1_record_count(ledger->fd, ledger->uid)) > 0)
        return LEDGER_REPLACED;
    failure_set(failure, "is damaged");
    if (ledger->record_count == 0)
        return LEDGER_DAMAGED;
    if (size == (size_t)ledger_file_size(RECORDS_WITHOUT_SOURCES))
        return LEDGER_OK;
    failure_set(failure, "is too short");
    return LEDGER_DAMAGED;
}

/* The records that precede those of sources, as they were read with the file's beginning.
 * bank, unless it is NULL, becomes the content of record number. */
static enum ledger_status check_records(struct ledger *ledger, const unsigned char *start,
                                        uint32_t number, struct file_bank *bank,
                                        struct failure *failure)
{
    struct file_bank again;

    for (uint32_t i = 0; i < RECORDS_WITHOUT_SOURCES; i++) {
        const struct file_bank *in_force = record_in_force(
            ledger, i, (const struct file_record *)(const void *)(start + ledger_record_offset(i)));
        if (in_force == NULL) { /* perhaps just being written */
            const enum ledger_status status = record_load(ledger, i, &again, failure);
            if (status != LEDGER_OK)
                return status;
            in_force = &again;
        }
        if (in_force->count.locked_ms != NOT_LOCKED)
            ledger->locked_records |= 1U << i;
        if (bank != NULL && i == number)
            *bank = *in_force;
    }
    return LEDGER_OK;
}

/* What the file is, and its state. Not before it was read: what was read of a ledger that
 * is not revoked afterwards was in force, and a lock in it is one (ledger_rejects()). */
static enum ledger_status check_status(struct ledger *ledger, struct stat *st,
                                       struct failure *failure)
{
    if (fd_stat(ledger->fd, st) != 0) {
        failure_set(failure, "cannot be opened: %s", failure_reason(errno));
        return LEDGER_FAILED;
    }
    ledger->device = st->st_dev;
    ledger->inode = st->st_ino;
    const char *wrong = wrong_file(st, ledger->owner);
    if (wrong == NULL)
        return LEDGER_OK;
    failure_set(failure, "%s", wrong);
    return LEDGER_DAMAGED;
}

/* Checks an open file, and all records but those of sources: a login that needs one
 * of them checks it then, under the lock. bank as in check_records(). LEDGER_REPLACED: of
 * version 1. */
static enum ledger_status check_file(struct ledger *ledger, struct stat *st, uint32_t number,
                                     struct file_bank *bank, struct failure *failure)
{
    enum { SIZE = RECORDS_OFFSET + RECORDS_WITHOUT_SOURCES * sizeof(struct file_record) };
    _Alignas(uint64_t) unsigned char start[SIZE];

    const ssize_t size = pread(ledger->fd, start, sizeof start, 0);
    const int error = errno;
    enum ledger_status status = check_status(ledger, st, failure);
    if (status == LEDGER_OK && size < 0) {
        failure_set(failure, "cannot be read: %s", failure_reason(error));
        errno = error;
        return LEDGER_FAILED;
    }
    if (status == LEDGER_OK)
        status = check_start(ledger, start, (size_t)size, failure);
    if (status == LEDGER_OK && st->st_size < ledger_file_size(ledger->record_count)) {
        failure_set(failure, "is too short");
        return LEDGER_DAMAGED;
    }
    return status == LEDGER_OK ? check_records(ledger, start, number, bank, failure) : status;
}

/* Replaces an earlier version's ledger, or a revoked one. Processes of version 1
 * keep to its locks; if one is frozen while it holds them, they are not waited
 * for. */
static enum ledger_status renew_file(const struct ledger_place *place, const struct ledger *ledger,
                                     const struct timestamp *now, struct failure *failure)
{
    struct failure ignored = {""};

    (void)ledger_lock_all(ledger, &ignored);
    return ledger_carry_over(place, ledger->fd, ledger->record_count, now, failure);
}

enum ledger_status ledger_open_file(const struct ledger_place *place, const struct timestamp *now,
                                    struct ledger *ledger, struct stat *st, struct failure *failure)
{
    enum ledger_status status = open_place(place, O_RDWR, ledger, st, failure);

    if (status == LEDGER_OK)
        status = check_file(ledger, st, RECORD_HEADER, NULL, failure);
    if (status == LEDGER_REPLACED)
        status = renew_file(place, ledger, now, failure);
    else if (status == LEDGER_OK && (st->st_mode & LEDGER_REVOKED) != 0)
        status = ledger_carry_over(place, ledger->fd, ledger->record_count, now, failure);
    if (status != LEDGER_OK)
        ledger_close(ledger);
    return status;
}

/* --- looking only ------------------------------------------------------------ */

/* Reads a ledger of version 1 as if it had been replaced. */
static enum ledger_status view_v1(struct ledger *ledger, struct failure *failure)
{
    struct timestamp now = {0};

    ledger->image = malloc((size_t)ledger_file_size(ledger->record_count));
    if (ledger->image != NULL)
        return v1_read(ledger->fd, ledger->uid, &now, ledger->image, ledger->record_count, failure);
    failure_set(failure, "out of memory");
    return LEDGER_FAILED;
}

static enum ledger_status check_sources(const struct ledger *ledger, struct failure *failure)
{
    struct index_bank index;
    struct file_bank bank;
    enum ledger_status status = LEDGER_OK;

    if (ledger->record_count > RECORDS_WITHOUT_SOURCES)
        status = index_load(ledger, &index, failure);
    for (uint32_t i = RECORDS_WITHOUT_SOURCES; i < ledger->record_count && status == LEDGER_OK; i++)
        status = record_load(ledger, i, &bank, failure);
    return status;
}

enum ledger_status ledger_open_view(const char *state_dir, uid_t uid, uid_t owner,
                                    struct ledger *ledger, struct failure *failure)
{
    struct ledger_place place = {.uid = uid, .owner = owner};
    struct stat st;

    *ledger = (struct ledger){.fd = -1, .directory_fd = -1};
    place.directory_fd = ledger_open_directory(state_dir, owner, false, failure);
    if (place.directory_fd < 0)
        return errno == ENOENT ? LEDGER_ABSENT : LEDGER_FAILED;
    enum ledger_status status = open_place(&place, O_RDONLY, ledger, &st, failure);
    close(place.directory_fd);
    if (status == LEDGER_OK)
        status = check_file(ledger, &st, RECORD_HEADER, NULL, failure);
    if (status == LEDGER_REPLACED)
        status = view_v1(ledger, failure);
    else if (status == LEDGER_OK)
        status = check_sources(ledger, failure);
    if (status != LEDGER_OK) {
        const int error = status == LEDGER_NEWER ? EPROTO : errno;
        ledger_close(ledger);
        errno = error;
    }
    return status == LEDGER_NEWER ? LEDGER_FAILED : status;
}

/* --- opening for a login ------------------------------------------------------- */

static enum ledger_status create_missing(const struct ledger_place *place, bool sealed,
                                         const struct timestamp *now, struct failure *failure)
{
    if (ledger_create(place, sealed, now) == 0)
        return LEDGER_REPLACED;
    failure_set(failure, "cannot be created: %s%s", failure_reason(errno),
                errno == EFBIG ? " (because of the caller's file size limit)" : "");
    return LEDGER_FAILED;
}

/* One look at the place: opens what is good, and sets aside what is damaged. */
static enum ledger_status open_or_replace(const struct ledger_place *place,
                                          const struct timestamp *now, bool *damaged,
                                          struct ledger *ledger, struct failure *failure)
{
    struct failure wrong = {""};
    struct stat st;
    enum ledger_status status = ledger_open_file(place, now, ledger, &st, &wrong);

    if (status == LEDGER_OK || status == LEDGER_REPLACED || status == LEDGER_ABSENT)
        return status;
    *failure = wrong;
    if (status != LEDGER_DAMAGED)
        return LEDGER_FAILED;
    *damaged = true;
    if (ledger_replace_damaged(place, &st, true, now) == 0)
        return LEDGER_REPLACED;
    failure_append(failure, " and cannot be replaced: %s", failure_reason(errno));
    return LEDGER_FAILED;
}

bool ledger_may_retry(struct ledger_retry *retry)
{
    const int64_t now_ms =
        retry->tries >= LEDGER_RETRIES_MIN ? clock_ms(CLOCK_MONOTONIC) : INT64_MIN;

    if (retry->tries == LEDGER_RETRIES_MIN)
        retry->end_ms = now_ms + LEDGER_RETRY_MS;
    return retry->tries++ < LEDGER_RETRIES_MIN || now_ms < retry->end_ms;
}

/* Looks until there is a good one. create: also where there is none. */
static enum ledger_status open_good(const struct ledger_place *place, bool create,
                                    const struct timestamp *now, struct ledger *ledger,
                                    struct failure *failure)
{
    enum ledger_status status = LEDGER_REPLACED;
    struct ledger_retry retry = {0};
    bool damaged = false;

    while (status == LEDGER_REPLACED && ledger_may_retry(&retry)) {
        status = open_or_replace(place, now, &damaged, ledger, failure);
        if (status == LEDGER_ABSENT && (create || damaged))
            status = create_missing(place, damaged, now, failure);
    }
    if (status == LEDGER_REPLACED) {
        failure_set(failure, "keeps being replaced by another process");
        return LEDGER_FAILED;
    }
    return status == LEDGER_OK && damaged ? LEDGER_DAMAGED : status;
}

enum ledger_status ledger_open(const char *state_dir, uid_t uid, uid_t owner,
                               const struct timestamp *now, struct ledger *ledger,
                               struct failure *failure)
{
    struct ledger_place place = {.uid = uid, .owner = owner};

    *ledger = (struct ledger){.fd = -1, .directory_fd = -1};
    place.directory_fd = ledger_open_directory(state_dir, owner, true, failure);
    if (place.directory_fd < 0)
        return LEDGER_FAILED;
    const enum ledger_status status = open_good(&place, true, now, ledger, failure);
    if (status == LEDGER_OK || status == LEDGER_DAMAGED)
        ledger->directory_fd = place.directory_fd;
    else
        close(place.directory_fd);
    return status;
}

bool ledger_open_existing(const char *state_dir, uid_t uid, uid_t owner, uint32_t number,
                          struct ledger *ledger, struct file_bank *bank)
{
    struct ledger_place place = {.uid = uid, .owner = owner};
    struct failure ignored = {""};
    struct stat st;

    *ledger = (struct ledger){.fd = -1, .directory_fd = -1};
    place.directory_fd = ledger_open_directory(state_dir, owner, false, &ignored);
    if (place.directory_fd < 0)
        return false;
    const bool good = open_place(&place, O_RDWR, ledger, &st, &ignored) == LEDGER_OK &&
                      check_file(ledger, &st, number, bank, &ignored) == LEDGER_OK &&
                      (st.st_mode & LEDGER_REVOKED) == 0;
    ledger->directory_fd = place.directory_fd;
    if (!good)
        ledger_close(ledger);
    return good;
}

struct ledger_place ledger_place_of(const struct ledger *ledger)
{
    return (struct ledger_place){
        .directory_fd = ledger->directory_fd, .uid = ledger->uid, .owner = ledger->owner};
}

/* Closes a ledger that is no longer current, and opens the one in its place for the
 * same attempt. If there is no good one, the old one stays open. */
static enum ledger_status ledger_follow(struct ledger *ledger, const struct timestamp *now,
                                        struct failure *failure)
{
    const struct ledger_place place = ledger_place_of(ledger);
    struct ledger next;
    const enum ledger_status status = open_good(&place, false, now, &next, failure);

    if (status != LEDGER_OK && status != LEDGER_DAMAGED)
        return status;
    next.directory_fd = ledger->directory_fd;
    next.slot = ledger->slot;
    next.origin = ledger->origin;
    next.ticket.number = ledger->ticket.number; /* the lock on it is for the old file */
    close(ledger->fd);
    *ledger = next;
    return status;
}

enum ledger_status ledger_grow(const struct ledger *ledger, uint32_t record_count,
                               const struct timestamp *now, struct failure *failure)
{
    const struct ledger_place place = ledger_place_of(ledger);

    return ledger_carry_over(&place, ledger->fd, record_count, now, failure);
}

enum ledger_status ledger_renew(struct ledger *ledger, const struct timestamp *now,
                                struct failure *failure)
{
    const enum ledger_status status = ledger_grow(ledger, ledger->record_count, now, failure);

    return status == LEDGER_REPLACED ? ledger_follow(ledger, now, failure) : status;
}

bool ledger_is_current(const struct ledger *ledger)
{
    char name[LEDGER_NAME_SIZE];
    struct stat st;

    ledger_file_name(name, ledger->uid);
    return fstatat(ledger->directory_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
           st.st_ino == ledger->inode && st.st_dev == ledger->device &&
           (st.st_mode & LEDGER_REVOKED) == 0;
}

void ledger_close(struct ledger *ledger)
{
    free(ledger->image);
    if (ledger->fd >= 0)
        close(ledger->fd);
    if (ledger->directory_fd >= 0)
        close(ledger->directory_fd);
    *ledger = (struct ledger){.fd = -1, .directory_fd = -1};
}
