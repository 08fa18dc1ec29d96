/* tmoutctl fleet, and what attempts and unlock say of a fleet, with a daemon of the test's own. */
#include "tests/unit/fleet_daemon.h"
#include "tests/unit/tools/tmoutctl/failed_logins.h"

#include "tools/tmoutctl/verbs/verbs.h"

#include <pwd.h>

static const char policy[] = "user \"nobody\" { max_attempts = 3  fleet_attempts = 5 }\n"
                             "user \"daemon\" { max_attempts = 3 }\n";

/* The host, with a tmout-fleet.conf and room for the socket. */
struct fleet_place {
    struct verb_place place;
    char *socket;
};

static void open_place(struct fleet_place *fleet, const char *directory)
{
    char *run = path_in(directory, "run"), *tmout = path_in(directory, "run/tmout");
    char *conf = path_in(directory, "tmout-fleet.conf");

    place_open(&fleet->place, directory, policy);
    mkdir(fleet->place.state, 0755);
    mkdir(run, 0755);
    mkdir(tmout, 0755);
    write_text(conf, "endpoints = {\"/run/store\"}\n");
    fleet->socket = path_in(directory, "run/tmout/fleet.sock");
    free(run);
    free(tmout);
    free(conf);
}

static void close_place(struct fleet_place *fleet)
{
    free(fleet->socket);
    place_close(&fleet->place);
}

/* What the command answers while the daemon says this. */
static void assert_answer(struct fleet_place *fleet, const struct packets *packets,
                          const struct verb *verb, const struct verb_arguments *arguments,
                          int status, const char *part)
{
    struct captured captured;
    const pid_t daemon = fleet_daemon_begin(fleet->socket, packets);

    assert_int_equal(verb_run_with(verb, &fleet->place.context, arguments, &captured), status);
    assert_contains(captured.out[0] != '\0' ? captured.out : captured.err, part);
    captured_free(&captured);
    fleet_daemon_end(daemon, fleet->socket);
}

static struct fleet_state reached(void)
{
    struct fleet_state state = {.store = FLEET_STORE_UP,
                                .running_ms = 7200000,
                                .since_ms = 90000,
                                .away_ms = 5000,
                                .latency_us = 1500,
                                .worst_us = 20000,
                                .clock_ahead_ms = -2500,
                                .asked = 9,
                                .admitted = 6,
                                .locked = 2,
                                .away = 1,
                                .alone = 4,
                                .replicas = 2,
                                .endpoint = "127.0.0.1:637",
                                .host = "h1"};

    state.head = fleet_head(FLEET_PACKET_STATE);
    return state;
}

static void tells_of_the_store(void **state)
{
    const struct verb_arguments none = {0}, metrics = {.option = {""}};
    struct fleet_state sent = reached();
    const struct packets packets = {.state = &sent, .last = FLEET_DONE};
    struct fleet_place fleet;

    open_place(&fleet, *state);
    assert_answer(&fleet, &packets, &verb_fleet, &none, TMOUTCTL_FINE,
                  "store     reached for 1m30s\n"
                  "endpoint  127.0.0.1:637, without TLS\n"
                  "host      h1\n"
                  "latency   1.5 ms, lately 20.0 ms at worst\n"
                  "clock     2.5 s behind this host's\n"
                  "replicas  2\n"
                  "running   2h, of which the store was away for 5s\n"
                  "asked     9 attempts: 6 admitted, 2 locked, 1 told that the store is away; 0 ");
    assert_answer(&fleet, &packets, &verb_fleet, &metrics, TMOUTCTL_FINE,
                  "tmout_fleet_store_reached 1\n");
    assert_answer(&fleet, &packets, &verb_fleet, &metrics, TMOUTCTL_FINE,
                  "tmout_fleet_alone_total 4\n");
    sent.store = FLEET_STORE_AWAY;
    snprintf(sent.why, sizeof sent.why, "no \tway");
    sent.why[3] = '-';
    assert_answer(&fleet, &packets, &verb_fleet, &none, TMOUTCTL_NO,
                  "store     away for 1m30s: no -way\n");
    sent.store = FLEET_STORE_MERGING;
    assert_answer(&fleet, &packets, &verb_fleet, &none, TMOUTCTL_NO, "is being told");
    sent.store = FLEET_STORE_STARTING;
    assert_answer(&fleet, &packets, &verb_fleet, &none, TMOUTCTL_NO, "not reached yet");
    close_place(&fleet);
}

