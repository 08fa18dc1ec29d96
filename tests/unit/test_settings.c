/* The settings' table, and what follows from it. */
#include "check.h"

#include "../../lib/policy/settings.h"

#include <ctype.h>
#include <inttypes.h>
#include <string.h>

/* Their numbers are in snapshots on disk: no change of the code may move
 * them. */
static void numbers_never_change(void **state)
{
    static const char *const name[] = {"tmout", "enforce", "export", "sessions"};

    (void)state;
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
        assert_true(setting_value_valid(row, row->default_value));
        setting_format(row, row->default_value, text, sizeof text);
        assert_null(setting_parse(row, text, &again));
        assert_true(again == row->default_value);
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

/* The contract's table. */
static void defaults(void **state)
{
    static const struct {
        enum setting_id id;
        const char *text;
    } expected[] = {
        {SETTING_TMOUT, "none"},
        {SETTING_ENFORCE, "false"},
        {SETTING_EXPORT, "false"},
        {SETTING_SESSIONS, "ssh"},
    };
    char text[SETTING_TEXT_MAX];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(expected); i++) {
        setting_format(&settings[expected[i].id], settings[expected[i].id].default_value, text,
                       sizeof text);
        assert_string_equal(text, expected[i].text);
    }
}

static int64_t parsed(enum setting_id id, const char *text)
{
    int64_t value = -7;
    const char *wrong = setting_parse(&settings[id], text, &value);

    if (wrong != NULL)
        fail_msg("%s = \"%s\" %s", settings[id].name, text, wrong);
    return value;
}

static void strictest(void **state)
{
    static const struct {
        enum setting_id id;
        const char *stricter, *looser;
    } pair[] = {
        {SETTING_TMOUT, "5m", "10m"},      {SETTING_TMOUT, "365d", "none"},
        {SETTING_TMOUT, "1", "2"},         {SETTING_ENFORCE, "true", "false"},
        {SETTING_EXPORT, "true", "false"}, {SETTING_SESSIONS, "all", "ssh"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(pair); i++) {
        const struct setting *row = &settings[pair[i].id];
        const int64_t a = parsed(pair[i].id, pair[i].stricter);
        const int64_t b = parsed(pair[i].id, pair[i].looser);

        assert_true(setting_stricter(row, a, b));
        assert_false(setting_stricter(row, b, a));
        assert_false(setting_stricter(row, a, a));
        assert_false(setting_stricter(row, b, b));
    }
}

static void refused(void **state)
{
    static const struct {
        enum setting_id id;
        const char *text;
    } bad[] = {
        {SETTING_TMOUT, ""},         {SETTING_TMOUT, "0"},
        {SETTING_TMOUT, "0m"},       {SETTING_TMOUT, "-1"},
        {SETTING_TMOUT, "3abc"},     {SETTING_TMOUT, "010"},
        {SETTING_TMOUT, "366d"},     {SETTING_TMOUT, "None"},
        {SETTING_TMOUT, "NONE"},     {SETTING_TMOUT, "none "},
        {SETTING_TMOUT, " none"},    {SETTING_TMOUT, "nonee"},
        {SETTING_TMOUT, "true"},     {SETTING_TMOUT, "infinity"},
        {SETTING_TMOUT, "15 m"},     {SETTING_TMOUT, "99999999999999999999"},
        {SETTING_TMOUT, "31536001"}, {SETTING_ENFORCE, ""},
        {SETTING_ENFORCE, "True"},   {SETTING_ENFORCE, "TRUE"},
        {SETTING_ENFORCE, "1"},      {SETTING_ENFORCE, "0"},
        {SETTING_ENFORCE, "none"},   {SETTING_ENFORCE, "truee"},
        {SETTING_EXPORT, "2"},       {SETTING_SESSIONS, ""},
        {SETTING_SESSIONS, "SSH"},   {SETTING_SESSIONS, "any"},
        {SETTING_SESSIONS, "none"},  {SETTING_SESSIONS, "ssh,all"},
        {SETTING_SESSIONS, "1"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        int64_t value = -7;
        if (setting_parse(&settings[bad[i].id], bad[i].text, &value) == NULL)
            fail_msg("%s = \"%s\" was taken for %" PRId64, settings[bad[i].id].name, bad[i].text,
                     value);
        assert_int_equal(value, -7);
    }
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

static void what_was_meant(void **state)
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
    char *endless = malloc(100001);

    (void)state;
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
        cmocka_unit_test(refused),
        cmocka_unit_test(bounds),
        cmocka_unit_test(what_was_meant),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
