#include "tools/tmoutd/log.h"

#include "tools/tmoutd/log_socket.h"

#include <stdarg.h>
#include <stdio.h>
#include <syslog.h>

static struct log_socket *log_to;

void log_open(bool foreground)
{
    if (journal_owns_log(_PATH_LOG))
        log_to = log_socket_new(JOURNAL_SOCKET, LOG_READER_JOURNAL, foreground);
    else
        log_to = log_socket_new(_PATH_LOG, LOG_READER_SYSLOG, foreground);
}

void log_attach(sd_event *event)
{
    log_socket_attach(log_to, event);
}

void log_close(void)
{
    log_socket_free(log_to);
    log_to = NULL;
}

void log_line(int priority, const char *format, ...)
{
    struct log_entry entry;
    va_list arguments;

    log_entry_begin(&entry, LOG_EVENT_NONE, priority, "%s", "");
    va_start(arguments, format);
    vsnprintf(entry.text, sizeof entry.text, format, arguments);
    va_end(arguments);
    log_entry(&entry);
}

void log_entry(const struct log_entry *entry)
{
    log_socket_write(log_to, entry);
}

bool log_is_due(struct repeated_failure *failure, int64_t now_ms)
{
    static const int64_t pause_ms[] = {60 * 1000, 10 * 60 * 1000, 60 * 60 * 1000};
    const unsigned last = sizeof pause_ms / sizeof pause_ms[0] - 1;

    if (failure->logged > 0 && now_ms < failure->next_ms)
        return false;
    failure->next_ms = now_ms + pause_ms[failure->logged < last ? failure->logged : last];
    failure->logged++;
    return true;
}
