/*
 * Fuzzes the packets between the module and tmout-fleetd. After a leading letter, q for a
 * request and a for an answer, the beginning of a good packet is put in front of the rest,
 * so that the checks after it are reached. What is accepted must be encoded to the same
 * bytes again.
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    unsigned char packet[FLEET_REQUEST_SIZE] = {0};
    const size_t wanted = size > 0 && data[0] == 'a' ? FLEET_ANSWER_SIZE : FLEET_REQUEST_SIZE;

    try_request(data, size);
    try_answer(data, size);
    if (size == 0 || size - 1 > wanted - HEAD)
        return 0;
    if (wanted == FLEET_ANSWER_SIZE)
        fleet_answer_encode(&(struct fleet_answer){.status = FLEET_AWAY}, packet);
    else
        fleet_request_encode(&(struct fleet_request){.operation = FLEET_ADMIT}, packet);
    memcpy(packet + HEAD, data + 1, size - 1);
    try_request(packet, wanted);
    try_answer(packet, wanted);
    return 0;
}
