/* What the code under test logs, kept from the machine's own syslog. */
#ifndef TMOUT_TESTS_UNIT_TOOLS_TMOUTD_LOG_CAPTURE_H
#define TMOUT_TESTS_UNIT_TOOLS_TMOUTD_LOG_CAPTURE_H

#include "tests/unit/check.h"

#include <string.h>

/* All lines since log_clear(), each as "<PRIORITY> TEXT\n". */
static char logged[16384];

static inline void log_clear(void)
{
    logged[0] = '\0';
}

static void capture(int priority, const char *format, va_list arguments)
{
    const size_t used = strlen(logged), room = sizeof logged - used;
    const int prefix = snprintf(logged + used, room, "<%d> ", priority);

    assert_true(prefix > 0 && (size_t)prefix < room);
    vsnprintf(logged + used + prefix, room - (size_t)prefix, format, arguments);
    assert_true(strlen(logged) + 1 < sizeof logged);
    strcat(logged, "\n");
}

/* In the place of the C library's functions: whoever calls syslog(3) calls one of
 * these. Named by assembler labels, since <syslog.h> may define them inline. */
void captured_syslog(int priority, const char *format, ...) __asm__("syslog");
void captured_syslog_chk(int priority, int flag, const char *format, ...) __asm__("__syslog_chk");

void captured_syslog(int priority, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    capture(priority, format, arguments);
    va_end(arguments);
}

void captured_syslog_chk(int priority, int flag, const char *format, ...)
{
    va_list arguments;

    (void)flag;
    va_start(arguments, format);
    capture(priority, format, arguments);
    va_end(arguments);
}

static inline unsigned times_logged(const char *part)
{
    unsigned count = 0;

    for (const char *at = logged; (at = strstr(at, part)) != NULL; at += strlen(part))
        count++;
    return count;
}

#define assert_logged(part, times)                                                                 \
    do {                                                                                           \
        if (times_logged(part) != (times))                                                         \
            fail_msg("\"%s\" was logged %u times, not %u, in:\n%s", (part), times_logged(part),    \
                     (unsigned)(times), logged);                                                   \
    } while (0)

#endif
