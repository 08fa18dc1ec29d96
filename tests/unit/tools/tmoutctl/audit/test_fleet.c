/* The audit of the store that the hosts of a fleet share. */
#include "tests/unit/fleet_daemon.h"
#include "tests/unit/tools/tmoutctl/audit/audited_host.h"

#define CONF     CONFIG_DIRECTORY "/tmout-fleet.conf"
#define FILES    CONFIG_DIRECTORY "/tmout-fleet"
#define PASSWORD FILES "/password"
#define KEY      FILES "/h1.key"
#define GOOD     "endpoints = {\"/run/store\"}\nacl_user = h1\npassword_file = password\n"

static void put_fleet(const struct audited_host *host, const char *conf)
{
    put_policy(host, "default { max_attempts = 5  fleet_attempts = 10 }\n");
    apply_policy(host);
    put(host->root, CONF, conf);
    put(host->root, PASSWORD, "secret\n");
    set_mode(host, PASSWORD, 0600);
    put(host->root, "/run/tmout/made", "");
}

static struct fleet_state good_state(void)
{
    struct fleet_state state = {.store = FLEET_STORE_UP, .running_ms = 7200000, .replicas = 1};

    snprintf(state.eviction, sizeof state.eviction, "noeviction");
    state.head = fleet_head(FLEET_PACKET_STATE);
    return state;
}

/* What the audit finds while the daemon says this. */
static const struct findings *audit_with(struct audited_host *host, const struct fleet_state *state)
{
    char *path = real_path(host, "/run/tmout/fleet.sock");
    const struct packets packets = {.state = state, .last = FLEET_DONE};
    const pid_t daemon = fleet_daemon_begin(path, &packets);
    const struct findings *findings = audit_area(host, audit_fleet);

    fleet_daemon_end(daemon, path);
    free(path);
    return findings;
}

static void nothing_without_a_fleet(void **state)
{
    assert_int_equal(audit_area(*state, audit_fleet)->count, 0);
}

static void a_fleet_as_the_manual_says(void **state)
{
    const struct fleet_state up = good_state();

    put_fleet(*state, GOOD);
    assert_all_pass(audit_with(*state, &up));
    put_fleet(*state, GOOD "endpoints += {\"127.0.0.1:637\"}\n");
    assert_all_pass(audit_with(*state, &up));
}

static void no_file(void **state)
{
    struct audited_host *host = *state;

    put_fleet(host, GOOD);
    remove_file(host, CONF);
    assert_int_equal(audit_area(host, audit_fleet)->count, 1);
    const struct finding *finding = trouble_of(&host->audit.findings, CHECK_FLEET_CONFIG);
    assert_int_equal(finding->status, AUDIT_FAIL);
    assert_non_null(strstr(finding->message, "is missing"));
}

static void a_file_that_is_wrong(void **state)
{
    const struct fleet_state up = good_state();
    struct audited_host *host = *state;

    put_fleet(host, GOOD "prefix = a:b\n");
    audit_with(host, &up);
    assert_int_equal(trouble_of(&host->audit.findings, CHECK_FLEET_CONFIG)->line, 4);
}

/* Both that the configuration is invalid, and that the secret is none any more. */
static void assert_exposed(struct audited_host *host, const char *path, const char *remediation)
{
    const struct fleet_state up = good_state();
    char *file = real_path(host, path);

    set_mode(host, path, 0640);
    audit_with(host, &up);
    const struct finding *finding = trouble_of(&host->audit.findings, CHECK_FLEET_PASSWORD);
    assert_int_equal(finding->status, AUDIT_FAIL);
    assert_string_equal(finding->file, file);
    assert_non_null(strstr(finding->message, "others than root can read it"));
    assert_non_null(strstr(finding->remediation, remediation));
    finding = trouble_of(&host->audit.findings, CHECK_FLEET_CONFIG);
    assert_non_null(strstr(finding->message, "run chmod 600 on it"));
    set_mode(host, path, 0600);
    assert_all_pass(audit_with(host, &up));
    free(file);
}

static void a_secret_that_others_read(void **state)
{
    struct audited_host *host = *state;

    put_fleet(host, GOOD);
    assert_exposed(host, PASSWORD, "give the ACL user another password");
    put(host->root, KEY, "");
    set_mode(host, KEY, 0600);
    put(host->root, FILES "/h1.crt", "");
    put_fleet(host, GOOD "tls = false\ncert = h1.crt\nkey = h1.key\n");
    assert_exposed(host, KEY, "replace key and certificate");
}

static void no_password(void **state)
{
    const struct fleet_state up = good_state();
    struct audited_host *host = *state;
    char *conf = real_path(host, CONF);

    put_fleet(host, GOOD);
    remove_file(host, PASSWORD);
    assert_only(audit_with(host, &up),
                &(struct expected){CHECK_FLEET_CONFIG, AUDIT_FAIL, conf, 3,
                                   "password: No such file or directory", NO_FIX});
    put_fleet(host, "endpoints = {\"/run/store\"}\n");
    assert_only(audit_with(host, &up), &(struct expected){CHECK_FLEET_PASSWORD, AUDIT_WARN, conf, 0,
                                                          "has no password_file", NO_FIX});
    assert_int_equal(host->audit.findings.count, 10);
    free(conf);
}

