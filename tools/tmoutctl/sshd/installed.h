/*
 * A host's sshd: its version, and the configuration that it would use for a
 * login. sshd itself is asked, since only it knows what its files amount to.
 * It reads them again for each query, so a running sshd may still have older
 * ones in effect.
 */
#ifndef TMOUT_TMOUTCTL_SSHD_INSTALLED_H
#define TMOUT_TMOUTCTL_SSHD_INSTALLED_H

#include "lib/host/failure.h"
#include "tools/tmoutctl/host/host.h"
#include "tools/tmoutctl/sshd/keywords.h"

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The program, and how much longer to wait for its answers, over all queries:
 * an sshd that hangs is waited for once, and not for each of a thousand users.
 * Prompt answers use up none of it.
 */
struct sshd_program {
    char path[PATH_MAX];
    int64_t query_budget_ms;
    char config[PATH_MAX]; /* "": its own; else this file is asked about (sshd -f) */
    struct failure blocks; /* why it is not asked, as it would wait for one of its files; or "" */
};

struct sshd_pair {
    char *keyword; /* in lower case */
    char *value;   /* the rest of the line */
};

/* An option that sshd does not know. */
struct sshd_bad_option {
    char *keyword;
    char *file;
    unsigned line;
};

/* Start with {0}; end with sshd_config_free(). */
struct sshd_config {
    struct sshd_pair *item; /* in sshd's order; a keyword may occur several times */
    size_t count;
    /* Those that keep it from starting: of the first file that has any, since
     * sshd gives up at its end. item is empty then. */
    struct sshd_bad_option *bad;
    size_t bad_count;
};

/* Finds it, and a file for which it would wait. Returns 0, or -1 with a reason that names
 * the places where it could be. */
int sshd_find(const struct host *host, struct sshd_program *program, struct failure *failure);

/*
 * What `sshd -T` prints: for user, or with NULL for connections to which no
 * Match block applies. Only root can ask, because sshd loads its keys. Returns
 * 0, or -1 with the reason, which quotes sshd's own message. config is to be
 * freed either way.
 */
int sshd_effective(struct sshd_program *program, const char *user, struct sshd_config *config,
                   struct failure *failure);

/* As sshd_effective(), for sshd's built-in values, without any configuration file. */
int sshd_builtin(struct sshd_program *program, struct sshd_config *config, struct failure *failure);

/* The first value of a keyword, in whatever case, or NULL. */
const char *sshd_config_value(const struct sshd_config *config, const char *keyword);

void sshd_config_free(struct sshd_config *config);

/* Returns 0, or -1 with the reason. */
int sshd_installed_version(struct sshd_program *program, struct sshd_version *version,
                           struct failure *failure);

/*
 * Which of sshd_keywords[] this sshd has, into known[SETTING_COUNT]. It prints
 * most that it knows; but no `ChannelTimeout none`, and nothing at all
 * while there is an error in its files (effective is empty then): its version
 * tells the rest.
 */
void sshd_find_known(const struct sshd_version *version, const struct sshd_config *effective,
                     bool *known);

#endif
