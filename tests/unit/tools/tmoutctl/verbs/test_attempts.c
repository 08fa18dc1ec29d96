/* tmoutctl attempts and unlock: root's own attempts, which a rule limits. */
#include "tests/unit/child.h"
#include "tests/unit/tools/tmoutctl/failed_logins.h"

#include "tools/tmoutctl/verbs/verbs.h"

#include <errno.h>
#include <pwd.h>
#include <sched.h>
#include <sys/mount.h>

static const char policy[] = "user \"root\" { max_attempts = 3\n lock_time = forever }\n"
                             "user \"nobody\" { max_attempts = 5 }\n";

static const struct attempt_limits limits = {
    .max_attempts = 3, .window_ms = 900000, .lock_ms = SETTING_FOREVER};
static const struct origin local = {.kind = ORIGIN_LOCAL};
static const struct origin network = {.kind = ORIGIN_NETWORK};

#define HEADING "user             from                     failed     lock\n"
#define LOCAL   "root             local                    2 of 3     not locked\n"
#define NETWORK                                                                                    \
    "root             network                  3 of 3     locked until tmoutctl unlock\n"

static void assert_attempts(const struct verb_place *place, const char *user, int status,
                            const char *out, const char *err)
{
    assert_verb(&verb_attempts, &place->context, user, status, out, err);
}

static void of_one_user(void **state)
{
    struct verb_place place;

    place_open(&place, *state, policy);
    assert_attempts(&place, "root", TMOUTCTL_FINE, "root has no failed logins (max_attempts = 3)\n",
                    "");
    fail_logins(place.state, 0, &local, &limits, 2);
    assert_attempts(&place, "root", TMOUTCTL_FINE, HEADING LOCAL, "");
    fail_logins(place.state, 0, &network, &limits, 3);
    struct captured captured;
    assert_int_equal(verb_run(&verb_attempts, &place.context, "root", &captured), TMOUTCTL_FINE);
    assert_contains(captured.out, LOCAL);
    assert_contains(captured.out, NETWORK);
    captured_free(&captured);
    damage_ledger(place.state, 0);
    assert_attempts(&place, "root", TMOUTCTL_FINE,
                    HEADING "root             -                        ?          ledger damaged: "
                            "rejecting passwords; run tmoutctl unlock\n",
                    "");
    write_text(place.config, "default { max_attempts = 3 }\n");
    assert_attempts(&place, "root", TMOUTCTL_FINE, "root has no limit (max_attempts = none)\n", "");
    place_close(&place);
}

static void of_all_users(void **state)
{
    struct verb_place place;
    const struct passwd *nobody = getpwnam("nobody");

    assert_non_null(nobody);
    const uid_t uid = nobody->pw_uid;
    place_open(&place, *state, policy);
    assert_attempts(&place, NULL, TMOUTCTL_FINE, "no user has failed logins that count\n", "");
    fail_logins(place.state, uid, &local, &limits, 1);
    fail_logins(place.state, 0, &local, &limits, 2);
    fail_logins(place.state, 77777, &local, &limits, 2); /* nobody has this number */
    assert_attempts(
        &place, NULL, TMOUTCTL_FINE,
        HEADING LOCAL "nobody           local                    1 of 5     not locked\n", "");
    place_close(&place);
}

static void on_read_only(void *argument)
{
    const struct verb_place *place = argument;
    static const struct verb *const shown[] = {&verb_attempts, &verb_show};
    struct captured captured;

    if (unshare(CLONE_NEWNS) != 0 || mount("", "/", "", MS_REC | MS_PRIVATE, "") != 0 ||
        mount(place->state, place->state, "", MS_BIND, "") != 0 ||
        mount("", place->state, "", MS_BIND | MS_REMOUNT | MS_RDONLY, "") != 0)
        _exit(CHILD_CANNOT);
    for (size_t i = 0; i < COUNT_OF(shown); i++) {
        assert_int_equal(verb_run(shown[i], &place->context, "root", &captured), TMOUTCTL_FINE);
        assert_contains(captured.out, "rejecting passwords: cannot write to ");
        assert_contains(captured.out, " is read-only for this process only");
        captured_free(&captured);
    }
    assert_int_equal(verb_run(&verb_attempts, &place->context, NULL, &captured), TMOUTCTL_FINE);
    assert_string_equal(captured.out, "no user has failed logins that count\n");
    assert_contains(captured.err, "rejecting passwords: cannot write to ");
    captured_free(&captured);
}

/* Nobody is locked, but nobody gets in either. */
static void rejecting(void **state)
{
    struct verb_place place;

    place_open(&place, *state, policy);
    assert_true(mkdir(place.state, 0755) == 0 || errno == EEXIST);
    const bool could = in_child(on_read_only, &place);
    place_close(&place);
    if (!could)
        LEFT_OUT("cannot mount");
}

