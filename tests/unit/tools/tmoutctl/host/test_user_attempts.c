/* Failed logins: found in ledgers, put into words, and forgotten. */
#include "tests/unit/tools/tmoutctl/failed_logins.h"

#include "tools/tmoutctl/host/user_attempts.h"
#include "tools/tmoutctl/verbs/verbs.h"

#include <errno.h>

enum { USER = 4711, MINUTE_MS = 60 * 1000 };

static const struct origin local = {.kind = ORIGIN_LOCAL};
static const struct origin network = {.kind = ORIGIN_NETWORK};

static const struct attempt_limits three = {
    .max_attempts = 3, .window_ms = 15 * MINUTE_MS, .lock_ms = 10 * MINUTE_MS};

static struct resolution limited(void)
{
    struct resolution resolution = {0};

    resolution.setting[SETTING_MAX_ATTEMPTS].value = 3;
    resolution.setting[SETTING_ATTEMPT_WINDOW].value = 15 * 60;
    resolution.setting[SETTING_LOCK_TIME].value = 10 * 60;
    resolution.setting[SETTING_COUNT_BY].value = COUNT_BY_USER;
    return resolution;
}

static void lock_states(void **state)
{
    static const struct {
        int64_t left_ms;
        const char *text;
        bool locked;
        int64_t unlock_in; /* -1: null */
    } cases[] = {
        {0, "not locked", false, -1},
        {1, "locked for 1s", true, 1},
        {1000, "locked for 1s", true, 1},
        {1001, "locked for 2s", true, 2},
        {10 * MINUTE_MS, "locked for 10m", true, 600},
        {SETTING_FOREVER, "locked until tmoutctl unlock", true, -1},
    };
    char text[96];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        json_t *object = json_object();
        lock_state_format(cases[i].left_ms, text, sizeof text);
        assert_string_equal(text, cases[i].text);
        set_lock_state(object, 2, 1, cases[i].left_ms);
        assert_int_equal(json_number_at(object, "failures"), 2);
        assert_int_equal(json_number_at(object, "in_flight"), 1);
        assert_int_equal(json_is_true(json_object_get(object, "locked")), cases[i].locked);
        if (cases[i].unlock_in < 0)
            assert_true(json_is_null(json_object_get(object, "unlock_in")));
        else
            assert_int_equal(json_number_at(object, "unlock_in"), cases[i].unlock_in);
        json_decref(object);
    }
}

static int find_now(const struct verb_place *place, const struct resolution *resolution,
                    struct user_attempts *attempts, struct failure *failure)
{
    struct timestamp now;

    assert_int_equal(clock_now(&now, failure), 0);
    return user_attempts_find(&place->context, USER, resolution, &now, attempts, failure);
}

static void counts_of_a_user(void **state)
{
    struct verb_place place;
    struct user_attempts attempts;
    struct failure failure = {""};
    struct resolution resolution = limited();

    place_open(&place, *state, NULL);
    assert_int_equal(find_now(&place, &resolution, &attempts, &failure), 0);
    assert_true(attempts.limited);
    assert_int_equal(attempts.count_size, 0);
    user_attempts_free(&attempts);

    fail_logins(place.state, USER, &local, &three, 1);
    fail_logins(place.state, USER, &network, &three, 3);
    assert_int_equal(find_now(&place, &resolution, &attempts, &failure), 0);
    assert_int_equal(attempts.count_size, 2);
    assert_int_equal(attempts.limits.max_attempts, 3);
    assert_false(attempts.damaged);
    for (size_t i = 0; i < attempts.count_size; i++) {
        const bool is_local = attempts.count[i].origin.kind == ORIGIN_LOCAL;
        assert_int_equal(attempts.count[i].failures, is_local ? 1 : 3);
        assert_int_equal(attempts.count[i].lock_left_ms > 0, !is_local);
    }
    user_attempts_free(&attempts);

    resolution.setting[SETTING_MAX_ATTEMPTS].value = SETTING_NONE;
    assert_int_equal(find_now(&place, &resolution, &attempts, &failure), 0);
    assert_false(attempts.limited);
    assert_null(attempts.count);

    resolution = limited();
    damage_ledger(place.state, USER);
    assert_int_equal(find_now(&place, &resolution, &attempts, &failure), 0);
    assert_true(attempts.damaged);
    user_attempts_free(&attempts);
    place_close(&place);
}

