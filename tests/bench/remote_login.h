/* A login for the benchmarks, with the PAM items that sshd sets. */
#ifndef BENCH_REMOTE_LOGIN_H
#define BENCH_REMOTE_LOGIN_H

#include <security/pam_appl.h>

struct remote_login {
    const char *confdir; /* where the stacks are, instead of /etc/pam.d */
    const char *service, *user;
    const char *password; /* the answer to every question; NULL: no answer */
};

/*
 * pam_start(), and the items that sshd sets before it authenticates. login must
 * live until pam_end(). Nothing sleeps after a failure: the handle has a delay
 * function that returns at once.
 */
int remote_login_start(const struct remote_login *login, pam_handle_t **pamh);

/* A clock for measuring. */
double now_us(void);

#endif
