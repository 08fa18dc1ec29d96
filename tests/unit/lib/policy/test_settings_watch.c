/* The settings for tmoutd, as documented. */
#include "tests/unit/setting_text.h"

#include <inttypes.h>
#include <string.h>

static const enum setting_id watched[] = {
    SETTING_DISCONNECT, SETTING_DISCONNECT_NOTTY, SETTING_ACTIVITY, SETTING_MAX_SESSION,
    SETTING_WARN,       SETTING_NOTTY_ACTIVITY,   SETTING_LEFTOVERS};

static void rows(void **state)
{
    static const struct {
        enum setting_id id;
        int number;
        const char *name, *preset;
    } expected[] = {
        {SETTING_DISCONNECT, 8, "disconnect", "none"},
        {SETTING_DISCONNECT_NOTTY, 9, "disconnect_notty", "none"},
        {SETTING_ACTIVITY, 10, "activity", "input"},
        {SETTING_MAX_SESSION, 11, "max_session", "none"},
        {SETTING_WARN, 12, "warn", "1m"},
        {SETTING_NOTTY_ACTIVITY, 21, "notty_activity", "any"},
        {SETTING_LEFTOVERS, 22, "leftovers", "keep"},
    };
    char text[SETTING_TEXT_MAX];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(expected); i++) {
        const struct setting *row = &settings[expected[i].id];
        /* in snapshots on disk */
        assert_int_equal(expected[i].id, expected[i].number);
        assert_string_equal(row->name, expected[i].name);
        assert_ptr_equal(setting_find(expected[i].name), row);
        setting_format(row, row->default_value, text, sizeof text);
        assert_string_equal(text, expected[i].preset);
    }
}

static void durations(void **state)
{
    static const enum setting_id ids[] = {SETTING_DISCONNECT, SETTING_DISCONNECT_NOTTY,
                                          SETTING_MAX_SESSION, SETTING_WARN};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(ids); i++) {
        const struct setting *row = &settings[ids[i]];
        assert_int_equal(parsed(ids[i], "1"), 1);
        assert_int_equal(parsed(ids[i], "1h30m"), 5400);
        assert_int_equal(parsed(ids[i], "365d"), 365 * 86400);
        assert_true(setting_value_valid(row, 1));
        assert_true(setting_value_valid(row, 365 * 86400));
        assert_true(setting_value_valid(row, parsed(ids[i], "none")));
        assert_false(setting_value_valid(row, 365 * 86400 + 1));
        assert_false(setting_value_valid(row, -1));
        assert_false(setting_value_valid(row, INT64_MIN));
    }
    for (size_t i = 0; i < 3; i++) {
        assert_true(parsed(ids[i], "none") == SETTING_NONE);
        assert_false(setting_value_valid(&settings[ids[i]], 0));
    }
    /* no notice counts as the shortest, because the longest is the strictest */
    assert_int_equal(parsed(SETTING_WARN, "none"), 0);
    assert_false(setting_value_valid(&settings[SETTING_WARN], SETTING_NONE));
}

static void activities(void **state)
{
    (void)state;
    assert_int_equal(parsed(SETTING_ACTIVITY, "input"), ACTIVITY_INPUT);
    assert_int_equal(parsed(SETTING_ACTIVITY, "any"), ACTIVITY_ANY);
    assert_true(setting_value_valid(&settings[SETTING_ACTIVITY], 0));
    assert_true(setting_value_valid(&settings[SETTING_ACTIVITY], 1));
    assert_false(setting_value_valid(&settings[SETTING_ACTIVITY], 2));
    assert_false(setting_value_valid(&settings[SETTING_ACTIVITY], SETTING_NONE));
}

static void words(void **state)
{
    static const struct {
        enum setting_id id;
        const char *word;
        int64_t value; /* in snapshots on disk */
    } expected[] = {
        {SETTING_NOTTY_ACTIVITY, "any", 0}, {SETTING_NOTTY_ACTIVITY, "client", 1},
        {SETTING_LEFTOVERS, "keep", 0},     {SETTING_LEFTOVERS, "watch", 1},
        {SETTING_LEFTOVERS, "end", 2},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(expected); i++)
        assert_true(parsed(expected[i].id, expected[i].word) == expected[i].value);
    assert_false(setting_value_valid(&settings[SETTING_NOTTY_ACTIVITY], 2));
    assert_false(setting_value_valid(&settings[SETTING_LEFTOVERS], 3));
    assert_false(setting_value_valid(&settings[SETTING_LEFTOVERS], -1));
    assert_false(setting_value_valid(&settings[SETTING_LEFTOVERS], SETTING_NONE));
}

static void strictest(void **state)
{
    static const struct stricter_pair pair[] = {
        {SETTING_DISCONNECT, "5m", "10m"},    {SETTING_DISCONNECT, "365d", "none"},
        {SETTING_DISCONNECT_NOTTY, "1", "2"}, {SETTING_DISCONNECT_NOTTY, "365d", "none"},
        {SETTING_MAX_SESSION, "8h", "1d"},    {SETTING_MAX_SESSION, "365d", "none"},
        {SETTING_WARN, "2m", "1m"},           {SETTING_WARN, "1", "none"},
        {SETTING_ACTIVITY, "input", "any"},   {SETTING_NOTTY_ACTIVITY, "client", "any"},
        {SETTING_LEFTOVERS, "end", "watch"},  {SETTING_LEFTOVERS, "watch", "keep"},
        {SETTING_LEFTOVERS, "end", "keep"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(pair); i++)
        assert_stricter(&pair[i]);
}

static void rejects_invalid_values(void **state)
{
    static const char *const durations_refused[] = {
        "",
        "0",
        "0m",
        "-1",
        "3abc",
        "010",
        "366d",
        "None",
        "NONE",
        "none ",
        " none",
        "true",
        "forever",
        "15 m",
        "31536001",
        "1.5h",
        "99999999999999999999",
    };
    static const char *const words_refused[] = {
        "",     "Input",  "ANY", "output",  "none", "1",    "input ", "true",
        "any,", "inputs", "0",   "clients", "Keep", "kill", "end ",   "false"};

    (void)state;
    for (size_t k = 0; k < COUNT_OF(watched); k++) {
        const bool word = settings[watched[k]].type == SETTING_CHOICE;
        const char *const *bad = word ? words_refused : durations_refused;
        const size_t count = word ? COUNT_OF(words_refused) : COUNT_OF(durations_refused);
        for (size_t i = 0; i < count; i++)
            assert_invalid(watched[k], bad[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows),       cmocka_unit_test(durations),
        cmocka_unit_test(activities), cmocka_unit_test(words),
        cmocka_unit_test(strictest),  cmocka_unit_test(rejects_invalid_values),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
