#include "lib/fleet/client.h"

#include "lib/host/clock.h"
#include "lib/host/descriptor.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

void fleet_client_close(struct fleet_client *client)
{
    if (client->fd >= 0)
        close(client->fd);
    client->fd = -1;
}

/* Did root open this socket? systemd did, for the daemon, which is not root. */
static int check_peer(int fd, uid_t owner, struct failure *failure)
{
    struct ucred peer;
    socklen_t size = sizeof peer;

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) {
        failure_set(failure, "cannot tell who listens: %s", strerror(errno));
        return -1;
    }
    if (peer.uid == 0 || peer.uid == owner)
        return 0;
    failure_set(failure, "belongs to uid %u, not to root", (unsigned)peer.uid);
    return -1;
}

/* A full queue is an error at once: the socket does not block. */
static int connect_to(struct fleet_client *client, const char *path, uid_t owner,
                      struct failure *failure)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    if (strlen(path) >= sizeof address.sun_path) {
        failure_set(failure, "path too long");
        return -1;
    }
    memcpy(address.sun_path, path, strlen(path));
    client->fd = fd_above_stdio(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (client->fd < 0) {
        failure_set(failure, "cannot create a socket: %s", strerror(errno));
        return -1;
    }
    if (connect(client->fd, (const struct sockaddr *)&address, sizeof address) != 0) {
        failure_set(failure, "cannot connect: %s", failure_reason(errno));
        return -1;
    }
    return check_peer(client->fd, owner, failure);
}

static int send_request(const struct fleet_client *client, struct failure *failure)
{
    unsigned char packet[FLEET_REQUEST_SIZE];

    fleet_request_encode(&client->request, packet);
    if (send(client->fd, packet, sizeof packet, MSG_DONTWAIT | MSG_NOSIGNAL) ==
        (ssize_t)sizeof packet)
        return 0;
    failure_set(failure, "cannot send: %s", strerror(errno));
    return -1;
}

/* A mark has its code there. */
static bool choose_id(struct fleet_request *request)
{
    if (request->operation == FLEET_MARK)
        return true;
    return getrandom(request->id, sizeof request->id, GRND_NONBLOCK) == (ssize_t)sizeof request->id;
}

int fleet_client_ask(struct fleet_client *client, const char *path, uid_t owner,
                     const struct fleet_request *request, struct failure *failure)
{
    client->request = *request;
    client->fd = -1;
    client->has_id = choose_id(&client->request);
    if (!client->has_id) {
        failure_set(failure, "no random number: %s", strerror(errno));
        return -1;
    }
    if (connect_to(client, path, owner, failure) == 0 && send_request(client, failure) == 0)
        return 0;
    fleet_client_close(client);
    return -1;
}

/* Waits until there is a packet, or the connection has ended. Returns poll(2)'s result. */
static int wait_for_packet(int fd, int timeout_ms)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
    const int64_t end_ms = clock_ms(CLOCK_MONOTONIC) + timeout_ms;
    int result;

    do {
        const int64_t left_ms = end_ms - clock_ms(CLOCK_MONOTONIC);
        result = poll(&poll_fd, 1, left_ms > 0 ? (int)left_ms : 0);
    } while (result < 0 && errno == EINTR);
    return result;
}

int fleet_client_wait(struct fleet_client *client, int timeout_ms, struct fleet_answer *answer,
                      struct failure *failure)
{
    unsigned char packet[FLEET_ANSWER_SIZE + 1];
    const int ready = wait_for_packet(client->fd, timeout_ms);

    if (ready == 0)
        return 0;
    const ssize_t size =
        ready > 0 ? recv(client->fd, packet, sizeof packet, MSG_DONTWAIT) : (ssize_t)-1;
    if (size > 0 && fleet_answer_decode(packet, (size_t)size, answer))
        return 1;
    if (size < 0)
        failure_set(failure, "cannot receive: %s", strerror(errno));
    else
        failure_set(failure,
                    size == 0 ? "the connection was closed" : "the answer is not of this version");
    fleet_client_close(client);
    return -1;
}

void fleet_client_settle(struct fleet_client *client, const char *path, uid_t owner,
                         enum fleet_operation operation, enum attempt_outcome outcome)
{
    struct failure ignored = {""};

    if (!client->has_id)
        client->has_id = choose_id(&client->request);
    client->request.operation = operation;
    client->request.outcome = outcome;
    client->request.ended_ms = clock_ms(CLOCK_MONOTONIC);
    if (client->fd < 0 || send_request(client, &ignored) != 0) {
        fleet_client_close(client);
        if (connect_to(client, path, owner, &ignored) == 0)
            (void)send_request(client, &ignored);
    }
    fleet_client_close(client);
}
