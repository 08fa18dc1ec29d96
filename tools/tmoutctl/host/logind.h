/* How long systemd-logind lets an idle session be. */
#ifndef TMOUT_TMOUTCTL_HOST_LOGIND_H
#define TMOUT_TMOUTCTL_HOST_LOGIND_H

#include <limits.h>
#include <stdint.h>

struct idle_session {
    int64_t limit_sec;   /* INT64_MAX: it never ends one */
    char file[PATH_MAX]; /* where that stands; "" where it is the default */
    unsigned line;
};

/*
 * Reads StopIdleSessionSec= from logind.conf and its drop-ins as systemd
 * does, below root, which is "" but in tests. Returns 0, or -1: no memory.
 */
int idle_session_read(const char *root, struct idle_session *idle);

/* Reads a time span of systemd.time(7) into *seconds, whole seconds rounded
 * up. Returns 0, or -1 where it is none. */
int time_span_parse(const char *text, int64_t *seconds);

#endif
