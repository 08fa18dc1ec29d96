#include "lib/fleet/files.h"

#include "lib/host/secure_path.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What tmout-fleetd.service calls the files of the directory, after LoadCredential=files:. */
#define CREDENTIAL_PREFIX "files_"

const char *fleet_file_name(const char *setting)
{
    const size_t length = strlen(FLEET_FILES_DIR "/");

    return strncmp(setting, FLEET_FILES_DIR "/", length) == 0 ? setting + length : setting;
}

/* Is conf_path one of the copies that systemd has made for this process? */
static bool is_credential(const char *conf_path)
{
    const char *credentials = getenv("CREDENTIALS_DIRECTORY");
    const size_t length = credentials != NULL ? strlen(credentials) : 0;

    return length > 0 && strncmp(conf_path, credentials, length) == 0 && conf_path[length] == '/';
}

/* Length of the directory of a path, with its slash; 0 if it has none. */
static int directory_length(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash != NULL ? (int)(slash - path + 1) : 0;
}

bool fleet_path_beside(const char *path, const char *name, char *beside, size_t size)
{
    return snprintf(beside, size, "%.*s%s", directory_length(path), path, name) < (int)size;
}

bool fleet_file_path(const char *conf_path, const char *name, char *path, size_t size)
{
    char beside[PATH_MAX];

    if (is_credential(conf_path))
        return snprintf(path, size, "%.*s" CREDENTIAL_PREFIX "%s", directory_length(conf_path),
                        conf_path, name) < (int)size;
    if (!fleet_path_beside(conf_path, "tmout-fleet", beside, sizeof beside))
        return false;
    const bool is_there = access(beside, F_OK) == 0 || errno != ENOENT;
    return snprintf(path, size, "%s/%s", is_there ? beside : FLEET_FILES_DIR, name) < (int)size;
}

static int open_at_path(const char *path, uid_t owner, struct stat *st, struct failure *failure)
{
    struct failure reason = {""};
    char directory[PATH_MAX];
    int fd = -1;

    const int length = directory_length(path);
    snprintf(directory, sizeof directory, "%.*s", length > 0 ? length : 1, length > 0 ? path : ".");
    const int directory_fd = secure_open_directory(directory, owner, O_PATH, &reason);
    if (directory_fd >= 0)
        fd = secure_open_file(directory_fd, path + length, owner, st, &reason);
    const int error = errno;
    if (directory_fd >= 0)
        close(directory_fd);
    if (fd < 0)
        failure_set(failure, "%s: %s", path, reason.text);
    errno = error;
    return fd;
}

int fleet_secret_open(const char *path, uid_t owner, struct failure *failure)
{
    struct stat st;
    const int fd = open_at_path(path, owner, &st, failure);

    if (fd < 0 || (st.st_mode & 077) == 0)
        return fd;
    failure_set(failure,
                "%s: others than root can read it: run chmod 600 on it, and make a new one", path);
    close(fd);
    errno = EPERM;
    return -1;
}

int fleet_file_open(const char *conf_path, const char *name, uid_t owner, bool is_secret,
                    struct failure *failure)
{
    char path[PATH_MAX];
    struct stat st;

    if (!fleet_file_path(conf_path, name, path, sizeof path)) {
        failure_set(failure, "%s: path too long", name);
        errno = EPERM;
        return -1;
    }
    /* systemd shows by the group's bits that the service's user may read its copy. */
    return is_secret && !is_credential(conf_path) ? fleet_secret_open(path, owner, failure)
                                                  : open_at_path(path, owner, &st, failure);
}

ssize_t fleet_first_line_read(int fd, char *line, size_t size)
{
    const ssize_t got = read(fd, line, size);
    const char *end = got > 0 ? memchr(line, '\n', (size_t)got) : NULL;

    if (end == NULL)
        return got;
    return end > line && end[-1] == '\r' ? end - line - 1 : end - line;
}

int fleet_password_read(const char *conf_path, const char *name, uid_t owner,
                        char password[FLEET_PASSWORD_MAX], struct failure *failure)
{
    const int fd = fleet_file_open(conf_path, name, owner, true, failure);

    if (fd < 0)
        return -1;
    const ssize_t length = fleet_first_line_read(fd, password, FLEET_PASSWORD_MAX);
    const int error = errno;
    close(fd);
    errno = error;
    if (length < 0) {
        failure_set(failure, "cannot read %s: %s", name, failure_reason(error));
        return -1;
    }
    const bool fits = length < FLEET_PASSWORD_MAX;
    password[fits ? length : 0] = '\0';
    if (length > 0 && strlen(password) == (size_t)length)
        return 0;
    failure_set(failure,
                length == 0 ? "%s: its first line is empty: write the password there"
                : fits      ? "%s: its first line has a NUL character: write the password there"
                            : "%s: its first line is too long for a password",
                name);
    explicit_bzero(password, FLEET_PASSWORD_MAX);
    errno = EPERM;
    return -1;
}
