/*
 * Does an attempt come from a person at this machine? Only evidence makes it
 * local: what strangers can reach must never lock a user's su, sudo and console.
 */
#ifndef TMOUT_ATTEMPTS_LOCAL_LOGIN_H
#define TMOUT_ATTEMPTS_LOCAL_LOGIN_H

#include <stdbool.h>
#include <sys/types.h>

/* What a PAM service's name says about it. */
enum service_kind {
    SERVICE_UNKNOWN,  /* counts as SERVICE_NETWORK does */
    SERVICE_PERSONAL, /* started by a person in a session: su, sudo, a screen locker */
    SERVICE_CONSOLE,  /* local on a terminal or seat of this machine: login, display managers */
    SERVICE_SEAT,     /* a display manager that serves nothing but this machine's seats */
    SERVICE_NETWORK
};

enum service_kind service_kind_of(const char *service);

/* What the application told PAM, "" where it said nothing, and who runs it. */
struct login_evidence {
    const char *service;
    const char *address;  /* of the remote side, in any form */
    const char *terminal; /* PAM_TTY */
    const char *display;  /* PAM_XDISPLAY */
    const char *seat;     /* XDG_SEAT in the PAM environment */
    uid_t caller;         /* who asks: the process's real uid, unless it answers others */
    bool is_in_login;     /* a person's, over SSH or at a terminal; asked for system accounts */
};

/* An account that services run as, other than root. */
bool is_system_account(uid_t uid);

/*
 * A program that an ordinary user has started is local, whatever host it names:
 * the host would be the user's own choice. For one of root's the service decides, if
 * there is no remote address. So it does for one of a system account, but only inside a
 * login: strangers may have a web application run su, on a pseudo-terminal as well.
 */
bool login_is_local(const struct login_evidence *evidence);

#endif
