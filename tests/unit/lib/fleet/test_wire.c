/* The packets between the module and tmout-fleetd: what is sent arrives, and nothing else
 * is taken for one. */
#include "tests/unit/check.h"

#include "lib/fleet/wire.h"

#include <string.h>

static const struct fleet_request a_request = {
    .operation = FLEET_SETTLE,
    .id = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 255},
    .origin = {.kind = ORIGIN_IPV6, .address = {0x20, 1, 0xd, 0xb8, 1, 2, 3, 4}},
    .limits = {.max_attempts = 10, .window_ms = 900000, .lock_ms = 600000, .by_source = true},
    .outcome = ATTEMPT_SUCCEEDED,
    .user = "anna"};

static const struct fleet_answer an_answer = {.status = FLEET_LOCKED,
                                              .failures = 10,
                                              .in_flight = 2,
                                              .moves = UINT32_MAX,
                                              .lock_left_ms = 599999};

static bool same_request(const struct fleet_request *one, const struct fleet_request *other)
{
    return one->operation == other->operation && memcmp(one->id, other->id, sizeof one->id) == 0 &&
           memcmp(&one->origin, &other->origin, sizeof one->origin) == 0 &&
           one->limits.max_attempts == other->limits.max_attempts &&
           one->limits.window_ms == other->limits.window_ms &&
           one->limits.lock_ms == other->limits.lock_ms &&
           one->limits.by_source == other->limits.by_source && one->outcome == other->outcome &&
           one->unlocked_ms == other->unlocked_ms && one->ended_ms == other->ended_ms &&
           strcmp(one->user, other->user) == 0;
}

static bool passes(const struct fleet_request *request)
{
    unsigned char packet[FLEET_REQUEST_SIZE];
    struct fleet_request got;

    fleet_request_encode(request, packet);
    return fleet_request_decode(packet, sizeof packet, &got) && same_request(&got, request);
}

static bool answer_passes(const struct fleet_answer *answer)
{
    unsigned char packet[FLEET_ANSWER_SIZE];
    struct fleet_answer got;

    fleet_answer_encode(answer, packet);
    return fleet_answer_decode(packet, sizeof packet, &got) && got.status == answer->status &&
           got.failures == answer->failures && got.in_flight == answer->in_flight &&
           got.moves == answer->moves && got.lock_left_ms == answer->lock_left_ms;
}

static void requests_arrive(void **state)
{
    struct fleet_request request = a_request;

    (void)state;
    assert_true(passes(&request));
    for (int operation = FLEET_ADMIT; operation <= FLEET_MARKS; operation++) {
        request.operation = (enum fleet_operation)operation;
        request.unlocked_ms = operation == FLEET_MARK ? 1795774782999 : 0;
        request.ended_ms = fleet_is_settlement(&request) ? 10800000 : 0;
        assert_true(passes(&request));
    }
    for (int outcome = ATTEMPT_FAILED; outcome <= ATTEMPT_WITHDRAWN; outcome++) {
        request.outcome = (enum attempt_outcome)outcome;
        assert_true(passes(&request));
    }
    request.limits = (struct attempt_limits){
        .max_attempts = ATTEMPTS_MAX, .window_ms = 1, .lock_ms = SETTING_FOREVER};
    assert_true(passes(&request));
    request.origin = origin_of_address("192.0.2.1");
    assert_true(passes(&request));
    request.origin = origin_of_address("unknown");
    assert_true(passes(&request));
    memset(request.user, 'x', sizeof request.user - 1);
    assert_true(passes(&request));
}

static void answers_arrive(void **state)
{
    struct fleet_answer answer = an_answer;

    (void)state;
    for (int status = FLEET_ADMITTED; status <= FLEET_DONE; status++) {
        answer.status = (enum fleet_status)status;
        assert_true(answer_passes(&answer));
    }
    answer.lock_left_ms = SETTING_FOREVER;
    assert_true(answer_passes(&answer));
}

/* What the module could only send if it were broken, or somebody else's. */
static void bad_requests_are_none(void **state)
{
    struct fleet_request bad[] = {a_request, a_request, a_request, a_request, a_request, a_request,
                                  a_request, a_request, a_request, a_request, a_request, a_request,
                                  a_request, a_request, a_request, a_request};
    size_t n = 0;

    (void)state;
    bad[n++].operation = (enum fleet_operation)0;
    bad[n++].operation = (enum fleet_operation)(FLEET_MARKS + 1);
    bad[n++].operation = FLEET_MARK; /* of no time */
    bad[n++].unlocked_ms = 1;
    bad[n++].unlocked_ms = -1;
    bad[n].operation = FLEET_SETTLE;
    bad[n++].ended_ms = -1;
    bad[n++].outcome = (enum attempt_outcome)(ATTEMPT_WITHDRAWN + 1);
    bad[n++].limits.max_attempts = 0;
    bad[n++].limits.max_attempts = ATTEMPTS_MAX + 1;
    bad[n++].limits.window_ms = 0;
    bad[n++].limits.lock_ms = -1;
    bad[n++].origin.kind = ORIGIN_LOCAL;
    bad[n++].origin.kind = ORIGIN_IPV6_56;
    bad[n++].origin.kind = ORIGIN_IPV4;
    bad[n++].origin.kind = ORIGIN_NETWORK;
    bad[n++].user[0] = '\0';
    assert_int_equal(n, sizeof bad / sizeof bad[0]);
    for (size_t i = 0; i < n; i++)
        if (passes(&bad[i]))
            fail_msg("request %zu was accepted", i);
}

