/* What tmoutctl asks of tmout-fleetd, with a daemon of the test's own. */
#include "tests/unit/fleet_daemon.h"

#include "lib/fleet/query.h"

static const struct fleet_request anna = {
    .origin = {.kind = ORIGIN_NETWORK},
    .limits = {.max_attempts = 10, .window_ms = 900000, .lock_ms = 600000},
    .user = "anna"};

struct scene {
    struct fleet_query query;
    char *path;
    pid_t daemon;
    struct failure failure;
};

static void begin(struct scene *s, const char *directory, const struct packets *packets)
{
    *s = (struct scene){.path = path_in(directory, "query.sock")};
    s->query = (struct fleet_query){.path = s->path, .owner = geteuid()};
    s->daemon = fleet_daemon_begin(s->path, packets);
}

static void finish(struct scene *s)
{
    fleet_daemon_end(s->daemon, s->path);
    free(s->path);
}

static void asks_for_the_state(void **state)
{
    struct fleet_state sent = {.store = FLEET_STORE_UP, .asked = 5}, got;
    struct scene s;

    sent.head = fleet_head(FLEET_PACKET_STATE);
    begin(&s, *state, &(struct packets){.state = &sent, .last = FLEET_DONE});
    assert_int_equal(fleet_query_status(&s.query, &got, &s.failure), 0);
    assert_int_equal(got.asked, 5);
    finish(&s);
    sent.head.version++;
    begin(&s, *state, &(struct packets){.state = &sent, .last = FLEET_DONE});
    assert_int_equal(fleet_query_status(&s.query, &got, &s.failure), -1);
    assert_string_equal(s.failure.text, "tmout-fleetd is of another version");
    finish(&s);
    begin(&s, *state, &(struct packets){.counts = 0});
    assert_int_equal(fleet_query_status(&s.query, &got, &s.failure), -1);
    assert_string_equal(s.failure.text, "tmout-fleetd has closed the connection");
    finish(&s);
}

static void looks_at_a_user(void **state)
{
    static struct fleet_count got[FLEET_COUNTS_MAX];
    struct fleet_count sent = {.failures = 2, .name = "n", .hosts = "h1"};
    int64_t penalty_ms;
    struct scene s;

    sent.head = fleet_head(FLEET_PACKET_COUNT);
    begin(&s, *state, &(struct packets){.count = &sent, .counts = 2, .last = FLEET_DONE});
    assert_int_equal(fleet_query_look(&s.query, &anna, got, &penalty_ms, &s.failure), 2);
    assert_int_equal(penalty_ms, 7);
    assert_string_equal(got[1].hosts, "h1");
    finish(&s);
    begin(&s, *state, &(struct packets){.count = &sent, .counts = 1, .last = FLEET_AWAY});
    assert_int_equal(fleet_query_look(&s.query, &anna, got, &penalty_ms, &s.failure), -1);
    assert_string_equal(s.failure.text, "tmout-fleetd cannot reach the store");
    finish(&s);
    begin(&s, *state, &(struct packets){.last = FLEET_WAITING});
    assert_int_equal(fleet_query_mark(&s.query,
                                      &(struct fleet_mark){.unlocked_ms = 1, .user = "anna"},
                                      &s.failure),
                     -1);
    assert_string_equal(s.failure.text, "the store is full of marks that hosts may not have read: "
                                        "try again in two minutes");
    finish(&s);
    begin(&s, *state,
          &(struct packets){.count = &sent, .counts = FLEET_COUNTS_MAX + 1, .last = FLEET_DONE});
    assert_int_equal(fleet_query_look(&s.query, &anna, got, &penalty_ms, &s.failure), -1);
    finish(&s);
    begin(&s, *state, &(struct packets){.count = &sent, .counts = 1});
    assert_int_equal(fleet_query_look(&s.query, &anna, got, &penalty_ms, &s.failure), -1);
    finish(&s);
}

static void clears_a_user(void **state)
{
    struct fleet_count other = {.failures = 2};
    unsigned failures;
    struct scene s;

    begin(&s, *state, &(struct packets){.last = FLEET_DONE});
    assert_int_equal(fleet_query_clear(&s.query, &anna, &failures, &s.failure), 1);
    assert_int_equal(failures, 4);
    finish(&s);
    begin(&s, *state, &(struct packets){.last = FLEET_AWAY});
    assert_int_equal(fleet_query_clear(&s.query, &anna, &failures, &s.failure), -1);
    finish(&s);
    begin(&s, *state, &(struct packets){.count = &other, .counts = 1});
    assert_int_equal(fleet_query_clear(&s.query, &anna, &failures, &s.failure), -1);
    finish(&s);
}

static void there_is_no_daemon(void **state)
{
    const struct fleet_query query = {.path = "/nonexistent/sock", .owner = geteuid()};
    static struct fleet_count got[FLEET_COUNTS_MAX];
    struct failure failure = {""};
    struct fleet_state about;
    int64_t penalty_ms;
    unsigned failures;

    (void)state;
    assert_int_equal(fleet_query_status(&query, &about, &failure), -1);
    assert_int_equal(fleet_query_look(&query, &anna, got, &penalty_ms, &failure), -1);
    assert_int_equal(fleet_query_clear(&query, &anna, &failures, &failure), -1);
    assert_string_equal(failure.text, "cannot connect: No such file or directory");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_DIRECTORY(asks_for_the_state),
        WITH_DIRECTORY(looks_at_a_user),
        WITH_DIRECTORY(clears_a_user),
        cmocka_unit_test(there_is_no_daemon),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
