/* The log of tmoutd: syslog, and standard error with --foreground. */
#ifndef TMOUT_TMOUTD_LOG_H
#define TMOUT_TMOUTD_LOG_H

#include <stdbool.h>
#include <stdint.h>

void log_open(bool foreground);

/* In a process that logs no more. */
void log_close(void);

/* One event a line; priority as in syslog(3). */
void log_line(int priority, const char *format, ...) __attribute__((format(printf, 2, 3)));

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