/* The one that is being checked now. */
static void in_progress(void **state)
{
    struct verb_place place;
    struct ledger ledger;
    struct attempt_report report;
    struct timestamp now;
    struct failure failure = {""};

    place_open(&place, *state, policy);
    mkdir(place.state, 0755);
    assert_int_equal(clock_now(&now, &failure), 0);
    assert_int_equal(ledger_open(place.state, 0, geteuid(), &now, &ledger, &failure), LEDGER_OK);
    assert_int_equal(ledger_admit(&ledger, &local, &limits, &now, &report, &failure), LEDGER_OK);
    assert_attempts(
        &place, "root", TMOUTCTL_FINE,
        HEADING "root             local                    0 of 3     not locked, 1 in progress\n",
        "");
    ledger_close(&ledger);
    place_close(&place);
}

static void as_json(void **state)
{
    const struct verb_arguments root = {.operand = "root"}, all = {.operand = NULL};
    struct verb_place place;

    place_open(&place, *state, policy);
    fail_logins(place.state, 0, &local, &limits, 2);
    fail_logins(place.state, 0, &network, &limits, 3);
    json_t *answer = verb_json(&verb_attempts, &place.context, &root);
    assert_string_equal(json_text_at(answer, "user"), "root");
    assert_int_equal(json_number_at(answer, "max_attempts"), 3);
    assert_int_equal(json_number_at(answer, "failures"), 3);
    assert_int_equal(json_number_at(answer, "in_flight"), 0);
    assert_true(json_is_true(json_object_get(answer, "locked")));
    assert_true(json_is_null(json_object_get(answer, "unlock_in")));
    assert_true(json_is_false(json_object_get(answer, "damaged")));
    assert_int_equal(json_array_size(json_object_get(answer, "counts")), 2);
    json_decref(answer);
    answer = verb_json(&verb_attempts, &place.context, &all);
    assert_int_equal(json_array_size(answer), 1);
    assert_string_equal(json_text_at(json_array_get(answer, 0), "user"), "root");
    json_decref(answer);

    damage_ledger(place.state, 0);
    answer = verb_json(&verb_attempts, &place.context, &root);
    assert_true(json_is_true(json_object_get(answer, "damaged")));
    assert_true(json_is_true(json_object_get(answer, "locked")));
    assert_int_equal(json_array_size(json_object_get(answer, "counts")), 0);
    json_decref(answer);
    write_text(place.config, "default { }\n");
    answer = verb_json(&verb_attempts, &place.context, &root);
    assert_string_equal(json_text_at(answer, "max_attempts"), "null");
    assert_true(json_is_false(json_object_get(answer, "locked")));
    json_decref(answer);
    place_close(&place);
}

static void what_cannot_be_listed(void **state)
{
    struct verb_place place;
    struct captured captured;

    place_open(&place, *state, policy);
    assert_attempts(&place, "no such user", TMOUTCTL_FAILURE, "",
                    "tmoutctl: unknown user \"no such user\"\n");
    fail_logins(place.state, 0, &local, &limits, 2);
    assert_int_equal(chmod(place.state, 0777), 0);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(
            verb_run(&verb_attempts, &place.context, i == 0 ? "root" : NULL, &captured),
            TMOUTCTL_FAILURE);
        assert_contains(captured.err, "/attempts/0 cannot be opened: ");
        captured_free(&captured);
    }
    assert_int_equal(chmod(place.state, 0755), 0);
    write_text(place.config, "default { tmout = wrong }\n");
    assert_int_equal(verb_run(&verb_attempts, &place.context, NULL, &captured), TMOUTCTL_FAILURE);
    assert_contains(captured.err, "tmoutctl: no policy is in force: ");
    captured_free(&captured);
    place_close(&place);
}

/* In words, and for programs: the cause and the remedy, as a login logs them. */
static void a_newer_ledger(void **state)
{
    const struct verb_arguments root = {.operand = "root"}, all = {.operand = NULL};
    struct verb_place place;
    char expected[4400];

    place_open(&place, *state, policy);
    fail_logins(place.state, 0, &local, &limits, 2);
    put_newer_ledger(place.state, 0);
    snprintf(expected, sizeof expected,
             "rejecting passwords: %s/attempts/0 was written by a newer version of pam_tmout "
             "(format 99; this one reads up to 2); run \"tmoutctl unlock 0\" to repair; see "
             "tmout-recovery(7)",
             place.state);
    json_t *answer = verb_json(&verb_attempts, &place.context, &root);
    assert_string_equal(json_text_at(answer, "rejecting"), expected);
    assert_int_equal(json_number_at(answer, "max_attempts"), 3);
    json_decref(answer);
    answer = verb_json(&verb_attempts, &place.context, &all);
    assert_string_equal(json_text_at(json_array_get(answer, 0), "rejecting"), expected);
    json_decref(answer);
    for (size_t i = 0; i < 2; i++) {
        struct captured captured;
        assert_int_equal(
            verb_run(&verb_attempts, &place.context, i == 0 ? "root" : NULL, &captured),
            TMOUTCTL_FAILURE);
        assert_contains(captured.err, expected);
        captured_free(&captured);
    }
    place_close(&place);
}

static void assert_unlock(const struct verb_place *place, const char *user, const char *out)
{
    assert_verb(&verb_unlock, &place->context, user, TMOUTCTL_FINE, out, "");
}

