/*
 * The policy as a file for /etc/ssh/sshd_config.d.
 *
 * sshd takes the first value that it meets in the Match blocks which apply to
 * a login, and a value outside of them where none does. The policy promises
 * that a user's rule beats those of his groups and that of these the
 * strictest wins. Both agree if users come first, and then, for each setting,
 * the groups from the strictest value to the loosest. What stands under
 * default goes in front, outside of all blocks: so the site's own Match
 * blocks, which come later, still beat it, as the groups' do.
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
    struct snapshot_rule says;
};

/* Start with {0}; end with dropin_free(). */
struct dropin {
    struct dropin_rule *rule; /* those that set anything of sshd's */
    size_t count;
    char **path; /* of the policy's files, by number */
    size_t path_count;
};

/* Collects the rules of a snapshot that sshd has to know. Returns 0, or -1
 * with errno: EBADMSG if it is damaged, or ENOMEM. */
int dropin_collect(const struct snapshot *snapshot, struct dropin *dropin);

/*
 * Can a pattern of sshd's say exactly this name and no other? Returns NULL,
 * or why not as a static sentence fragment.
 */
const char *dropin_name_wrong(const char *name);

/* Does any rule set this? */
bool dropin_sets(const struct dropin *dropin, enum setting_id id);

/* Writes the settings for which known[i] says that sshd has sshd_keywords[i];
 * of the others a comment. All names must be right. Returns 0, or -1: out of
 * memory, with a part written. */
int dropin_print(FILE *to, const struct dropin *dropin, const bool *known);

void dropin_free(struct dropin *dropin);

#endif