static void a_port_that_any_user_can_open(void **state)
{
    const struct fleet_state up = good_state();
    struct audited_host *host = *state;

    put_fleet(host, GOOD "endpoints += {\"127.0.0.1:6379\", \"[::1]:1024\"}\n");
    audit_with(host, &up);
    const struct finding *finding = trouble_of(&host->audit.findings, CHECK_FLEET_ENCRYPTION);
    assert_int_equal(finding->status, AUDIT_WARN);
    assert_non_null(strstr(finding->message, "any user of this host can listen at port 6379"));
    assert_int_equal(host->audit.findings.count, 11);
}

static void a_store_that_is_not_as_it_should_be(void **state)
{
    static const struct {
        enum audit_check check;
        enum audit_status status;
        const char *message;
        struct fleet_state state;
    } cases[] = {
        {CHECK_FLEET_STORE,
         AUDIT_FAIL,
         "the store is not reached: away for 5s: gone",
         {.store = FLEET_STORE_AWAY, .since_ms = 5000, .why = "gone"}},
        {CHECK_FLEET_ACL,
         AUDIT_FAIL,
         "the store lets this host read",
         {.store = FLEET_STORE_UP, .replicas = 2, .overprivileged = 1}},
        {CHECK_FLEET_EVICTION,
         AUDIT_FAIL,
         "maxmemory-policy of the store is allkeys-lru",
         {.store = FLEET_STORE_UP, .replicas = 2, .eviction = "allkeys-lru"}},
        {CHECK_FLEET_REPLICAS,
         AUDIT_WARN,
         "the store had no replica when tmout-fleetd connected to it",
         {.store = FLEET_STORE_UP}},
        {CHECK_FLEET_CLOCK,
         AUDIT_WARN,
         "the store's clock is 11m behind this host's",
         {.store = FLEET_STORE_UP, .replicas = 2, .clock_ahead_ms = -660000}},
        {CHECK_FLEET_CLOCK,
         AUDIT_WARN,
         "11s ahead of this host's",
         {.store = FLEET_STORE_UP, .replicas = 2, .clock_ahead_ms = 11000}},
        {CHECK_FLEET_AWAY,
         AUDIT_WARN,
         "away for 2m of the 3h since tmout-fleetd was started; this host has admitted 7 attempts",
         {.store = FLEET_STORE_UP,
          .replicas = 2,
          .away_ms = 120000,
          .running_ms = 10800000,
          .alone = 7}},
    };
    struct audited_host *host = *state;

    put_fleet(host, GOOD);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct fleet_state sent = cases[i].state;
        sent.head = fleet_head(FLEET_PACKET_STATE);
        assert_only(audit_with(host, &sent), &(struct expected){cases[i].check, cases[i].status,
                                                                NULL, 0, cases[i].message, NO_FIX});
    }
    struct fleet_state fine = good_state();
    fine.away_ms = 59000;
    assert_all_pass(audit_with(host, &fine));
    fine.away_ms = 61000;
    fine.running_ms = 6200000;
    assert_all_pass(audit_with(host, &fine));
    assert_only(audit_area(host, audit_fleet),
                &(struct expected){CHECK_FLEET_STORE, AUDIT_FAIL, NULL, 0,
                                   "tmout-fleetd cannot be asked: cannot connect", NO_FIX});
}

static void another_policy_elsewhere(void **state)
{
    struct fleet_state up = good_state();
    struct fleet_host hosts[] = {{.name = "h1", .policy = 5}, {.name = "h2", .policy = 6}};
    const struct packets packets = {.state = &up, .host = hosts, .hosts = 2, .last = FLEET_DONE};
    struct audited_host *host = *state;
    char *path = real_path(host, "/run/tmout/fleet.sock");

    put_fleet(host, GOOD);
    snprintf(up.host, sizeof up.host, "h1");
    for (size_t i = 0; i < COUNT_OF(hosts); i++)
        hosts[i].head = fleet_head(FLEET_PACKET_HOST);
    const pid_t daemon = fleet_daemon_begin(path, &packets);
    assert_only(audit_area(host, audit_fleet),
                &(struct expected){CHECK_FLEET_POLICY, AUDIT_WARN, NULL, 0,
                                   "h2 has other rules about failed logins", NO_FIX});
    fleet_daemon_end(daemon, path);
    free(path);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        WITH_HOST(nothing_without_a_fleet),
        WITH_HOST(a_fleet_as_the_manual_says),
        WITH_HOST(no_file),
        WITH_HOST(a_file_that_is_wrong),
        WITH_HOST(a_secret_that_others_read),
        WITH_HOST(no_password),
        WITH_HOST(a_port_that_any_user_can_open),
        WITH_HOST(another_policy_elsewhere),
        WITH_HOST(a_store_that_is_not_as_it_should_be),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
