#include "lib/attempts/ledger_replace.h"

#include "lib/attempts/ledger_v1.h"
#include "lib/host/atomic_file.h"
#include "lib/host/checksum.h"
#include "lib/host/descriptor.h"
#include "lib/host/rename.h"
#include "lib/host/secure_path.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

void ledger_file_name(char name[LEDGER_NAME_SIZE], uid_t uid)
{
    snprintf(name, LEDGER_NAME_SIZE, "%u", (unsigned)uid);
}

enum { ASIDE_NAME_SIZE = LEDGER_NAME_SIZE + 16 };

/* Of a ledger that was damaged. */
static void aside_name(char name[ASIDE_NAME_SIZE], uid_t uid)
{
    snprintf(name, ASIDE_NAME_SIZE, "%u.damaged", (unsigned)uid);
}

/* The version of an open ledger: LEDGER_VERSION, 1, a later one, or 0 if it is
 * damaged. *record_count becomes the number of its records, where it is known. */
static uint32_t version_of(int fd, uid_t uid, uint32_t *record_count)
{
    struct ledger_head head;
    uint32_t version;

    *record_count = 0;
    if (pread(fd, &head, sizeof head, 0) != (ssize_t)sizeof head)
        return 0;
    *record_count = head_record_count(&head, &version);
    if (version != 0)
        return version == LEDGER_VERSION && *record_count == 0 ? 0 : version;
    *record_count = v1_record_count(fd, uid);
    return *record_count > 0 ? 1 : 0;
}

/* --- the successor ----------------------------------------------------------------- */

static uint64_t successor_checksum(const struct ledger_successor *successor)
{
    return CHECKSUM_OF(CHECKSUM_START, *successor);
}

/* Moves *at, an offset in the file, behind the next successor, and copies it.
 * Returns false if there are no more. A write that was cut short may have left
 * bytes in between. */
static bool next_successor(int fd, int64_t *at, struct ledger_successor *successor)
{
    unsigned char bytes[4096];
    const ssize_t size = pread(fd, bytes, sizeof bytes, (off_t)*at);

    for (ssize_t i = 0; i + (ssize_t)sizeof *successor <= size; i++) {
        memcpy(successor, bytes + i, sizeof *successor);
        if (successor->name[0] == '\0' || successor->name[sizeof successor->name - 1] != '\0' ||
            successor->checksum != successor_checksum(successor))
            continue;
        *at += i + (ssize_t)sizeof *successor;
        return true;
    }
    return false;
}

/* The kernel puts what several processes append at once one after the other. */
static int append_successor(int fd, const char *name)
{
    struct ledger_successor successor = {0};

    snprintf(successor.name, sizeof successor.name, "%s", name);
    successor.checksum = successor_checksum(&successor);
    if (fcntl(fd, F_SETFL, O_APPEND) != 0)
        return -1;
    const ssize_t n = write(fd, &successor, sizeof successor);
    if (n == (ssize_t)sizeof successor)
        return 0;
    errno = n < 0 ? errno : ENOSPC;
    return -1;
}

/* A name that no process ever uses again. If this one is killed, the file is
 * removed like all temporary files. */
static int name_candidate(char *temporary, size_t size, uid_t uid)
{
    char stem[LEDGER_NAME_SIZE + 20];
    uint64_t random;

    if (getrandom(&random, sizeof random, 0) != (ssize_t)sizeof random)
        return -1;
    snprintf(stem, sizeof stem, "%u.%016llx", (unsigned)uid, (unsigned long long)random);
    return atomic_temporary_name(temporary, size, stem);
}

/* --- copying ------------------------------------------------------------------------- */

static enum ledger_status copy_records(const struct ledger *old, unsigned char *image,
                                       struct failure *failure)
{
    struct index_bank index;

