#include "lib/host/journal.h"

#include "lib/host/ascii.h"
#include "lib/host/descriptor.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <syslog.h>
#include <unistd.h>

enum { FIELD_NAME_MAX = 64, FIELD_VALUE_MAX = 1024 };

static const char *const message_id[LOG_EVENT_COUNT] = {
    [LOG_EVENT_LOCKED] = "42c23bb3f59147118ee0c3737f34c014",
    [LOG_EVENT_UNLOCKED] = "518b9137987f49bc85b7a8cb57b5a0f0",
    [LOG_EVENT_REJECTED] = "5b308c38f4684f1589e20f85035677ca",
    [LOG_EVENT_NOT_COUNTED] = "72db8bfe82514bf5918be1db27b587b2",
    [LOG_EVENT_DISCONNECTED] = "c51b4d557c2b49238eca9c9c67ab3cd1",
    [LOG_EVENT_FORGED] = "ed561073f04646ff8cba38f8a9f8cbbb",
    [LOG_EVENT_POLICY_INVALID] = "732cfc1301e44962bcee5a95188ecfac",
    [LOG_EVENT_NO_POLICY] = "3ca584a64b7c40e1ac20e934921735c3",
};

const char *log_event_id(enum log_event event)
{
    return message_id[event];
}

/* Appends a field in the form that takes any value: the name, the size in 64 bits,
 * least significant byte first, the value. One that does not fit is left out. */
static size_t put_field(char *to, size_t used, size_t room, const char *name, const char *value)
{
    const size_t name_size = strlen(name), size = strlen(value);

    if (used + name_size + size + 10 > room)
        return used;
    memcpy(to + used, name, name_size);
    used += name_size;
    to[used++] = '\n';
    for (unsigned i = 0; i < 8; i++)
        to[used++] = (char)(unsigned char)((uint64_t)size >> (8 * i));
    memcpy(to + used, value, size);
    used += size;
    to[used++] = '\n';
    return used;
}

void log_entry_begin(struct log_entry *entry, enum log_event event, int priority,
                     const char *format, ...)
{
    va_list arguments;

    entry->event = event;
    entry->priority = priority;
    entry->fields_size = 0;
    va_start(arguments, format);
    vsnprintf(entry->text, sizeof entry->text, format, arguments);
    va_end(arguments);
}

void log_entry_add_field(struct log_entry *entry, const char *key, const char *value)
{
    char name[FIELD_NAME_MAX] = "TMOUT_";
    size_t i = strlen(name);

    while (*key != '\0' && i + 1 < sizeof name)
        name[i++] = upper_case(*key++);
    name[i] = '\0';
    entry->fields_size =
        put_field(entry->fields, entry->fields_size, sizeof entry->fields, name, value);
}

/* Appends text at used, as far as there is room, and a NUL. Returns what is used then. */
static size_t append(char *to, size_t used, size_t room, const char *text)
{
    const size_t length = strlen(text), left = room - used - 1;
    const size_t taken = length < left ? length : left;

    memcpy(to + used, text, taken);
    to[used + taken] = '\0';
    return used + taken;
}

void log_entry_add(struct log_entry *entry, const char *key, const char *format, ...)
{
    size_t used = strlen(entry->text);
    char value[FIELD_VALUE_MAX];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(value, sizeof value, format, arguments);
    va_end(arguments);
    used = append(entry->text, used, sizeof entry->text, " ");
    used = append(entry->text, used, sizeof entry->text, key);
    used = append(entry->text, used, sizeof entry->text, "=");
    append(entry->text, used, sizeof entry->text, value);
    log_entry_add_field(entry, key, value);
}

bool journal_owns_log(const char *log_path)
{
    static const char of_journal[] = "/run/systemd/journal/";
    char target[128];
    const ssize_t size = readlink(log_path, target, sizeof target);

    return size >= (ssize_t)sizeof of_journal - 1 &&
           memcmp(target, of_journal, sizeof of_journal - 1) == 0;
}

size_t journal_format(const struct log_entry *entry, const char *identifier, const char *prefix,
                      char datagram[JOURNAL_ENTRY_MAX])
{
    char number[16], text[LOG_ENTRY_TEXT_MAX];
    size_t used = 0;

    snprintf(text, sizeof text, "%s%.*s", prefix, (int)(sizeof text - 1 - strlen(prefix)),
             entry->text);
    used = put_field(datagram, used, JOURNAL_ENTRY_MAX, "MESSAGE", text);
    snprintf(number, sizeof number, "%d", entry->priority);
    used = put_field(datagram, used, JOURNAL_ENTRY_MAX, "PRIORITY", number);
    snprintf(number, sizeof number, "%d", LOG_FAC(LOG_AUTHPRIV));
    used = put_field(datagram, used, JOURNAL_ENTRY_MAX, "SYSLOG_FACILITY", number);
    used = put_field(datagram, used, JOURNAL_ENTRY_MAX, "SYSLOG_IDENTIFIER", identifier);
    snprintf(number, sizeof number, "%d", (int)getpid());
    used = put_field(datagram, used, JOURNAL_ENTRY_MAX, "SYSLOG_PID", number);
    if (entry->event != LOG_EVENT_NONE)
        used =
            put_field(datagram, used, JOURNAL_ENTRY_MAX, "MESSAGE_ID", log_event_id(entry->event));
    memcpy(datagram + used, entry->fields, entry->fields_size);
    return used + entry->fields_size;
}

bool journal_send(const char *socket_path, const char *datagram, size_t size)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const int fd = fd_above_stdio(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));

    if (fd < 0)
        return false;
    snprintf(address.sun_path, sizeof address.sun_path, "%s", socket_path);
    const ssize_t sent = sendto(fd, datagram, size, MSG_DONTWAIT | MSG_NOSIGNAL,
                                (struct sockaddr *)&address, sizeof address);
    close(fd);
    return sent == (ssize_t)size;
}
