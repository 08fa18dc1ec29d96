/* A tmout-fleetd of the test's own, which always gives the same answers. */
#ifndef TMOUT_TESTS_UNIT_FLEET_DAEMON_H
#define TMOUT_TESTS_UNIT_FLEET_DAEMON_H

#include "tests/unit/temporary.h"

#include "lib/fleet/wire.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

/* What it sends before it hangs up. */
struct packets {
    const struct fleet_state *state;
    const struct fleet_count *count;
    int counts;
    const struct fleet_host *host; /* to who asks for the hosts */
    int hosts;
    enum fleet_status last; /* 0: none */
};

static inline void fleet_daemon_send(int fd, const struct packets *packets, bool hosts)
{
    if (packets->state != NULL && !hosts)
        (void)send(fd, packets->state, sizeof *packets->state, 0);
    for (int i = 0; i < packets->counts && !hosts; i++)
        (void)send(fd, packets->count, sizeof *packets->count, 0);
    for (int i = 0; i < packets->hosts && hosts; i++)
        (void)send(fd, &packets->host[i], sizeof packets->host[i], 0);
}

static inline void fleet_daemon_answer(int listener, const struct packets *packets)
{
    unsigned char packet[FLEET_ANSWER_SIZE], request[FLEET_REQUEST_SIZE];
    struct fleet_request asked = {.operation = FLEET_STATUS};
    const int fd = accept(listener, NULL, NULL);
    const ssize_t size = recv(fd, request, sizeof request, 0);

    (void)fleet_request_decode(request, size > 0 ? (size_t)size : 0, &asked);
    fleet_daemon_send(fd, packets, asked.operation == FLEET_HOSTS);
    fleet_answer_encode(
        &(struct fleet_answer){
            .status = packets->last, .failures = 4, .in_flight = 1, .lock_left_ms = 7},
        packet);
    if (packets->last != 0)
        (void)send(fd, packet, sizeof packet, 0);
    close(fd);
}

/* Listens at path from now on. Returns its process, for fleet_daemon_end(). */
static inline pid_t fleet_daemon_begin(const char *path, const struct packets *packets)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

    assert_true(strlen(path) < sizeof address.sun_path);
    memcpy(address.sun_path, path, strlen(path));
    unlink(path);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(fd, 1), 0);
    const pid_t daemon = fork();
    if (daemon == 0) {
        /* It must not outlive a test that fails. */
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (;;)
            fleet_daemon_answer(fd, packets);
    }
    close(fd);
    return daemon;
}

static inline void fleet_daemon_end(pid_t daemon, const char *path)
{
    kill(daemon, SIGKILL);
    waitpid(daemon, NULL, 0);
    unlink(path);
}

#endif
