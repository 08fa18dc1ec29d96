/*
 * The number that stands as text in our scripts of /etc/profile.d. It is the
 * limit of a login that no decision reached, and all that compliance scanners
 * see, for they read text and run no shell. It is installed as ten minutes,
 * the strictest that the usual baselines ask for; where a policy's default is
 * stricter yet, an administrator's command makes it follow.
 */
#ifndef TMOUT_TMOUTCTL_SHELLS_LITERAL_H
#define TMOUT_TMOUTCTL_SHELLS_LITERAL_H

#include "tools/tmoutctl/cli.h"

#include <jansson.h>

/*
 * Adds to findings (shell_findings.h) the scripts of ours whose number is
 * larger than the policy's default limit. Without a policy, after a message,
 * none is.
 */
void add_literal_findings(const struct tmoutctl_context *context, json_t *findings);

/* `tmoutctl shells --literal`: writes the policy's default limit into the
 * scripts where it is below ten minutes, else ten minutes. */
int change_literals(const struct tmoutctl_context *context);

#endif
