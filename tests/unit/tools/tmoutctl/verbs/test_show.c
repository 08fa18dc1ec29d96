/* tmoutctl show: as text and as JSON, for each kind of login. */
#include "tests/unit/tools/tmoutctl/failed_logins.h"

#include "tools/tmoutctl/verbs/verbs.h"

enum { OPTION_FROM, OPTION_GROUP, OPTION_LOCAL };

static const char policy[] = "default {\n tmout = 15m\n enforce = true\n}\n"
                             "user \"root\" {\n max_attempts = 3\n lock_time = forever\n"
                             " max_sessions = 4\n}\n";

static int show(const struct verb_place *place, const char *user, const char *from, bool local,
                struct captured *captured)
{
    const struct verb_arguments arguments = {
        .operand = user, .option = {[OPTION_FROM] = from, [OPTION_LOCAL] = local ? "" : NULL}};

    return verb_run_with(&verb_show, &place->context, &arguments, captured);
}

static json_t *show_json(const struct verb_place *place, const char *user, const char *from,
                         bool local)
{
    const struct verb_arguments arguments = {
        .operand = user, .option = {[OPTION_FROM] = from, [OPTION_LOCAL] = local ? "" : NULL}};

    return verb_json(&verb_show, &place->context, &arguments);
}

static void assert_shows(const struct verb_place *place, const char *from, bool local,
                         const char *expected)
{
    struct captured captured;

    assert_int_equal(show(place, "root", from, local, &captured), TMOUTCTL_FINE);
    assert_string_equal(captured.err, "");
    assert_contains(captured.out, expected);
    captured_free(&captured);
}

static void as_text(void **state)
{
    struct verb_place place;

    place_open(&place, *state, policy);
    assert_shows(&place, NULL, false, "user     root\ngroups   root");
    assert_shows(&place, NULL, false, "\npolicy   valid, but not applied yet; ");
    assert_shows(&place, NULL, false, "\nlogin    over SSH: PAM_TMOUT=\"900 readonly\"\n");
    assert_shows(&place, NULL, false, "\nattempts 0 of 3 failed, not locked\n\n");
    assert_shows(&place, NULL, false, "\ntmout                     15m       default  ");
    assert_shows(&place, NULL, false, "/tmout.conf:2\nenforce                   true ");
    assert_shows(&place, NULL, false, "\nmax_attempts              3         user \"root\"  ");
    assert_shows(&place, NULL, false, "\nexport                    false     built-in default\n");
    assert_shows(&place, NULL, true, "\nlogin    local: not covered (sessions = ssh)\n");
    place_close(&place);
}

static void attempts_of_each_origin(void **state)
{
    static const struct attempt_limits limits = {
        .max_attempts = 3, .window_ms = 900000, .lock_ms = SETTING_FOREVER};
    const struct origin local = {.kind = ORIGIN_LOCAL}, network = {.kind = ORIGIN_NETWORK};
    struct verb_place place;

    place_open(&place, *state, policy);
    fail_logins(place.state, 0, &local, &limits, 2);
    fail_logins(place.state, 0, &network, &limits, 3);
    assert_shows(&place, NULL, true,
                 "\nattempts 2 of 3 failed, not locked\n"
                 "         other locks: 1; see \"tmoutctl attempts root\"\n\n");
    assert_shows(&place, NULL, false, "\nattempts 3 of 3 failed, locked until tmoutctl unlock\n\n");
    json_t *answer = show_json(&place, "root", NULL, false);
    const json_t *attempts = json_object_get(answer, "attempts");
    assert_int_equal(json_number_at(attempts, "max_attempts"), 3);
    assert_int_equal(json_number_at(attempts, "failures"), 3);
    assert_true(json_is_true(json_object_get(attempts, "locked")));
    assert_true(json_is_null(json_object_get(attempts, "unlock_in")));
    assert_int_equal(json_number_at(attempts, "other_locks"), 0);
    json_decref(answer);
    damage_ledger(place.state, 0);
    assert_shows(
        &place, NULL, false,
        "/attempts/0 is too short; run \"tmoutctl unlock 0\" to repair; see tmout-recovery(7)\n");
    place_close(&place);
}

static void attempts_counted_by_source(void **state)
{
    static const struct attempt_limits limits = {
        .max_attempts = 3, .window_ms = 900000, .lock_ms = 600000, .by_source = true};
    const struct origin address = origin_of_address("192.0.2.1");
    struct verb_place place;

    place_open(&place, *state, "user \"root\" { max_attempts = 3\n count_by = source\n }\n");
    fail_logins(place.state, 0, &address, &limits, 1);
    assert_shows(&place, NULL, false, "\nattempts counted by address: use --from ADDR\n");
    assert_shows(&place, NULL, true, "\nattempts 0 of 3 failed, not locked\n");
    assert_shows(&place, "192.0.2.1", false, "\nattempts 1 of 3 failed, not locked\n");
    assert_shows(&place, "192.0.2.2", false, "\nattempts 0 of 3 failed, not locked\n\n");
    fail_logins(place.state, 0, &address, &limits, 2);
    assert_shows(&place, NULL, false,
                 "\nattempts counted by address: use --from ADDR\n         other locks: 1; see ");
    assert_shows(&place, "192.0.2.2", false,
                 "\nattempts 0 of 3 failed, not locked\n         other locks: 1; see ");
    write_text(place.config, "default { max_attempts = 3 }\n");
    assert_shows(&place, NULL, false, "\nattempts not limited\n");
    place_close(&place);
}

