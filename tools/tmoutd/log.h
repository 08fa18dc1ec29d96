/* Where tmoutd says what it does: syslog, and standard error with
 * --foreground. */
#ifndef TMOUT_TMOUTD_LOG_H
#define TMOUT_TMOUTD_LOG_H

#include <stdbool.h>

void log_open(bool foreground);

/* One event a line; priority as in syslog(3). */
void log_line(int priority, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
