/* Which settings a user has, and which rule gives them: from the text of a policy
 * to the values for the shells. */
#include "tests/unit/policy_snapshot.h"

#include "lib/policy/resolve.h"

#include <inttypes.h>

/* The snapshot of a policy in memory. */
static void open_files(struct snapshot *snapshot, const char *const *text, size_t count)
{
    struct compiled c = {0};

    for (size_t i = 0; i < count; i++) {
        char path[32];
        snprintf(path, sizeof path, "/file%zu", i);
        add_text(&c.sources, path, text[i], strlen(text[i]));
    }
    compile_sources(&c);
    open_compiled(&c, snapshot);
}

static void open_text(struct snapshot *snapshot, const char *text)
{
    open_files(snapshot, &text, 1);
}

/* The line that gave a setting, 0 for the built-in default. */
static unsigned line_of(const struct resolution *resolution, enum setting_id id)
{
    return resolution->setting[id].from_rule ? resolution->setting[id].line : 0;
}

#define RESOLVE(snapshot, user, resolution, ...)                                                   \
    do {                                                                                           \
        const char *const names[] = {__VA_ARGS__ __VA_OPT__(, ) NULL};                             \
        assert_int_equal(resolve((snapshot), (user), names, COUNT_OF(names) - 1, (resolution)),    \
                         0);                                                                       \
    } while (0)

static void no_rule_at_all(void **state)
{
    struct snapshot snapshot;
    struct resolution r;
    char limit[LIMIT_TEXT_MAX];

    (void)state;
    open_text(&snapshot, "default { }\n");
    RESOLVE(&snapshot, "kim", &r, "a", "b");
    for (size_t i = 0; i < SETTING_COUNT; i++) {
        assert_false(r.setting[i].from_rule);
        assert_true(r.setting[i].value == settings[i].default_value);
    }
    resolution_limit(&r, limit, sizeof limit);
    assert_string_equal(limit, "none");
    snapshot_close(&snapshot);
}

static void user_beats_group_beats_default(void **state)
{
    struct snapshot snapshot;
    struct resolution r;
    char limit[LIMIT_TEXT_MAX];

    (void)state;
    open_text(&snapshot, "default {\n tmout = 15m\n enforce = false\n sessions = all\n}\n"
                         "group \"g\" {\n tmout = 5m\n enforce = true\n}\n"
                         "user \"kim\" {\n tmout = none\n}\n"
                         "user \"eve\" {\n enforce = false\n}\n");
    /* setting by setting: from the user, the group, the default section, built in */
    RESOLVE(&snapshot, "kim", &r, "g");
    assert_int_equal(line_of(&r, SETTING_TMOUT), 11);
    assert_int_equal(line_of(&r, SETTING_ENFORCE), 8);
    assert_int_equal(line_of(&r, SETTING_SESSIONS), 4);
    assert_int_equal(line_of(&r, SETTING_EXPORT), 0);
    assert_int_equal(r.setting[SETTING_TMOUT].kind, RULE_USER);
    assert_string_equal(r.setting[SETTING_TMOUT].name, "kim");
    assert_int_equal(r.setting[SETTING_ENFORCE].kind, RULE_GROUP);
    assert_string_equal(r.setting[SETTING_ENFORCE].name, "g");
    assert_int_equal(r.setting[SETTING_SESSIONS].kind, RULE_DEFAULT);
    resolution_limit(&r, limit, sizeof limit);
    assert_string_equal(limit, "none");

    /* a looser value for the user beats the stricter one of the group */
    RESOLVE(&snapshot, "eve", &r, "g");
    assert_int_equal(line_of(&r, SETTING_TMOUT), 7);
    assert_int_equal(line_of(&r, SETTING_ENFORCE), 14);
    resolution_limit(&r, limit, sizeof limit);
    assert_string_equal(limit, "300 default");

    /* and a group's beats the default section's */
    RESOLVE(&snapshot, "sam", &r, "g");
    resolution_limit(&r, limit, sizeof limit);
    assert_string_equal(limit, "300 readonly");
    RESOLVE(&snapshot, "sam", &r, );
    resolution_limit(&r, limit, sizeof limit);
    assert_string_equal(limit, "900 default");
    /* a group with the name of a user, a user with the name of a group */
    RESOLVE(&snapshot, "g", &r, "kim", "eve");
    assert_int_equal(line_of(&r, SETTING_TMOUT), 2);
    snapshot_close(&snapshot);
}

