#include "registration.h"

#include "login_origin.h"

#include <errno.h>
#include <security/pam_ext.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

static const char *item(pam_handle_t *pamh, int type)
{
    const void *value = NULL;

    return pam_get_item(pamh, type, &value) == PAM_SUCCESS && value != NULL ? value : "";
}

/* sshd, and login(1) at a terminal. Not cron, atd or systemd-user, where
 * nobody sits; not su and sudo, which are inside a login. */
bool is_login(pam_handle_t *pamh)
{
    const char *service = item(pamh, PAM_SERVICE);

    if (getuid() != 0 || geteuid() != 0)
        return false;
    return login_is_ssh(pamh) || strcmp(service, "login") == 0 || strcmp(service, "remote") == 0;
}

static void copy(char *to, size_t size, const char *from)
{
    snprintf(to, size, "%s", from);
}

/* The terminal as a name below /dev. */
static const char *terminal_name(pam_handle_t *pamh)
{
    const char *terminal = item(pamh, PAM_TTY);

    if (login_is_ssh(pamh))
        return ""; /* not known yet, and there may come several */
    return strncmp(terminal, "/dev/", 5) == 0 ? terminal + 5 : terminal;
}

int register_login(pam_handle_t *pamh, const struct module_args *args)
{
    struct session_record record;
    struct login_origin origin;
    struct process self;
    char reason[256] = "";

    memset(&record, 0, sizeof record);
    if (clock_now(&record.since) != 0 || process_read(0, &self) != 0) {
        snprintf(reason, sizeof reason, "/proc does not tell what is needed: %s", strerror(errno));
        goto fail;
    }
    login_origin_find(pamh, &origin);
    record.pid = self.pid;
    record.start_ticks = self.start_ticks;
    record.audit_session = process_audit_session(0);
    record.is_ssh = login_is_ssh(pamh);
    copy(record.user, sizeof record.user, item(pamh, PAM_USER));
    copy(record.service, sizeof record.service, item(pamh, PAM_SERVICE));
    copy(record.address, sizeof record.address, origin.address);
    copy(record.terminal, sizeof record.terminal, terminal_name(pamh));
    if (registry_put(args->sessions_dir, geteuid(), &record, reason, sizeof reason) == 0)
        return 0;

fail:
    pam_syslog(pamh, LOG_ERR, "%s: the login cannot be registered: %s user=%s", args->sessions_dir,
               reason, item(pamh, PAM_USER));
    return -1;
}

void unregister_login(const struct module_args *args)
{
    struct session_record record;
    struct process self;

    if (process_read(0, &self) == 0 &&
        registry_get(args->sessions_dir, geteuid(), self.pid, &record) == REGISTRY_OK &&
        record.start_ticks == self.start_ticks)
        registry_remove(args->sessions_dir, self.pid);
}

int find_surrounding_login(pam_handle_t *pamh, const struct module_args *args,
                           struct session_record *login)
{
    const int found = registry_find_own(args->sessions_dir, geteuid(), login);

    if (found < 0)
        pam_syslog(pamh, LOG_ERR,
                   "%s: the login that this session is in has a damaged record, or cannot be read",
                   args->sessions_dir);
    return found;
}