/* Another size; another version, or no packet at all: its first eight bytes. */
static void other_packets_are_none(void **state)
{
    unsigned char request[FLEET_REQUEST_SIZE + 1] = {0}, answer[FLEET_ANSWER_SIZE + 1] = {0};
    struct fleet_request got;
    struct fleet_answer got_answer;

    (void)state;
    fleet_request_encode(&a_request, request);
    fleet_answer_encode(&an_answer, answer);
    for (size_t size = 0; size <= sizeof request; size++)
        assert_int_equal(fleet_request_decode(request, size, &got), size == FLEET_REQUEST_SIZE);
    for (size_t size = 0; size <= sizeof answer; size++)
        assert_int_equal(fleet_answer_decode(answer, size, &got_answer), size == FLEET_ANSWER_SIZE);
    for (size_t i = 0; i < 8; i++) {
        request[i] ^= 0x10;
        answer[i] ^= 0x10;
        assert_false(fleet_request_decode(request, FLEET_REQUEST_SIZE, &got));
        assert_false(fleet_answer_decode(answer, FLEET_ANSWER_SIZE, &got_answer));
        request[i] ^= 0x10;
        answer[i] ^= 0x10;
    }
    memset(request + FLEET_REQUEST_SIZE - FLEET_USER_MAX, 'x', FLEET_USER_MAX);
    assert_false(fleet_request_decode(request, FLEET_REQUEST_SIZE, &got));
}

static void bad_answers_are_none(void **state)
{
    struct fleet_answer bad[] = {an_answer, an_answer, an_answer, an_answer, an_answer};

    (void)state;
    bad[0].status = (enum fleet_status)0;
    bad[1].status = (enum fleet_status)(FLEET_DONE + 1);
    bad[2].failures = ATTEMPTS_MAX + 1;
    bad[3].in_flight = ATTEMPTS_MAX + 1;
    bad[4].lock_left_ms = -1;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(answer_passes(&bad[i]));
}

/* What tmoutctl would print. */
static void counts_and_states_are_checked(void **state)
{
    struct fleet_count count = {.failures = 3, .name = "4c0000201", .hosts = "h1 h2"}, got_count;
    struct fleet_state about = {.store = FLEET_STORE_UP, .endpoint = "/x", .host = "h1"}, got;

    (void)state;
    assert_false(fleet_count_decode(&count, sizeof count, &got_count));
    assert_false(fleet_state_decode(&about, sizeof about, &got));
    count.head = fleet_head(FLEET_PACKET_COUNT);
    about.head = fleet_head(FLEET_PACKET_STATE);
    assert_true(fleet_count_decode(&count, sizeof count, &got_count));
    assert_true(fleet_state_decode(&about, sizeof about, &got));
    assert_false(fleet_count_decode(&count, sizeof count - 1, &got_count));
    assert_false(fleet_state_decode(&about, sizeof about - 1, &got));
    count.failures = ATTEMPTS_MAX + 1;
    assert_false(fleet_count_decode(&count, sizeof count, &got_count));
    count.failures = 0;
    count.hosts[0] = '\033';
    assert_false(fleet_count_decode(&count, sizeof count, &got_count));
    memset(count.hosts, 'x', sizeof count.hosts);
    assert_false(fleet_count_decode(&count, sizeof count, &got_count));
    about.store = FLEET_STORE_UP + 1;
    assert_false(fleet_state_decode(&about, sizeof about, &got));
    about.store = FLEET_STORE_AWAY;
    about.why[0] = '\n';
    assert_false(fleet_state_decode(&about, sizeof about, &got));
}

/* What a store may have made up. */
static void marks_are_checked(void **state)
{
    struct fleet_mark mark = {.unlocked_ms = 1, .user = "anna"}, got;

    (void)state;
    assert_false(fleet_mark_decode(&mark, sizeof mark, &got));
    mark.head = fleet_head(FLEET_PACKET_MARK);
    assert_true(fleet_mark_decode(&mark, sizeof mark, &got));
    assert_string_equal(got.user, "anna");
    assert_false(fleet_mark_decode(&mark, sizeof mark - 1, &got));
    mark.unlocked_ms = 0;
    assert_false(fleet_mark_decode(&mark, sizeof mark, &got));
    mark.unlocked_ms = 1;
    mark.user[0] = '\0';
    assert_false(fleet_mark_decode(&mark, sizeof mark, &got));
    memset(mark.user, 'x', sizeof mark.user);
    assert_false(fleet_mark_decode(&mark, sizeof mark, &got));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_arrive),       cmocka_unit_test(answers_arrive),
        cmocka_unit_test(bad_requests_are_none), cmocka_unit_test(other_packets_are_none),
        cmocka_unit_test(bad_answers_are_none),  cmocka_unit_test(counts_and_states_are_checked),
        cmocka_unit_test(marks_are_checked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
