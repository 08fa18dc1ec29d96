#include "pam_module/event_line.h"

#include "pam_module/pam_item.h"

#include <errno.h>
#include <paths.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <syslog.h>

enum { COMMAND_MAX = 16 /* as the kernel keeps it */ };

void service_name(pam_handle_t *pamh, char name[LOG_NAME_MAX])
{
    const char *service = pam_item(pamh, PAM_SERVICE);

    log_name(service != NULL ? service : "?", name, LOG_NAME_MAX);
}

/* What syslog(3) would have the line begin with: the program's name. A server that
 * changes its title has overwritten it, and the kernel's copy is cut off. */
static void find_identifier(char name[LOG_NAME_MAX])
{
    char command[COMMAND_MAX + 1] = "";

    prctl(PR_GET_NAME, command, 0, 0, 0);
    const char *full = program_invocation_short_name;
    const bool is_title =
        strncmp(full, command, strlen(command)) != 0 || full[strcspn(full, " :[")] != '\0';
    log_name(is_title ? command : full, name, LOG_NAME_MAX);
}

static bool to_journal(const char *prefix, const struct log_entry *entry)
{
    char identifier[LOG_NAME_MAX], datagram[JOURNAL_ENTRY_MAX];

    if (!journal_owns_log(_PATH_LOG))
        return false;
    find_identifier(identifier);
    return journal_send(JOURNAL_SOCKET, datagram,
                        journal_format(entry, identifier, prefix, datagram));
}

void event_line(pam_handle_t *pamh, const char *phase, const struct log_entry *entry)
{
    char service[LOG_NAME_MAX], prefix[LOG_NAME_MAX + 64];

    service_name(pamh, service);
    snprintf(prefix, sizeof prefix, "pam_tmout(%s:%s): ", service, phase);
    if (!to_journal(prefix, entry))
        syslog(LOG_AUTHPRIV | entry->priority, "%s%s", prefix, entry->text);
}
