/* The table of settings, and what follows from it. */
#include "tests/unit/setting_text.h"

#include <ctype.h>
#include <inttypes.h>
#include <string.h>

/* Their numbers are in snapshots on disk, so they must never change. */
static void numbers_never_change(void **state)
{
    static const char *const name[] = {"tmout",        "enforce",        "export",    "sessions",
                                       "max_attempts", "attempt_window", "lock_time", "count_by"};

    (void)state;
    assert_int_equal(COUNT_BY_SOURCE, 0);
    assert_int_equal(COUNT_BY_USER, 1);
    assert_true(SETTING_NONE == INT64_MAX && SETTING_FOREVER == INT64_MAX);
    assert_true(SETTING_COUNT >= COUNT_OF(name));
    for (size_t i = 0; i < COUNT_OF(name); i++)
        assert_string_equal(settings[i].name, name[i]);
}

static void rows_are_complete(void **state)
{
    (void)state;
    for (size_t i = 0; i < SETTING_COUNT; i++) {
        const struct setting *row = &settings[i];
        char text[SETTING_TEXT_MAX];
        int64_t again = -7;

        assert_non_null(row->name);
        assert_ptr_equal(setting_find(row->name), row);
        assert_non_null(row->words);
        assert_true(strlen(row->help) > 0);
        assert_true(strlen(row->values) > 0);
        setting_format(row, row->default_value, text, sizeof text);
        if (strcmp(text, "unset") == 0) {
            /* which no policy and no snapshot can contain */
            assert_true(row->default_value == SETTING_UNSET);
            assert_false(setting_value_valid(row, row->default_value));
            assert_non_null(setting_parse(row, text, &again));
        } else {
            assert_true(setting_value_valid(row, row->default_value));
            assert_null(setting_parse(row, text, &again));
            assert_true(again == row->default_value);
        }
        for (const char *p = row->name; *p != '\0'; p++)
            assert_true(islower((unsigned char)*p) || *p == '_');
        for (const struct setting_word *w = row->words; w->word != NULL; w++) {
            again = -7;
            assert_null(setting_parse(row, w->word, &again));
            assert_true(again == w->value);
            assert_true(setting_value_valid(row, w->value));
            setting_format(row, w->value, text, sizeof text);
            assert_null(setting_parse(row, text, &again));
            assert_true(again == w->value);
        }
    }
    assert_null(setting_find("timeout"));
    assert_null(setting_find("TMOUT"));
    assert_null(setting_find(""));
    assert_null(setting_find("tmout "));
}

/* The documented defaults. */
static void defaults(void **state)
{
    static const struct {
        enum setting_id id;
        const char *text;
    } expected[] = {
        {SETTING_TMOUT, "none"},    {SETTING_ENFORCE, "false"},     {SETTING_EXPORT, "false"},
        {SETTING_SESSIONS, "ssh"},  {SETTING_MAX_ATTEMPTS, "none"}, {SETTING_ATTEMPT_WINDOW, "15m"},
        {SETTING_LOCK_TIME, "10m"}, {SETTING_COUNT_BY, "user"},
    };
    char text[SETTING_TEXT_MAX];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(expected); i++) {
        setting_format(&settings[expected[i].id], settings[expected[i].id].default_value, text,
                       sizeof text);
        assert_string_equal(text, expected[i].text);
    }
}

