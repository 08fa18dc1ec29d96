/* The module's lines with fields, for the journal or syslog: lib/host/journal.h. */
#ifndef TMOUT_PAM_MODULE_EVENT_LINE_H
#define TMOUT_PAM_MODULE_EVENT_LINE_H

#include "lib/host/journal.h"
#include "pam_module/log_name.h"

#include <security/pam_modules.h>

/* The service that libpam runs the module for, safe for the log (log_name()), or "?".
 * The client of saslauthd chooses it, for example. */
void service_name(pam_handle_t *pamh, char name[LOG_NAME_MAX]);

/*
 * Sends the entry to the journal or, where /dev/log is not the journal's or it does
 * not take it, to syslog(3). In front of it stands what pam_syslog() writes there,
 * "pam_tmout(SERVICE:PHASE): "; unlike pam_syslog(), it still knows the module's name
 * when pam_authenticate() ends.
 */
void event_line(pam_handle_t *pamh, const char *phase, const struct log_entry *entry);

#endif
