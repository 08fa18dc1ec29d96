/*
 * Many simultaneous logins of one user.
 *
 *     crowd CONFDIR SERVICE USER PASSWORD COUNT
 *
 * Starts COUNT processes, as sshd has one for each connection. Each gets as far
 * as it can without the password (pam_start, modules loaded) and then waits;
 * when all are waiting, all are released at once. Prints how many succeeded,
 * how many did not, and the milliseconds from the release until the last one
 * finished.
 */
#include "tests/bench/remote_login.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CROWD_MAX = 10000, IS_IN = 0, IS_OUT = 1, IS_BROKEN = 2 };

/* Pipes that are only ever closed: all readers get end-of-file when the last
 * writer has closed its end. */
struct gate {
    int ready[2]; /* each process closes its end when it is ready */
    int go[2];    /* the parent closes it for all */
};

static void wait_for_end(int fd)
{
    char byte;

    while (read(fd, &byte, 1) > 0)
        continue;
    close(fd);
}

/* One of the crowd. PAM has several results for a rejected password, and others
 * for errors. */
static int log_in(const struct remote_login *login, const struct gate *gate, double *end_us)
{
    pam_handle_t *pamh = NULL;
    int status = remote_login_start(login, &pamh);

    close(gate->ready[1]);
    wait_for_end(gate->go[0]);
    if (status == PAM_SUCCESS)
        status = pam_authenticate(pamh, 0);
    if (status == PAM_SUCCESS)
        status = pam_acct_mgmt(pamh, 0);
    *end_us = now_us();
    pam_end(pamh, status);
    switch (status) {
    case PAM_SUCCESS:
        return IS_IN;
    case PAM_AUTH_ERR:
    case PAM_PERM_DENIED:
    case PAM_MAXTRIES:
        return IS_OUT;
    default:
        fprintf(stderr, "crowd: %s: %s\n", login->service, pam_strerror(NULL, status));
        return IS_BROKEN;
    }
}

static void start(const struct remote_login *login, const struct gate *gate, double *end_us)
{
    const pid_t child = fork();

    if (child < 0) {
        perror("crowd: fork");
        exit(1);
    }
    if (child > 0)
        return;
    close(gate->ready[0]);
    close(gate->go[1]);
    _exit(log_in(login, gate, end_us));
}

/* Counts how many ended in each way; a crashed process is broken. */
static void reap(int *ended)
{
    int status;

    while (wait(&status) > 0)
        ended[WIFEXITED(status) && WEXITSTATUS(status) < IS_BROKEN ? WEXITSTATUS(status)
                                                                   : IS_BROKEN]++;
}

int main(int argc, char **argv)
{
    const long count = argc == 6 ? strtol(argv[5], NULL, 10) : 0;
    int ended[IS_BROKEN + 1] = {0};
    double last_us = 0;
    struct gate gate;

    if (count < 1 || count > CROWD_MAX) {
        fprintf(stderr, "usage: crowd CONFDIR SERVICE USER PASSWORD COUNT\n");
        return 2;
    }
    const struct remote_login login = {
        .confdir = argv[1], .service = argv[2], .user = argv[3], .password = argv[4]};
    double *end_us = mmap(NULL, (size_t)count * sizeof *end_us, PROT_READ | PROT_WRITE,
                          MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (end_us == MAP_FAILED || pipe(gate.ready) != 0 || pipe(gate.go) != 0) {
        perror("crowd");
        return 1;
    }
    for (long i = 0; i < count; i++)
        start(&login, &gate, &end_us[i]);
    close(gate.ready[1]);
    wait_for_end(gate.ready[0]);
    const double begun_us = now_us();
    close(gate.go[1]);
    reap(ended);
    for (long i = 0; i < count; i++)
        last_us = end_us[i] > last_us ? end_us[i] : last_us;
    printf("%d %d %.1f\n", ended[IS_IN], ended[IS_OUT], (last_us - begun_us) / 1000);
    return ended[IS_BROKEN] == 0 ? 0 : 1;
}
