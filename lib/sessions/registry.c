#include "lib/sessions/registry.h"

#include "lib/host/array.h"
#include "lib/host/atomic_file.h"
#include "lib/host/descriptor.h"
#include "lib/host/rename.h"
#include "lib/host/secure_path.h"
#include "lib/paths.h"
#include "lib/sessions/registry_format.h"
#include "lib/sessions/registry_spare.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NAME_SIZE = 16, ANCESTORS_MAX = 256 };

const char *login_source_name(enum login_source source)
{
    static const char *const names[LOGIN_SOURCE_COUNT] = {
        [LOGIN_FROM_PAM] = "pam",           [LOGIN_FROM_MESSAGE] = "message",
        [LOGIN_FROM_TERMINAL] = "terminal", [LOGIN_FROM_LOGIND] = "logind",
        [LOGIN_FROM_SCAN] = "scan",         [LOGIN_REBUILT] = "rebuilt"};

    return names[source];
}

static void registry_file_name(char *name, pid_t pid)
{
    snprintf(name, NAME_SIZE, "%d", (int)pid);
}

bool registry_directory(const char *state_dir, char *path, size_t size)
{
    const bool usual = strcmp(state_dir, TMOUT_STATE_DIR) == 0;
    const int length = snprintf(path, size, "%s%s", usual ? TMOUT_SESSIONS_DIR : state_dir,
                                usual ? "" : "-sessions");

    return length >= 0 && (size_t)length < size;
}

int registry_make(const char *directory)
{
    char above[PATH_MAX];
    char *slash;

    if (strlen(directory) >= sizeof above) {
        errno = ENAMETOOLONG;
        return -1;
    }
    snprintf(above, sizeof above, "%s", directory);
    slash = strrchr(above, '/');
    if (slash != NULL && slash != above) {
        *slash = '\0';
        if (secure_make_directory(AT_FDCWD, above) != 0)
            return -1;
    }
    return secure_make_directory(AT_FDCWD, directory);
}

/* One record that is about to be written. */
struct registry_write {
    const char *directory;
    uid_t owner;
    int directory_fd;
    char name[NAME_SIZE];
    bool replaces; /* a record that is there already */
};

/* Removes a file that is not needed any more. What was a spare becomes one again. */
static void discard(const char *directory, uid_t owner, int directory_fd, const char *name)
{
    if (!spare_return(directory, owner, directory_fd, name))
        unlinkat(directory_fd, name, 0);
}

/* Puts the finished file in its place. Swapped rather than replaced, the old file
 * can be used again: in a full file system its room would be lost. */
static int put_in_place(const struct registry_write *write, const char *temporary)
{
    const int fd = write->directory_fd;

    if (!write->replaces)
        return rename_to_new(fd, temporary, fd, write->name);
    if (rename_swap(fd, temporary, write->name) != 0)
        return renameat(fd, temporary, fd, write->name);
    discard(write->directory, write->owner, fd, temporary);
    return 0;
}

/* In a full file system there is no room but that of a spare file. */
static int write_to_spare(const struct registry_write *write, const struct session_record *record)
{
    struct session_record copy = *record;
    struct stored_record stored;
    char temporary[NAME_MAX + 1];
    int error;

    if (atomic_temporary_name(temporary, sizeof temporary, write->name) != 0)
        return -1;
    const int fd = spare_take(write->directory, write->owner, write->directory_fd, temporary);
    if (fd < 0)
        return -1;
    copy.has_spare = true;
    record_encode(&copy, &stored);
    errno = EIO; /* unless pwrite() says something else */
    int result = pwrite(fd, &stored, sizeof stored, 0) == (ssize_t)sizeof stored ? fsync(fd) : -1;
    if (result == 0)
        result = put_in_place(write, temporary);
    error = errno;
    close(fd);
    if (result != 0)
        discard(write->directory, write->owner, write->directory_fd, temporary);
    errno = error;
    return result;
}

static int write_record(const struct registry_write *write, const struct session_record *record)
{
    struct session_record copy = *record;
    struct stored_record stored;
    int result;

    copy.has_spare = false;
    record_encode(&copy, &stored);
    /* Several threads of a process may do this at the same time. */
    if (write->replaces)
        result =
            atomic_replace_unlocked(write->directory_fd, write->name, 0600, &stored, sizeof stored);
    else
        result = atomic_create(write->directory_fd, write->name, 0600, &stored, sizeof stored);
    if (result == 0 || (errno == EEXIST && !write->replaces))
        return result;
    const int error = errno;
    result = write_to_spare(write, record);
    if (result != 0)
        errno = error; /* why there was no room is of more use than that no spare was left */
    return result;
}

