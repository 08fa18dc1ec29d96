/* The log of tmoutd: the journal or the socket of syslog, and standard error with
 * --foreground. */
#ifndef TMOUT_TMOUTD_LOG_H
#define TMOUT_TMOUTD_LOG_H

#include "lib/host/journal.h"

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

void log_open(bool foreground);

/* Lines that find no room in the socket are sent by this loop; NULL before it ends. */
void log_attach(sd_event *event);

void log_close(void);

/* One event a line; priority as in syslog(3). Never waits: log_socket.h. Nothing
 * before log_open(). */
void log_line(int priority, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The same with fields. */
void log_entry(const struct log_entry *entry);

/*
 * For a condition that may last and is logged when it begins: takes whether it
 * is there now, and whether it was (*lasts, which is updated). True if it has
 * just begun.
 */
static inline bool log_begins(bool *lasts, bool is_there)
{
    const bool begins = is_there && !*lasts;

    *lasts = is_there;
    return begins;
}

/* A failure that repeats itself: logged the first time, and then again after a
 * minute, ten minutes, and every hour. All zeros to begin with, and again once it
 * has not failed. */
struct repeated_failure {
    unsigned logged;
    int64_t next_ms;
};

/* Is it to be logged this time? now_ms is on the boot clock. */
bool log_is_due(struct repeated_failure *failure, int64_t now_ms);

#endif
