/* sshd is compared with the policy when memory is short. */
#include "tests/unit/out_of_memory.h"
#include "tests/unit/policy_snapshot.h"
#include "tests/unit/tools/tmoutctl/sshd/fake_sshd.h"

#include "tools/tmoutctl/sshd/check.h"

static struct snapshot snapshot;

static int collect_rules(void *unused)
{
    struct dropin dropin = {0};
    const int result = dropin_collect(&snapshot, &dropin);

    (void)unused;
    for (size_t i = 0; i < dropin.count; i++)
        assert_non_null(dropin.rule[i].name);
    dropin_free(&dropin);
    return result;
}

static int compare(void *root)
{
    const struct host host = {.root = root};
    bool known[SETTING_COUNT];
    struct sshd_program program;
    struct dropin dropin = {0};
    struct sshd_check check = {0};
    struct failure failure = {""};

    memset(known, true, sizeof known);
    const struct sshd_check_input input = {&host, &program, &snapshot, &dropin, known, NULL};
    int result = sshd_find(&host, &program, &failure);
    if (result == 0)
        result = dropin_collect(&snapshot, &dropin);
    if (result == 0)
        result = sshd_check(&input, &check, &failure);
    for (size_t i = 0; i < check.difference_count; i++)
        assert_true(check.difference[i].effective != NULL && check.difference[i].policy != NULL);
    for (size_t i = 0; i < check.looser_count; i++)
        assert_true(check.looser[i].file != NULL && check.looser[i].policy != NULL);
    sshd_check_free(&check);
    dropin_free(&dropin);
    return result;
}

static int find_bad_options(void *root)
{
    const struct host host = {.root = root};
    struct sshd_program program;
    struct sshd_config config = {0};
    struct failure failure = {""};

    if (sshd_find(&host, &program, &failure) != 0)
        return -1;
    (void)sshd_effective(&program, NULL, &config, &failure);
    const int result = config.bad_count == 2 ? 0 : -1;
    for (size_t i = 0; i < config.bad_count; i++)
        assert_true(config.bad[i].keyword != NULL && config.bad[i].file != NULL);
    sshd_config_free(&config);
    return result;
}

static void every_allocation_fails_once(void **state)
{
    put_fake_sshd(*state);
    put(*state, "/global", "maxsessions 5\n");
    put(*state, "/etc/ssh/sshd_config", "Match User a\n MaxAuthTries 6\n");
    open_policy(&snapshot, "default { max_sessions = 4\n max_auth_tries = 2 }\n"
                           "user 'nobody here' { max_sessions = 1 }\n");
    with_each_allocation_failing(collect_rules, NULL);
    with_each_allocation_failing(compare, *state);
    put_failing_sshd(*state, "/x: line 1: Bad configuration option: A\n"
                             "/x: line 2: Bad configuration option: B\n");
    with_each_allocation_failing(find_bad_options, *state);
    snapshot_close(&snapshot);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        WITH_DIRECTORY(every_allocation_fails_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
