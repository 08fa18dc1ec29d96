#include "tools/tmoutctl/host/fleet_mark.h"

#include "lib/fleet/files.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* What the code is about, so that it is good for nothing else. */
#define MARK_PURPOSE "pam_tmout unlock 1"

int fleet_unlock_key_read(const struct tmoutctl_context *context, struct fleet_unlock_key *key,
                          struct failure *failure)
{
    char path[PATH_MAX];

    *key = (struct fleet_unlock_key){.size = 0};
    if (!fleet_path_beside(context->config_path, FLEET_UNLOCK_KEY_NAME, path, sizeof path)) {
        failure_set(failure, "path too long");
        errno = ENAMETOOLONG;
        return -1;
    }
    const int fd = fleet_secret_open(path, geteuid(), failure);
    if (fd < 0)
        return -1;
    const ssize_t length = fleet_first_line_read(fd, key->text, sizeof key->text);
    const int error = length < 0 ? errno : EPERM;
    close(fd);
    key->size = length > 0 ? (size_t)length : 0;
    if (key->size >= FLEET_UNLOCK_KEY_MIN)
        return 0;
    fleet_unlock_key_wipe(key);
    failure_set(failure, "%s: %s", path,
                length < 0 ? failure_reason(error)
                           : "the key is too short: it must have 32 characters");
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

    /* openssl.cnf may load other code, and with SELinux lies among certificates and keys, which
     * this has no business with. */
    OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL);
    if (length < 0 || (size_t)length >= sizeof text ||
        HMAC(EVP_sha256(), key->text, (int)key->size, (const unsigned char *)text, (size_t)length,
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
