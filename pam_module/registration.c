#include "pam_module/registration.h"

#include "lib/sessions/login_message.h"
#include "pam_module/log_name.h"
#include "pam_module/login_origin.h"
#include "pam_module/pam_item.h"
#include "pam_module/protected.h"

#include <errno.h>
#include <security/pam_ext.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

static const char *item(pam_handle_t *pamh, int type)
{
    const char *value = pam_item(pamh, type);

    return value != NULL ? value : "";
}

static bool is_listed(const char *word, const char *const *list)
{
    for (; *list != NULL; list++)
        if (strcmp(word, *list) == 0)
            return true;
    return false;
}

/* login(1), also when telnetd runs it. */
static bool is_terminal_service(pam_handle_t *pamh)
{
    static const char *const services[] = {"login", "remote", NULL};

    return is_listed(item(pamh, PAM_SERVICE), services);
}

/* Programs that run inside a login, or without a person: these sessions are
 * never logins of their own, even if the user's pam_env file sets
 * SSH_CONNECTION. */
static bool is_inner_service(pam_handle_t *pamh)
{
    static const char *const services[] = {"su",      "su-l",         "sudo", "sudo-i",
                                           "runuser", "runuser-l",    "cron", "crond",
                                           "atd",     "systemd-user", NULL};

    return is_listed(item(pamh, PAM_SERVICE), services);
}

bool is_login(pam_handle_t *pamh, const struct module_args *args)
{
    if (args->caller.real != 0 || args->caller.effective != 0 || is_inner_service(pamh))
        return false;
    return login_is_ssh(pamh) || is_terminal_service(pamh);
}

bool is_ssh_login(pam_handle_t *pamh)
{
    return !is_terminal_service(pamh);
}

static void copy(char *to, size_t size, const char *from)
{
    snprintf(to, size, "%s", from);
}

/* The terminal as a name below /dev. */
static const char *terminal_name(pam_handle_t *pamh)
{
    const char *terminal = item(pamh, PAM_TTY);

    if (!is_terminal_service(pamh))
        return ""; /* sshd: not known yet, and there may be several later */
    return strncmp(terminal, "/dev/", 5) == 0 ? terminal + 5 : terminal;
}

/* The terminal of a login without an address is of this machine, or of a program
 * on it. */
static void copy_address(pam_handle_t *pamh, const struct module_args *args, char *address,
                         size_t size)
{
    login_address(pamh, args, address, size);
    if (address[0] == '\0')
        copy(address, size, login_is_ssh(pamh) ? "unknown" : "local");
}

/* Room for a state directory's path and what registry_directory() adds. */
enum { SESSIONS_DIR_MAX = MODULE_STATE_MAX + 10 };

/* The uid that pam_loginuid has set on this PAM handle: with it, the process got
 * an audit session that its parent does not have. */
static uid_t login_uid(const struct process *self, uint32_t audit_session)
{
    uid_t uid;

    return audit_session != NO_AUDIT_SESSION && process_login_uid(0, &uid) &&
                   process_audit_session(self->parent) != audit_session
               ? uid
               : NO_UID;
}

/* Returns 0, or -1 with the reason. */
static int fill_record(pam_handle_t *pamh, const struct module_args *args,
                       const struct registered_limits *limits, struct session_record *record,
                       struct failure *failure)
{
    struct process self;

    memset(record, 0, sizeof *record);
    if (clock_now(&record->since, failure) != 0)
        return -1;
    if (process_read(0, &self) != 0) {
        failure_set(failure, "cannot read process data from /proc: %s", failure_reason(errno));
        return -1;
    }
    record->pid = self.pid;
    record->start_ticks = self.start_ticks;
    record->audit_session = process_audit_session(0);
    record->is_ssh = is_ssh_login(pamh);
    record->uid = limits->uid != NO_UID ? limits->uid : login_uid(&self, record->audit_session);
    copy(record->user, sizeof record->user, item(pamh, PAM_USER));
    copy(record->service, sizeof record->service, item(pamh, PAM_SERVICE));
    copy_address(pamh, args, record->address, sizeof record->address);
    copy(record->terminal, sizeof record->terminal, terminal_name(pamh));
    record->policy = limits->policy;
    if (limits->policy != 0)
        record->limits = *limits->limits;
    return 0;
}

/* Where there is no room for a record, tmoutd is told directly. Returns 0, or -1
 * with the reason. */
static int put_or_send(pam_handle_t *pamh, const char *sessions_dir, uid_t owner,
                       const struct session_record *record, struct failure *failure)
{
    char name[LOG_NAME_MAX];

    if (registry_put(sessions_dir, owner, record, failure) == 0)
        return 0;
    if (login_message_send(sessions_dir, owner, record) != 0) {
        failure_append(failure, "; and tmoutd does not answer: %s", failure_reason(errno));
        return -1;
    }
    log_name(record->user, name, sizeof name);
    pam_syslog(pamh, LOG_WARNING,
               "cannot write the login's record in %s: %s; tmoutd was sent it instead; see "
               "tmout-recovery(7) user=%s",
               sessions_dir, failure->text, name);
    return 0;
}

int register_login(pam_handle_t *pamh, const struct module_args *args,
                   const struct registered_limits *limits)
{
    struct session_record record;
    struct protection before;
    int result = -1;
    struct failure failure = {""};
    char name[LOG_NAME_MAX];
    char sessions_dir[SESSIONS_DIR_MAX];

    registry_directory(args->state_dir, sessions_dir, sizeof sessions_dir);
    /* A file size limit of the host program must not end it here. */
    if (fill_record(pamh, args, limits, &record, &failure) == 0 &&
        protect_begin(&before, &failure) == 0) {
        result = put_or_send(pamh, sessions_dir, args->caller.effective, &record, &failure);
        protect_end(&before);
    }
    if (result == 0)
        return 0;
    log_name(item(pamh, PAM_USER), name, sizeof name);
    pam_syslog(pamh, LOG_ERR, "cannot register login in %s: %s; see tmout-recovery(7) user=%s",
               sessions_dir, failure.text, name);
    return -1;
}

void unregister_login(const struct module_args *args)
{
    struct process self;
    char sessions_dir[SESSIONS_DIR_MAX];

    registry_directory(args->state_dir, sessions_dir, sizeof sessions_dir);
    if (process_read(0, &self) == 0)
        registry_log_out(sessions_dir, args->caller.effective, &self);
}

int find_surrounding_login(pam_handle_t *pamh, const struct module_args *args,
                           struct session_record *login)
{
    char sessions_dir[SESSIONS_DIR_MAX];

    registry_directory(args->state_dir, sessions_dir, sizeof sessions_dir);
    const int found = registry_find_own(sessions_dir, args->caller.effective, login);
    if (found < 0)
        pam_syslog(pamh, LOG_ERR,
                   "the enclosing login's record in %s is damaged or cannot be read; see "
                   "tmout-recovery(7)",
                   sessions_dir);
    return found;
}
