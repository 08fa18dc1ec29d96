/*
 * Does a call come back? The name service may ask a server that never answers, and
 * nothing in this process could end that. So the same is done first in a child that
 * can be killed.
 */
#ifndef TMOUT_TMOUTCTL_HOST_REHEARSAL_H
#define TMOUT_TMOUTCTL_HOST_REHEARSAL_H

#include "lib/host/failure.h"

#include <stddef.h>
#include <stdint.h>

/* Makes the call in a child, where it changes nothing in this process. Returns 0 if
 * it came back within timeout_ms, or -1 with errno, ETIMEDOUT if it did not. */
int rehearse(void (*call)(void *context), void *context, int64_t timeout_ms);

/* The same for questions to the name service about a policy with so many rules. Returns
 * 0, or -1 with the reason: "the name service does not answer". */
int rehearse_names(void (*ask)(void *context), void *context, size_t rules,
                   struct failure *failure);

#endif
