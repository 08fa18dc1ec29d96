#include "lib/fleet/query.h"

#include "lib/fleet/client.h"
#include "lib/host/clock.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

/* For all packets together: the daemon waits for the store for five seconds at most. */
enum { QUERY_MAX_MS = 8000 };

struct conversation {
    struct fleet_client client;
    int64_t end_ms;
};

union query_packet {
    unsigned char byte[sizeof(struct fleet_state) + 1];
    struct fleet_state state;
    struct fleet_count count;
};

_Static_assert(sizeof(struct fleet_count) <= sizeof(struct fleet_state) + 256,
               "one buffer for all");

static int begin(struct conversation *talk, const struct fleet_query *query,
                 const struct fleet_request *request, enum fleet_operation operation,
                 struct failure *failure)
{
    struct fleet_request asked = *request;

    asked.operation = operation;
    asked.outcome = ATTEMPT_FAILED;
    talk->end_ms = clock_ms(CLOCK_MONOTONIC) + QUERY_MAX_MS;
    return fleet_client_ask(&talk->client, query->path, query->owner, &asked, failure);
}

/* The next packet's size, or -1 with the reason. */
static ssize_t next_packet(const struct conversation *talk, union query_packet *packet,
                           struct failure *failure)
{
    struct pollfd poll_fd = {.fd = talk->client.fd, .events = POLLIN};
    const int64_t left_ms = talk->end_ms - clock_ms(CLOCK_MONOTONIC);
    ssize_t size = -1;

    const int ready = left_ms > 0 ? poll(&poll_fd, 1, (int)left_ms) : 0;
    if (ready > 0)
        size = recv(talk->client.fd, packet, sizeof *packet, MSG_DONTWAIT);
    if (size > 0)
        return size;
    failure_set(failure, "%s",
                ready == 0  ? "tmout-fleetd does not answer"
                : size == 0 ? "tmout-fleetd has closed the connection"
                            : strerror(errno));
    return -1;
}

/* Is this the last packet? Returns 1 if it is, 0 if not, or -1 with the reason. */
static int is_last(const union query_packet *packet, ssize_t size, struct fleet_answer *answer,
                   struct failure *failure)
{
    if (!fleet_answer_decode(packet, (size_t)size, answer))
        return 0;
    if (answer->status == FLEET_DONE)
        return 1;
    failure_set(failure, "tmout-fleetd cannot reach the store");
    return -1;
}

static int wrong_version(struct failure *failure)
{
    failure_set(failure, "tmout-fleetd is of another version");
    return -1;
}

/* Whose name stands where none is meant. */
static const struct fleet_request nobody = {
    .origin = {.kind = ORIGIN_NETWORK},
    .limits = {.max_attempts = 1, .window_ms = 1, .lock_ms = 1},
    .user = "-"};

int fleet_query_status(const struct fleet_query *query, struct fleet_state *state,
                       struct failure *failure)
{
    struct conversation talk;
    union query_packet packet;
    int result = -1;

    if (begin(&talk, query, &nobody, FLEET_STATUS, failure) != 0)
        return -1;
    const ssize_t size = next_packet(&talk, &packet, failure);
    if (size > 0)
        result = fleet_state_decode(&packet, (size_t)size, state) ? 0 : wrong_version(failure);
    fleet_client_close(&talk.client);
    return result;
}

int fleet_query_hosts(const struct fleet_query *query, struct fleet_host *host,
                      struct failure *failure)
{
    struct conversation talk;
    struct fleet_answer answer;
    union query_packet packet;
    int found = 0, last = 0;

    if (begin(&talk, query, &nobody, FLEET_HOSTS, failure) != 0)
        return -1;
    while (last == 0) {
        const ssize_t size = next_packet(&talk, &packet, failure);
        last = size < 0 ? -1 : is_last(&packet, size, &answer, failure);
        if (last == 0 &&
            (found == FLEET_HOSTS_MAX || !fleet_host_decode(&packet, (size_t)size, &host[found++])))
            last = wrong_version(failure);
    }
    fleet_client_close(&talk.client);
    return last > 0 ? found : -1;
}

int fleet_query_mark(const struct fleet_query *query, const struct fleet_mark *mark,
                     struct failure *failure)
{
    struct fleet_request request = nobody;
    struct conversation talk;
    struct fleet_answer answer;
    union query_packet packet;
    int last = -1;

    request.unlocked_ms = mark->unlocked_ms;
    memcpy(request.id, mark->code, sizeof request.id);
    memcpy(request.user, mark->user, sizeof request.user);
    if (begin(&talk, query, &request, FLEET_MARK, failure) != 0)
        return -1;
    const ssize_t size = next_packet(&talk, &packet, failure);
    if (size > 0)
        last = is_last(&packet, size, &answer, failure);
    fleet_client_close(&talk.client);
    if (last == 0)
        return wrong_version(failure);
    return last > 0 ? 0 : -1;
}

int fleet_query_marks(const struct fleet_query *query, struct fleet_mark *mark,
                      struct failure *failure)
{
    struct conversation talk;
    struct fleet_answer answer;
    union query_packet packet;
    int found = 0, last = 0;

    if (begin(&talk, query, &nobody, FLEET_MARKS, failure) != 0)
        return -1;
    while (last == 0) {
        const ssize_t size = next_packet(&talk, &packet, failure);
        last = size < 0 ? -1 : is_last(&packet, size, &answer, failure);
        if (last == 0 &&
            (found == FLEET_MARKS_MAX || !fleet_mark_decode(&packet, (size_t)size, &mark[found++])))
            last = wrong_version(failure);
    }
    fleet_client_close(&talk.client);
    return last > 0 ? found : -1;
}

int fleet_query_look(const struct fleet_query *query, const struct fleet_request *request,
                     struct fleet_count *count, int64_t *penalty_ms, struct failure *failure)
{
    struct conversation talk;
    struct fleet_answer answer;
    union query_packet packet;
    int found = 0, last = 0;

    if (begin(&talk, query, request, FLEET_LOOK, failure) != 0)
        return -1;
    while (last == 0) {
        const ssize_t size = next_packet(&talk, &packet, failure);
        last = size < 0 ? -1 : is_last(&packet, size, &answer, failure);
        if (last == 0 && (found == FLEET_COUNTS_MAX ||
                          !fleet_count_decode(&packet, (size_t)size, &count[found++])))
            last = wrong_version(failure);
    }
    fleet_client_close(&talk.client);
    *penalty_ms = last > 0 ? answer.lock_left_ms : 0;
    return last > 0 ? found : -1;
}

int fleet_query_clear(const struct fleet_query *query, const struct fleet_request *request,
                      unsigned *failures, struct failure *failure)
{
    struct conversation talk;
    struct fleet_answer answer;
    union query_packet packet;
    int last = -1;

    if (begin(&talk, query, request, FLEET_CLEAR, failure) != 0)
        return -1;
    const ssize_t size = next_packet(&talk, &packet, failure);
    if (size > 0)
        last = is_last(&packet, size, &answer, failure);
    fleet_client_close(&talk.client);
    if (last == 0)
        return wrong_version(failure);
    if (last < 0)
        return -1;
    *failures = answer.failures;
    return answer.in_flight > 0;
}
