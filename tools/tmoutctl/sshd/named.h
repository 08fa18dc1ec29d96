/*
 * The users that sshd's configuration and the policy treat in a way of their own:
 * those that a Match block, AllowUsers or a rule names, and one for each
 * combination of groups that they name. Whoever else exists is treated as one of
 * these or as nobody in particular, so that asking sshd about them is enough.
 */
#ifndef TMOUT_TMOUTCTL_SSHD_NAMED_H
#define TMOUT_TMOUTCTL_SSHD_NAMED_H

#include "lib/host/account.h"
#include "lib/host/failure.h"
#include "lib/policy/rules.h"
#include "tools/tmoutctl/sshd/text.h"

#include <stdbool.h>

/* Start with {0}; end with sshd_named_free(). */
struct sshd_named {
    struct account *user;
    size_t count;
};

/* Whom to look for. */
struct sshd_named_question {
    const struct sshd_text *text;
    const struct policy *policy;
    const bool *absent; /* for policy->rule[]: nobody has this name; NULL: not known */
};

/* Finds them. Returns 0, or -1 with the reason: a directory does not answer, there
 * are too many, or there is no memory. */
int sshd_named_find(const struct sshd_named_question *question, struct sshd_named *named,
                    struct failure *failure);

void sshd_named_free(struct sshd_named *named);

/* Is the user one that a Match line is about? It is assumed where the line has
 * criteria other than users and groups. */
bool sshd_match_applies(const struct sshd_line *match, const struct account *user);

#endif