static int show_group(const struct verb_place *place, const char *user, const char *group,
                      struct captured *captured)
{
    const struct verb_arguments arguments = {.operand = user, .option = {[OPTION_GROUP] = group}};

    return verb_run_with(&verb_show, &place->context, &arguments, captured);
}

static void of_a_group(void **state)
{
    struct verb_place place;
    struct captured captured;

    place_open(&place, *state,
               "default { tmout = 15m }\n"
               "group \"root\" { tmout = 4m\n max_attempts = 3\n }\n"
               "user \"root\" { tmout = 30m }\n");
    assert_int_equal(show_group(&place, NULL, "root", &captured), TMOUTCTL_FINE);
    assert_int_equal(strncmp(captured.out, "groups   root\npolicy ", 21), 0);
    assert_contains(captured.out, "\nattempts counted for each user\n\n");
    assert_contains(captured.out, "\ntmout                     4m        group \"root\"  ");
    assert_contains(captured.out, "\nmax_attempts              3         group \"root\"  ");
    captured_free(&captured);
    assert_int_equal(show_group(&place, NULL, "no such group", &captured), TMOUTCTL_FAILURE);
    assert_string_equal(captured.err, "tmoutctl: unknown group \"no such group\"\n");
    captured_free(&captured);
    assert_int_equal(show_group(&place, "root", "root", &captured), TMOUTCTL_FAILURE);
    assert_contains(captured.err, "--group stands for a user, and for no address");
    captured_free(&captured);
    place_close(&place);
}

static void as_json(void **state)
{
    struct verb_place place;

    place_open(&place, *state, policy);
    json_t *answer = show_json(&place, "root", NULL, false);
    assert_string_equal(json_text_at(answer, "user"), "root");
    assert_string_equal(json_string_value(json_array_get(json_object_get(answer, "groups"), 0)),
                        "root");
    assert_string_equal(json_text_at(json_object_get(answer, "policy"), "state"), "pending");
    assert_contains(json_text_at(json_object_get(answer, "policy"), "note"), "not applied yet");
    assert_string_equal(json_text_at(answer, "login"), "ssh");
    assert_string_equal(json_text_at(answer, "pam_tmout"), "900 readonly");
    const json_t *all = json_object_get(answer, "settings");
    const json_t *tmout = json_object_get(all, "tmout");
    assert_string_equal(json_text_at(tmout, "value"), "15m");
    assert_string_equal(json_text_at(tmout, "rule"), "default");
    assert_string_equal(json_text_at(tmout, "file"), place.config);
    assert_int_equal(json_number_at(tmout, "line"), 2);
    assert_int_equal(json_number_at(tmout, "seconds"), 900);
    const json_t *max = json_object_get(all, "max_attempts");
    assert_string_equal(json_text_at(max, "rule"), "user \"root\"");
    assert_int_equal(json_number_at(max, "number"), 3);
    const json_t *built_in = json_object_get(all, "disconnect");
    assert_string_equal(json_text_at(built_in, "rule"), "built-in default");
    assert_string_equal(json_text_at(built_in, "file"), "null");
    assert_string_equal(json_text_at(built_in, "line"), "null");
    assert_string_equal(json_text_at(built_in, "seconds"), "null");
    assert_int_equal(json_object_size(all), SETTING_COUNT);
    json_decref(answer);

    answer = show_json(&place, "root", NULL, true);
    assert_string_equal(json_text_at(answer, "login"), "local");
    assert_string_equal(json_text_at(answer, "pam_tmout"), "null");
    json_decref(answer);
    place_close(&place);
}

/* sshd's 0, which switches a limit off, is a number; "none" is not. */
static void numbers_that_are_off(void **state)
{
    struct verb_place place;

    place_open(&place, *state, "default { client_alive_interval = 0 }\n");
    json_t *answer = show_json(&place, "root", NULL, false);
    const json_t *all = json_object_get(answer, "settings");
    assert_int_equal(json_number_at(json_object_get(all, "client_alive_interval"), "seconds"), 0);
    assert_string_equal(json_text_at(json_object_get(all, "max_sessions"), "number"), "null");
    json_decref(answer);
    place_close(&place);
}

static void what_cannot_be_shown(void **state)
{
    static const char *const no_addresses[] = {"", "nonsense", "192.0.2", "host.example"};
    struct verb_place place;
    struct captured captured;

    place_open(&place, *state, "default { tmout = wrong }\n");
    assert_verb(&verb_show, &place.context, "no such user", TMOUTCTL_FAILURE, "",
                "tmoutctl: unknown user \"no such user\"\n");
    assert_int_equal(show(&place, "root", NULL, false, &captured), TMOUTCTL_FAILURE);
    assert_contains(captured.err, "tmoutctl: no policy is in force: ");
    captured_free(&captured);
    for (size_t i = 0; i < COUNT_OF(no_addresses); i++) {
        assert_int_equal(show(&place, "root", no_addresses[i], false, &captured), TMOUTCTL_FAILURE);
        assert_contains(captured.err, "' for '--from': not an IP address\nusage: tmoutctl show ");
        captured_free(&captured);
    }
    place_close(&place);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        WITH_DIRECTORY(as_text),
        WITH_DIRECTORY(attempts_of_each_origin),
        WITH_DIRECTORY(attempts_counted_by_source),
        WITH_DIRECTORY(of_a_group),
        WITH_DIRECTORY(as_json),
        WITH_DIRECTORY(numbers_that_are_off),
        WITH_DIRECTORY(what_cannot_be_shown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