/* Why a user's passwords are rejected, and what to do: told by reading alone. */
static void faults_of_a_ledger(void **state)
{
    struct verb_place place;
    struct user_attempts attempts;
    struct failure failure = {""};
    const struct resolution resolution = limited();
    char path[4096], expected[4200];

    place_open(&place, *state, NULL);
    snprintf(path, sizeof path, "%s/attempts/4711", place.state);
    fail_logins(place.state, USER, &local, &three, 1);
    assert_int_equal(find_now(&place, &resolution, &attempts, &failure), 0);
    assert_string_equal(attempts.fault.text, "");
    user_attempts_free(&attempts);

    assert_int_equal(chmod(path, 0666), 0);
    assert_int_equal(find_now(&place, &resolution, &attempts, &failure), 0);
    snprintf(expected, sizeof expected,
             "%s is not owned by root, or is writable by others; run \"tmoutctl unlock 4711\" to "
             "repair",
             path);
    assert_string_equal(attempts.fault.text, expected);
    user_attempts_free(&attempts);

    assert_int_equal(chmod(path, 0600), 0);
    put_newer_ledger(place.state, USER);
    assert_int_equal(find_now(&place, &resolution, &attempts, &failure), -1);
    assert_contains(attempts.fault.text,
                    " was written by a newer version of pam_tmout (format 99;");
    assert_contains(attempts.fault.text, "; run \"tmoutctl unlock 4711\" to repair");
    snprintf(expected, sizeof expected, "rejecting passwords: %s; see tmout-recovery(7)",
             attempts.fault.text);
    assert_string_equal(failure.text, expected);

    damage_ledger(place.state, USER);
    assert_int_equal(find_now(&place, &resolution, &attempts, &failure), 0);
    assert_contains(attempts.fault.text, "/attempts/4711 is too short; run ");
    user_attempts_free(&attempts);
    place_close(&place);
}

static void one_count_of_a_user(void **state)
{
    struct verb_place place;
    struct attempt_state found;
    struct failure failure = {""};

    place_open(&place, *state, NULL);
    assert_int_equal(attempt_state_find(&place.context, USER, &local, &three, &found, &failure), 0);
    assert_int_equal(found.failures, 0);
    fail_logins(place.state, USER, &local, &three, 2);
    assert_int_equal(attempt_state_find(&place.context, USER, &local, &three, &found, &failure), 0);
    assert_int_equal(found.failures, 2);
    assert_int_equal(found.lock_left_ms, 0);
    assert_int_equal(attempt_state_find(&place.context, USER, &network, &three, &found, &failure),
                     0);
    assert_int_equal(found.failures, 0);
    damage_ledger(place.state, USER);
    assert_int_equal(attempt_state_find(&place.context, USER, &local, &three, &found, &failure),
                     -1);
    assert_contains(failure.text,
                    "/attempts/4711 is too short; run \"tmoutctl unlock 4711\" to repair");
    place_close(&place);
}

/* A directory that others can write is not used for counts. */
static void an_untrusted_directory(void **state)
{
    struct verb_place place;
    struct attempt_state found;
    struct user_attempts attempts;
    struct ledger_unlocked undone;
    const struct resolution resolution = limited();
    struct failure failure = {""};

    place_open(&place, *state, NULL);
    fail_logins(place.state, USER, &local, &three, 1);
    assert_int_equal(chmod(place.state, 0777), 0);
    assert_int_equal(attempt_state_find(&place.context, USER, &local, &three, &found, &failure),
                     -1);
    assert_contains(failure.text, "/state/attempts/4711 cannot be opened: ");
    failure = (struct failure){""};
    assert_int_equal(find_now(&place, &resolution, &attempts, &failure), -1);
    assert_contains(failure.text, "/state/attempts/4711 cannot be opened: ");
    failure = (struct failure){""};
    assert_int_equal(unlock_user(&place.context, "user", USER, &undone, &failure), -1);
    assert_contains(failure.text, "/state/attempts/4711: ");
    place_close(&place);
}

