/* Registered logins: which limit ends each one when, and how they are found. */
#include "tests/unit/child.h"
#include "tests/unit/tools/tmoutctl/captured.h"

#include "lib/sessions/registry_format.h"

#include "lib/host/procfs.h"
#include "tools/tmoutctl/host/session_table.h"
#include "tools/tmoutctl/verbs/verbs.h"

#include <pty.h>

enum { SECOND = 1000, MINUTE = 60 * SECOND };

static const struct user_limits limits = {
    .terminal = {.idle_ms = 10 * MINUTE, .age_ms = 60 * MINUTE},
    .notty = {.idle_ms = 5 * MINUTE, .age_ms = 60 * MINUTE},
    .rule = {"conf:1", "conf:2", "conf:3"},
};

static void the_limit_that_ends_it(void **state)
{
    static const struct {
        const char *terminal;
        int64_t since_ms, active_ms, now_ms;
        const char *setting, *rule;
        int64_t limit_ms, left_ms;
    } cases[] = {
        {"pts/1", 0, 0, MINUTE, "disconnect", "conf:1", 10 * MINUTE, 9 * MINUTE},
        {"pts/1", 0, 58 * MINUTE, 59 * MINUTE, "max_session", "conf:2", 60 * MINUTE, MINUTE},
        {"pts/1", 0, 0, 11 * MINUTE, "disconnect", "conf:1", 10 * MINUTE, 0},
        {"", 0, 0, MINUTE, "disconnect_notty", "conf:3", 5 * MINUTE, 4 * MINUTE},
        {"", 0, NEVER_MS, MINUTE, "max_session", "conf:2", 60 * MINUTE, 59 * MINUTE},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct timestamp now = {.boot_ms = cases[i].now_ms};
        struct session_row row = {.login.since.boot_ms = cases[i].since_ms};
        snprintf(row.terminal, sizeof row.terminal, "%s", cases[i].terminal);
        session_row_set_end(&row, &limits, cases[i].active_ms, &now);
        assert_string_equal(row.setting, cases[i].setting);
        assert_string_equal(row.rule, cases[i].rule);
        assert_int_equal(row.limit_ms, cases[i].limit_ms);
        assert_int_equal(row.left_ms, cases[i].left_ms);
    }
}

static void no_limit_no_end(void **state)
{
    const struct user_limits none = {.terminal = {.idle_ms = NEVER_MS, .age_ms = NEVER_MS},
                                     .notty = {.idle_ms = 5 * MINUTE, .age_ms = NEVER_MS}};
    const struct timestamp now = {.boot_ms = MINUTE};
    struct session_row with = {.terminal = "pts/1"}, without = {.terminal = ""};

    (void)state;
    session_row_set_end(&with, &none, 0, &now);
    assert_null(with.setting);
    assert_int_equal(with.left_ms, NEVER_MS);
    assert_int_equal(with.limit_ms, NEVER_MS);
    /* Only tmoutd knows since when it has moved no data. */
    session_row_set_end(&without, &none, NEVER_MS, &now);
    assert_null(without.setting);
    assert_int_equal(without.left_ms, NEVER_MS);
}

/* --- logins that this process and one of its children represent -------------
 * */

static const char policy[] = "default { disconnect = 10m\n max_session = 1h }\n"
                             "user \"root\" { disconnect = 20m }\n";

static struct session_record login_of(pid_t pid, const char *user)
{
    struct process process;
    struct failure failure = {""};
    struct session_record record = {
        .pid = pid, .is_ssh = true, .audit_session = NO_AUDIT_SESSION, .uid = NO_UID};

    assert_int_equal(process_read(pid, &process), 0);
    record.start_ticks = process.start_ticks;
    assert_int_equal(clock_now(&record.since, &failure), 0);
    snprintf(record.user, sizeof record.user, "%s", user);
    snprintf(record.service, sizeof record.service, "sshd");
    snprintf(record.address, sizeof record.address, "192.0.2.7");
    return record;
}

static void register_in(const struct verb_place *place, const struct session_record *record)
{
    char directory[4096];
    struct failure failure = {""};

    assert_true(registry_directory(place->state, directory, sizeof directory));
    if (registry_put(directory, geteuid(), record, &failure) != 0)
        fail_msg("%s", failure.text);
}

static void enter(const struct verb_place *place, pid_t pid, const char *user)
{
    const struct session_record record = login_of(pid, user);

    register_in(place, &record);
}

static void nobody_is_logged_in(void **state)
{
    struct verb_place place;

    place_open(&place, *state, policy);
    assert_verb(&verb_sessions, &place.context, NULL, TMOUTCTL_FINE, "no logins are registered\n",
                "");
    place.context.json = true;
    assert_verb(&verb_sessions, &place.context, NULL, TMOUTCTL_FINE, "[]\n", "");
    place_close(&place);
}

