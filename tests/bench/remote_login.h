/* A login as sshd hands it to PAM, for what is measured here. */
#ifndef BENCH_REMOTE_LOGIN_H
#define BENCH_REMOTE_LOGIN_H

#include <security/pam_appl.h>

struct remote_login {
    const char *confdir; /* where the stacks are, instead of /etc/pam.d */
    const char *service, *user;
    const char *password; /* the answer to every question; NULL: there is none */
};

/*
 * pam_start() and what sshd tells PAM before it asks anything. login must live
 * until pam_end(). After a failure nobody sleeps: the handle has a delay
 * function that returns at once.
 */
int remote_login_start(const struct remote_login *login, pam_handle_t **pamh);

/* A clock for measuring. */
double now_us(void);

#endif