static void a_looser_group_beats_the_default(void **state)
{
    struct snapshot snapshot;
    struct resolution r;

    (void)state;
    open_text(&snapshot, "default {\n tmout = 5m\n enforce = true\n}\n"
                         "group \"g\" {\n tmout = none\n enforce = false\n}\n");
    RESOLVE(&snapshot, "kim", &r, "g");
    assert_int_equal(line_of(&r, SETTING_TMOUT), 6);
    assert_int_equal(line_of(&r, SETTING_ENFORCE), 7);
    snapshot_close(&snapshot);
}

/* For every setting in the table, whatever the order of the groups. */
static void strictest_group(void **state)
{
    static const struct {
        const char *setting, *loose, *strict;
    } pair[] = {
        {"tmout", "30m", "5m"},
        {"tmout", "none", "365d"},
        {"tmout", "2", "1"},
        {"enforce", "false", "true"},
        {"export", "off", "on"},
        {"sessions", "ssh", "all"},
        {"disconnect", "30m", "5m"},
        {"disconnect", "none", "365d"},
        {"disconnect_notty", "2m", "1m"},
        {"disconnect_notty", "none", "1h"},
        {"activity", "any", "input"},
        {"max_session", "2d", "1d"},
        {"max_session", "none", "365d"},
        {"warn", "1m", "2m"},
        {"warn", "none", "1s"},
        {"notty_activity", "any", "client"},
        {"leftovers", "keep", "watch"},
        {"leftovers", "keep", "end"},
        {"leftovers", "watch", "end"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(pair); i++) {
        for (int turn = 0; turn < 2; turn++) {
            const char *first = turn ? pair[i].strict : pair[i].loose;
            const char *second = turn ? pair[i].loose : pair[i].strict;
            const unsigned line = turn ? 1 : 2;
            const enum setting_id id = (enum setting_id)(setting_find(pair[i].setting) - settings);
            struct snapshot snapshot;
            struct resolution r;
            char text[256];

            snprintf(text, sizeof text, "group \"a\" { %s = %s }\ngroup \"b\" { %s = %s }\n",
                     pair[i].setting, first, pair[i].setting, second);
            open_text(&snapshot, text);
            RESOLVE(&snapshot, "kim", &r, "a", "b");
            assert_int_equal(line_of(&r, id), line);
            RESOLVE(&snapshot, "kim", &r, "b", "a");
            assert_int_equal(line_of(&r, id), line);
            RESOLVE(&snapshot, "kim", &r, "x", "b", "a", "a", "b", "y");
            assert_int_equal(line_of(&r, id), line);
            RESOLVE(&snapshot, "kim", &r, turn ? "b" : "a");
            assert_int_equal(line_of(&r, id), 3 - line);
            snapshot_close(&snapshot);
        }
    }
}

/* Groups with equal values: the origin is the first in file order, which is neither
 * the order of the user's groups nor alphabetical. */
static void equal_values(void **state)
{
    static const char *const text[] = {
        "group \"x\" { enforce = true }\n",
        ("group \"z\" {\n\n tmout = 5m\n}\ngroup \"a\" { tmout = 300\n}\n"
         "group \"m\" { tmout = 6m }\n"),
        "group \"b\" { tmout = 5m }\n",
    };
    static const char *const order[][4] = {
        {"z", "a", "m", "b"}, {"b", "m", "a", "z"}, {"a", "b", "z", "m"}, {"m", "a", "b", "z"}};
    struct snapshot snapshot;
    struct resolution r;
    char path[64];

    (void)state;
    open_files(&snapshot, text, COUNT_OF(text));
    for (size_t i = 0; i < COUNT_OF(order); i++) {
        assert_int_equal(resolve(&snapshot, "kim", order[i], 4, &r), 0);
        assert_int_equal(r.setting[SETTING_TMOUT].value, 300);
        assert_string_equal(r.setting[SETTING_TMOUT].name, "z");
        assert_int_equal(r.setting[SETTING_TMOUT].line, 3);
        snapshot_source_path(&snapshot, r.setting[SETTING_TMOUT].file, path, sizeof path);
        assert_string_equal(path, "/file1");
    }
    RESOLVE(&snapshot, "kim", &r, "b", "a");
    assert_string_equal(r.setting[SETTING_TMOUT].name, "a");
    snapshot_close(&snapshot);
}

/* After a merge, the origin is the place of the value that won. */
static void origin_after_a_merge(void **state)
{
    static const char *const text[] = {
        "group \"a\" { tmout = 5m }\ngroup \"b\" { tmout = 5m }\n",
        "group \"a\" { tmout = 5m\n enforce = true }\n",
    };
    struct snapshot snapshot;
    struct resolution r;

    (void)state;
    open_files(&snapshot, text, COUNT_OF(text));
    RESOLVE(&snapshot, "kim", &r, "a", "b");
    assert_string_equal(r.setting[SETTING_TMOUT].name, "b");
    assert_int_equal(r.setting[SETTING_TMOUT].file, 0);
    assert_int_equal(r.setting[SETTING_TMOUT].line, 2);
    RESOLVE(&snapshot, "kim", &r, "a");
    assert_int_equal(r.setting[SETTING_TMOUT].file, 1);
    snapshot_close(&snapshot);
}

static void names_are_taken_literally(void **state)
{
    struct snapshot snapshot;
    struct resolution r;

    (void)state;
    open_text(&snapshot, "group \"Domain Users\" { tmout = 1m }\ngroup \"gr\xc3\xb6\xc3\x9f"
                         "e\" { tmout = 2m }\n"
                         "user \"DOM\\\\kim\" { tmout = 3m }\nuser \"Kim\" { tmout = 4m }\n"
                         "user \"kim\" { tmout = 5m }\nuser \"*\" { tmout = 6m }\n"
                         "user \"1000\" { tmout = 7m }\n");
    RESOLVE(&snapshot, "x", &r, "Domain Users");
    assert_int_equal(line_of(&r, SETTING_TMOUT), 1);
    RESOLVE(&snapshot, "x", &r,
            "gr\xc3\xb6\xc3\x9f"
            "e");
    assert_int_equal(line_of(&r, SETTING_TMOUT), 2);
    RESOLVE(&snapshot, "DOM\\kim", &r, );
    assert_int_equal(line_of(&r, SETTING_TMOUT), 3);
    RESOLVE(&snapshot, "Kim", &r, );
    assert_int_equal(line_of(&r, SETTING_TMOUT), 4);
    RESOLVE(&snapshot, "kim", &r, );
    assert_int_equal(line_of(&r, SETTING_TMOUT), 5);
    static const char *const nobody[] = {"KIM", "kim ", " kim", "ki", "kimm", "", "Domain", "?"};
    for (size_t i = 0; i < COUNT_OF(nobody); i++) {
        RESOLVE(&snapshot, nobody[i], &r, "domain users", "Domain Users ", "", "Domain");
        assert_int_equal(line_of(&r, SETTING_TMOUT), 0);
    }
    snapshot_close(&snapshot);
}

/* 500 groups, each with a rule, none in the order of strictness. */
static void five_hundred_groups(void **state)
{
    enum { COUNT = 500 };
    struct snapshot snapshot;
    struct resolution r;
    char *text = NULL;
    const char *name[COUNT];
    size_t size;
    FILE *to = open_memstream(&text, &size);

    (void)state;
    assert_non_null(to);
    for (int i = 0; i < COUNT; i++)
        fprintf(to, "group \"group %d\" { tmout = %d }\n", i, (i * 37 + 11) % COUNT + 1);
    fclose(to);
    open_text(&snapshot, text);
    for (int i = 0; i < COUNT; i++) {
        char *copy = NULL;
        assert_true(asprintf(&copy, "group %d", COUNT - 1 - i) > 0);
        name[i] = copy;
    }
    for (size_t count = 1; count <= COUNT; count++) {
        int64_t least = COUNT + 1;
        assert_int_equal(resolve(&snapshot, "kim", name, count, &r), 0);
        for (int i = COUNT - (int)count; i < COUNT; i++)
            if ((i * 37 + 11) % COUNT + 1 < least)
                least = (i * 37 + 11) % COUNT + 1;
        assert_int_equal(r.setting[SETTING_TMOUT].value, least);
    }
    for (int i = 0; i < COUNT; i++)
        free((char *)name[i]);
    free(text);
    snapshot_close(&snapshot);
}

/* For each setting the stricter of the two, with its rule: both apply to a session inside a login.
 * */
static void tightened(void **state)
{
    static const char text[] = "user \"kim\" {\n tmout = 10m\n enforce = true\n warn = 1m\n"
                               " disconnect = none\n activity = any\n}\n"
                               "user \"eve\" {\n tmout = 5m\n enforce = false\n warn = 2m\n"
                               " disconnect = 1h\n sessions = all\n activity = any\n}\n";
    static const struct {
        enum setting_id id;
        const char *name;
        unsigned line;
    } expected[] = {
        {SETTING_TMOUT, "eve", 9},       {SETTING_ENFORCE, "kim", 3},   {SETTING_WARN, "eve", 11},
        {SETTING_DISCONNECT, "eve", 12}, {SETTING_SESSIONS, "eve", 13}, {SETTING_EXPORT, "", 0},
        {SETTING_MAX_SESSION, "", 0},    {SETTING_MAX_ATTEMPTS, "", 0},
    };
    struct snapshot snapshot;
    struct resolution kim, eve, both;

    (void)state;
    open_text(&snapshot, text);
    for (int turn = 0; turn < 2; turn++) {
        RESOLVE(&snapshot, "kim", &kim, );
        RESOLVE(&snapshot, "eve", &eve, );
        both = turn != 0 ? kim : eve;
        resolution_tighten(&both, turn != 0 ? &eve : &kim);
        for (size_t i = 0; i < COUNT_OF(expected); i++) {
            assert_int_equal(line_of(&both, expected[i].id), expected[i].line);
            assert_string_equal(both.setting[expected[i].id].name, expected[i].name);
        }
        /* of equal values, the session's own rule stays */
        assert_int_equal(line_of(&both, SETTING_ACTIVITY), turn != 0 ? 6 : 14);
        /* the other one is unchanged */
        assert_int_equal(line_of(&kim, SETTING_TMOUT), 2);
        assert_int_equal(line_of(&eve, SETTING_TMOUT), 9);
    }
    snapshot_close(&snapshot);
}

/* For every setting in the table and any two values: never looser than one of
 * the two, and always one of them. */
static void tightened_for_every_setting(void **state)
{
    static const int64_t values[] = {0, 1, 2, 60, 900, SETTING_NONE};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(values); i++) {
        for (size_t k = 0; k < COUNT_OF(values); k++) {
            struct resolution own, other;

            memset(&own, 0, sizeof own);
            memset(&other, 0, sizeof other);
            for (size_t id = 0; id < SETTING_COUNT; id++) {
                own.setting[id] = (struct resolved_setting){.value = values[i], .name = "own"};
                other.setting[id] = (struct resolved_setting){.value = values[k], .name = "other"};
            }
            resolution_tighten(&own, &other);
            for (size_t id = 0; id < SETTING_COUNT; id++) {
                const int64_t value = own.setting[id].value;
                assert_true(value == values[i] || value == values[k]);
                assert_false(setting_stricter(&settings[id], values[i], value));
                assert_false(setting_stricter(&settings[id], values[k], value));
                assert_string_equal(own.setting[id].name, value == values[i] ? "own" : "other");
            }
        }
    }
}