/* Checks how the last unlock was logged. */
static void assert_logged(const char *user, const char *counts)
{
    char expected[256];

    snprintf(expected, sizeof expected,
             "unlocked user=%s address=local service=tmoutctl %s by_uid=%u", user, counts,
             (unsigned)getuid());
    assert_string_equal(logged, expected);
    logged[0] = '\0';
}

/* One line and the fields, either in the journal or in syslog. */
static void unlocking_is_an_event(void **state)
{
    static const char fields[] = "TMOUT_USER\n\4\0\0\0\0\0\0\0root\nTMOUT_ADDRESS\n"
                                 "\5\0\0\0\0\0\0\0local\nTMOUT_SERVICE\n";
    struct verb_place place;

    place_open(&place, *state, policy);
    for (int i = 0; i < 2; i++) {
        has_journal = i == 1;
        in_journal.text[0] = '\0';
        fail_logins(place.state, 0, &local, &limits, 2);
        assert_unlock(&place, "root", "root was not locked; failed logins cleared\n");
        assert_int_equal(in_journal.event, LOG_EVENT_UNLOCKED);
        assert_int_equal(in_journal.priority, 5); /* LOG_NOTICE, whose header defines syslog() */
        assert_true(in_journal.fields_size > sizeof fields);
        assert_memory_equal(in_journal.fields, fields, sizeof fields - 1);
        if (!has_journal)
            assert_string_equal(logged, in_journal.text);
        else
            snprintf(logged, sizeof logged, "%s", in_journal.text);
        assert_logged("root", "failures=2 max_attempts=- locked=no");
    }
    has_journal = false;
    place_close(&place);
}

static void unlocking(void **state)
{
    struct verb_place place;
    struct captured captured;

    place_open(&place, *state, policy);
    assert_unlock(&place, "root", "root was not locked\n");
    assert_string_equal(logged, "");
    fail_logins(place.state, 0, &local, &limits, 2);
    assert_unlock(&place, "root", "root was not locked; failed logins cleared\n");
    assert_logged("root", "failures=2 max_attempts=- locked=no");
    assert_unlock(&place, "root", "root was not locked\n");
    assert_string_equal(logged, "");
    assert_int_equal(verb_run(&verb_apply, &place.context, NULL, &captured), TMOUTCTL_FINE);
    captured_free(&captured);
    fail_logins(place.state, 0, &local, &limits, 3);
    assert_unlock(&place, "root", "root is unlocked\n");
    assert_logged("root", "failures=3 max_attempts=3 locked=yes");
    fail_logins(place.state, 0, &local, &limits, 3);
    assert_unlock(&place, "0", "0 is unlocked\n");
    assert_logged("0", "failures=3 max_attempts=- locked=yes");
    assert_attempts(&place, "root", TMOUTCTL_FINE, "root has no failed logins (max_attempts = 3)\n",
                    "");
    damage_ledger(place.state, 0);
    assert_int_equal(verb_run(&verb_unlock, &place.context, "root", &captured), TMOUTCTL_FINE);
    assert_contains(captured.out, "root is unlocked; the ledger was replaced: ");
    captured_free(&captured);
    assert_unlock(&place, "77777", "77777 was not locked\n");
    place.context.quiet = true;
    fail_logins(place.state, 0, &local, &limits, 3);
    assert_unlock(&place, "root", "");
    place.context.quiet = false;
    assert_unlock(&place, "root", "root was not locked\n");

    assert_verb(&verb_unlock, &place.context, "no such user", TMOUTCTL_FAILURE, "",
                "tmoutctl: unknown user \"no such user\"\n");
    assert_int_equal(chmod(place.state, 0777), 0);
    assert_int_equal(verb_run(&verb_unlock, &place.context, "root", &captured), TMOUTCTL_FAILURE);
    assert_contains(captured.err, "/attempts/0: ");
    captured_free(&captured);
    place_close(&place);
}

/* A user other than the owner of the state. */
static void as_a_plain_user(void *context)
{
    assert_int_equal(setgid(65534), 0);
    assert_int_equal(setuid(65534), 0);
    assert_verb(&verb_attempts, context, NULL, TMOUTCTL_FAILURE, "",
                "tmoutctl: must be run as root, even for your own account\n");
    assert_verb(&verb_unlock, context, "root", TMOUTCTL_FAILURE, "",
                "tmoutctl: must be run as root\n");
}

static void requires_root(void **state)
{
    struct verb_place place;

    if (geteuid() != 0)
        LEFT_OUT("only root can become another user");
    place_open(&place, *state, policy);
    mkdir(place.state, 0755);
    assert_true(in_child(as_a_plain_user, &place.context));
    place_close(&place);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        WITH_DIRECTORY(of_one_user),
        WITH_DIRECTORY(of_all_users),
        WITH_DIRECTORY(rejecting),
        WITH_DIRECTORY(in_progress),
        WITH_DIRECTORY(as_json),
        WITH_DIRECTORY(a_newer_ledger),
        WITH_DIRECTORY(unlocking),
        WITH_DIRECTORY(unlocking_is_an_event),
        WITH_DIRECTORY(what_cannot_be_listed),
        WITH_DIRECTORY(requires_root),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