static void tells_of_other_hosts(void **state)
{
    const struct verb_arguments none = {0}, metrics = {.option = {""}};
    struct fleet_state sent = reached();
    struct fleet_host hosts[] = {{.name = "h1", .policy = 5},
                                 {.name = "h2", .policy = 5, .seen_ms = 60000},
                                 {.name = "h3", .policy = 6},
                                 {.name = "old", .policy = 7, .seen_ms = 3600001}};
    struct packets packets = {.state = &sent, .host = hosts, .hosts = 4, .last = FLEET_DONE};
    struct fleet_place fleet;

    open_place(&fleet, *state);
    for (size_t i = 0; i < 4; i++)
        hosts[i].head = fleet_head(FLEET_PACKET_HOST);
    assert_answer(&fleet, &packets, &verb_fleet, &none, TMOUTCTL_FINE,
                  "hosts     in the last hour: h1, h2, h3\n"
                  "policy    other rules about failed logins on: h3\n");
    assert_answer(&fleet, &packets, &verb_fleet, &metrics, TMOUTCTL_FINE, "tmout_fleet_hosts 3\n");
    assert_answer(&fleet, &packets, &verb_fleet, &metrics, TMOUTCTL_FINE,
                  "tmout_fleet_hosts_other_policy 1\n# EOF\n");
    const pid_t daemon = fleet_daemon_begin(fleet.socket, &packets);
    json_t *answer = verb_json(&verb_fleet, &fleet.place.context, &none);
    fleet_daemon_end(daemon, fleet.socket);
    const json_t *told = json_object_get(answer, "hosts");
    assert_int_equal(json_array_size(told), 4);
    assert_true(json_is_true(json_object_get(json_array_get(told, 2), "differs")));
    assert_true(json_is_false(json_object_get(json_array_get(told, 1), "differs")));
    json_decref(answer);
    /* This one has no policy that its daemon can read: nothing is known to differ. */
    hosts[0].policy = 0;
    assert_answer(&fleet, &packets, &verb_fleet, &metrics, TMOUTCTL_FINE,
                  "tmout_fleet_hosts_other_policy 0\n");
    hosts[1].head.version++;
    assert_answer(&fleet, &packets, &verb_fleet, &metrics, TMOUTCTL_FINE, "tmout_fleet_hosts 0\n");
    close_place(&fleet);
}

static void tells_programs(void **state)
{
    const struct verb_arguments none = {0};
    struct fleet_state sent = reached();
    const struct packets packets = {.state = &sent, .last = FLEET_DONE};
    struct fleet_place fleet;

    open_place(&fleet, *state);
    const pid_t daemon = fleet_daemon_begin(fleet.socket, &packets);
    json_t *answer = verb_json(&verb_fleet, &fleet.place.context, &none);
    fleet_daemon_end(daemon, fleet.socket);
    assert_true(json_is_true(json_object_get(answer, "fine")));
    assert_string_equal(json_text_at(json_object_get(answer, "store"), "state"), "reached");
    const json_t *told = json_object_get(answer, "daemon");
    assert_int_equal(json_number_at(json_object_get(told, "attempts"), "alone"), 4);
    json_decref(answer);
    answer = verb_json(&verb_fleet, &fleet.place.context, &none);
    assert_true(json_is_false(json_object_get(answer, "fine")));
    assert_contains(json_text_at(answer, "reason"), "cannot connect");
    json_decref(answer);
    close_place(&fleet);
}

static void without_a_fleet(void **state)
{
    struct fleet_place fleet;

    open_place(&fleet, *state);
    assert_verb(&verb_fleet, &fleet.place.context, NULL, TMOUTCTL_NO,
                "store     tmout-fleetd cannot be asked: cannot connect: No such file or "
                "directory\n",
                "");
    char *conf = path_in(*state, "tmout-fleet.conf");
    unlink(conf);
    free(conf);
    assert_verb(&verb_fleet, &fleet.place.context, NULL, TMOUTCTL_FINE,
                "this host shares no login attempts: there is no tmout-fleet.conf\n", "");
    close_place(&fleet);
}

static struct fleet_count count_of(const char *name)
{
    struct fleet_count count = {.failures = 5, .lock_left_ms = 60000, .hosts = "h1 h2"};

    snprintf(count.name, sizeof count.name, "%s", name);
    count.head = fleet_head(FLEET_PACKET_COUNT);
    return count;
}

