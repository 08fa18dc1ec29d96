/* tmoutctl prune: which ledgers it removes. The numbers are nobody's, but root's. */
#include "tests/unit/tools/tmoutctl/failed_logins.h"

#include "tools/tmoutctl/host/user_attempts.h"
#include "tools/tmoutctl/verbs/verbs.h"

#include <sys/stat.h>

enum { GONE = 4000001, LOCKED = 4000002, BUSY = 4000003, DAMAGED = 4000004 };

static const struct attempt_limits three = {
    .max_attempts = 3, .window_ms = 900000, .lock_ms = 600000};
static const struct origin local = {.kind = ORIGIN_LOCAL}, network = {.kind = ORIGIN_NETWORK};

static bool has_ledger(const struct verb_place *place, unsigned uid)
{
    char path[512];
    struct stat st;

    snprintf(path, sizeof path, "%s/attempts/%u", place->state, uid);
    return stat(path, &st) == 0;
}

static void assert_pruned(const struct verb_place *place, const char *out)
{
    assert_verb(&verb_prune, &place->context, NULL, TMOUTCTL_FINE, out, "");
}

static void keeps_what_counts(void **state)
{
    struct verb_place place;
    struct ledger ledger;
    struct attempt_report report;
    struct timestamp now;
    struct failure failure = {""};

    place_open(&place, *state, "default { max_attempts = 3\n lock_time = 10m }\n");
    assert_pruned(&place, "ledgers of deleted users: 0 removed, 0 kept because they are locked or "
                          "in use\n");
    fail_logins(place.state, 0, &local, &three, 2);
    fail_logins(place.state, GONE, &local, &three, 2);
    fail_logins(place.state, LOCKED, &network, &three, 3);
    fail_logins(place.state, DAMAGED, &local, &three, 1);
    damage_ledger(place.state, DAMAGED);
    assert_int_equal(clock_now(&now, &failure), 0);
    assert_int_equal(ledger_open(place.state, BUSY, geteuid(), &now, &ledger, &failure), LEDGER_OK);
    assert_int_equal(ledger_admit(&ledger, &local, &three, &now, &report, &failure), LEDGER_OK);

    assert_pruned(&place, "ledgers of deleted users: 1 removed, 3 kept because they are locked or "
                          "in use\n");
    assert_false(has_ledger(&place, GONE));
    assert_true(has_ledger(&place, 0) && has_ledger(&place, LOCKED) && has_ledger(&place, BUSY) &&
                has_ledger(&place, DAMAGED));
    assert_int_equal(ledger_settle(&ledger, ATTEMPT_SUCCEEDED, &three, &now, &report, &failure),
                     LEDGER_OK);
    ledger_close(&ledger);
    struct ledger_unlocked undone;
    assert_int_equal(unlock_user(&place.context, "4000002", LOCKED, &undone, &failure), 0);
    place.context.json = true;
    struct captured captured;
    assert_int_equal(verb_run(&verb_prune, &place.context, NULL, &captured), TMOUTCTL_FINE);
    assert_contains(captured.out, "\"removed\": 2");
    assert_contains(captured.out, "\"in_use\": 1");
    captured_free(&captured);
    assert_false(has_ledger(&place, LOCKED) || has_ledger(&place, BUSY));
    place_close(&place);
}

/* No rule is known to have applied to them: the longest lock holds. */
static void a_lock_holds_as_long_as_any(void **state)
{
    static const struct {
        const char *policy;
        bool kept;
    } cases[] = {
        {"default { max_attempts = 3\n lock_time = 1s }\n", false},
        {"default { max_attempts = none\n lock_time = 1s }\n", false},
        {"default { max_attempts = 3\n lock_time = 1s }\nuser eve { lock_time = 1h }\n", true},
        {"default { max_attempts = 3\n lock_time = 1s }\ngroup dev { lock_time = forever }\n",
         true},
        {"default { lock_time = 1s }\ngroup dev { max_attempts = 3\n lock_time = 1h }\n", true},
    };
    const struct attempt_limits brief = {.max_attempts = 3, .window_ms = 900000, .lock_ms = 1000};
    struct failure failure = {""};

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct verb_place place;
        struct ledger ledger;
        struct attempt_report report;
        struct timestamp now;
        place_open(&place, *state, cases[i].policy);
        mkdir(place.state, 0755);
        /* locked a minute ago */
        for (int k = 0; k < 3; k++) {
            assert_int_equal(clock_now(&now, &failure), 0);
            now.boot_ms -= 60000;
            now.wall_ms -= 60000;
            assert_int_equal(ledger_open(place.state, LOCKED, geteuid(), &now, &ledger, &failure),
                             LEDGER_OK);
            assert_int_equal(ledger_admit(&ledger, &local, &brief, &now, &report, &failure),
                             LEDGER_OK);
            assert_int_equal(
                ledger_settle(&ledger, ATTEMPT_FAILED, &brief, &now, &report, &failure), LEDGER_OK);
            ledger_close(&ledger);
        }
        place.context.quiet = true;
        assert_pruned(&place, "");
        if (has_ledger(&place, LOCKED) != cases[i].kept)
            fail_msg("%s", cases[i].policy);
        place_close(&place);
    }
}

static void needs_a_policy_and_root(void **state)
{
    struct verb_place place;
    struct captured captured;

    place_open(&place, *state, NULL);
    mkdir(place.state, 0755);
    fail_logins(place.state, GONE, &local, &three, 2);
    assert_int_equal(verb_run(&verb_prune, &place.context, NULL, &captured), TMOUTCTL_FAILURE);
    assert_contains(captured.err, "no policy is in force");
    captured_free(&captured);
    assert_true(has_ledger(&place, GONE));
    place.context.state_dir = "/proc"; /* belongs to root */
    if (geteuid() != 0)
        assert_verb(&verb_prune, &place.context, NULL, TMOUTCTL_FAILURE, "",
                    "tmoutctl: must be run as root\n");
    place.context.state_dir = place.state;
    place_close(&place);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        WITH_DIRECTORY(keeps_what_counts),
        WITH_DIRECTORY(a_lock_holds_as_long_as_any),
        WITH_DIRECTORY(needs_a_policy_and_root),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
