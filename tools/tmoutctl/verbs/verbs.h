/* The commands of tmoutctl. Adding one is adding a file here and its row to
 * the table in verbs.c. */
#ifndef TMOUT_TMOUTCTL_VERBS_H
#define TMOUT_TMOUTCTL_VERBS_H

#include "tools/tmoutctl/cli.h"

extern const struct verb verb_apply;
extern const struct verb verb_attempts;
extern const struct verb verb_audit;
extern const struct verb verb_check;
extern const struct verb verb_edit;
extern const struct verb verb_fleet;
extern const struct verb verb_help;
extern const struct verb verb_preset;
extern const struct verb verb_prune;
extern const struct verb verb_sessions;
extern const struct verb verb_shells;
extern const struct verb verb_show;
extern const struct verb verb_sshd_config;
extern const struct verb verb_status;
extern const struct verb verb_unlock;

/* All of them by name, up to NULL. */
extern const struct verb *const verbs[];

/* The command of this name, or NULL. */
const struct verb *verb_named(const char *name);

/* The same, or NULL after a usage error, with the name that
 * may have been meant. */
const struct verb *verb_find(const char *name);

/* What "tmoutctl --help" prints. */
void print_program_help(void);

#endif
