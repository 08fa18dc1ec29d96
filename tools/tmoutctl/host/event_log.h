/* Events in the log of the host, with fields where that is the journal. */
#ifndef TMOUT_TMOUTCTL_HOST_EVENT_LOG_H
#define TMOUT_TMOUTCTL_HOST_EVENT_LOG_H

#include "lib/host/journal.h"

/* Sends the entry to the journal, without waiting. False: the host's log is not the
 * journal's, or it does not take the entry; syslog(3) or standard error is left. */
bool event_to_journal(const struct log_entry *entry);

#endif