/* This process holds a terminal's master, as sshd's would; its child none. */
static void a_terminal_and_none(void **state)
{
    struct verb_place place;
    struct captured captured;
    int master, slave, ready[2], hold[2];
    char name[64];

    place_open(&place, *state, policy);
    assert_int_equal(openpty(&master, &slave, name, NULL, NULL), 0);
    assert_int_equal(pipe(ready), 0);
    assert_int_equal(pipe(hold), 0);
    const pid_t child = child_begin();
    if (child == 0) {
        char end;
        close(master);
        close(slave);
        close(hold[1]);
        send_byte(ready[1], 'r');
        _exit(read(hold[0], &end, 1) == 0 ? 0 : 1);
    }
    assert_int_equal(await_byte(ready[0]), 'r');
    enter(&place, getpid(), "root");
    enter(&place, child, "nobody");
    const struct verb_arguments none = {.operand = NULL};
    json_t *all = verb_json(&verb_sessions, &place.context, &none);
    assert_int_equal(json_array_size(all), 2);
    const json_t *root = json_array_get(all, 0), *nobody = json_array_get(all, 1);
    assert_string_equal(json_text_at(root, "user"), "root");
    assert_string_equal(json_text_at(root, "from"), "192.0.2.7");
    assert_string_equal(json_text_at(root, "service"), "sshd");
    assert_string_equal(json_text_at(root, "terminal"), name + strlen("/dev/"));
    assert_string_equal(json_text_at(root, "setting"), "disconnect");
    assert_contains(json_text_at(root, "rule"), "tmout.conf:3");
    assert_int_equal(json_number_at(root, "limit"), 20 * 60);
    /* The kernel rounds atime, so up to eight seconds more are left. */
    assert_in_range(json_number_at(root, "left"), 19 * 60, 20 * 60 + 8);
    assert_in_range(json_number_at(root, "idle"), 0, 60);
    assert_int_equal(json_number_at(root, "pid"), getpid());
    assert_true(json_number_at(root, "since") > 1500000000);
    assert_string_equal(json_text_at(nobody, "user"), "nobody");
    assert_string_equal(json_text_at(nobody, "idle"), "null");
    assert_string_equal(json_text_at(nobody, "setting"), "max_session");
    assert_int_equal(json_number_at(nobody, "limit"), 60 * 60);
    json_decref(all);

    assert_int_equal(verb_run(&verb_sessions, &place.context, NULL, &captured), TMOUTCTL_FINE);
    assert_contains(captured.out, "user         from");
    assert_contains(captured.out, "root         192.0.2.7            sshd     pts/");
    assert_contains(captured.out, "      20m");
    assert_contains(captured.out, "nobody       192.0.2.7            sshd     -       ");
    assert_contains(captured.out, "  max_session       pam\n");
    captured_free(&captured);
    close(hold[1]);
    assert_true(child_end(child));
    /* Gone, and so no longer a login. */
    all = verb_json(&verb_sessions, &place.context, &none);
    assert_int_equal(json_array_size(all), 1);
    json_decref(all);
    close(hold[0]);
    close(ready[0]);
    close(ready[1]);
    close(master);
    close(slave);
    place_close(&place);
}

static void logins_that_cannot_be_read(void **state)
{
    struct verb_place place;
    struct captured captured;
    char path[4096];

    place_open(&place, *state, policy);
    enter(&place, getpid(), "no such user");
    snprintf(path, sizeof path, "%s-sessions/%d", place.state, (int)getppid());
    write_text(path, "nonsense");
    assert_int_equal(verb_run(&verb_sessions, &place.context, NULL, &captured), TMOUTCTL_FAILURE);
    assert_contains(captured.err, "tmoutctl: unknown user \"no such user\"\n");
    assert_contains(captured.err, " is damaged; tmoutd rebuilds it\n");
    assert_contains(captured.out, "no such user 192.0.2.7            sshd     ");
    assert_contains(captured.out, "        -        -  unknown           pam\n");
    captured_free(&captured);

    write_text(place.config, "default { tmout = wrong }\n");
    assert_int_equal(verb_run(&verb_sessions, &place.context, NULL, &captured), TMOUTCTL_FAILURE);
    assert_contains(captured.err, "tmoutctl: no policy is in force: ");
    captured_free(&captured);
    place_close(&place);
}