static void lists_attempts(void **state)
{
    static const struct {
        const char *name, *from;
    } cases[] = {{"n", "network"},
                 {"4c0000201", "192.0.2.1"},
                 {"620010db800000000", "2001:db8::/64"},
                 {"620010db80000", "2001:db8::/48"},
                 {"o6", "other IPv6 addresses"},
                 {"6zz", "network"}};
    const struct verb_arguments nobody = {.operand = "nobody", .option = {""}},
                                daemon = {.operand = "daemon", .option = {""}},
                                all = {.option = {""}};
    const struct passwd *account = getpwnam("nobody");
    const struct packets empty = {.last = FLEET_DONE}, away = {.last = FLEET_AWAY};
    struct fleet_place fleet;
    char part[128];

    open_place(&fleet, *state);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct fleet_count count = count_of(cases[i].name);
        const struct packets packets = {.count = &count, .counts = 1, .last = FLEET_DONE};
        snprintf(part, sizeof part, "nobody           %-24s 5 of 5     locked for 1m",
                 cases[i].from);
        assert_answer(&fleet, &packets, &verb_attempts, &nobody, TMOUTCTL_FINE, part);
    }
    assert_verb(&verb_attempts, &fleet.place.context, "nobody", TMOUTCTL_FINE,
                "nobody has no failed logins (max_attempts = 3)\n", "");
    assert_answer(&fleet, &away, &verb_attempts, &nobody, TMOUTCTL_FAILURE,
                  "tmout-fleetd cannot reach the store");
    /* A lock of seven milliseconds because of damage, as that daemon says. */
    assert_answer(&fleet, &empty, &verb_attempts, &nobody, TMOUTCTL_FINE,
                  "the store's record was damaged");
    struct captured captured;
    assert_int_equal(verb_run_with(&verb_attempts, &fleet.place.context, &daemon, &captured),
                     TMOUTCTL_FINE);
    assert_string_equal(captured.out, "daemon shares no login attempts (fleet_attempts = none)\n");
    captured_free(&captured);
    assert_int_equal(verb_run_with(&verb_attempts, &fleet.place.context, &all, &captured),
                     TMOUTCTL_FINE);
    assert_contains(captured.out, "no user with a ledger");
    captured_free(&captured);
    if (account != NULL) {
        const struct origin network = {.kind = ORIGIN_NETWORK};
        const struct attempt_limits limits = {
            .max_attempts = 3, .window_ms = 900000, .lock_ms = 600000};
        const struct fleet_count count = count_of("n");
        const struct packets packets = {.count = &count, .counts = 1, .last = FLEET_DONE};
        fail_logins(fleet.place.state, account->pw_uid, &network, &limits, 1);
        assert_answer(&fleet, &packets, &verb_attempts, &all, TMOUTCTL_FINE,
                      "locked for 1m            h1 h2\n");
    }
    close_place(&fleet);
}

static void shows_what_all_hosts_count(void **state)
{
    const struct verb_arguments nobody = {.operand = "nobody"};
    const struct fleet_count count = count_of("n");
    const struct packets packets = {.count = &count, .counts = 1, .last = FLEET_DONE};
    struct fleet_place fleet;

    open_place(&fleet, *state);
    assert_answer(&fleet, &packets, &verb_show, &nobody, TMOUTCTL_FINE,
                  "attempts 0 of 3 failed, not locked\n"
                  "fleet    5 of 5 failed on all hosts, locked for 1m\n");
    const pid_t daemon = fleet_daemon_begin(fleet.socket, &packets);
    json_t *answer = verb_json(&verb_show, &fleet.place.context, &nobody);
    fleet_daemon_end(daemon, fleet.socket);
    const json_t *told = json_object_get(json_object_get(answer, "attempts"), "fleet");
    assert_int_equal(json_number_at(told, "failures"), 5);
    assert_string_equal(json_text_at(told, "note"), "null");
    json_decref(answer);
    struct captured captured;
    assert_int_equal(verb_run_with(&verb_show, &fleet.place.context, &nobody, &captured),
                     TMOUTCTL_FINE);
    assert_contains(captured.out, "fleet    cannot connect: ");
    captured_free(&captured);
    close_place(&fleet);
}

static void unlocks_the_store(void **state)
{
    const struct verb_arguments nobody = {.operand = "nobody"}, daemon = {.operand = "daemon"};
    const struct packets done = {.last = FLEET_DONE}, away = {.last = FLEET_AWAY};
    struct fleet_place fleet;
    struct captured captured;

    open_place(&fleet, *state);
    assert_answer(&fleet, &done, &verb_unlock, &nobody, TMOUTCTL_FINE,
                  "nobody was not locked\nnobody is unlocked in the fleet's store\n");
    const pid_t other = fleet_daemon_begin(fleet.socket, &away);
    assert_int_equal(verb_run_with(&verb_unlock, &fleet.place.context, &nobody, &captured),
                     TMOUTCTL_FAILURE);
    assert_string_equal(captured.out, "nobody was not locked\n");
    assert_contains(captured.err,
                    "nobody is not unlocked in the fleet's store: tmout-fleetd cannot "
                    "reach the store; see \"tmoutctl fleet\"");
    captured_free(&captured);
    fleet_daemon_end(other, fleet.socket);
    assert_int_equal(verb_run_with(&verb_unlock, &fleet.place.context, &daemon, &captured),
                     TMOUTCTL_FINE);
    assert_string_equal(captured.out, "daemon was not locked\n");
    captured_free(&captured);
    close_place(&fleet);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        WITH_DIRECTORY(tells_of_the_store), WITH_DIRECTORY(tells_of_other_hosts),
        WITH_DIRECTORY(tells_programs),     WITH_DIRECTORY(without_a_fleet),
        WITH_DIRECTORY(lists_attempts),     WITH_DIRECTORY(shows_what_all_hosts_count),
        WITH_DIRECTORY(unlocks_the_store),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
