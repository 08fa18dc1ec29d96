/* The policy that the next login gets: every state of snapshot and files. */
#include "tests/unit/tools/tmoutctl/captured.h"

#include "tools/tmoutctl/host/policy_view.h"
#include "tools/tmoutctl/verbs/verbs.h"

static void the_decision(void **state)
{
    (void)state;
    assert_int_equal(policy_state_decide(true, true, false, true), POLICY_IN_FORCE);
    assert_int_equal(policy_state_decide(true, false, true, true), POLICY_PENDING);
    assert_int_equal(policy_state_decide(false, false, true, true), POLICY_PENDING);
    assert_int_equal(policy_state_decide(true, false, false, true), POLICY_REJECTED);
    assert_int_equal(policy_state_decide(true, false, false, false), POLICY_UNKNOWN);
    assert_int_equal(policy_state_decide(false, false, false, true), POLICY_NONE);
    assert_int_equal(policy_state_decide(false, false, false, false), POLICY_NONE);
}

static void the_words(void **state)
{
    static const struct {
        struct policy_view view;
        const char *word, *text;
    } cases[] = {
        {{.state = POLICY_IN_FORCE, .has_applied = true, .applied_sec = 60},
         "in force",
         "in force since 1970-01-01 00:01:00"},
        {{.state = POLICY_PENDING, .has_applied = true, .applied_sec = 60},
         "pending",
         "edited since 1970-01-01 00:01:00 and valid; it takes effect at the next login, or run "
         "tmoutctl apply"},
        {{.state = POLICY_PENDING},
         "pending",
         "valid, but not applied yet; it takes effect at the next login, or run tmoutctl apply"},
        {{.state = POLICY_PENDING, .reason = {"it is damaged"}},
         "pending",
         "valid, but the applied one is unusable (it is damaged); it takes effect at the next "
         "login, or run tmoutctl apply"},
        {{.state = POLICY_REJECTED, .has_applied = true, .applied_sec = 60, .reason = {"a:1: b"}},
         "refused",
         "applied 1970-01-01 00:01:00 (newer edit rejected: a:1: b)"},
        {{.state = POLICY_UNKNOWN, .has_applied = true, .applied_sec = 60, .reason = {"a: b"}},
         "unknown",
         "applied 1970-01-01 00:01:00 (cannot be compared with its files: a: b)"},
        {{.state = POLICY_NONE, .reason = {"a: b"}}, "unknown", "none in force: a: b"},
    };
    char text[POLICY_VIEW_TEXT_MAX];

    (void)state;
    setenv("TZ", "UTC", 1);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        policy_view_describe(&cases[i].view, text, sizeof text);
        assert_string_equal(text, cases[i].text);
        assert_string_equal(policy_state_word(cases[i].view.state), cases[i].word);
    }
}

static int64_t tmout_of(const struct tmoutctl_context *context, struct policy_view *view)
{
    struct account somebody = {.name = (char[]){"somebody"}};
    struct resolution resolution;
    struct failure failure = {""};

    assert_int_equal(policy_view_resolve(context, view, &somebody, &resolution, &failure), 0);
    return resolution.setting[SETTING_TMOUT].value;
}

static enum policy_state state_of(const struct verb_place *place, int64_t tmout_sec,
                                  struct failure *reason)
{
    struct policy_view view;
    struct failure failure = {""};

    assert_int_equal(policy_view_find(&place->context, &view, &failure), 0);
    assert_int_equal(tmout_of(&place->context, &view), tmout_sec);
    assert_int_equal(view.applied_sec != 0, view.has_applied);
    *reason = view.reason;
    policy_view_close(&view);
    return view.state;
}

static void apply(const struct verb_place *place)
{
    struct captured captured;

    if (verb_run(&verb_apply, &place->context, NULL, &captured) != TMOUTCTL_FINE)
        fail_msg("%s", captured.err);
    captured_free(&captured);
}

static void a_policy_through_its_life(void **state)
{
    struct verb_place place;
    struct failure reason, failure = {""};
    struct policy_view view;
    char *snapshot = path_in(*state, "state/policy.v1");

    place_open(&place, *state, NULL);
    assert_int_equal(policy_view_find(&place.context, &view, &failure), -1);
    assert_contains(failure.text, "no policy is in force: ");
    assert_contains(failure.text, "tmout.conf: is missing");
    assert_int_equal(view.state, POLICY_NONE);

    write_text(place.config, "default { tmout = 1m }\n");
    assert_int_equal(state_of(&place, 60, &reason), POLICY_PENDING);
    assert_string_equal(reason.text, "");
    apply(&place);
    assert_int_equal(state_of(&place, 60, &reason), POLICY_IN_FORCE);
    write_text(place.config, "default { tmout = 12m }\n");
    assert_int_equal(state_of(&place, 720, &reason), POLICY_PENDING);
    write_text(place.config, "default { tmout = wrong }\n default { enforce = 7 }\n");
    assert_int_equal(state_of(&place, 60, &reason), POLICY_REJECTED);
    assert_contains(reason.text, "tmout.conf:1: tmout = \"wrong\"");
    chmod(place.config, 0666);
    assert_int_equal(state_of(&place, 60, &reason), POLICY_REJECTED);
    chmod(place.config, 0644);
    char *no_directory = path_in(place.config, "tmout.conf");
    place.context.config_path = no_directory;
    assert_int_equal(state_of(&place, 60, &reason), POLICY_UNKNOWN);
    assert_contains(reason.text, "tmout.conf/tmout.conf: ");
    place.context.config_path = place.config;
    free(no_directory);

    write_text(place.config, "default { tmout = 3m }\n");
    write_text(snapshot, "nonsense");
    assert_int_equal(state_of(&place, 180, &reason), POLICY_PENDING);
    assert_string_not_equal(reason.text, "");
    write_text(place.config, "default { tmout = wrong }\n");
    assert_int_equal(policy_view_find(&place.context, &view, &failure), -1);
    assert_contains(failure.text, "no policy is in force: ");
    free(snapshot);
    place_close(&place);
}

static void accounts(void **state)
{
    struct account account;
    struct failure failure = {""};

    (void)state;
    assert_int_equal(find_account("root", &account, &failure), 0);
    assert_int_equal(account.uid, 0);
    account_free(&account);
    assert_int_equal(find_account("no such user", &account, &failure), -1);
    assert_string_equal(failure.text, "unknown user \"no such user\"");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_decision),
        cmocka_unit_test(the_words),
        WITH_DIRECTORY(a_policy_through_its_life),
        cmocka_unit_test(accounts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