    for (uint32_t i = 0; i < old->record_count; i++) {
        struct file_bank bank;
        const enum ledger_status status = record_load(old, i, &bank, failure);
        if (status != LEDGER_OK)
            return status;
        count_carry(&bank.count);
        image_put_record(image, old->uid, i, &bank);
    }
    if (old->record_count == RECORDS_WITHOUT_SOURCES)
        return LEDGER_OK;
    const enum ledger_status status = index_load(old, &index, failure);
    if (status == LEDGER_OK)
        image_put_index(image, old->uid, &index);
    return status;
}

/*
 * A process that has loaded version 1 of the module, such as a login prompt that has
 * been open since before the upgrade, takes a ledger of this version for damaged: it
 * sets it aside, and locks the user in a new one. Then the one aside is what counts.
 * Returns its descriptor, or -1 where this is not what happened.
 */
static int open_set_aside(const struct ledger_place *place, int fd, uint32_t *record_count)
{
    char aside[ASIDE_NAME_SIZE];
    struct stat st;

    if (!v1_is_fresh_seal(fd, place->uid))
        return -1;
    aside_name(aside, place->uid);
    const int found = fd_open_at(place->directory_fd, aside, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    if (found < 0)
        return -1;
    if (fd_stat(found, &st) == 0 && S_ISREG(st.st_mode) &&
        insecure_because(&st, place->owner) == NULL &&
        version_of(found, place->uid, record_count) == LEDGER_VERSION)
        return found;
    close(found);
    return -1;
}

/* It is no evidence of damage, once it has been copied. */
static void forget_set_aside(const struct ledger_place *place, int fd)
{
    char aside[ASIDE_NAME_SIZE];
    struct stat copied, there;

    aside_name(aside, place->uid);
    if (fd_stat(fd, &copied) == 0 &&
        fstatat(place->directory_fd, aside, &there, AT_SYMLINK_NOFOLLOW) == 0 &&
        copied.st_ino == there.st_ino && copied.st_dev == there.st_dev)
        unlinkat(place->directory_fd, aside, 0);
}

/* The content of a revoked ledger's copy. */
static enum ledger_status make_image(const struct ledger_place *place, int fd,
                                     const struct timestamp *now, unsigned char *image,
                                     uint32_t record_count, struct failure *failure)
{
    struct ledger old = {.uid = place->uid, .fd = fd, .directory_fd = -1};

    if (version_of(fd, place->uid, &old.record_count) == 1)
        return v1_read(fd, place->uid, now, image, record_count, failure);
    image_start(image, place->uid, record_count, now, false);
    return copy_records(&old, image, failure);
}

/* Puts the copy into its file, which has been there since before the ledger was
 * revoked, so that there is room for it. */
static int fill_candidate(int directory_fd, const char *name, const unsigned char *image,
                          size_t size)
{
    const int fd = fd_open_at(directory_fd, name, O_WRONLY | O_NOFOLLOW);
    int result = -1;

    if (fd < 0)
        return -1;
    const ssize_t n = pwrite(fd, image, size, 0);
    if (n == (ssize_t)size)
        result = fsync(fd);
    else if (n >= 0)
        errno = ENOSPC;
    const int error = errno;
    close(fd);
    errno = error;
    return result;
}

/* A ledger is revoked by its mode: of all that belongs to a file, that can be
 * changed without its locks, and by whoever may write to it. */
static int revoke_ledger(int fd)
{
    const int result = fchmod(fd, 0600 | LEDGER_REVOKED);

    ledger_fence();
    return result;
}

static bool is_in_place(const struct ledger_place *place, const struct stat *which)
{
    char name[LEDGER_NAME_SIZE];
    struct stat st;

    ledger_file_name(name, place->uid);
    return fstatat(place->directory_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
           st.st_ino == which->st_ino && st.st_dev == which->st_dev;
}

/*
 * Puts the first successor that still has its name into the ledger's place.
 * Returns whether the ledger has been replaced. A name is gone because its file
 * is in place, or because its process was killed and it was removed as a stray.
 * In both cases, nobody can put it there later.
 */
static bool install_successor(const struct ledger_place *place, int fd, int64_t at,
                              const struct stat *old)
{
    char name[LEDGER_NAME_SIZE];
    struct ledger_successor successor;

    ledger_file_name(name, place->uid);
    while (next_successor(fd, &at, &successor)) {
        if (renameat(place->directory_fd, successor.name, place->directory_fd, name) == 0) {
            (void)fsync(place->directory_fd);
            return true;
        }
        if (!is_in_place(place, old))
            return true;
    }
    return false;
}

/* One process's part in replacing a ledger. */
struct replacement {
    const struct ledger_place *place;
    int fd;
    int from_fd; /* what is copied: the ledger, or the one that was set aside for it */
    struct stat st;
    int64_t end; /* of the records */
    uint32_t record_count;
    char name[sizeof((struct ledger_successor *)NULL)->name]; /* of its copy */
};

/* Copies the revoked ledger and enters the copy as a successor. */
static enum ledger_status add_candidate(struct replacement *new, const struct timestamp *now,
                                        unsigned char *image, struct failure *failure)
{
    const size_t size = (size_t)ledger_file_size(new->record_count);
    enum ledger_status status =
        make_image(new->place, new->from_fd, now, image, new->record_count, failure);

    if (status == LEDGER_DAMAGED && new->from_fd != new->fd) {
        new->from_fd = new->fd;
        status = make_image(new->place, new->fd, now, image, new->record_count, failure);
    }
    if (status != LEDGER_OK)
        return status;
    if (fill_candidate(new->place->directory_fd, new->name, image, size) == 0 &&
        append_successor(new->fd, new->name) == 0 &&
        install_successor(new->place, new->fd, new->end, &new->st))
        return LEDGER_REPLACED;
    failure_set(failure, "cannot be replaced: %s", failure_reason(errno));
    return LEDGER_FAILED;
}

/* Nothing has been revoked yet if there is no room for the copy. */
static enum ledger_status replace_by_copy(struct replacement *new, const struct timestamp *now,
                                          struct failure *failure)
{
    const size_t size = (size_t)ledger_file_size(new->record_count);
    unsigned char *image = calloc(1, size);
    enum ledger_status status = LEDGER_FAILED;

    if (image == NULL || name_candidate(new->name, sizeof new->name, new->place->uid) != 0 ||
        atomic_write_new(new->place->directory_fd, new->name, 0600, image, size) != 0) {
        failure_set(failure, "cannot be replaced: %s", failure_reason(errno));
        goto out;
    }
    if (revoke_ledger(new->fd) != 0)
        failure_set(failure, "cannot be replaced: %s", failure_reason(errno));
    else if (install_successor(new->place, new->fd, new->end, &new->st))
        status = LEDGER_REPLACED;
    else
        status = add_candidate(new, now, image, failure);
    /* It is still there if another one was first. */
    unlinkat(new->place->directory_fd, new->name, 0);

out:
    free(image);
    return status;
}

enum ledger_status ledger_carry_over(const struct ledger_place *place, int fd,
                                     uint32_t record_count, const struct timestamp *now,
                                     struct failure *failure)
{
    struct replacement new = {.place = place, .fd = fd, .from_fd = fd};
    uint32_t old_count, aside_count = 0;
    const uint32_t version = version_of(fd, place->uid, &old_count);

    failure_set(failure, "is damaged");
    if (version == 0 || version > LEDGER_VERSION)
        return LEDGER_DAMAGED;
    new.end = version == 1 ? v1_file_size(old_count) : ledger_file_size(old_count);
    if (fd_stat(fd, &new.st) != 0) {
        failure_set(failure, "cannot be replaced: %s", failure_reason(errno));
        return LEDGER_FAILED;
    }
    if (!is_in_place(place, &new.st) ||
        ((new.st.st_mode &LEDGER_REVOKED) != 0 && install_successor(place, fd, new.end, &new.st)))
        return LEDGER_REPLACED;
    const int aside_fd = version == 1 ? open_set_aside(place, fd, &aside_count) : -1;
    if (aside_fd >= 0)
        new.from_fd = aside_fd;
    new.record_count = record_count > old_count ? record_count : old_count;
    if (new.record_count < aside_count)
        new.record_count = aside_count;
    const enum ledger_status status = replace_by_copy(&new, now, failure);
    if (aside_fd >= 0 && new.from_fd == aside_fd && status == LEDGER_REPLACED)
        forget_set_aside(place, aside_fd);
    if (aside_fd >= 0)
        close(aside_fd);
    return status;
}

/* --- a new file ---------------------------------------------------------------------- */

/* Fails with EEXIST if there is one of this name. */
static int create_file(const struct ledger_place *place, const char *name, bool sealed,
                       const struct timestamp *now)
{
    unsigned char image[RECORDS_OFFSET + RECORDS_WITHOUT_SOURCES * sizeof(struct file_record)];

    image_start(image, place->uid, RECORDS_WITHOUT_SOURCES, now, sealed);
    return atomic_create(place->directory_fd, name, 0600, image, sizeof image);
}

static bool is_full(int error)
{
    return error == ENOSPC || error == EDQUOT;
}

/* Only where there is no room are the files of killed processes looked for, since that
 * means to look at the names of all users' ledgers. tmoutctl prune does it, too. */
int ledger_create(const struct ledger_place *place, bool sealed, const struct timestamp *now)
{
    char name[LEDGER_NAME_SIZE];

    ledger_file_name(name, place->uid);
    int result = create_file(place, name, sealed, now);
    if (result != 0 && is_full(errno)) {
        atomic_remove_strays(place->directory_fd);
        result = create_file(place, name, sealed, now);
    }
    return result == 0 || errno == EEXIST ? 0 : -1;
}

/*
 * Puts the file called made in the ledger's place, and what was there aside. In
 * one step: nobody may find the place empty and start with no failures. If
 * another process was faster, its file is gone: this one is as new.
 */
static int exchange(const struct ledger_place *place, const char *made, const char *aside,
                    const struct stat *st)
{
    const int directory_fd = place->directory_fd;
    char name[LEDGER_NAME_SIZE];
    struct stat out;

    ledger_file_name(name, place->uid);
    if (rename_swap(directory_fd, made, name) != 0)
        return -1;
    if (fstatat(directory_fd, made, &out, AT_SYMLINK_NOFOLLOW) == 0 && out.st_ino == st->st_ino &&
        out.st_dev == st->st_dev) {
        unlinkat(directory_fd, aside, 0);
        renameat(directory_fd, made, directory_fd, aside);
    } else {
        unlinkat(directory_fd, made, 0);
    }
    return 0;
}

int ledger_replace_damaged(const struct ledger_place *place, const struct stat *st, bool sealed,
                           const struct timestamp *now)
{
    const int directory_fd = place->directory_fd;
    char name[LEDGER_NAME_SIZE], aside[ASIDE_NAME_SIZE], made[LEDGER_NAME_SIZE + 32];

    ledger_file_name(name, place->uid);
    aside_name(aside, place->uid);
    atomic_temporary_name(made, sizeof made, name);
    if (!is_in_place(place, st))
        return 0;
    unlinkat(directory_fd, made, 0); /* left by a killed process with our thread id */
    if (create_file(place, made, sealed, now) != 0) {
        if (!is_full(errno))
            return -1;
        /* The evidence of the last time has to go. */
        unlinkat(directory_fd, aside, 0);
        atomic_remove_strays(directory_fd);
        if (create_file(place, made, sealed, now) != 0)
            return -1;
    }
    if (exchange(place, made, aside, st) == 0)
        return 0;
    const int error = errno;
    unlinkat(directory_fd, made, 0);
    errno = error;
    return -1;
}
