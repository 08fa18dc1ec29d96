/* A tmout-fleetd of the test's own, which answers one question. */
#ifndef TMOUT_TESTS_UNIT_FLEET_DAEMON_H
#define TMOUT_TESTS_UNIT_FLEET_DAEMON_H

#include "tests/unit/temporary.h"

#include "lib/fleet/wire.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

/* What it sends before it hangs up. */
struct packets {
    const struct fleet_state *state;
    const struct fleet_count *count;
    int counts;
    enum fleet_status last; /* 0: none */
};

static inline void fleet_daemon_answer(int listener, const struct packets *packets)
{
    const int fd = accept(listener, NULL, NULL);
    unsigned char packet[FLEET_ANSWER_SIZE], request[FLEET_REQUEST_SIZE];

    (void)recv(fd, request, sizeof request, 0);
    if (packets->state != NULL)
        (void)send(fd, packets->state, sizeof *packets->state, 0);
    for (int i = 0; i < packets->counts; i++)
        (void)send(fd, packets->count, sizeof *packets->count, 0);
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
        fleet_daemon_answer(fd, packets);
        _exit(0);
    }
    close(fd);
    return daemon;
}

static inline void fleet_daemon_end(pid_t daemon, const char *path)
{
    waitpid(daemon, NULL, 0);
    unlink(path);
}

#endif