/* A snapshot that is damaged where it is searched gives no answer. */
static void damaged_snapshot_gives_no_answer(void **state)
{
    static const char *const group[] = {"g"};
    struct snapshot snapshot;
    struct resolution r;

    (void)state;
    open_text(&snapshot, "default { tmout = 5m }\nuser \"kim\" { tmout = 6m }\n"
                         "group \"g\" { tmout = 7m }\n");
    assert_int_equal(resolve(&snapshot, "kim", group, 1, &r), 0);
    snapshot.front_size = 0; /* as if it was behind the part that is in memory */
    assert_int_equal(ftruncate(snapshot.fd, 100), 0);
    assert_int_equal(resolve(&snapshot, "kim", group, 1, &r), -1);
    assert_int_equal(resolve(&snapshot, "eve", NULL, 0, &r), -1);
    snapshot_close(&snapshot);
}

static void limits_for_shells(void **state)
{
    static const struct {
        const char *text, *limit;
    } cases[] = {
        {"default { tmout = 15m }", "900 default"},
        {"default { tmout = 15m enforce = true }", "900 readonly"},
        {"default { tmout = none enforce = true }", "none"},
        {"default { enforce = true }", "none"},
        {"default { tmout = 1 }", "1 default"},
        {"default { tmout = 365d enforce = yes export = on }", "31536000 readonly"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct snapshot snapshot;
        struct resolution r;
        char limit[LIMIT_TEXT_MAX];

        open_text(&snapshot, cases[i].text);
        RESOLVE(&snapshot, "kim", &r, );
        resolution_limit(&r, limit, sizeof limit);
        assert_string_equal(limit, cases[i].limit);
        snapshot_close(&snapshot);
    }
}

/* A text comes from its rule; without one the setting is unset. */
static void formats_values(void **state)
{
    struct snapshot snapshot;
    struct resolution resolution;
    char text[SETTING_TEXT_MAX];

    (void)state;
    open_text(&snapshot, "default { channel_timeout = \"session:shell=10m\" tmout = 90 }");
    RESOLVE(&snapshot, "kim", &resolution);
    resolution_format(&resolution, SETTING_CHANNEL_TIMEOUT, text, sizeof text);
    assert_string_equal(text, "session:shell=10m");
    resolution_format(&resolution, SETTING_TMOUT, text, sizeof text);
    assert_string_equal(text, "1m30s");
    snapshot_close(&snapshot);

    open_text(&snapshot, "default { }");
    RESOLVE(&snapshot, "kim", &resolution);
    resolution_format(&resolution, SETTING_CHANNEL_TIMEOUT, text, sizeof text);
    assert_string_equal(text, "unset");
    snapshot_close(&snapshot);
}

static void covers_logins(void **state)
{
    struct snapshot snapshot;
    struct resolution resolution;

    (void)state;
    open_text(&snapshot, "default { } user \"kim\" { sessions = all }");
    RESOLVE(&snapshot, "eve", &resolution);
    assert_true(resolution_covers(&resolution, true));
    assert_false(resolution_covers(&resolution, false));
    RESOLVE(&snapshot, "kim", &resolution);
    assert_true(resolution_covers(&resolution, true));
    assert_true(resolution_covers(&resolution, false));
    snapshot_close(&snapshot);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_rule_at_all),
        cmocka_unit_test(user_beats_group_beats_default),
        cmocka_unit_test(a_looser_group_beats_the_default),
        cmocka_unit_test(strictest_group),
        cmocka_unit_test(equal_values),
        cmocka_unit_test(origin_after_a_merge),
        cmocka_unit_test(names_are_taken_literally),
        cmocka_unit_test(five_hundred_groups),
        cmocka_unit_test(tightened),
        cmocka_unit_test(tightened_for_every_setting),
        cmocka_unit_test(damaged_snapshot_gives_no_answer),
        cmocka_unit_test(limits_for_shells),
        cmocka_unit_test(formats_values),
        cmocka_unit_test(covers_logins),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
