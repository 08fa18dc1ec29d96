/* What was probably meant by an option that sshd does not know. */
#ifndef TMOUT_TMOUTCTL_SSHD_SUGGEST_H
#define TMOUT_TMOUTCTL_SSHD_SUGGEST_H

#include "tools/tmoutctl/sshd/installed.h"

#include <stdbool.h>

/* Is it an option of ssh, the client, alone (ssh_config(5))? */
bool ssh_client_has_option(const char *keyword);

/*
 * The sshd option that was probably meant, or NULL if none is similar. builtin
 * is what sshd_builtin() found, and may be empty; the result may point into it.
 */
const char *sshd_suggest(const char *keyword, const struct sshd_config *builtin);

#endif
