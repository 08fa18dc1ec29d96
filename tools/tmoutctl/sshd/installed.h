/*
 * The sshd of this host: its version, and the configuration that it would
 * have for a login. It is asked itself, for only it knows what its files come
 * to; it reads them anew, so a running sshd may still have older ones.
 */
#ifndef TMOUT_TMOUTCTL_SSHD_INSTALLED_H
#define TMOUT_TMOUTCTL_SSHD_INSTALLED_H

#include "tools/tmoutctl/sshd/keywords.h"
#include "lib/host/failure.h"

#include <stdbool.h>
#include <stddef.h>

struct sshd_pair {
    char *keyword; /* in small letters */
    char *value;   /* the rest of the line */
};

/* Start with {0}; end with sshd_config_free(). */
struct sshd_config {
    struct sshd_pair *item; /* in sshd's order; a keyword may come several times */
    size_t count;
};

/* Is there one? If not, the reason names the places where it would be. */
bool sshd_is_installed(struct failure *failure);

/*
 * What `sshd -T` says: for user, or with NULL for connections that no Match
 * block is about. Only root can ask, for sshd loads its keys. Returns 0, or
 * -1 with a sentence in reason that names what sshd said. A process waits some
 * seconds for sshd, over all that it asks, and fails at once from then on.
 */
int sshd_effective(const char *user, struct sshd_config *config, struct failure *failure);

/* The first value of a keyword, in whatever case, or NULL. */
const char *sshd_config_value(const struct sshd_config *config, const char *keyword);

void sshd_config_free(struct sshd_config *config);

/* The installed version. Returns 0, or -1 with the reason. */
int sshd_installed_version(struct sshd_version *version, struct failure *failure);

#endif
