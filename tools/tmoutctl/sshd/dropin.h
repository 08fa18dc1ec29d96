/*
 * The policy as a file for /etc/ssh/sshd_config.d.
 *
 * sshd uses the first value that it finds in the Match blocks that apply to a
 * login, and one outside of them where none does. In the policy a user's rule
 * takes precedence over those of the user's groups, and of these the strictest
 * wins. Both agree if users come first and then, for each setting, the groups
 * from the strictest value to the loosest. The default section comes before
 * them, outside of all blocks: so the site's own Match blocks, which come
 * later, still take precedence over it, as the groups' do.
 *
 * Pure: no files, no processes.
 */
#ifndef TMOUT_TMOUTCTL_SSHD_DROPIN_H
#define TMOUT_TMOUTCTL_SSHD_DROPIN_H

#include "lib/policy/snapshot_read.h"

#include <stdio.h>

struct dropin_rule {
    enum rule_kind kind;
    char *name;
    struct snapshot_rule content;
};

/* Start with {0}; end with dropin_free(). */
struct dropin {
    struct dropin_rule *rule; /* those that set anything for sshd */
    size_t count;
    char **path; /* of the policy's files, by number, printable */
    size_t path_count;
};

/* Collects a snapshot's rules for sshd. Returns 0, or -1 with errno: EBADMSG if
 * it is damaged, or ENOMEM. */
int dropin_collect(const struct snapshot *snapshot, struct dropin *dropin);

/*
 * Can an sshd pattern match exactly this name and no other? Returns NULL, or
 * why not, as what follows "the name"; static.
 */
const char *dropin_name_problem(const char *name);

/* Does any rule set this? */
bool dropin_sets(const struct dropin *dropin, enum setting_id id);

/* Writes the settings for which known[i] tells that sshd has sshd_keywords[i],
 * and a comment for the others. Every name must be one without a problem.
 * Returns 0, or -1: out of memory, with a part written. */
int dropin_print(FILE *to, const struct dropin *dropin, const bool *known);

void dropin_free(struct dropin *dropin);

#endif