/* How each was found, and limits without a name service. */
static void how_they_were_found(void **state)
{
    static const char *const names[] = {"pam", "message", "terminal", "logind", "scan", "rebuilt"};
    const struct verb_arguments none = {.operand = NULL};
    struct verb_place place;

    place_open(&place, *state, policy);
    for (enum login_source source = 0; source < LOGIN_SOURCE_COUNT; source++) {
        struct session_record record = login_of(getpid(), "root");
        record.source = source;
        register_in(&place, &record);
        json_t *all = verb_json(&verb_sessions, &place.context, &none);
        assert_int_equal(json_array_size(all), 1);
        assert_string_equal(json_text_at(json_array_get(all, 0), "found_by"), names[source]);
        assert_string_equal(json_text_at(json_array_get(all, 0), "limits"), "in force");
        json_decref(all);
    }
    place_close(&place);
}

/* One that cannot be looked up keeps the limits of its record, and is shown. */
static void a_user_who_cannot_be_looked_up(void **state)
{
    struct verb_place place;
    struct captured captured;
    struct session_record record = login_of(getpid(), "no such user");

    place_open(&place, *state, policy);
    record.policy = 4711; /* another one than that in force */
    record.limits = limits;
    register_in(&place, &record);
    place.context.json = true;
    assert_int_equal(verb_run(&verb_sessions, &place.context, NULL, &captured), TMOUTCTL_FAILURE);
    assert_string_equal(captured.err, "tmoutctl: unknown user \"no such user\"\n");
    json_t *all = json_loads(captured.out, 0, NULL);
    assert_int_equal(json_array_size(all), 1);
    assert_string_equal(json_text_at(json_array_get(all, 0), "user"), "no such user");
    assert_string_equal(json_text_at(json_array_get(all, 0), "limits"), "known last");
    json_decref(all);
    captured_free(&captured);
    place.context.json = false;
    assert_int_equal(verb_run(&verb_sessions, &place.context, NULL, &captured), TMOUTCTL_FAILURE);
    assert_contains(captured.out, " (known last)  pam\n");
    captured_free(&captured);
    place_close(&place);
}

/* Nor does anybody get the limits of somebody else, whom the name service takes them for. */
static void a_user_with_another_uid(void **state)
{
    struct verb_place place;
    struct captured captured;
    struct session_record record = login_of(getpid(), "root");

    place_open(&place, *state, policy);
    record.uid = 4711;
    record.policy = 4711; /* another one than that in force */
    record.limits = limits;
    register_in(&place, &record);
    assert_int_equal(verb_run(&verb_sessions, &place.context, NULL, &captured), TMOUTCTL_FAILURE);
    assert_string_equal(captured.err, "tmoutctl: cannot look up user \"root\": the name service "
                                      "says uid 0, but said 4711 at login\n");
    assert_contains(captured.out, " (known last)  pam\n");
    captured_free(&captured);
    place_close(&place);
}

/* Of several logins of one user, too: one question. */
static void many_logins_of_one_user(void **state)
{
    struct verb_place place;
    struct captured captured;

    place_open(&place, *state, policy);
    enter(&place, getpid(), "no such user");
    enter(&place, getppid(), "no such user");
    assert_int_equal(verb_run(&verb_sessions, &place.context, NULL, &captured), TMOUTCTL_FAILURE);
    assert_string_equal(captured.err, "tmoutctl: unknown user \"no such user\"\n");
    captured_free(&captured);
    place_close(&place);
}

static void a_record_of_a_newer_version(void **state)
{
    const struct session_record record = login_of(getpid(), "root");
    struct verb_place place;
    struct captured captured;
    struct stored_record stored;
    char path[4096];

    place_open(&place, *state, policy);
    register_in(&place, &record);
    record_encode(&record, &stored);
    stored.version++;
    snprintf(path, sizeof path, "%s-sessions/%d", place.state, (int)getpid());
    write_bytes(path, &stored, sizeof stored);
    assert_int_equal(verb_run(&verb_sessions, &place.context, NULL, &captured), TMOUTCTL_FAILURE);
    assert_contains(captured.err, ": was written by a newer version of pam_tmout than this one, ");
    captured_free(&captured);
    place_close(&place);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_limit_that_ends_it),
        cmocka_unit_test(no_limit_no_end),
        WITH_DIRECTORY(nobody_is_logged_in),
        WITH_DIRECTORY(a_terminal_and_none),
        WITH_DIRECTORY(logins_that_cannot_be_read),
        WITH_DIRECTORY(how_they_were_found),
        WITH_DIRECTORY(a_user_who_cannot_be_looked_up),
        WITH_DIRECTORY(a_user_with_another_uid),
        WITH_DIRECTORY(many_logins_of_one_user),
        WITH_DIRECTORY(a_record_of_a_newer_version),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