/* The directory is nearly always there. */
static int open_or_make(const struct registry_write *write, struct failure *failure)
{
    const int fd = secure_open_directory(write->directory, write->owner, O_RDONLY, failure);

    if (fd >= 0)
        return fd;
    if (registry_make(write->directory) == 0)
        return secure_open_directory(write->directory, write->owner, O_RDONLY, failure);
    const int error = errno;
    failure_set(failure, "cannot create directory: %s", failure_reason(error));
    errno = error;
    return -1;
}

static int put_record(struct registry_write *write, const struct session_record *record,
                      struct failure *failure)
{
    int error;

    write->directory_fd = open_or_make(write, failure);
    if (write->directory_fd < 0)
        return -1;
    registry_file_name(write->name, record->pid);
    const int result = write_record(write, record);
    error = errno;
    if (result != 0)
        failure_set(failure, "cannot write file %s: %s", write->name, failure_reason(error));
    close(write->directory_fd);
    errno = error;
    return result;
}

int registry_put(const char *directory, uid_t owner, const struct session_record *record,
                 struct failure *failure)
{
    struct registry_write write = {.directory = directory, .owner = owner, .replaces = true};

    return put_record(&write, record, failure);
}

int registry_add(const char *directory, uid_t owner, const struct session_record *record,
                 struct failure *failure)
{
    struct registry_write write = {.directory = directory, .owner = owner};

    return put_record(&write, record, failure);
}

static int open_registry(const char *directory, uid_t owner)
{
    struct failure failure = {""};

    return secure_open_directory(directory, owner, O_RDONLY, &failure);
}

static enum registry_status registry_get_at(int directory_fd, uid_t owner, pid_t pid,
                                            struct session_record *record)
{
    unsigned char bytes[sizeof(struct stored_record) + 1]; /* one more: too long is damaged */
    char name[NAME_SIZE];
    struct failure failure = {""};
    struct stat st;

    registry_file_name(name, pid);
    const int fd = secure_open_file(directory_fd, name, owner, &st, &failure);
    if (fd < 0 && errno == ENOENT)
        return REGISTRY_ABSENT;
    if (fd < 0)
        return errno == EPERM ? REGISTRY_DAMAGED : REGISTRY_FAILED;
    const ssize_t size = read(fd, bytes, sizeof bytes);
    const int error = errno;
    close(fd);
    if (size < 0) {
        errno = error;
        return REGISTRY_FAILED;
    }
    return record_decode(bytes, (size_t)size, pid, record);
}

enum registry_status registry_get(const char *directory, uid_t owner, pid_t pid,
                                  struct session_record *record)
{
    const int directory_fd = open_registry(directory, owner);

    if (directory_fd < 0)
        return errno == ENOENT ? REGISTRY_ABSENT : REGISTRY_FAILED;
    const enum registry_status status = registry_get_at(directory_fd, owner, pid, record);
    close(directory_fd);
    return status;
}

static void remove_at(int directory_fd, const char *directory, uid_t owner, pid_t pid,
                      bool has_spare)
{
    char name[NAME_SIZE];

    registry_file_name(name, pid);
    if (has_spare)
        discard(directory, owner, directory_fd, name);
    else
        unlinkat(directory_fd, name, 0);
}

void registry_remove(const char *directory, uid_t owner, pid_t pid)
{
    const int directory_fd = open_registry(directory, owner);
    struct session_record record;

    if (directory_fd < 0)
        return;
    const bool is_good = registry_get_at(directory_fd, owner, pid, &record) == REGISTRY_OK;
    remove_at(directory_fd, directory, owner, pid, is_good && record.has_spare);
    close(directory_fd);
}

void registry_log_out(const char *directory, uid_t owner, const struct process *process)
{
    const int directory_fd = open_registry(directory, owner);
    struct session_record record;

    if (directory_fd < 0)
        return;
    if (registry_get_at(directory_fd, owner, process->pid, &record) == REGISTRY_OK &&
        record.start_ticks == process->start_ticks && record.limits.leftovers == LEFTOVERS_KEEP)
        remove_at(directory_fd, directory, owner, process->pid, record.has_spare);
    close(directory_fd);
}

/* Only the very form that registry_put() writes. */
static pid_t pid_of_name(const char *name)
{
    char *end = NULL, again[NAME_SIZE];

    errno = 0;
    const unsigned long long pid = strtoull(name, &end, 10);
    if (errno != 0 || *end != '\0' || pid == 0 || pid > INT32_MAX)
        return 0;
    registry_file_name(again, (pid_t)pid);
    return strcmp(again, name) == 0 ? (pid_t)pid : 0;
}

