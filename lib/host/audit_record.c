#include "lib/host/audit_record.h"

#ifdef HAVE_LIBAUDIT

#include <arpa/inet.h>
#include <errno.h>
#include <libaudit.h>
#include <stdbool.h>
#include <stdio.h>

/* A kernel without audit, or a container that may not write records. */
static bool has_no_audit(int error)
{
    return error == EINVAL || error == EPROTONOSUPPORT || error == EAFNOSUPPORT ||
           error == ECONNREFUSED || error == EPERM;
}

static bool is_numeric(const char *address)
{
    unsigned char bytes[16];

    return address != NULL &&
           (inet_pton(AF_INET, address, bytes) == 1 || inet_pton(AF_INET6, address, bytes) == 1);
}

/* libaudit would look up a host that comes without an address, in the middle of a
 * login, at a name server that the attacker may have chosen. */
static int send_message(int fd, int type, const struct audit_subject *subject)
{
    const bool numeric = is_numeric(subject->address);
    char text[64];

    snprintf(text, sizeof text, "op=pam_tmout suid=%u", (unsigned)subject->uid);
    return audit_log_user_message(fd, type, text, numeric ? NULL : subject->address,
                                  numeric ? subject->address : "?", subject->terminal, 1);
}

static int send_event(int fd, enum audit_event event, const struct audit_subject *subject)
{
    int sent;

    switch (event) {
    case AUDIT_EVENT_LOCKED:
        sent = send_message(fd, AUDIT_ANOM_LOGIN_FAILURES, subject);
        return sent > 0 ? send_message(fd, AUDIT_RESP_ACCT_LOCK, subject) : sent;
    case AUDIT_EVENT_LOCK_EXPIRED:
        return send_message(fd, AUDIT_RESP_ACCT_UNLOCK_TIMED, subject);
    case AUDIT_EVENT_UNLOCKED:
    default:
        return audit_log_acct_message(fd, AUDIT_USER_MGMT, NULL, "tmoutctl-unlock", subject->user,
                                      subject->uid, NULL, NULL, NULL, 1);
    }
}

int audit_record(enum audit_event event, const struct audit_subject *subject)
{
    const int fd = audit_open();
    int result = 0, error;

    if (fd < 0)
        return has_no_audit(errno) ? 0 : -1;
    /* It returns a negative number on an error, and errno is set then. */
    if (send_event(fd, event, subject) <= 0 && !has_no_audit(errno))
        result = -1;
    error = errno;
    audit_close(fd);
    errno = error;
    return result;
}

#else

int audit_record(enum audit_event event, const struct audit_subject *subject)
{
    (void)event;
    (void)subject;
    return 0;
}

#endif
