/*
 * What one session costs under PAM, in one process: turns.py starts one for
 * each case and lets them take turns.
 *
 *     session CONFDIR SERVICE USER
 *
 * A turn is one login, from pam_start to pam_end: libpam loads the modules
 * again each time, which is part of their cost. The first line of output says
 * which limit the module set, or "-".
 *
 * With "-" for SERVICE no PAM is involved: each turn only asks NSS for the
 * user, the user's groups and their names, which any module that matches rules
 * to groups needs; with "-user", for the user alone.
 */
#include "tests/bench/remote_login.h"
#include "tests/bench/turns.h"

#include <grp.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static int ask_nss(const char *user, bool with_groups)
{
    struct passwd entry, *found = NULL;
    struct group group, *named = NULL;
    char text[65536];
    gid_t gid[64];
    int count = sizeof gid / sizeof gid[0];

    if (getpwnam_r(user, &entry, text, sizeof text, &found) != 0 || found == NULL)
        return PAM_USER_UNKNOWN;
    if (!with_groups)
        return PAM_SUCCESS;
    if (getgrouplist(user, entry.pw_gid, gid, &count) < 0)
        return PAM_SYSTEM_ERR;
    for (int i = 0; i < count; i++)
        if (getgrgid_r(gid[i], &group, text, sizeof text, &named) != 0)
            return PAM_SYSTEM_ERR;
    return PAM_SUCCESS;
}

/* What sshd does once it knows which user logs in. Copies the limit to limit[]
 * unless that is NULL; the copy is not part of a measured login. */
static int log_in(const struct remote_login *login, char *limit, size_t size)
{
    pam_handle_t *pamh = NULL;
    int status;

    if (limit != NULL)
        snprintf(limit, size, "-");
    if (login->service[0] == '-')
        return ask_nss(login->user, login->service[1] == '\0');
    status = remote_login_start(login, &pamh);
    if (status == PAM_SUCCESS)
        status = pam_open_session(pamh, 0);
    if (limit != NULL && pamh != NULL && pam_getenv(pamh, "PAM_TMOUT") != NULL)
        snprintf(limit, size, "%s", pam_getenv(pamh, "PAM_TMOUT"));
    if (status == PAM_SUCCESS)
        status = pam_close_session(pamh, 0);
    pam_end(pamh, status);
    return status;
}

static double turn_us(void *login)
{
    const double begun_us = now_us();

    return log_in(login, NULL, 0) == PAM_SUCCESS ? now_us() - begun_us : -1;
}

int main(int argc, char **argv)
{
    char limit[64];

    if (argc != 4) {
        fprintf(stderr, "usage: session CONFDIR SERVICE USER\n");
        return 2;
    }
    struct remote_login login = {.confdir = argv[1], .service = argv[2], .user = argv[3]};
    if (log_in(&login, limit, sizeof limit) != PAM_SUCCESS)
        goto failed;
    printf("%s\n", limit);
    fflush(stdout);
    if (take_turns(turn_us, &login) == 0)
        return 0;

failed:
    fprintf(stderr, "session: the login of %s to %s failed\n", argv[3], argv[2]);
    return 1;
}