ssize_t registry_list(const char *directory, uid_t owner, pid_t **pids)
{
    const int fd = fd_open_at(AT_FDCWD, directory, O_RDONLY | O_DIRECTORY);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    struct dirent *entry;
    size_t count = 0;

    *pids = NULL;
    if (dir == NULL) {
        if (fd >= 0)
            close(fd);
        return errno == ENOENT ? 0 : -1;
    }
    while (errno = 0, (entry = readdir(dir)) != NULL) {
        const pid_t pid = pid_of_name(entry->d_name);
        if (pid == 0) {
            if (atomic_is_stray(entry->d_name)) /* of a process that was killed */
                discard(directory, owner, fd, entry->d_name);
            continue;
        }
        pid_t *grown = array_grow(*pids, count, sizeof **pids);
        if (grown == NULL) {
            errno = ENOMEM;
            break;
        }
        *pids = grown;
        (*pids)[count++] = pid;
    }
    const int error = errno;
    closedir(dir);
    if (error == 0)
        return (ssize_t)count;
    free(*pids);
    *pids = NULL;
    errno = error;
    return -1;
}

/* Where /proc is mounted with hidepid=2, or ProtectProc=invisible, a process that may not
 * be looked into has no directory there, as if it had ended. */
static bool is_invisible(pid_t pid)
{
    return kill(pid, 0) == 0 || errno == EPERM;
}

int session_check_live(const struct session_record *record)
{
    struct process process;

    if (process_read(record->pid, &process) != 0) {
        if (process_has_ended(errno) && is_invisible(record->pid))
            errno = EACCES;
        return -1;
    }
    if (process.start_ticks == record->start_ticks && !process_is_zombie(&process))
        return 0;
    errno = ESRCH;
    return -1;
}

bool session_is_of(uid_t registered_uid, uid_t found_uid, struct failure *failure)
{
    if (registered_uid == NO_UID || registered_uid == found_uid)
        return true;
    failure_set(failure, "the name service says uid %u, but said %u at login", (unsigned)found_uid,
                (unsigned)registered_uid);
    return false;
}

/* Is this the login with that audit session? 1 or 0, or -1 if that cannot be told. */
static int has_audit_session(const struct session_record *login, uint32_t audit_session)
{
    if (login->audit_session != audit_session)
        return 0;
    if (session_check_live(login) == 0)
        return 1;
    return process_has_ended(errno) ? 0 : -1;
}

/* Returns as registry_find_own() does. */
static int find_by_audit_session(const char *directory, int directory_fd, uid_t owner,
                                 uint32_t audit_session, struct session_record *record)
{
    pid_t *pids = NULL;
    int result = 0;
    const ssize_t count = registry_list(directory, owner, &pids);

    if (count < 0)
        return -1;
    for (ssize_t i = 0; i < count && result != 1; i++) {
        struct session_record other;
        const enum registry_status status = registry_get_at(directory_fd, owner, pids[i], &other);
        if (status != REGISTRY_OK && status != REGISTRY_ABSENT) {
            if (process_audit_session(pids[i]) == audit_session)
                result = -1;
        } else if (status == REGISTRY_OK) {
            const int found = has_audit_session(&other, audit_session);
            if (found != 0)
                result = found;
            if (found == 1)
                *record = other;
        }
    }
    free(pids);
    return result;
}

static int find_by_ancestry(int directory_fd, uid_t owner, struct session_record *record)
{
    struct process process;
    pid_t pid = 0;

    for (int i = 0; i < ANCESTORS_MAX; i++) {
        if (process_read(pid, &process) != 0)
            return process_has_ended(errno) ? 0 : -1;
        switch (registry_get_at(directory_fd, owner, process.pid, record)) {
        case REGISTRY_OK:
            if (record->start_ticks == process.start_ticks)
                return 1;
            break;
        case REGISTRY_ABSENT:
            break;
        default:
            return -1;
        }
        pid = process.parent;
        if (pid <= 1)
            break;
    }
    return 0;
}

int registry_find_own(const char *directory, uid_t owner, struct session_record *record)
{
    const uint32_t audit_session = process_audit_session(0);
    const int directory_fd = open_registry(directory, owner);
    int found = 0;

    if (directory_fd < 0)
        return errno == ENOENT ? 0 : -1;
    if (audit_session != NO_AUDIT_SESSION)
        found = find_by_audit_session(directory, directory_fd, owner, audit_session, record);
    if (found == 0)
        found = find_by_ancestry(directory_fd, owner, record);
    close(directory_fd);
    return found;
}
