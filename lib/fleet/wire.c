#include "lib/fleet/wire.h"

#include <string.h>

#define MAGIC UINT32_C(0x74666c00) /* "tfl", and a letter for the packet */

enum { WIRE_VERSION = 1 };

struct request_packet {
    struct fleet_head head;
    uint32_t operation, outcome;
    unsigned char id[FLEET_ID_SIZE];
    int64_t when_ms; /* the request's unlocked_ms or ended_ms */
    uint32_t origin_kind;
    unsigned char address[16];
    uint32_t max_attempts;
    int64_t window_ms, lock_ms;
    uint32_t by_source, unused;
    char user[FLEET_USER_MAX];
};

struct answer_packet {
    struct fleet_head head;
    uint32_t status, failures, in_flight, moves;
    int64_t lock_left_ms;
    uint32_t unused[2];
};

_Static_assert(sizeof(struct request_packet) == FLEET_REQUEST_SIZE, "no padding");
_Static_assert(sizeof(struct answer_packet) == FLEET_ANSWER_SIZE, "no padding");

struct fleet_head fleet_head(enum fleet_packet packet)
{
    return (struct fleet_head){.magic = MAGIC | (uint32_t)packet, .version = WIRE_VERSION};
}

static bool is_head(const struct fleet_head *head, enum fleet_packet packet)
{
    const struct fleet_head expected = fleet_head(packet);

    return head->magic == expected.magic && head->version == expected.version;
}

bool fleet_is_settlement(const struct fleet_request *request)
{
    return request->operation == FLEET_SETTLE || request->operation == FLEET_REPORT;
}

void fleet_request_encode(const struct fleet_request *request,
                          unsigned char packet[FLEET_REQUEST_SIZE])
{
    struct request_packet out = {.head = fleet_head(FLEET_PACKET_REQUEST),
                                 .operation = (uint32_t)request->operation,
                                 .outcome = (uint32_t)request->outcome,
                                 .when_ms = fleet_is_settlement(request) ? request->ended_ms
                                                                         : request->unlocked_ms,
                                 .origin_kind = request->origin.kind,
                                 .max_attempts = request->limits.max_attempts,
                                 .window_ms = request->limits.window_ms,
                                 .lock_ms = request->limits.lock_ms,
                                 .by_source = request->limits.by_source};

    memcpy(out.id, request->id, sizeof out.id);
    memcpy(out.address, request->origin.address, sizeof out.address);
    memcpy(out.user, request->user, strnlen(request->user, sizeof out.user - 1));
    memcpy(packet, &out, sizeof out);
}

void fleet_answer_encode(const struct fleet_answer *answer, unsigned char packet[FLEET_ANSWER_SIZE])
{
    const struct answer_packet out = {.head = fleet_head(FLEET_PACKET_ANSWER),
                                      .status = (uint32_t)answer->status,
                                      .failures = answer->failures,
                                      .in_flight = answer->in_flight,
                                      .moves = answer->moves,
                                      .lock_left_ms = answer->lock_left_ms};

    memcpy(packet, &out, sizeof out);
}

/* From where a login over the network can come: never from this machine. */
static bool is_network_origin(uint32_t kind)
{
    return kind == ORIGIN_NETWORK || kind == ORIGIN_IPV4 || kind == ORIGIN_IPV6;
}

/* An address of this kind uses so many bytes; the others are zero. */
static bool is_address(uint32_t kind, const unsigned char address[16])
{
    static const unsigned char zero[16];
    const size_t used = kind == ORIGIN_IPV4 ? 4 : kind == ORIGIN_IPV6 ? 8 : 0;

    return memcmp(address + used, zero, sizeof zero - used) == 0;
}

/* It has a time where it needs one, and only there. */
static bool decode_time(int64_t when_ms, struct fleet_request *request)
{
    if (fleet_is_settlement(request))
        request->ended_ms = when_ms;
    else
        request->unlocked_ms = when_ms;
    return when_ms >= 0 && (request->operation == FLEET_MARK) == (request->unlocked_ms > 0);
}

