/* What the code under test logs, kept from the machine's own syslog. */
#ifndef TMOUT_TESTS_UNIT_TOOLS_TMOUTD_LOG_CAPTURE_H
#define TMOUT_TESTS_UNIT_TOOLS_TMOUTD_LOG_CAPTURE_H

#include "tests/unit/check.h"

#include "tools/tmoutd/log_socket.h"

#include <stdio.h>
#include <string.h>

/* All lines since log_clear(), each as "<PRIORITY> TEXT\n". */
static char logged[65536];

static inline void log_clear(void)
{
    logged[0] = '\0';
}

/* In the place of log_socket.c. */
struct log_socket *log_socket_new(const char *path, enum log_reader reader, bool to_stderr)
{
    (void)path;
    (void)reader;
    (void)to_stderr;
    return NULL;
}

void log_socket_free(struct log_socket *log)
{
    (void)log;
}

void log_socket_attach(struct log_socket *log, sd_event *event)
{
    (void)log;
    (void)event;
}

void log_socket_write(struct log_socket *log, const struct log_entry *entry)
{
    const size_t used = strlen(logged), room = sizeof logged - used;
    const int size = snprintf(logged + used, room, "<%d> %s\n", entry->priority, entry->text);

    (void)log;
    assert_true(size > 0 && (size_t)size < room);
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

/* The same with an error in it, as the C library words it. */
#define assert_logged_error(before, error, after, times)                                           \
    do {                                                                                           \
        char with_error_[1024];                                                                    \
        snprintf(with_error_, sizeof with_error_, "%s%s%s", (before), strerror(error), (after));   \
        assert_logged(with_error_, times);                                                         \
    } while (0)

#endif
