/* Calls of the fleet's script, word by word, and what is an answer. */
#include "tests/unit/check.h"

#include "tools/fleetd/script_call.h"

#include <string.h>

#define ID "0102030000000000000000000000ff10"

static struct fleet_request request = {
    .id = {1, 2, 3, [14] = 0xff, [15] = 0x10},
    .origin = {.kind = ORIGIN_IPV4, .address = {192, 0, 2, 1}},
    .limits = {.max_attempts = 10, .window_ms = 900000, .lock_ms = 600000, .by_source = true},
    .outcome = ATTEMPT_SUCCEEDED,
    .user = "anna"};
static const struct script_target target = {
    .prefix = "tmout", .host = "h1", .lease_ms = 8000, .request = &request};

static void assert_words(const struct script_call *call, const char *expected)
{
    char words[SCRIPT_WORDS_MAX * (SCRIPT_WORD_SIZE + 1)] = "";

    for (unsigned i = 0; i < call->words; i++) {
        strcat(words, i > 0 ? " " : "");
        strcat(words, call->word[i]);
    }
    assert_string_equal(words, expected);
}

static void calls(void **state)
{
    struct script_call call;

    (void)state;
    script_call_admit(&call, &target, 1234567890123);
    assert_string_equal(call.key, "tmout:{tmout}:a:anna");
    assert_words(&call, "admit 4c0000201 10 900000 600000 1 " ID " h1 8000 1234567890123");
    script_call_renew(&call, &target);
    assert_words(&call, "renew 4c0000201 10 900000 600000 1 " ID " 8000");
    script_call_settle(&call, &target, &(struct script_end){5, 7, 6});
    assert_words(&call, "settle 4c0000201 10 900000 600000 1 " ID " h1 1 5 7 6");
    script_call_merge(&call, &target, 7);
    assert_words(&call, "merge 4c0000201 10 900000 600000 1 " ID " h1 8000 7");
    script_call_look(&call, &target);
    assert_words(&call, "look 4c0000201 10 900000 600000 1");
    script_call_forget(&call, &target, SCRIPT_NOW_MS);
    assert_words(&call, "forget 4c0000201 10 900000 600000 1 9007199254740991");
    script_call_probe(&call, "p", true);
    assert_string_equal(call.key, "p:{p}:probe");
    assert_words(&call, "trial n 1 1 1 0");
    script_call_probe(&call, "p", false);
    assert_words(&call, "probe n 1 1 1 0");
    script_call_began(&call, "p", "01ef");
    assert_string_equal(call.key, "p:{p}:hosts");
    assert_words(&call, "began n 1 1 1 0 01ef");
    script_call_began(&call, "p", "run 1");
    assert_words(&call, "began n 1 1 1 0 0");
}

static void origins_and_limits(void **state)
{
    struct script_call call;

    (void)state;
    request.origin = origin_of_address("2001:db8:1:2::1");
    request.limits = (struct attempt_limits){
        .max_attempts = 1, .window_ms = 1, .lock_ms = SETTING_FOREVER, .by_source = false};
    request.outcome = ATTEMPT_WITHDRAWN;
    script_call_settle(&call, &target, &(struct script_end){0});
    assert_words(&call, "settle 620010db800010002 1 1 -1 0 " ID " h1 2 0 0 0");
    request.origin = origin_of_address("unknown");
    request.outcome = ATTEMPT_FAILED;
    script_call_settle(&call, &target, &(struct script_end){0});
    assert_words(&call, "settle n 1 1 -1 0 " ID " h1 0 0 0 0");
}

/* Two users never share a key, nor change the hash tag. */
static void keys(void **state)
{
    static const char *const cases[][2] = {{"DOM\\anna", "tmout:{tmout}:a:DOM%5canna"},
                                           {"a}b{c", "tmout:{tmout}:a:a%7db%7bc"},
                                           {"%7d", "tmout:{tmout}:a:%257d"},
                                           {"\xc3\xa4 \n", "tmout:{tmout}:a:%c3%a4%20%0a"}};
    struct script_call call;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        strcpy(request.user, cases[i][0]);
        script_call_renew(&call, &target);
        assert_string_equal(call.key, cases[i][1]);
    }
    memset(request.user, '\xff', sizeof request.user - 1);
    script_call_renew(&call, &target);
    assert_int_equal(strlen(call.key), strlen("tmout:{tmout}:a:") + 3 * (sizeof request.user - 1));
}

static void answers(void **state)
{
    static const int64_t good[] = {SCRIPT_LOCKED, 3, 1, -1, 1234567890123, 7, 1234567890000};
    static const struct {
        size_t at;
        int64_t value;
    } bad[] = {{0, -1},
               {0, 6},
               {1, -1},
               {1, 65},
               {2, -1},
               {2, 65},
               {3, -2},
               {4, -1},
               {5, -1},
               {6, -1},
               {3, SCRIPT_TIME_MAX_MS + 1},
               {4, SCRIPT_TIME_MAX_MS + 1},
               {6, SCRIPT_TIME_MAX_MS + 1}};
    struct script_answer answer;

    (void)state;
    assert_true(script_answer_decode(good, SCRIPT_NUMBERS, &answer));
    assert_int_equal(answer.status, SCRIPT_LOCKED);
    assert_int_equal(answer.failures, 3);
    assert_int_equal(answer.in_flight, 1);
    assert_true(answer.lock_left_ms == SETTING_FOREVER);
    assert_int_equal(answer.now_ms, 1234567890123);
    assert_int_equal(answer.changes, 7);
    assert_int_equal(answer.since_ms, 1234567890000);
    assert_false(script_answer_decode(good, SCRIPT_NUMBERS - 1, &answer));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        int64_t number[SCRIPT_NUMBERS];
        memcpy(number, good, sizeof good);
        number[bad[i].at] = bad[i].value;
        assert_false(script_answer_decode(number, SCRIPT_NUMBERS, &answer));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls),
        cmocka_unit_test(origins_and_limits),
        cmocka_unit_test(keys),
        cmocka_unit_test(answers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
