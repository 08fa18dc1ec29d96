/*
 * Lines of the log with fields: for syslog as key=value behind a sentence, and for
 * systemd's journal also as fields of the entry, TMOUT_KEY, with the MESSAGE_ID of
 * the event, which conf/tmout.catalog explains.
 *
 * The journal gets them through its native socket (systemd's
 * docs/JOURNAL_NATIVE_PROTOCOL.md), written by hand: the module must not link
 * libsystemd. The socket is used only where /dev/log belongs to the journal too, so
 * that a line takes one way, and the same daemon reads both.
 */
#ifndef TMOUT_HOST_JOURNAL_H
#define TMOUT_HOST_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>

#define JOURNAL_SOCKET "/run/systemd/journal/socket"

/* What the catalog explains. */
enum log_event {
    LOG_EVENT_NONE,
    LOG_EVENT_LOCKED,         /* a user was locked after failed attempts */
    LOG_EVENT_UNLOCKED,       /* an administrator has unlocked a user */
    LOG_EVENT_REJECTED,       /* a password was rejected: a lock, or too many attempts */
    LOG_EVENT_NOT_COUNTED,    /* attempts cannot be counted, so passwords are rejected */
    LOG_EVENT_DISCONNECTED,   /* a terminal or a login reached a limit */
    LOG_EVENT_FORGED,         /* a terminal's times were set by its user */
    LOG_EVENT_POLICY_INVALID, /* an edit of the policy has errors */
    LOG_EVENT_NO_POLICY,      /* no policy is in force */
    LOG_EVENT_COUNT
};

enum {
    LOG_ENTRY_TEXT_MAX = 2048,
    LOG_ENTRY_FIELDS_MAX = 2048,
    /* An entry as the journal takes it. */
    JOURNAL_ENTRY_MAX = LOG_ENTRY_TEXT_MAX + LOG_ENTRY_FIELDS_MAX + 512
};

struct log_entry {
    enum log_event event;
    int priority;                  /* as in syslog(3) */
    char text[LOG_ENTRY_TEXT_MAX]; /* the line; what is too long is cut off */
    char fields[LOG_ENTRY_FIELDS_MAX];
    size_t fields_size;
};

/* Begins an entry with its sentence. */
void log_entry_begin(struct log_entry *entry, enum log_event event, int priority,
                     const char *format, ...) __attribute__((format(printf, 4, 5)));

/* Adds " key=value" to the line, and the field TMOUT_KEY. The key is of lower case. */
void log_entry_add(struct log_entry *entry, const char *key, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Adds the field TMOUT_KEY alone, for what the sentence says already. */
void log_entry_add_field(struct log_entry *entry, const char *key, const char *value);

/* The MESSAGE_ID of an event: 32 hexadecimal digits; NULL for LOG_EVENT_NONE. */
const char *log_event_id(enum log_event event);

/* Is what programs write to this socket, usually /dev/log, for the journal? */
bool journal_owns_log(const char *log_path);

/*
 * The entry as the journal takes it, in one datagram; the facility is authpriv.
 * prefix stands in front of the line. Returns the size.
 */
size_t journal_format(const struct log_entry *entry, const char *identifier, const char *prefix,
                      char datagram[JOURNAL_ENTRY_MAX]);

/*
 * Sends such a datagram, without waiting. False: the journal has not got it, and
 * syslog(3) is left.
 */
bool journal_send(const char *socket_path, const char *datagram, size_t size);

#endif
