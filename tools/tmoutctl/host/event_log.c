#include "tools/tmoutctl/host/event_log.h"

#include <syslog.h>

bool event_to_journal(const struct log_entry *entry)
{
    char datagram[JOURNAL_ENTRY_MAX];

    if (!journal_owns_log(_PATH_LOG))
        return false;
    return journal_send(JOURNAL_SOCKET, datagram, journal_format(entry, "tmoutctl", "", datagram));
}
