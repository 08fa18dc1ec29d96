/* Whom sshd's configuration and the policy treat in a way of their own. root is the
 * user, because every host has one. */
#include "tests/unit/host_tree.h"

#include "tools/tmoutctl/sshd/named.h"

static struct rule rules[] = {
    {.kind = RULE_DEFAULT, .name = ""},
    {.kind = RULE_GROUP, .name = "root"},
    {.kind = RULE_USER, .name = "nobody here"},
};

/* Finds them for sshd_config with this text and the first rules. */
static void find(const char *root, const char *config, size_t rule_count, const bool *absent,
                 struct sshd_named *named)
{
    const struct host host = {.root = root};
    const struct policy policy = {.rule = rules, .count = rule_count};
    struct sshd_text text;
    struct failure failure = {""};

    put(root, "/etc/ssh/sshd_config", config);
    *named = (struct sshd_named){0};
    assert_int_equal(sshd_text_read(&host, &text), 0);
    const struct sshd_named_question question = {&text, &policy, absent};
    assert_int_equal(sshd_named_find(&question, named, &failure), 0);
    sshd_text_free(&text);
}

static void who_is_named(void **state)
{
    static const struct {
        const char *config;
        size_t rules, users;
    } cases[] = {
        {"Port 22\n", 1, 0},
        {"Port 22\n", 3, 1}, /* the group's member */
        {"Match User root\n\tMaxSessions 2\n", 1, 1},
        {"Match User=r?ot,!x Group nogroup-here\n\tMaxSessions 2\n", 1, 1},
        {"AllowUsers root@192.0.2.1 someone-else\n", 1, 1},
        {"DenyGroups root\n", 1, 1},
        {"Match LocalPort 22\n\tMaxSessions 2\n", 1, 0},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct sshd_named named;
        find(*state, cases[i].config, cases[i].rules, NULL, &named);
        if (named.count != cases[i].users)
            fail_msg("%s: %zu users", cases[i].config, named.count);
        if (named.count > 0)
            assert_string_equal(named.user[0].name, "root");
        sshd_named_free(&named);
    }
}

/* The name service is not asked again about what nobody has. */
static void names_that_are_absent(void **state)
{
    static const bool absent[] = {false, true, true};
    struct sshd_named named;

    find(*state, "Port 22\n", 3, absent, &named);
    assert_int_equal(named.count, 0);
    sshd_named_free(&named);
}

static void whom_a_block_is_about(void **state)
{
    static const struct {
        const char *match;
        bool applies;
    } cases[] = {{"Match User kim", true},          {"Match User k*,!kim", false},
                 {"Match User !kim,*", false},      {"Match Group ops", true},
                 {"Match Group staff", false},      {"Match User kim Group staff", false},
                 {"Match Address 10.0.0.1", true},  {"Match all", true},
                 {"Match User=kim Group=ops", true}};
    char *groups[] = {"ops"};
    const struct account kim = {.name = "kim", .group = groups, .group_count = 1};
    const struct host host = {.root = *state};

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct sshd_text text;
        put(*state, "/etc/ssh/sshd_config", cases[i].match);
        assert_int_equal(sshd_text_read(&host, &text), 0);
        assert_int_equal(text.count, 1);
        if (sshd_match_applies(&text.line[0], &kim) != cases[i].applies)
            fail_msg("%s", cases[i].match);
        sshd_text_free(&text);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        WITH_DIRECTORY(who_is_named),
        WITH_DIRECTORY(names_that_are_absent),
        WITH_DIRECTORY(whom_a_block_is_about),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
