/* Many users at once: the answers are those of one look-up after the other. */
#include "tests/unit/check.h"

#include "tools/tmoutctl/host/user_directory.h"

#include <pwd.h>
#include <string.h>

enum { UIDS_MAX = 2000 };

static uid_t uid[UIDS_MAX];
static size_t uid_count;

static int compare_numbers(const void *left, const void *right)
{
    const uid_t a = *(const uid_t *)left, b = *(const uid_t *)right;

    return (a > b) - (a < b);
}

/* This host's users, and numbers that are nobody's. */
static void collect_uids(void)
{
    struct passwd *entry;
    size_t kept = 0;

    uid_count = 0;
    setpwent();
    while (uid_count < UIDS_MAX / 2 && (entry = getpwent()) != NULL)
        uid[uid_count++] = entry->pw_uid;
    endpwent();
    for (uid_t number = 4000000; number < 4000100; number++)
        uid[uid_count++] = number;
    qsort(uid, uid_count, sizeof *uid, compare_numbers);
    for (size_t i = 0; i < uid_count; i++)
        if (i == 0 || uid[i] != uid[kept - 1])
            uid[kept++] = uid[i];
    uid_count = kept;
}

static bool has_number(const struct account *account, gid_t gid)
{
    for (size_t i = 0; i < account->gid_count; i++)
        if (account->gids[i] == gid)
            return true;
    return false;
}

static void answers_as_one_by_one(void **state)
{
    struct user_directory directory;
    size_t found = 0;

    (void)state;
    collect_uids();
    assert_int_equal(user_directory_find(uid, uid_count, &directory), 0);
    assert_int_equal(user_directory_find_groups(&directory, &(struct wanted_groups){0}), 0);
    assert_int_equal(directory.count, uid_count);
    for (size_t i = 0; i < uid_count; i++) {
        const struct directory_user *user = &directory.user[i];
        struct account account;
        assert_int_equal(user->account.uid, uid[i]);
        assert_int_equal(user->status, account_lookup_uid(uid[i], &account));
        if (user->status != ACCOUNT_FOUND)
            continue;
        found++;
        assert_string_equal(user->account.name, account.name);
        assert_int_equal(user->account.gid, account.gid);
        assert_int_equal(account_list_groups(&account), 0);
        assert_int_equal(user->account.gids[0], account.gid);
        assert_int_equal(user->account.gid_count, account.gid_count);
        for (size_t g = 0; g < account.gid_count; g++)
            assert_true(has_number(&user->account, account.gids[g]));
        account_free(&account);
    }
    assert_true(found > 0 && found < uid_count);
    user_directory_free(&directory);
    assert_null(directory.user);
}

static void of_nobody(void **state)
{
    struct user_directory directory;

    (void)state;
    assert_int_equal(user_directory_find(NULL, 0, &directory), 0);
    assert_int_equal(user_directory_find_groups(&directory, &(struct wanted_groups){0}), 0);
    assert_int_equal(directory.count, 0);
    user_directory_free(&directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_as_one_by_one),
        cmocka_unit_test(of_nobody),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
