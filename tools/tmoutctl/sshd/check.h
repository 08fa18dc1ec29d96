/* Does sshd go by the policy? Its configuration for each user that a rule is
 * about, against what `tmoutctl show` says of him. */
#ifndef TMOUT_TMOUTCTL_SSHD_CHECK_H
#define TMOUT_TMOUTCTL_SSHD_CHECK_H

#include "tools/tmoutctl/host/policy_view.h"
#include "tools/tmoutctl/sshd/dropin.h"

/* Prints what differs. Returns one of enum tmoutctl_exit; known as for
 * dropin_print(). */
int sshd_check(const struct tmoutctl_context *context, const struct policy_view *view,
               const struct dropin *dropin, const bool *known);

#endif