bool fleet_request_decode(const void *packet, size_t size, struct fleet_request *request)
{
    struct request_packet in;

    if (size != sizeof in)
        return false;
    memcpy(&in, packet, sizeof in);
    if (!is_head(&in.head, FLEET_PACKET_REQUEST) || in.operation < FLEET_ADMIT ||
        in.operation > FLEET_MARKS || in.outcome > ATTEMPT_WITHDRAWN)
        return false;
    if (!is_network_origin(in.origin_kind) || !is_address(in.origin_kind, in.address))
        return false;
    if (in.max_attempts < 1 || in.max_attempts > ATTEMPTS_MAX || in.window_ms < 1 ||
        in.lock_ms < 1 || in.by_source > 1 || in.unused != 0)
        return false;
    if (in.user[0] == '\0' || memchr(in.user, '\0', sizeof in.user) == NULL)
        return false;
    *request = (struct fleet_request){.operation = (enum fleet_operation)in.operation,
                                      .origin = {.kind = in.origin_kind},
                                      .limits = {.max_attempts = in.max_attempts,
                                                 .window_ms = in.window_ms,
                                                 .lock_ms = in.lock_ms,
                                                 .by_source = in.by_source == 1},
                                      .outcome = (enum attempt_outcome)in.outcome};
    memcpy(request->id, in.id, sizeof request->id);
    memcpy(request->origin.address, in.address, sizeof in.address);
    memcpy(request->user, in.user, strlen(in.user));
    return decode_time(in.when_ms, request);
}

bool fleet_answer_decode(const void *packet, size_t size, struct fleet_answer *answer)
{
    struct answer_packet in;

    if (size != sizeof in)
        return false;
    memcpy(&in, packet, sizeof in);
    if (!is_head(&in.head, FLEET_PACKET_ANSWER) || in.status < FLEET_ADMITTED ||
        in.status > FLEET_DONE || in.failures > ATTEMPTS_MAX || in.in_flight > ATTEMPTS_MAX ||
        in.lock_left_ms < 0 || in.unused[0] != 0 || in.unused[1] != 0)
        return false;
    *answer = (struct fleet_answer){.status = (enum fleet_status)in.status,
                                    .failures = in.failures,
                                    .in_flight = in.in_flight,
                                    .moves = in.moves,
                                    .lock_left_ms = in.lock_left_ms};
    return true;
}

static bool is_text(const char *text, size_t size)
{
    const char *end = memchr(text, '\0', size);

    if (end == NULL)
        return false;
    for (; text < end; text++)
        if (*text < ' ' || *text >= 0x7f) /* whether char has a sign or not */
            return false;
    return true;
}

bool fleet_count_decode(const void *packet, size_t size, struct fleet_count *count)
{
    if (size != sizeof *count)
        return false;
    memcpy(count, packet, size);
    return is_head(&count->head, FLEET_PACKET_COUNT) && count->failures <= ATTEMPTS_MAX &&
           count->in_flight <= ATTEMPTS_MAX && count->lock_left_ms >= 0 &&
           is_text(count->name, sizeof count->name) && is_text(count->hosts, sizeof count->hosts);
}

bool fleet_state_decode(const void *packet, size_t size, struct fleet_state *state)
{
    if (size != sizeof *state)
        return false;
    memcpy(state, packet, size);
    return is_head(&state->head, FLEET_PACKET_STATE) && state->store <= FLEET_STORE_UP &&
           state->tls <= 1 && state->overprivileged <= 1 &&
           is_text(state->eviction, sizeof state->eviction) &&
           is_text(state->endpoint, sizeof state->endpoint) &&
           is_text(state->why, sizeof state->why) && is_text(state->host, sizeof state->host);
}

bool fleet_host_decode(const void *packet, size_t size, struct fleet_host *host)
{
    if (size != sizeof *host)
        return false;
    memcpy(host, packet, size);
    return is_head(&host->head, FLEET_PACKET_HOST) && host->seen_ms >= 0 &&
           is_text(host->name, sizeof host->name);
}

bool fleet_mark_decode(const void *packet, size_t size, struct fleet_mark *mark)
{
    if (size != sizeof *mark)
        return false;
    memcpy(mark, packet, size);
    return is_head(&mark->head, FLEET_PACKET_MARK) && mark->unlocked_ms > 0 &&
           mark->user[0] != '\0' && memchr(mark->user, '\0', sizeof mark->user) != NULL;
}
