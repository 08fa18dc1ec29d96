/* How long systemd-logind lets a session be idle before it ends it. */
#ifndef TMOUT_TMOUTCTL_HOST_LOGIND_H
#define TMOUT_TMOUTCTL_HOST_LOGIND_H

#include "tools/tmoutctl/host/host.h"

#include "lib/host/failure.h"

#include <limits.h>
#include <stdint.h>

/* Both limits are in seconds; INT64_MAX: it ends none. */
struct idle_session {
    int64_t running_sec; /* of the running logind; INT64_MAX where it cannot be asked, too */
    int64_t file_sec;    /* of its files, which it reads when it starts */
    char file[PATH_MAX]; /* that sets it; "" where none does */
    unsigned line;
};

/*
 * Asks logind over D-Bus for StopIdleSessionSec=, and systemd-analyze which
 * file sets it. A host without logind, or without a bus, has no running limit.
 * Returns 0, or -1 with the reason: logind is there, but neither of the two
 * answers.
 */
int idle_session_find(const struct host *host, struct idle_session *idle, struct failure *failure);

/* Reads a time span of systemd.time(7) into *seconds, whole seconds rounded
 * up. Returns 0, or -1 if it is not one. */
int time_span_parse(const char *text, int64_t *seconds);

/*
 * What the output of `systemd-analyze cat-config systemd/logind.conf` sets,
 * into file_sec, file and line of *idle. The last assignment counts; one that
 * systemd does not understand is ignored.
 */
void logind_config_parse(const char *text, struct idle_session *idle);

#endif
