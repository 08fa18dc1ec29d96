/*
 * Does sshd enforce the policy? Its effective configuration, globally and for
 * each user that a rule applies to, compared with what `tmoutctl show` says.
 */
#ifndef TMOUT_TMOUTCTL_SSHD_CHECK_H
#define TMOUT_TMOUTCTL_SSHD_CHECK_H

#include "lib/host/account.h"
#include "lib/host/failure.h"
#include "lib/policy/snapshot_read.h"
#include "tools/tmoutctl/host/host.h"
#include "tools/tmoutctl/sshd/dropin.h"
#include "tools/tmoutctl/sshd/installed.h"
#include "tools/tmoutctl/sshd/keywords.h"

/* What sshd has answered already: for everybody, and for users who stand for all
 * others who are treated as they are. Their groups are known. */
struct sshd_check_answers {
    const struct sshd_config *global;
    struct account *user;
    const struct sshd_config *config; /* of user[] */
    size_t count;
};

struct sshd_check_input {
    const struct host *host;
    struct sshd_program *program;
    const struct snapshot *snapshot; /* the policy */
    const struct dropin *dropin;     /* of the same policy */
    const bool *known;               /* does this sshd have sshd_keywords[i]? */
    /* NULL: ask sshd about each user that a rule applies to. */
    const struct sshd_check_answers *answers;
};

/* A setting of the policy for which sshd has another value. */
struct sshd_difference {
    char *user; /* NULL: the global settings */
    const struct sshd_keyword *keyword;
    char *effective; /* as `sshd -T` prints it; "none" where it prints no such line */
    char *policy;    /* as sshd_config would have it */
    struct {
        enum rule_kind kind;
        char *name; /* "" for the default section */
        char *file;
        unsigned line;
    } rule; /* that sets it */
};

/* A value in a Match block of the site's own that is looser than the policy's
 * default section. It takes precedence, by design. */
struct sshd_looser {
    const struct sshd_keyword *keyword;
    char *file;
    unsigned line;
    char *effective; /* as the site has written it */
    char *policy;    /* as sshd_config would have it */
};

/* Start with {0}; end with sshd_check_free(). */
struct sshd_check {
    struct sshd_difference *difference;
    size_t difference_count;
    struct sshd_looser *looser;
    size_t looser_count;
    size_t user_count; /* how many users were compared */
};

/*
 * Compares. Returns 0, or -1 with the reason: sshd could not be asked, a user
 * could not be looked up, the snapshot is damaged, or there is no memory.
 * check is to be freed either way.
 */
int sshd_check(const struct sshd_check_input *input, struct sshd_check *check,
               struct failure *failure);

/* The rule behind a difference, as in: group "ops", FILE:LINE. */
void sshd_difference_rule(const struct sshd_difference *difference, char *text, size_t size);

void sshd_check_free(struct sshd_check *check);

#endif
