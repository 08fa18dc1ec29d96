/*
 * Fuzzes the packets between the module, or tmoutctl, and tmout-fleetd. After a leading letter, q
 * for a request, a for an answer, c for a count, s for a state and h for a host, the beginning of a
 * good packet is put in front of the rest, so that the checks after it are reached. What is
 * accepted must be encoded to the same bytes again, or have texts that can be printed.
 */
#include "tests/fuzz/fuzz.h"

#include "lib/fleet/wire.h"

#include <string.h>

enum { HEAD = 8 };

static void try_request(const uint8_t *data, size_t size)
{
    unsigned char again[FLEET_REQUEST_SIZE];
    struct fleet_request request;

    if (!fleet_request_decode(data, size, &request))
        return;
    MUST(size == FLEET_REQUEST_SIZE && memchr(request.user, '\0', sizeof request.user) != NULL);
    MUST(request.limits.max_attempts >= 1 && request.limits.max_attempts <= ATTEMPTS_MAX);
    fleet_request_encode(&request, again);
    /* What is behind the name's end is not read. */
    MUST(memcmp(data, again, sizeof again - FLEET_USER_MAX + strlen(request.user)) == 0);
}

static void try_answer(const uint8_t *data, size_t size)
{
    unsigned char again[FLEET_ANSWER_SIZE];
    struct fleet_answer answer;

    if (!fleet_answer_decode(data, size, &answer))
        return;
    fleet_answer_encode(&answer, again);
    MUST(size == sizeof again && memcmp(data, again, sizeof again) == 0);
}

static void must_be_text(const char *text, size_t size)
{
    const size_t length = strnlen(text, size);

    MUST(length < size);
    for (size_t i = 0; i < length; i++)
        MUST((unsigned char)text[i] >= ' ' && text[i] != 0x7f);
}

static void try_descriptions(const uint8_t *data, size_t size)
{
    struct fleet_count count;
    struct fleet_state state;
    struct fleet_host host;

    if (fleet_count_decode(data, size, &count)) {
        MUST(count.failures <= ATTEMPTS_MAX && count.in_flight <= ATTEMPTS_MAX);
        MUST(count.lock_left_ms >= 0);
        must_be_text(count.name, sizeof count.name);
        must_be_text(count.hosts, sizeof count.hosts);
    }
    if (fleet_state_decode(data, size, &state)) {
        MUST(state.store <= FLEET_STORE_UP);
        must_be_text(state.endpoint, sizeof state.endpoint);
        must_be_text(state.eviction, sizeof state.eviction);
        must_be_text(state.why, sizeof state.why);
        must_be_text(state.host, sizeof state.host);
    }
    if (fleet_host_decode(data, size, &host)) {
        MUST(host.seen_ms >= 0);
        must_be_text(host.name, sizeof host.name);
    }
}

union packet {
    unsigned char byte[4096];
    struct fleet_count count;
    struct fleet_state state;
    struct fleet_host host;
};

/* The beginning of a good packet of this kind. Returns its size. */
static size_t begin_packet(uint8_t letter, union packet *packet)
{
    memset(packet, 0, sizeof *packet);
    switch (letter) {
    case 'a':
        fleet_answer_encode(&(struct fleet_answer){.status = FLEET_AWAY}, packet->byte);
        return FLEET_ANSWER_SIZE;
    case 'c':
        packet->count.head = fleet_head(FLEET_PACKET_COUNT);
        return sizeof packet->count;
    case 's':
        packet->state.head = fleet_head(FLEET_PACKET_STATE);
        return sizeof packet->state;
    case 'h':
        packet->host.head = fleet_head(FLEET_PACKET_HOST);
        return sizeof packet->host;
    default:
        fleet_request_encode(&(struct fleet_request){.operation = FLEET_ADMIT}, packet->byte);
        return FLEET_REQUEST_SIZE;
    }
}

static void try_all(const uint8_t *data, size_t size)
{
    try_request(data, size);
    try_answer(data, size);
    try_descriptions(data, size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    union packet packet;

    try_all(data, size);
    if (size == 0)
        return 0;
    const size_t wanted = begin_packet(data[0], &packet);
    if (size - 1 > wanted - HEAD)
        return 0;
    memcpy(packet.byte + HEAD, data + 1, size - 1);
    try_all(packet.byte, wanted);
    return 0;
}