static void strictest(void **state)
{
    static const struct stricter_pair pair[] = {
        {SETTING_TMOUT, "5m", "10m"},
        {SETTING_TMOUT, "365d", "none"},
        {SETTING_TMOUT, "1", "2"},
        {SETTING_ENFORCE, "true", "false"},
        {SETTING_EXPORT, "true", "false"},
        {SETTING_SESSIONS, "all", "ssh"},
        {SETTING_MAX_ATTEMPTS, "1", "2"},
        {SETTING_MAX_ATTEMPTS, "9", "10"},
        {SETTING_MAX_ATTEMPTS, "64", "none"},
        {SETTING_ATTEMPT_WINDOW, "16m", "15m"},
        {SETTING_ATTEMPT_WINDOW, "365d", "1"},
        {SETTING_LOCK_TIME, "2", "1"},
        {SETTING_LOCK_TIME, "forever", "365d"},
        {SETTING_LOCK_TIME, "1h", "59m"},
        {SETTING_COUNT_BY, "user", "source"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(pair); i++) {
        const struct setting *row = &settings[pair[i].id];
        const int64_t b = parsed(pair[i].id, pair[i].looser);

        assert_stricter(&pair[i]);
        assert_false(setting_stricter(row, b, b));
    }
}

static void rejects_invalid_values(void **state)
{
    static const struct {
        enum setting_id id;
        const char *text;
    } bad[] = {
        {SETTING_TMOUT, ""},
        {SETTING_TMOUT, "0"},
        {SETTING_TMOUT, "0m"},
        {SETTING_TMOUT, "-1"},
        {SETTING_TMOUT, "3abc"},
        {SETTING_TMOUT, "010"},
        {SETTING_TMOUT, "366d"},
        {SETTING_TMOUT, "None"},
        {SETTING_TMOUT, "NONE"},
        {SETTING_TMOUT, "none "},
        {SETTING_TMOUT, " none"},
        {SETTING_TMOUT, "nonee"},
        {SETTING_TMOUT, "true"},
        {SETTING_TMOUT, "infinity"},
        {SETTING_TMOUT, "15 m"},
        {SETTING_TMOUT, "99999999999999999999"},
        {SETTING_TMOUT, "31536001"},
        {SETTING_ENFORCE, ""},
        {SETTING_ENFORCE, "True"},
        {SETTING_ENFORCE, "TRUE"},
        {SETTING_ENFORCE, "1"},
        {SETTING_ENFORCE, "0"},
        {SETTING_ENFORCE, "none"},
        {SETTING_ENFORCE, "truee"},
        {SETTING_EXPORT, "2"},
        {SETTING_SESSIONS, ""},
        {SETTING_SESSIONS, "SSH"},
        {SETTING_SESSIONS, "any"},
        {SETTING_SESSIONS, "none"},
        {SETTING_SESSIONS, "ssh,all"},
        {SETTING_SESSIONS, "1"},
        {SETTING_MAX_ATTEMPTS, "0"},
        {SETTING_MAX_ATTEMPTS, "65"},
        {SETTING_MAX_ATTEMPTS, "3abc"},
        {SETTING_MAX_ATTEMPTS, "-1"},
        {SETTING_MAX_ATTEMPTS, "-0"},
        {SETTING_MAX_ATTEMPTS, "010"},
        {SETTING_MAX_ATTEMPTS, "03"},
        {SETTING_MAX_ATTEMPTS, "00"},
        {SETTING_MAX_ATTEMPTS, "+3"},
        {SETTING_MAX_ATTEMPTS, " 3"},
        {SETTING_MAX_ATTEMPTS, "3 "},
        {SETTING_MAX_ATTEMPTS, "3\n"},
        {SETTING_MAX_ATTEMPTS, "\t3"},
        {SETTING_MAX_ATTEMPTS, ""},
        {SETTING_MAX_ATTEMPTS, "None"},
        {SETTING_MAX_ATTEMPTS, "NONE"},
        {SETTING_MAX_ATTEMPTS, "none "},
        {SETTING_MAX_ATTEMPTS, "forever"},
        {SETTING_MAX_ATTEMPTS, "0x3"},
        {SETTING_MAX_ATTEMPTS, "3.0"},
        {SETTING_MAX_ATTEMPTS, "3e0"},
        {SETTING_MAX_ATTEMPTS, "3m"},
        {SETTING_MAX_ATTEMPTS, "3,5"},
        {SETTING_MAX_ATTEMPTS, "three"},
        {SETTING_MAX_ATTEMPTS, "9223372036854775807"}, /* the number that means none */
        {SETTING_MAX_ATTEMPTS, "9223372036854775808"},
        {SETTING_MAX_ATTEMPTS, "4294967299"},           /* 3 in 32 bits */
        {SETTING_MAX_ATTEMPTS, "18446744073709551619"}, /* and in 64 */
        {SETTING_MAX_ATTEMPTS, "99999999999999999999999999999999"},
        {SETTING_ATTEMPT_WINDOW, ""},
        {SETTING_ATTEMPT_WINDOW, "0"},
        {SETTING_ATTEMPT_WINDOW, "0s"},
        {SETTING_ATTEMPT_WINDOW, "none"},
        {SETTING_ATTEMPT_WINDOW, "forever"},
        {SETTING_ATTEMPT_WINDOW, "366d"},
        {SETTING_ATTEMPT_WINDOW, "3abc"},
        {SETTING_ATTEMPT_WINDOW, "9223372036854775807"},
        {SETTING_LOCK_TIME, ""},
        {SETTING_LOCK_TIME, "0"},
        {SETTING_LOCK_TIME, "none"},
        {SETTING_LOCK_TIME, "Forever"},
        {SETTING_LOCK_TIME, "FOREVER"},
        {SETTING_LOCK_TIME, "forever "},
        {SETTING_LOCK_TIME, "366d"},
        {SETTING_LOCK_TIME, "-1"},
        {SETTING_LOCK_TIME, "9223372036854775807"},
        {SETTING_COUNT_BY, ""},
        {SETTING_COUNT_BY, "User"},
        {SETTING_COUNT_BY, "SOURCE"},
        {SETTING_COUNT_BY, "both"},
        {SETTING_COUNT_BY, "user,source"},
        {SETTING_COUNT_BY, "0"},
        {SETTING_COUNT_BY, "none"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_invalid(bad[i].id, bad[i].text);
}

static void bounds(void **state)
{
    const struct setting *tmout = &settings[SETTING_TMOUT];

    (void)state;
    assert_int_equal(parsed(SETTING_TMOUT, "1"), 1);
    assert_int_equal(parsed(SETTING_TMOUT, "365d"), 365 * 86400);
    assert_true(parsed(SETTING_TMOUT, "none") == SETTING_NONE);

    assert_true(setting_value_valid(tmout, 1));
    assert_true(setting_value_valid(tmout, tmout->max));
    assert_true(setting_value_valid(tmout, SETTING_NONE));
    assert_false(setting_value_valid(tmout, 0));
    assert_false(setting_value_valid(tmout, -1));
    assert_false(setting_value_valid(tmout, tmout->max + 1));
    assert_false(setting_value_valid(tmout, SETTING_NONE - 1));
    assert_false(setting_value_valid(tmout, INT64_MIN));
    for (enum setting_id id = SETTING_ENFORCE; id <= SETTING_SESSIONS; id++) {
        assert_true(setting_value_valid(&settings[id], 0));
        assert_true(setting_value_valid(&settings[id], 1));
        assert_false(setting_value_valid(&settings[id], 2));
        assert_false(setting_value_valid(&settings[id], -1));
        assert_false(setting_value_valid(&settings[id], SETTING_NONE));
        assert_false(setting_value_valid(&settings[id], INT64_MIN));
    }
}

/* Values from disk are checked, and against the size of a ledger. */
static void bounds_of_attempts(void **state)
{
    const struct setting *max = &settings[SETTING_MAX_ATTEMPTS];
    const struct setting *window = &settings[SETTING_ATTEMPT_WINDOW];
    const struct setting *lock = &settings[SETTING_LOCK_TIME];
    const struct setting *count_by = &settings[SETTING_COUNT_BY];
    char text[SETTING_TEXT_MAX];

    (void)state;
    for (int64_t n = 1; n <= 64; n++) {
        snprintf(text, sizeof text, "%" PRId64, n);
        assert_int_equal(parsed(SETTING_MAX_ATTEMPTS, text), n);
        assert_true(setting_value_valid(max, n));
        setting_format(max, n, text, sizeof text);
        assert_int_equal(strtol(text, NULL, 10), n); /* and not as a duration */
        assert_true(text[strlen(text) - 1] >= '0' && text[strlen(text) - 1] <= '9');
    }
    assert_true(parsed(SETTING_MAX_ATTEMPTS, "none") == SETTING_NONE);
    assert_true(setting_value_valid(max, SETTING_NONE));
    static const int64_t bad_max[] = {0, -1, 65, SETTING_NONE - 1, INT64_MIN};
    for (size_t i = 0; i < COUNT_OF(bad_max); i++)
        assert_false(setting_value_valid(max, bad_max[i]));

    assert_int_equal(parsed(SETTING_ATTEMPT_WINDOW, "1"), 1);
    assert_int_equal(parsed(SETTING_ATTEMPT_WINDOW, "365d"), 365 * 86400);
    assert_true(parsed(SETTING_LOCK_TIME, "forever") == SETTING_FOREVER);
    assert_int_equal(parsed(SETTING_LOCK_TIME, "365d"), 365 * 86400);
    static const int64_t bad_time[] = {0, -1, INT64_MIN, 365 * 86400 + 1, SETTING_FOREVER - 1};
    for (size_t i = 0; i < COUNT_OF(bad_time); i++) {
        assert_false(setting_value_valid(window, bad_time[i]));
        assert_false(setting_value_valid(lock, bad_time[i]));
    }
    assert_false(setting_value_valid(window, SETTING_FOREVER));
    assert_true(setting_value_valid(lock, SETTING_FOREVER));
    assert_int_equal(parsed(SETTING_COUNT_BY, "source"), COUNT_BY_SOURCE);
    assert_int_equal(parsed(SETTING_COUNT_BY, "user"), COUNT_BY_USER);
    assert_false(setting_value_valid(count_by, 2));
    assert_false(setting_value_valid(count_by, -1));
}

static void suggests_similar_names(void **state)
{
    static const char *const name[] = {"tmout", "enforce", "export", "sessions"};
    static const struct {
        const char *written, *meant;
    } cases[] = {
        {"tmuot", "tmout"},
        {"timeout", "tmout"},
        {"TMOUT", "tmout"},
        {"tmout ", "tmout"},
        {"tmou", "tmout"},
        {"Tmout", "tmout"},
        {"tmouts", "tmout"},
        {"enforced", "enforce"},
        {"enfoce", "enforce"},
        {"ENFORCE", "enforce"},
        {"exports", "export"},
        {"session", "sessions"},
        {"sesions", "sessions"},
        {"exprot", "export"},
        {"tmout", "tmout"},
        {"completely_different", NULL},
        {"x", NULL},
        {"", NULL},
        {"zz", NULL},
    };
    /* Of two letters one may be wrong, and a swap is one error, not two or none. */
    static const char *const short_name[] = {"zab", "ab"};
    char *endless = malloc(100001);

    (void)state;
    assert_string_equal(nearest_word("ba", short_name, COUNT_OF(short_name)), "ab");
    assert_string_equal(nearest_word("azb", short_name, 1), "zab");
    assert_null(nearest_word("cd", short_name, COUNT_OF(short_name)));
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const char *meant = nearest_word(cases[i].written, name, COUNT_OF(name));
        if (cases[i].meant == NULL ? meant != NULL
                                   : meant == NULL || strcmp(meant, cases[i].meant) != 0)
            fail_msg("%s: %s", cases[i].written, meant != NULL ? meant : "nothing");
    }
    assert_null(nearest_word("tmout", name, 0));

    assert_non_null(endless);
    memset(endless, 't', 100000);
    endless[100000] = '\0';
    assert_null(nearest_word(endless, name, COUNT_OF(name)));
    free(endless);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_never_change),
        cmocka_unit_test(rows_are_complete),
        cmocka_unit_test(defaults),
        cmocka_unit_test(strictest),
        cmocka_unit_test(rejects_invalid_values),
        cmocka_unit_test(bounds),
        cmocka_unit_test(bounds_of_attempts),
        cmocka_unit_test(suggests_similar_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
