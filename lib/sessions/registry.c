#include "lib/sessions/registry.h"

#include "lib/host/array.h"
#include "lib/host/atomic_file.h"
#include "lib/host/descriptor.h"
#include "lib/host/secure_path.h"
#include "lib/host/checksum.h"
#include "lib/paths.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define REGISTRY_MAGIC "tmoutse1"

enum { NAME_SIZE = 16, ANCESTORS_MAX = 256 };

struct file_session {
    char magic[8];
    uint64_t checksum; /* of everything below */
    struct session_record record;
};

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

int registry_put(const char *directory, uid_t owner, const struct session_record *record,
                 struct failure *failure)
{
    struct file_session file;
    char name[NAME_SIZE];

    if (registry_make(directory) != 0) {
        failure_set(failure, "cannot create directory: %s", strerror(errno));
        return -1;
    }
    const int directory_fd = secure_open_directory(directory, owner, O_RDONLY, failure);
    if (directory_fd < 0)
        return -1;
    memset(&file, 0, sizeof file); /* including the padding, which is written too */
    memcpy(file.magic, REGISTRY_MAGIC, sizeof file.magic);
    file.record = *record;
    file.checksum = CHECKSUM_OF(CHECKSUM_START, file);
    registry_file_name(name, record->pid);
    /* Several threads of a process may do this at the same time. */
    const int result = atomic_replace_unlocked(directory_fd, name, 0600, &file, sizeof file);
    if (result != 0)
        failure_set(failure, "cannot write file %s: %s", name, strerror(errno));
    close(directory_fd);
    return result;
}

void registry_remove(const char *directory, pid_t pid)
{
    char path[PATH_MAX];

    if (snprintf(path, sizeof path, "%s/%d", directory, (int)pid) < (int)sizeof path)
        unlink(path);
}

static bool registry_file_is_valid(const struct file_session *file, pid_t pid)
{
    const struct session_record *record = &file->record;

    return memcmp(file->magic, REGISTRY_MAGIC, sizeof file->magic) == 0 &&
           CHECKSUM_OF(CHECKSUM_START, *file) == file->checksum && record->pid == pid &&
           memchr(record->user, '\0', sizeof record->user) != NULL &&
           memchr(record->service, '\0', sizeof record->service) != NULL &&
           memchr(record->address, '\0', sizeof record->address) != NULL &&
           memchr(record->terminal, '\0', sizeof record->terminal) != NULL;
}

static int open_directory(const char *directory, uid_t owner)
{
    struct failure failure = {""};

    return secure_open_directory(directory, owner, O_RDONLY, &failure);
}

static enum registry_status registry_get_at(int directory_fd, uid_t owner, pid_t pid,
                                            struct session_record *record)
{
    enum registry_status status = REGISTRY_DAMAGED;
    struct file_session file;
    char name[NAME_SIZE];
    struct failure failure = {""};
    struct stat st;

    registry_file_name(name, pid);
    const int fd = secure_open_file(directory_fd, name, owner, &st, &failure);
    if (fd < 0 && errno == ENOENT)
        return REGISTRY_ABSENT;
    if (fd < 0)
        return errno == EPERM ? REGISTRY_DAMAGED : REGISTRY_FAILED;
    if (st.st_size == (off_t)sizeof file && read(fd, &file, sizeof file) == (ssize_t)sizeof file &&
        registry_file_is_valid(&file, pid)) {
        *record = file.record;
        status = REGISTRY_OK;
    }
    close(fd);
    return status;
}

enum registry_status registry_get(const char *directory, uid_t owner, pid_t pid,
                                  struct session_record *record)
{
    const int directory_fd = open_directory(directory, owner);

    if (directory_fd < 0)
        return errno == ENOENT ? REGISTRY_ABSENT : REGISTRY_FAILED;
    const enum registry_status status = registry_get_at(directory_fd, owner, pid, record);
    close(directory_fd);
    return status;
}

/* Only the very form that registry_put() writes. */
static pid_t pid_of_name(const char *name)
{
    char *end = NULL, again[NAME_SIZE];

    errno = 0;
    const long pid = strtol(name, &end, 10);
    if (errno != 0 || *end != '\0' || pid <= 0 || pid > INT32_MAX)
        return 0;
    registry_file_name(again, (pid_t)pid);
    return strcmp(again, name) == 0 ? (pid_t)pid : 0;
}

ssize_t registry_list(const char *directory, pid_t **pids)
{
    const int fd = fd_above_stdio(open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    struct dirent *entry;
    size_t count = 0;

    *pids = NULL;
    if (dir == NULL) {
        if (fd >= 0)
            close(fd);
        return errno == ENOENT ? 0 : -1;
    }
    while ((entry = readdir(dir)) != NULL) {
        const pid_t pid = pid_of_name(entry->d_name);
        if (pid == 0) {
            if (atomic_is_stray(entry->d_name))
                unlinkat(fd, entry->d_name, 0);
            continue;
        }
        pid_t *grown = array_grow(*pids, count, sizeof **pids);
        if (grown == NULL) {
            free(*pids);
            *pids = NULL;
            closedir(dir);
            errno = ENOMEM;
            return -1;
        }
        *pids = grown;
        (*pids)[count++] = pid;
    }
    closedir(dir);
    return (ssize_t)count;
}

int session_check_live(const struct session_record *record)
{
    struct process process;

    if (process_read(record->pid, &process) != 0)
        return -1;
    if (process.start_ticks == record->start_ticks && !process_is_zombie(&process))
        return 0;
    errno = ESRCH;
    return -1;
}

bool session_is_live(const struct session_record *record)
{
    return session_check_live(record) == 0;
}

/* Returns as registry_find_own() does. */
static int find_by_audit_session(const char *directory, int directory_fd, uid_t owner,
                                 uint32_t audit_session, struct session_record *record)
{
    pid_t *pids = NULL;
    int result = 0;
    const ssize_t count = registry_list(directory, &pids);

    if (count < 0)
        return -1;
    for (ssize_t i = 0; i < count && result != 1; i++) {
        struct session_record other;
        const enum registry_status status = registry_get_at(directory_fd, owner, pids[i], &other);
        if (status == REGISTRY_DAMAGED || status == REGISTRY_FAILED) {
            if (process_audit_session(pids[i]) == audit_session)
                result = -1;
        } else if (status == REGISTRY_OK && other.audit_session == audit_session &&
                   session_is_live(&other)) {
            *record = other;
            result = 1;
        }
    }
    free(pids);
    return result;
}

static int find_by_ancestry(int directory_fd, uid_t owner, struct session_record *record)
{
    struct process process;
    pid_t pid = 0;

    for (int i = 0; i < ANCESTORS_MAX && process_read(pid, &process) == 0; i++) {
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
    const int directory_fd = open_directory(directory, owner);
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
