#include "lib/attempts/ledger_file.h"

#include "lib/host/atomic_file.h"
#include "lib/host/descriptor.h"
#include "lib/host/secure_path.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { NAME_SIZE = 16 };

static void file_name(char *name, uid_t uid)
{
    snprintf(name, NAME_SIZE, "%u", (unsigned)uid);
}

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
                    strerror(error));
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
    int fd = secure_open_directory(path, owner, O_RDONLY, &why);
    if (fd < 0 && errno == ENOENT && create && make_directory(state_dir, owner, &why) == 0)
        fd = secure_open_directory(path, owner, O_RDONLY, &why);
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
    if ((size_t)st->st_size < ledger_file_size(RECORDS_WITHOUT_SOURCES))
        return "is too short";
    return NULL;
}

static int map_records(struct ledger *ledger, uint32_t record_count, int protection)
{
    void *mapped =
        mmap(NULL, ledger_file_size(record_count), protection, MAP_SHARED, ledger->fd, 0);

    if (mapped == MAP_FAILED)
        return -1;
    if (ledger->record != NULL)
        munmap(ledger->record, ledger_file_size(ledger->record_count));
    ledger->record = mapped;
    ledger->record_count = record_count;
    return 0;
}

int ledger_map_more(struct ledger *ledger, uint32_t record_count)
{
    return map_records(ledger, record_count, PROT_READ | PROT_WRITE);
}

/* Maps all records that the file says it has. */
static enum ledger_status map_all(struct ledger *ledger, int protection, struct failure *failure)
{
    struct file_bank header;
    struct stat st;

    if (map_records(ledger, RECORDS_WITHOUT_SOURCES, protection) != 0)
        goto fail;
    failure_set(failure, "is damaged");
    if (record_load(ledger, RECORD_HEADER, &header) != 0)
        return LEDGER_DAMAGED;
    if (header.record_count == RECORDS_WITHOUT_SOURCES)
        return LEDGER_OK;
    /* Another process may be adding the sources just now: the file grows before
     * the header says so, and therefore the size comes last. */
    if (fstat(ledger->fd, &st) != 0)
        goto fail;
    if (header.record_count != RECORDS_WITH_SOURCES ||
        (size_t)st.st_size < ledger_file_size(RECORDS_WITH_SOURCES))
        return LEDGER_DAMAGED;
    if (map_records(ledger, RECORDS_WITH_SOURCES, protection) == 0)
        return LEDGER_OK;

fail:
    failure_set(failure, "cannot be mapped: %s", strerror(errno));
    return LEDGER_FAILED;
}

static enum ledger_status check_records(const struct ledger *ledger, uint32_t record_count,
                                        struct failure *failure)
{
    struct file_bank bank;

    for (uint32_t number = 0; number < record_count; number++) {
        if (record_load(ledger, number, &bank) == 0)
            continue;
        failure_set(failure, "is damaged (record %u)", (unsigned)number);
        return LEDGER_DAMAGED;
    }
    return LEDGER_OK;
}

enum ledger_status ledger_open_file(const struct ledger_place *place, bool to_write,
                                    struct ledger *ledger, struct stat *st, struct failure *failure)
{
    const int flags = (to_write ? O_RDWR : O_RDONLY) | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;
    enum ledger_status status;
    const char *wrong;
    char name[NAME_SIZE];

    file_name(name, place->uid);
    *ledger = (struct ledger){.uid = place->uid, .fd = -1, .directory_fd = -1};
    if (fstatat(place->directory_fd, name, st, AT_SYMLINK_NOFOLLOW) != 0)
        goto fail;
    wrong = wrong_file(st, place->owner);
    if (wrong != NULL) {
        failure_set(failure, "%s", wrong);
        return LEDGER_DAMAGED;
    }
    ledger->fd = fd_above_stdio(openat(place->directory_fd, name, flags | O_CLOEXEC));
    if (ledger->fd < 0)
        goto fail;
    status = map_all(ledger, to_write ? PROT_READ | PROT_WRITE : PROT_READ, failure);
    if (status == LEDGER_OK)
        /* A login that needs a source's record checks it then, under the lock. */
        status = check_records(ledger, to_write ? RECORDS_WITHOUT_SOURCES : ledger->record_count,
                               failure);
    if (status != LEDGER_OK)
        ledger_close(ledger);
    return status;

fail:
    failure_set(failure, "cannot be opened: %s", strerror(errno));
    return errno == ENOENT ? LEDGER_ABSENT : LEDGER_FAILED;
}

bool ledger_is_current(const struct ledger *ledger)
{
    struct stat here, there;
    char name[NAME_SIZE];

    file_name(name, ledger->uid);
    return fstat(ledger->fd, &here) == 0 &&
           fstatat(ledger->directory_fd, name, &there, AT_SYMLINK_NOFOLLOW) == 0 &&
           here.st_ino == there.st_ino && here.st_dev == there.st_dev;
}

/* --- a new file -------------------------------------------------------------- */

/* Fails with EEXIST if there is one. */
static int create_file(const struct ledger_place *place, const char *name, bool sealed,
                       const struct timestamp *now)
{
    struct file_record record[RECORDS_WITHOUT_SOURCES];

    for (uint32_t i = 0; i < RECORDS_WITHOUT_SOURCES; i++)
        record_start(&record[i], place->uid, i, RECORDS_WITHOUT_SOURCES, now, sealed);
    return atomic_create(place->directory_fd, name, 0600, record, sizeof record);
}