static void users_with_a_ledger(void **state)
{
    static const char *const others[] = {"4711.damaged",         "x",  "-1", "4294967295",
                                         "99999999999999999999", "1x", "+5"};
    struct verb_place place;
    struct failure failure = {""};
    uid_t *uid;

    place_open(&place, *state, NULL);
    assert_int_equal(ledger_users(place.state, &uid, &failure), 0);
    assert_null(uid);
    fail_logins(place.state, 20, &local, &three, 1);
    fail_logins(place.state, 4711, &local, &three, 1);
    fail_logins(place.state, 3, &local, &three, 1);
    for (size_t i = 0; i < COUNT_OF(others); i++) {
        char path[4096];
        snprintf(path, sizeof path, "%s/attempts/%s", place.state, others[i]);
        write_text(path, "");
    }
    assert_int_equal(ledger_users(place.state, &uid, &failure), 3);
    assert_int_equal(uid[0], 3);
    assert_int_equal(uid[1], 20);
    assert_int_equal(uid[2], 4711);
    free(uid);
    assert_int_equal(ledger_users(place.config, &uid, &failure), 0);
    write_text(place.config, "a file");
    assert_int_equal(ledger_users(place.config, &uid, &failure), -1);
    assert_contains(failure.text, "tmout.conf/attempts: Not a directory");
    place_close(&place);
}

static void uids(void **state)
{
    static const char *const unknown[] = {
        "", "no such user", "-1", "+1", " 1", "1x", "4294967295", "99999999999999999999", "0x10"};
    struct failure failure = {""};
    uid_t uid = 99;

    (void)state;
    assert_int_equal(find_uid("root", &uid, &failure), 0);
    assert_int_equal(uid, 0);
    assert_int_equal(find_uid("54321", &uid, &failure), 0);
    assert_int_equal(uid, 54321);
    assert_int_equal(find_uid("4294967294", &uid, &failure), 0);
    for (size_t i = 0; i < COUNT_OF(unknown); i++) {
        failure = (struct failure){""};
        assert_int_equal(find_uid(unknown[i], &uid, &failure), -1);
        assert_contains(failure.text, "unknown user \"");
    }
}

static void unlocking(void **state)
{
    struct verb_place place;
    struct ledger_unlocked undone;
    struct attempt_state found;
    struct failure failure = {""};
    char expected[128] = "";

    place_open(&place, *state, NULL);
    assert_int_equal(unlock_user(&place.context, "user", USER, &undone, &failure), 0);
    assert_false(undone.locked || undone.replaced);
    assert_int_equal(undone.failures, 0);
    assert_string_equal(audited, ""); /* there was nothing to do */

    fail_logins(place.state, USER, &local, &three, 3);
    assert_int_equal(unlock_user(&place.context, "user", USER, &undone, &failure), 0);
    assert_true(undone.locked);
    assert_int_equal(undone.failures, 3);
#ifdef HAVE_LIBAUDIT
    snprintf(expected, sizeof expected, "%d op=tmoutctl-unlock acct=user id=%d res=1",
             AUDIT_USER_MGMT, USER);
#endif
    assert_string_equal(audited, expected);
    audited[0] = '\0';
    assert_int_equal(attempt_state_find(&place.context, USER, &local, &three, &found, &failure), 0);
    assert_int_equal(found.failures, 0);
    assert_int_equal(found.lock_left_ms, 0);

    damage_ledger(place.state, USER);
    assert_int_equal(unlock_user(&place.context, "user", USER, &undone, &failure), 0);
    assert_true(undone.replaced);
    assert_string_equal(audited, expected);
    assert_string_not_equal(failure.text, "");
    assert_int_equal(attempt_state_find(&place.context, USER, &local, &three, &found, &failure), 0);
    place_close(&place);
}

static void who_may_read(void **state)
{
    const struct tmoutctl_context own = {.state_dir = *state}, of_root = {.state_dir = "/"},
                                  missing = {.state_dir = "/no/such/directory"};

    assert_true(may_read_attempts(&own));
    assert_int_equal(may_read_attempts(&of_root), geteuid() == 0);
    assert_int_equal(may_read_attempts(&missing), geteuid() == 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(lock_states),
        WITH_DIRECTORY(counts_of_a_user),
        WITH_DIRECTORY(faults_of_a_ledger),
        WITH_DIRECTORY(one_count_of_a_user),
        WITH_DIRECTORY(an_untrusted_directory),
        WITH_DIRECTORY(users_with_a_ledger),
        cmocka_unit_test(uids),
        WITH_DIRECTORY(unlocking),
        WITH_DIRECTORY(who_may_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
