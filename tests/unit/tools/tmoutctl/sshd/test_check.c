/* sshd's effective configuration compared with the policy. root is the user,
 * because every host has one. */
#include "tests/unit/policy_snapshot.h"
#include "tests/unit/tools/tmoutctl/sshd/fake_sshd.h"

#include "tools/tmoutctl/sshd/check.h"

#include <grp.h>

static const char as_policy[] = "maxsessions 5\nmaxauthtries 2\n";

/* Compares with a policy of this text; known is NULL for all keywords. */
static int compare(const char *root, const char *policy, const bool *known,
                   struct sshd_check *check, struct failure *failure)
{
    const struct host host = {.root = root};
    bool all[SETTING_COUNT];
    struct sshd_program program;
    struct snapshot snapshot;
    struct dropin dropin = {0};

    for (size_t i = 0; i < SETTING_COUNT; i++)
        all[i] = true;
    const struct sshd_check_input input = {
        &host, &program, &snapshot, &dropin, known != NULL ? known : all, NULL};
    *check = (struct sshd_check){0};
    assert_int_equal(sshd_find(&host, &program, failure), 0);
    open_policy(&snapshot, policy);
    assert_int_equal(dropin_collect(&snapshot, &dropin), 0);
    const int result = sshd_check(&input, check, failure);
    dropin_free(&dropin);
    snapshot_close(&snapshot);
    return result;
}

static int put_tree(void **state)
{
    const int result = temporary_make(state);

    put_fake_sshd(*state);
    put(*state, "/global", as_policy);
    put(*state, "/user", as_policy);
    put(*state, "/etc/ssh/sshd_config", "Include sshd_config.d/*.conf\n");
    return result;
}

#define WITH_SSHD(test) cmocka_unit_test_setup_teardown(test, put_tree, temporary_remove)

static void agreement(void **state)
{
    struct sshd_check check;
    struct failure failure = {""};

    assert_int_equal(compare(*state,
                             "default { max_sessions = 5 }\nuser root { max_auth_tries = 2 }\n"
                             "user 'nobody here' { max_sessions = 1 }\n",
                             NULL, &check, &failure),
                     0);
    assert_int_equal(check.difference_count, 0);
    assert_int_equal(check.looser_count, 0);
    assert_int_equal(check.user_count, 1);
    sshd_check_free(&check);
    assert_null(check.difference);
}

static void assert_difference(const struct sshd_difference *difference, const char *user,
                              const char *keyword, const char *effective, const char *policy,
                              const char *rule)
{
    char text[256];

    if (user == NULL)
        assert_null(difference->user);
    else
        assert_string_equal(difference->user, user);
    assert_string_equal(difference->keyword->keyword, keyword);
    assert_string_equal(difference->effective, effective);
    assert_string_equal(difference->policy, policy);
    sshd_difference_rule(difference, text, sizeof text);
    assert_string_equal(text, rule);
}

static void differences(void **state)
{
    static const char policy[] = "default {\n max_sessions = 4\n client_alive_interval = 5m\n"
                                 " max_startups = 10 }\n"
                                 "user root { max_auth_tries = 1 }\n";
    struct sshd_check check;
    struct failure failure = {""};

    assert_int_equal(compare(*state, policy, NULL, &check, &failure), 0);
    assert_int_equal(check.difference_count, 6);
    assert_difference(&check.difference[0], NULL, "MaxStartups", "none", "10:30:10",
                      "default, /p:4");
    assert_difference(&check.difference[1], NULL, "ClientAliveInterval", "none", "300",
                      "default, /p:3");
    assert_difference(&check.difference[2], NULL, "MaxSessions", "5", "4", "default, /p:2");
    /* A user has no MaxStartups. */
    assert_difference(&check.difference[3], "root", "ClientAliveInterval", "none", "300",
                      "default, /p:3");
    assert_difference(&check.difference[4], "root", "MaxAuthTries", "2", "1",
                      "user \"root\", /p:5");
    assert_difference(&check.difference[5], "root", "MaxSessions", "5", "4", "default, /p:2");
    sshd_check_free(&check);
}

static void keywords_that_sshd_lacks(void **state)
{
    bool known[SETTING_COUNT] = {false};
    struct sshd_check check;
    struct failure failure = {""};

    assert_int_equal(compare(*state, "default { max_sessions = 4 }\n", known, &check, &failure), 0);
    assert_int_equal(check.difference_count, 0);
    sshd_check_free(&check);
}

/* root's primary group has root in it, whether it lists members or not. */
static void members_of_groups(void **state)
{
    const struct group *group = getgrgid(0);
    char policy[256];
    struct sshd_check check;
    struct failure failure = {""};

    assert_non_null(group);
    snprintf(policy, sizeof policy,
             "group '%s' { max_auth_tries = 1 }\nuser root { max_sessions = 5 }\n"
             "group 'no such group' { max_sessions = 1 }\n",
             group->gr_name);
    assert_int_equal(compare(*state, policy, NULL, &check, &failure), 0);
    assert_true(check.user_count >= 1);
    assert_int_equal(check.difference_count, check.user_count);
    size_t roots = 0;
    for (size_t i = 0; i < check.difference_count; i++)
        roots += strcmp(check.difference[i].user, "root") == 0;
    assert_int_equal(roots, 1);
    sshd_check_free(&check);
}

static void the_sites_own_match_blocks(void **state)
{
    struct sshd_check check;
    struct failure failure = {""};

    put(*state, "/etc/ssh/sshd_config",
        "Include sshd_config.d/*.conf\nMaxAuthTries 9\nMatch User a\n MaxAuthTries 6\n"
        " MaxSessions 1\nMatch User b\n MaxAuthTries 2\n ClientAliveInterval 0\n");
    put(*state, "/etc/ssh/sshd_config.d/00-tmout.conf", "Match Group x\n MaxAuthTries 9\n");
    assert_int_equal(compare(*state, "default { max_auth_tries = 2 }\n", NULL, &check, &failure),
                     0);
    assert_int_equal(check.difference_count, 0);
    assert_int_equal(check.looser_count, 1);
    assert_string_equal(check.looser[0].keyword->keyword, "MaxAuthTries");
    assert_string_equal(check.looser[0].file, "/etc/ssh/sshd_config");
    assert_int_equal(check.looser[0].line, 4);
    assert_string_equal(check.looser[0].effective, "6");
    assert_string_equal(check.looser[0].policy, "2");
    sshd_check_free(&check);
}

static void an_sshd_that_fails(void **state)
{
    struct sshd_check check;
    struct failure failure = {""};

    put_failing_sshd(*state, "no hostkeys available\n");
    assert_int_equal(compare(*state, "default { max_sessions = 4 }\n", NULL, &check, &failure), -1);
    assert_string_equal(failure.text, "sshd -T: no hostkeys available");
    sshd_check_free(&check);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        WITH_SSHD(agreement),
        WITH_SSHD(differences),
        WITH_SSHD(keywords_that_sshd_lacks),
        WITH_SSHD(members_of_groups),
        WITH_SSHD(the_sites_own_match_blocks),
        WITH_SSHD(an_sshd_that_fails),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
