/*
 * Where the lines of the log go: to the journal or the host's syslog socket, and to standard
 * error with --foreground. Neither is ever waited for: any user can flood the log,
 * and syslog(3) blocks while nobody reads it. Lines that find no room are kept, up
 * to LOG_KEPT_MAX bytes, and sent later in their order; how many were lost is
 * logged as well.
 */
#ifndef TMOUT_TMOUTD_LOG_SOCKET_H
#define TMOUT_TMOUTD_LOG_SOCKET_H

#include "lib/host/journal.h"

#include <stdbool.h>
#include <systemd/sd-event.h>

enum { LOG_KEPT_MAX = 1024 * 1024 };

/* What reads the socket. */
enum log_reader { LOG_READER_SYSLOG, LOG_READER_JOURNAL };

struct log_socket;

/* path is that of the socket, which need not be there. to_stderr: there, too.
 * NULL without memory; the other functions then do nothing. */
struct log_socket *log_socket_new(const char *path, enum log_reader reader, bool to_stderr);

/* Waits for a moment for somebody to take what was kept. */
void log_socket_free(struct log_socket *log);

/* From now on what is kept is sent when its time has come, and not only with the
 * next line. NULL: no longer. */
void log_socket_attach(struct log_socket *log, sd_event *event);

void log_socket_write(struct log_socket *log, const struct log_entry *entry);

#endif
