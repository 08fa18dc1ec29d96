/*
 * What one login attempt costs under PAM, in one process: turns.py starts one
 * for each case and lets them take turns.
 *
 *     attempt CONFDIR SERVICE USER right|wrong|rejected
 *
 * A turn is authenticate and account, from pam_start to pam_end: libpam loads
 * the modules again each time, which is part of their cost.
 *
 *     right     with the right password
 *     wrong     with a wrong one; a right one follows, which clears the count
 *               and is not measured
 *     rejected  with a wrong one, after enough failures to lock the user
 *
 * The first line of output says whether the first attempt of this kind
 * succeeded.
 */
#include "tests/bench/remote_login.h"
#include "tests/bench/turns.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { MORE_THAN_ANY_LIMIT = 65 };

struct kind {
    struct remote_login login;
    const char *password;
    bool clear_after;
};

static int attempt(struct remote_login *login, const char *password)
{
    pam_handle_t *pamh = NULL;
    int status;

    login->password = password;
    status = remote_login_start(login, &pamh);
    if (status == PAM_SUCCESS)
        status = pam_authenticate(pamh, 0);
    if (status == PAM_SUCCESS)
        status = pam_acct_mgmt(pamh, 0);
    pam_end(pamh, status);
    return status;
}

static double turn_us(void *data)
{
    struct kind *kind = data;
    const bool is_right = strcmp(kind->password, "right") == 0;
    const double begun_us = now_us();
    const int status = attempt(&kind->login, kind->password);
    const double taken_us = now_us() - begun_us;

    if ((status == PAM_SUCCESS) != is_right)
        return -1;
    if (kind->clear_after && attempt(&kind->login, "right") != PAM_SUCCESS)
        return -1;
    return taken_us;
}

int main(int argc, char **argv)
{
    if (argc != 5) {
        fprintf(stderr, "usage: attempt CONFDIR SERVICE USER right|wrong|rejected\n");
        return 2;
    }
    struct kind kind = {
        .login = {.confdir = argv[1], .service = argv[2], .user = argv[3]},
        .password = strcmp(argv[4], "right") == 0 ? "right" : "wrong",
        .clear_after = strcmp(argv[4], "wrong") == 0,
    };
    for (int i = 0; strcmp(argv[4], "rejected") == 0 && i < MORE_THAN_ANY_LIMIT; i++)
        attempt(&kind.login, kind.password);
    puts(attempt(&kind.login, kind.password) == PAM_SUCCESS ? "in" : "out");
    fflush(stdout);
    if (take_turns(turn_us, &kind) == 0)
        return 0;
    fprintf(stderr, "attempt: a %s password for %s ended as it should not\n", argv[4], argv[2]);
    return 1;
}
