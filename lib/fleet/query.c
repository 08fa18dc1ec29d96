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
    failure_set(failure, answer->status == FLEET_WAITING
                             ? "the store is full of marks that hosts may not have read: try again "
                               "in two minutes"
                             : "tmout-fleetd cannot reach the store");
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

/* Asks for what one packet answers. Returns 0, or -1 with the reason. */
static int ask_once(const struct fleet_query *query, const struct fleet_request *request,
                    enum fleet_operation operation, struct fleet_answer *answer,
                    struct failure *failure)
{
    struct conversation talk;
    union query_packet packet;
    int last = -1;

    if (begin(&talk, query, request, operation, failure) != 0)
        return -1;
    const ssize_t size = next_packet(&talk, &packet, failure);
    if (size > 0)
        last = is_last(&packet, size, answer, failure);
    fleet_client_close(&talk.client);
    if (last == 0)
        return wrong_version(failure);
    return last > 0 ? 0 : -1;
}

/* Room for packets of one kind, which precede the last one. */
struct packet_list {
    void *item;
    size_t item_size;
    int most;
    bool (*decode)(const void *packet, size_t size, void *item);
};

/* Asks for a list. Returns how many there are, or -1 with the reason. */
static int ask_for_list(const struct fleet_query *query, const struct fleet_request *request,
                        enum fleet_operation operation, const struct packet_list *list,
                        struct fleet_answer *answer, struct failure *failure)
{
    struct conversation talk;
    union query_packet packet;
    int found = 0, last = 0;

    if (begin(&talk, query, request, operation, failure) != 0)
        return -1;
    while (last == 0) {
        const ssize_t size = next_packet(&talk, &packet, failure);
        last = size < 0 ? -1 : is_last(&packet, size, answer, failure);
        if (last != 0)
            break;
        void *item = (char *)list->item + (size_t)found * list->item_size;
        if (found++ == list->most || !list->decode(&packet, (size_t)size, item))
            last = wrong_version(failure);
    }
    fleet_client_close(&talk.client);
    return last > 0 ? found : -1;
}

static bool decode_host(const void *packet, size_t size, void *item)
{
    return fleet_host_decode(packet, size, item);
}

static bool decode_mark(const void *packet, size_t size, void *item)
{
    return fleet_mark_decode(packet, size, item);
}

static bool decode_count(const void *packet, size_t size, void *item)
{
    return fleet_count_decode(packet, size, item);
}

int fleet_query_hosts(const struct fleet_query *query, struct fleet_host *host,
                      struct failure *failure)
{
    const struct packet_list list = {host, sizeof *host, FLEET_HOSTS_MAX, decode_host};
    struct fleet_answer answer;

    return ask_for_list(query, &nobody, FLEET_HOSTS, &list, &answer, failure);
}

int fleet_query_mark(const struct fleet_query *query, const struct fleet_mark *mark,
                     struct failure *failure)
{
    struct fleet_request request = nobody;
    struct fleet_answer answer;

    request.unlocked_ms = mark->unlocked_ms;
    memcpy(request.id, mark->code, sizeof request.id);
    memcpy(request.user, mark->user, sizeof request.user);
    return ask_once(query, &request, FLEET_MARK, &answer, failure);
}

int fleet_query_marks(const struct fleet_query *query, struct fleet_mark *mark,
                      struct failure *failure)
{
    const struct packet_list list = {mark, sizeof *mark, FLEET_MARKS_MAX, decode_mark};
    struct fleet_answer answer;

    return ask_for_list(query, &nobody, FLEET_MARKS, &list, &answer, failure);
}

int fleet_query_look(const struct fleet_query *query, const struct fleet_request *request,
                     struct fleet_count *count, int64_t *penalty_ms, struct failure *failure)
{
    const struct packet_list list = {count, sizeof *count, FLEET_COUNTS_MAX, decode_count};
    struct fleet_answer answer;

    const int found = ask_for_list(query, request, FLEET_LOOK, &list, &answer, failure);
    *penalty_ms = found >= 0 ? answer.lock_left_ms : 0;
    return found;
}

int fleet_query_clear(const struct fleet_query *query, const struct fleet_request *request,
                      unsigned *failures, struct failure *failure)
{
    struct fleet_answer answer;

    if (ask_once(query, request, FLEET_CLEAR, &answer, failure) != 0)
        return -1;
    *failures = answer.failures;
    return answer.in_flight > 0;
}
