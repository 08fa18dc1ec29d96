/* Edits of sshd's files, and the proof that they change nothing else. */
#ifndef TMOUT_TMOUTCTL_AUDIT_SSHD_FIX_H
#define TMOUT_TMOUTCTL_AUDIT_SSHD_FIX_H

#include "tools/tmoutctl/audit/sshd_facts.h"

/*
 * Gives a keyword a value: on its line; for a line outside of every Match block,
 * or none (NULL), in a drop-in, if that would come before it; else at the start
 * of sshd_config. sshd uses the first value.
 */
void sshd_fix_value(const struct audit *audit, struct finding *finding,
                    const struct sshd_line *line, const char *keyword, const char *value);

/* Replaces a line by this text, or comments it out (NULL), and keeps its indent. */
void sshd_fix_line(struct finding *finding, const struct sshd_line *line, const char *text);

/* Makes sshd_config read the drop-ins. */
void sshd_fix_include(const struct audit *audit, struct finding *finding,
                      const struct sshd_text *text);

/* Does sshd_config include this file, or would it if there were one? */
bool sshd_includes(const struct sshd_text *text, const char *path);

/*
 * Takes the edits of those findings from number `first` on away that are not
 * proven: with all that are left, sshd starts, and its effective configuration
 * differs for nobody but in the policy's keywords and those that a finding is
 * about.
 */
void sshd_prove(struct audit *audit, const struct sshd_facts *facts, size_t first);

#endif
