/*
 * What one session costs under PAM, in one process: tests/bench/run starts
 * one for each case and lets them take turns.
 *
 *     session CONFDIR SERVICE USER
 *
 * For each number N in the input, a line each, logs in N times and prints the
 * microseconds of each login, from pam_start to pam_end: libpam loads the
 * modules anew each time, and that is a part of what a module costs. The first
 * line of output says which limit the module gave, or "-".
 *
 * With "-" for SERVICE there is no PAM at all: each turn only asks NSS for the
 * user, his groups and their names, which whoever matches rules to groups has
 * to know.
 */
#include <grp.h>
#include <pwd.h>
#include <security/pam_appl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static int no_conversation(int count, const struct pam_message **message,
                           struct pam_response **response, void *data)
{
    (void)count;
    (void)message;
    (void)response;
    (void)data;
    return PAM_CONV_ERR;
}

static double now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static int ask_nss(const char *user)
{
    struct passwd entry, *found = NULL;
    struct group group, *named = NULL;
    char text[65536];
    gid_t gid[64];
    int count = sizeof gid / sizeof gid[0];

    if (getpwnam_r(user, &entry, text, sizeof text, &found) != 0 || found == NULL ||
        getgrouplist(user, entry.pw_gid, gid, &count) < 0)
        return PAM_USER_UNKNOWN;
    for (int i = 0; i < count; i++)
        if (getgrgid_r(gid[i], &group, text, sizeof text, &named) != 0)
            return PAM_SYSTEM_ERR;
    return PAM_SUCCESS;
}

/* What sshd does once it knows who logs in. Copies the limit into limit[]
 * unless that is NULL; the copy is not part of a measured login. */
static int login(char *const argv[], char *limit, size_t size)
{
    const struct pam_conv conversation = {.conv = no_conversation};
    pam_handle_t *pamh = NULL;
    int status;

    if (limit != NULL)
        snprintf(limit, size, "-");
    if (strcmp(argv[2], "-") == 0)
        return ask_nss(argv[3]);
    status = pam_start_confdir(argv[2], argv[3], &conversation, argv[1], &pamh);
    if (status != PAM_SUCCESS)
        return status;
    pam_set_item(pamh, PAM_TTY, "ssh");
    pam_putenv(pamh, "SSH_CONNECTION=192.0.2.1 40000 192.0.2.2 22");
    status = pam_open_session(pamh, 0);
    if (limit != NULL && pam_getenv(pamh, "PAM_TMOUT") != NULL)
        snprintf(limit, size, "%s", pam_getenv(pamh, "PAM_TMOUT"));
    if (status == PAM_SUCCESS)
        status = pam_close_session(pamh, 0);
    pam_end(pamh, status);
    return status;
}

int main(int argc, char **argv)
{
    char line[64], limit[64];

    if (argc != 4) {
        fprintf(stderr, "usage: session CONFDIR SERVICE USER\n");
        return 2;
    }
    if (login(argv, limit, sizeof limit) != PAM_SUCCESS)
        goto failed;
    printf("%s\n", limit);
    fflush(stdout);
    while (fgets(line, sizeof line, stdin) != NULL) {
        for (long left = strtol(line, NULL, 10); left > 0; left--) {
            const double begun_us = now_us();
            if (login(argv, NULL, 0) != PAM_SUCCESS)
                goto failed;
            printf("%.1f\n", now_us() - begun_us);
        }
        fflush(stdout);
    }
    return 0;

failed:
    fprintf(stderr, "session: the login of %s to %s failed\n", argv[3], argv[2]);
    return 1;
}