static bool is_same_inode(int directory_fd, const char *name, const struct stat *which)
{
    struct stat st;

    return fstatat(directory_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
           st.st_ino == which->st_ino && st.st_dev == which->st_dev;
}

/* Swaps two files of a directory. Not by renameat2(), which musl does not have. */
static int swap_files(int directory_fd, const char *one, const char *other)
{
    return (int)syscall(SYS_renameat2, directory_fd, one, directory_fd, other, RENAME_EXCHANGE);
}

/*
 * Puts the file called made in the place of the one that st describes, and
 * that one aside. In one step: nobody may find the place empty and start with
 * no failures. Of several processes that try at once one succeeds.
 */
static int exchange(int directory_fd, const char *made, const char *name, const char *aside,
                    const struct stat *st)
{
    if (swap_files(directory_fd, made, name) != 0)
        return -1;
    if (is_same_inode(directory_fd, made, st)) {
        unlinkat(directory_fd, aside, 0);
        renameat(directory_fd, made, directory_fd, aside);
        return 0;
    }
    /* Another process was faster: put its file back. */
    if (swap_files(directory_fd, made, name) == 0)
        unlinkat(directory_fd, made, 0);
    return 0;
}

int ledger_replace(const struct ledger_place *place, const struct stat *st, bool sealed,
                   const struct timestamp *now)
{
    const int directory_fd = place->directory_fd;
    char name[NAME_SIZE], aside[NAME_SIZE + 16], made[NAME_SIZE + 32];

    file_name(name, place->uid);
    snprintf(aside, sizeof aside, "%s.damaged", name);
    atomic_temporary_name(made, sizeof made, name);
    if (!is_same_inode(directory_fd, name, st))
        return 0;
    atomic_remove_strays(directory_fd);
    unlinkat(directory_fd, made, 0); /* left by a killed process with our thread id */
    if (create_file(place, made, sealed, now) != 0) {
        /* On a full disk the evidence of the last time has to go. */
        if (errno != ENOSPC || unlinkat(directory_fd, aside, 0) != 0 ||
            create_file(place, made, sealed, now) != 0)
            return -1;
    }
    if (exchange(directory_fd, made, name, aside, st) == 0)
        return 0;
    const int error = errno;
    unlinkat(directory_fd, made, 0);
    errno = error;
    return -1;
}

/* Where there is no file. sealed: there was one, and it was damaged. */
static enum ledger_status create_missing(const struct ledger_place *place, bool sealed,
                                         const struct timestamp *now, struct failure *failure)
{
    char name[NAME_SIZE];

    file_name(name, place->uid);
    atomic_remove_strays(place->directory_fd);
    if (create_file(place, name, sealed, now) == 0 || errno == EEXIST)
        return LEDGER_ABSENT;
    failure_set(failure, "cannot be created: %s%s", strerror(errno),
                errno == EFBIG ? " (because of the caller's file size limit)" : "");
    return LEDGER_FAILED;
}

/* One look at the place: opens what is good, sets aside what is damaged, and
 * creates a file where there is none. LEDGER_ABSENT: look again. */
static enum ledger_status open_or_create(const struct ledger_place *place,
                                         const struct timestamp *now, bool *damaged,
                                         struct ledger *ledger, struct failure *failure)
{
    struct failure wrong = {""};
    struct stat st;
    enum ledger_status status = ledger_open_file(place, true, ledger, &st, &wrong);

    if (status == LEDGER_OK)
        return LEDGER_OK;
    if (status == LEDGER_ABSENT)
        return create_missing(place, *damaged, now, failure);
    *failure = wrong;
    if (status == LEDGER_FAILED)
        return LEDGER_FAILED;
    *damaged = true;
    if (ledger_replace(place, &st, true, now) == 0)
        return LEDGER_ABSENT;
    failure_append(failure, " and cannot be replaced: %s", strerror(errno));
    return LEDGER_FAILED;
}

/* --- open and close ---------------------------------------------------------- */

enum ledger_status ledger_open(const char *state_dir, uid_t uid, uid_t owner,
                               const struct timestamp *now, struct ledger *ledger,
                               struct failure *failure)
{
    struct ledger_place place = {.uid = uid, .owner = owner};
    enum ledger_status status = LEDGER_ABSENT;
    bool damaged = false;

    *ledger = (struct ledger){.fd = -1, .directory_fd = -1};
    place.directory_fd = ledger_open_directory(state_dir, owner, true, failure);
    if (place.directory_fd < 0)
        return LEDGER_FAILED;
    for (int i = 0; i < LEDGER_OPEN_TRIES && status == LEDGER_ABSENT; i++)
        status = open_or_create(&place, now, &damaged, ledger, failure);
    if (status == LEDGER_OK) {
        ledger->directory_fd = place.directory_fd;
        return damaged ? LEDGER_DAMAGED : LEDGER_OK;
    }
    if (status == LEDGER_ABSENT)
        failure_set(failure, "keeps being replaced by another process");
    close(place.directory_fd);
    return LEDGER_FAILED;
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
    const enum ledger_status status = ledger_open_file(&place, false, ledger, &st, failure);
    close(place.directory_fd);
    return status;
}

void ledger_close(struct ledger *ledger)
{
    if (ledger->record != NULL)
        munmap(ledger->record, ledger_file_size(ledger->record_count));
    if (ledger->fd >= 0)
        close(ledger->fd);
    if (ledger->directory_fd >= 0)
        close(ledger->directory_fd);
    *ledger = (struct ledger){.fd = -1, .directory_fd = -1};
}
