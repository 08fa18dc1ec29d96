#include "tools/tmoutd/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <syslog.h>

static bool to_stderr;

void log_open(bool foreground)
{
    to_stderr = foreground;
    openlog("tmoutd", LOG_PID, LOG_AUTHPRIV);
}

void log_close(void)
{
    closelog();
}

void log_line(int priority, const char *format, ...)
{
    va_list arguments;
    char *text = NULL;

    va_start(arguments, format);
    if (vasprintf(&text, format, arguments) < 0)
        text = NULL;
    va_end(arguments);
    syslog(priority, "%s", text != NULL ? text : format);
    if (to_stderr)
        fprintf(stderr, "tmoutd: %s\n", text != NULL ? text : format);
    free(text);
}
