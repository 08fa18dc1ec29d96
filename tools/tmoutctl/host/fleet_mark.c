#include "tools/tmoutctl/host/fleet_mark.h"

#include "lib/host/secure_path.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What the code is about, so that it is good for nothing else. */
#define MARK_PURPOSE "pam_tmout unlock 1"

/* The path, in two parts. */
static int key_place(const struct tmoutctl_context *context, char directory[PATH_MAX])
{
    const char *slash = strrchr(context->config_path, '/');
    const int length = slash != NULL ? (int)(slash - context->config_path) : 0;

    return snprintf(directory, PATH_MAX, "%.*s", length > 0 ? length : 1,
                    length > 0      ? context->config_path
                    : slash != NULL ? "/"
                                    : ".") < PATH_MAX
               ? 0
               : -1;
}

/* Opens it. Returns a descriptor, or -1 with errno and the reason. */
static int open_key(const char *directory, struct failure *failure)
{
    struct failure why = {""};
    struct stat st;
    const int directory_fd = secure_open_directory(directory, geteuid(), O_RDONLY, &why);
    int fd = -1, error = errno;

    if (directory_fd >= 0) {
        fd = secure_open_file(directory_fd, FLEET_UNLOCK_KEY_NAME, geteuid(), &st, &why);
        error = errno;
        close(directory_fd);
    }
    if (fd >= 0 && (st.st_mode & 077) != 0) {
        failure_set(&why, "others can read it; run \"chmod 600\" on it, and make a new key");
        error = EPERM;
        close(fd);
        fd = -1;
    }
    if (fd < 0)
        failure_set(failure, "%s/" FLEET_UNLOCK_KEY_NAME ": %s", directory, why.text);
    errno = error;
    return fd;
}

int fleet_unlock_key_read(const struct tmoutctl_context *context, struct fleet_unlock_key *key,
                          struct failure *failure)
{
    char directory[PATH_MAX];

    *key = (struct fleet_unlock_key){.size = 0};
    if (key_place(context, directory) != 0) {
        failure_set(failure, "path too long");
        errno = ENAMETOOLONG;
        return -1;
    }
    const int fd = open_key(directory, failure);
    if (fd < 0)
        return -1;
    const ssize_t size = read(fd, key->bytes, sizeof key->bytes);
    const int error = size < 0 ? errno : EPERM;
    close(fd);
    const unsigned char *end = size > 0 ? memchr(key->bytes, '\n', (size_t)size) : NULL;
    key->size = end != NULL ? (size_t)(end - key->bytes) : size > 0 ? (size_t)size : 0;
    if (size >= 0 && key->size >= FLEET_UNLOCK_KEY_MIN)
        return 0;
    fleet_unlock_key_wipe(key);
    failure_set(failure, "%s/" FLEET_UNLOCK_KEY_NAME ": %s", directory,
                size < 0 ? strerror(error) : "the key is too short: it must have 32 characters");
    errno = error;
    return -1;
}

void fleet_unlock_key_wipe(struct fleet_unlock_key *key)
{
    explicit_bzero(key, sizeof *key);
}

/* HMAC-SHA-256 of purpose, time and user, of which the first half is sent (RFC 2104 allows
 * it). */
static bool compute_code(const struct fleet_unlock_key *key, const struct fleet_mark *mark,
                         unsigned char code[FLEET_ID_SIZE])
{
    char text[sizeof MARK_PURPOSE + 32 + FLEET_USER_MAX];
    unsigned char whole[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    const int length =
        snprintf(text, sizeof text, MARK_PURPOSE " %" PRId64 " %s", mark->unlocked_ms, mark->user);

    if (length < 0 || (size_t)length >= sizeof text ||
        HMAC(EVP_sha256(), key->bytes, (int)key->size, (const unsigned char *)text, (size_t)length,
             whole, &size) == NULL ||
        size < FLEET_ID_SIZE)
        return false;
    memcpy(code, whole, FLEET_ID_SIZE);
    return true;
}

int fleet_mark_sign(const struct fleet_unlock_key *key, struct fleet_mark *mark,
                    struct failure *failure)
{
    if (compute_code(key, mark, mark->code))
        return 0;
    failure_set(failure, "OpenSSL cannot compute HMAC-SHA-256");
    return -1;
}

bool fleet_mark_is_genuine(const struct fleet_unlock_key *key, const struct fleet_mark *mark)
{
    unsigned char code[FLEET_ID_SIZE];

    return compute_code(key, mark, code) && CRYPTO_memcmp(code, mark->code, sizeof code) == 0;
}
