/*
 * From an account to its settings. Asking for the groups that the policy names
 * must decide as asking for every group of the user does, for fewer questions,
 * whatever the name services answer.
 */
#include "tests/unit/policy_snapshot.h"

#include "lib/host/group_sources.h"
#include "lib/policy/resolve_account.h"

#include <errno.h>
#include <grp.h>

#define EXPORTED __attribute__((visibility("default")))

enum { GROUPS_MAX_FAKED = 64, USER_GID = 1000 };

/* The fake name services. Entries are searched in their order, as in a file. */
static struct {
    struct {
        char name[32];
        gid_t gid;
    } entry[GROUPS_MAX_FAKED];
    size_t entry_count;
    gid_t of_user[GROUPS_MAX_FAKED];
    size_t of_user_count;
    int list_error;
    const char *bad_name; /* looking up this one ... */
    int name_error;       /* ... fails like this; 0: with errno left alone */
    gid_t bad_gid;
    int gid_error;
    unsigned lists, by_name, by_gid;
} nss;

/* The sources behind it are tested in e2e/nss. */
enum group_sources_status group_sources_list(const char *user, gid_t primary,
                                             struct group_list *list)
{
    (void)user;
    (void)primary;
    (void)list;
    return GROUPS_HIDDEN;
}

void group_list_free(struct group_list *list)
{
    (void)list; /* nothing was listed */
}

EXPORTED int getgrouplist(const char *user, gid_t primary, gid_t *groups, int *count)
{
    const int room = *count;

    assert_string_equal(user, "kim");
    assert_int_equal(primary, USER_GID);
    nss.lists++;
    for (size_t i = 0; i < nss.of_user_count && i < (size_t)room; i++)
        groups[i] = nss.of_user[i];
    *count = (int)nss.of_user_count;
    errno = nss.list_error;
    return *count > room ? -1 : *count;
}

static int answer(const char *name, gid_t gid, struct group *entry, char *buffer, size_t size,
                  struct group **result)
{
    *result = NULL;
    for (size_t i = 0; i < nss.entry_count; i++) {
        if (name != NULL ? strcmp(nss.entry[i].name, name) != 0 : nss.entry[i].gid != gid)
            continue;
        *entry = (struct group){.gr_name = buffer, .gr_gid = nss.entry[i].gid};
        snprintf(buffer, size, "%s", nss.entry[i].name);
        *result = entry;
        break;
    }
    return 0;
}

EXPORTED int getgrnam_r(const char *name, struct group *entry, char *buffer, size_t size,
                        struct group **result)
{
    nss.by_name++;
    *result = NULL;
    if (nss.bad_name != NULL && strcmp(name, nss.bad_name) == 0)
        return nss.name_error != 0 ? nss.name_error : errno;
    return answer(name, 0, entry, buffer, size, result);
}

EXPORTED int getgrgid_r(gid_t gid, struct group *entry, char *buffer, size_t size,
                        struct group **result)
{
    nss.by_gid++;
    *result = NULL;
    if (gid == nss.bad_gid)
        return nss.gid_error != 0 ? nss.gid_error : errno;
    return answer(NULL, gid, entry, buffer, size, result);
}

static void add_entry(const char *name, gid_t gid)
{
    snprintf(nss.entry[nss.entry_count].name, sizeof nss.entry[0].name, "%s", name);
    nss.entry[nss.entry_count++].gid = gid;
}

/* Groups g0, g1, ... with the gids 2000, 2001, ...; the user is in the first of them. */
static void nss_reset(size_t groups, size_t of_user)
{
    memset(&nss, 0, sizeof nss);
    nss.bad_gid = (gid_t)-1;
    for (size_t i = 0; i < groups; i++) {
        char name[32];
        snprintf(name, sizeof name, "g%zu", i);
        add_entry(name, 2000 + (gid_t)i);
    }
    for (size_t i = 0; i < of_user; i++)
        nss.of_user[nss.of_user_count++] = 2000 + (gid_t)i;
}

static unsigned questions(void)
{
    return nss.by_name + nss.by_gid;
}

static void account_of_kim(struct account *account)
{
    *account = (struct account){.name = strdup("kim"), .uid = 4711, .gid = USER_GID};
    assert_non_null(account->name);
}

/* What an account without any known group is given by the policy in snapshot. */
static enum account_rules decide(const struct snapshot *snapshot, int64_t *tmout_sec)
{
    struct policy_groups groups = {0};
    struct resolution resolution;
    struct account account;

    account_of_kim(&account);
    const enum account_rules rules = resolve_account(snapshot, &groups, &account, &resolution);
    if (rules == ACCOUNT_RESOLVED)
        *tmout_sec = resolution.setting[SETTING_TMOUT].value;
    account_free(&account);
    policy_groups_free(&groups);
    return rules;
}

/* The same by the names of all groups. Returns false where they cannot be found. */
static bool decide_by_all(const struct snapshot *snapshot, int64_t *tmout_sec)
{
    struct resolution resolution;
    struct account account;

    account_of_kim(&account);
    const bool found = account_find_groups(&account) == 0;
    if (found) {
        assert_int_equal(resolve(snapshot, account.name, (const char *const *)account.group,
                                 account.group_count, &resolution),
                         0);
        *tmout_sec = resolution.setting[SETTING_TMOUT].value;
    }
    account_free(&account);
    return found;
}

static const char two_rules[] = "default { tmout = 30m }\n"
                                "group g3 { tmout = 5m }\n"
                                "group g40 { tmout = 1m }\n";

#define assert_decides(snapshot, seconds)                                                          \
    do {                                                                                           \
        int64_t decided_sec = -1;                                                                  \
        assert_int_equal(decide((snapshot), &decided_sec), ACCOUNT_RESOLVED);                      \
        assert_int_equal(decided_sec, (seconds));                                                  \
    } while (0)

static void asks_nothing_without_group_rules(void **state)
{
    struct snapshot snapshot;

    (void)state;
    nss_reset(10, 10);
    open_policy(&snapshot, "default { tmout = 30m }\nuser kim { tmout = 5m }\n");
    assert_decides(&snapshot, 300);
    assert_int_equal(nss.lists + questions(), 0);
    snapshot_close(&snapshot);
}

static void asks_for_the_fewer(void **state)
{
    struct snapshot snapshot;

    (void)state;
    open_policy(&snapshot, two_rules);
    nss_reset(50, 30); /* two names, and the number of the one that matches */
    assert_decides(&snapshot, 300);
    assert_int_equal(nss.by_name, 2);
    assert_int_equal(nss.by_gid, 1);
    assert_int_equal(nss.lists, 1);
    nss_reset(50, 5); /* twice the rules is less than the groups */
    assert_decides(&snapshot, 300);
    assert_int_equal(nss.by_name, 2);
    nss_reset(50, 4); /* it is not */
    assert_decides(&snapshot, 300);
    assert_int_equal(nss.by_name, 0);
    assert_int_equal(nss.by_gid, 4);
    nss_reset(50, 0);
    assert_decides(&snapshot, 1800);
    assert_int_equal(questions(), 0);
    snapshot_close(&snapshot);
}

/* A name that is not its number's first one is no name of a user's group. */
static void an_alias_matches_as_before(void **state)
{
    struct snapshot snapshot;

    (void)state;
    open_policy(&snapshot, "default { tmout = 30m }\ngroup alias { tmout = 5m }\n");
    for (size_t of_user = 1; of_user < 30; of_user++) {
        nss_reset(30, of_user);
        add_entry("alias", 2000); /* behind g0 */
        assert_decides(&snapshot, 1800);
        nss_reset(0, 0);
        add_entry("alias", 2000);
        add_entry("g0", 2000);
        for (size_t i = 0; i < of_user; i++)
            nss.of_user[nss.of_user_count++] = 2000 + (gid_t)i;
        assert_decides(&snapshot, 300);
    }
    snapshot_close(&snapshot);
}

static void asks_nothing_twice(void **state)
{
    struct policy_groups groups = {0};
    struct resolution resolution;
    struct snapshot snapshot;
    struct account account, other;

    (void)state;
    open_policy(&snapshot, two_rules);
    for (size_t of_user = 4; of_user <= 30; of_user += 26) {
        nss_reset(50, of_user);
        account_of_kim(&account);
        account_of_kim(&other);
        for (int i = 0; i < 3; i++) {
            assert_int_equal(resolve_account(&snapshot, &groups, &account, &resolution),
                             ACCOUNT_RESOLVED);
            assert_int_equal(resolution.setting[SETTING_TMOUT].value, 300);
            assert_int_equal(nss.lists, 1);
            assert_int_equal(questions(), of_user == 4 ? 4 : 3);
        }
        /* another user, the same groups: only theirs are listed */
        if (of_user > 4) {
            assert_int_equal(resolve_account(&snapshot, &groups, &other, &resolution),
                             ACCOUNT_RESOLVED);
            assert_int_equal(resolution.setting[SETTING_TMOUT].value, 300);
            assert_int_equal(nss.lists, 2);
            assert_int_equal(questions(), 3);
        }
        account_free(&account);
        account_free(&other);
        policy_groups_free(&groups);
    }
    snapshot_close(&snapshot);
}

/* The policy was changed between the password and the session. */
static void another_policy_has_other_groups(void **state)
{
    struct policy_groups groups = {0};
    struct resolution resolution;
    struct snapshot before, after;
    struct account account;

    (void)state;
    nss_reset(50, 30);
    open_policy(&before, two_rules);
    open_policy(&after, "default { tmout = 30m }\ngroup g7 { tmout = 7m }\n");
    account_of_kim(&account);
    assert_int_equal(resolve_account(&before, &groups, &account, &resolution), ACCOUNT_RESOLVED);
    assert_int_equal(resolve_account(&after, &groups, &account, &resolution), ACCOUNT_RESOLVED);
    assert_int_equal(resolution.setting[SETTING_TMOUT].value, 420);
    assert_string_equal(resolution.setting[SETTING_TMOUT].name, "g7");
    assert_int_equal(nss.lists, 1);
    account_free(&account);
    policy_groups_free(&groups);
    snapshot_close(&before);
    snapshot_close(&after);
}

/* A source that fails has not said that there is no such group, whichever error
 * it sets, if any. Every group of the user is asked for then, as before. */
static void a_failure_is_not_an_answer(void **state)
{
    static const int errors[] = {0,      ENOENT, ESRCH,  EPERM,        EBADF,     EIO,
                                 EAGAIN, EMFILE, ENOMEM, ECONNREFUSED, ETIMEDOUT, EINVAL};
    struct snapshot snapshot;
    int64_t tmout_sec;

    (void)state;
    open_policy(&snapshot, two_rules);
    for (size_t i = 0; i < COUNT_OF(errors); i++) {
        nss_reset(50, 30);
        nss.bad_name = "g3";
        nss.name_error = errors[i];
        assert_decides(&snapshot, 300);
        nss.bad_name = "g40"; /* which the user is not in */
        assert_decides(&snapshot, 300);

        /* the number's name may be the one of the strict rule */
        nss_reset(50, 30);
        nss.bad_gid = 2003;
        nss.gid_error = errors[i];
        assert_int_equal(decide(&snapshot, &tmout_sec), ACCOUNT_GROUPS_UNKNOWN);
        assert_int_equal(errno, errors[i] != 0 ? errors[i] : EIO);
        nss_reset(50, 4); /* all of them by number */
        nss.bad_gid = 2001;
        nss.gid_error = errors[i];
        assert_int_equal(decide(&snapshot, &tmout_sec), ACCOUNT_GROUPS_UNKNOWN);
    }
    nss_reset(50, 30);
    nss.list_error = ECONNREFUSED;
    assert_int_equal(decide(&snapshot, &tmout_sec), ACCOUNT_GROUPS_UNKNOWN);
    assert_int_equal(errno, ECONNREFUSED);
    snapshot_close(&snapshot);
}

static unsigned next_random(void)
{
    static uint32_t seed = 12345;

    seed = seed * 1103515245 + 12345;
    return seed >> 16;
}

/* Aliases, groups that have vanished, names of no group, in all mixtures. Each
 * name stands for one number: else the answer depends on who is asked first. */
static void random_world(void)
{
    memset(&nss, 0, sizeof nss);
    nss.bad_gid = next_random() % 8 == 0 ? next_random() % 24 : (gid_t)-1;
    nss.gid_error = ETIMEDOUT;
    nss.bad_name = next_random() % 4 == 0 ? "g2" : NULL;
    nss.name_error = ENOENT;
    for (unsigned i = 0; i < 32; i++) {
        char name[32];
        snprintf(name, sizeof name, "g%u", i);
        if (next_random() % 3 != 0)
            add_entry(name, next_random() % 24);
    }
    for (unsigned gid = 0; gid < 24; gid++)
        if (next_random() % 2 != 0)
            nss.of_user[nss.of_user_count++] = gid;
}

static void decides_as_all_groups_would(void **state)
{
    const unsigned worlds = is_slow() ? 100 : 3000;
    unsigned by_name = 0, resolved = 0, matched = 0;

    (void)state;
    for (unsigned i = 0; i < worlds; i++) {
        char text[1024] = "default { tmout = 30m }\n";
        struct snapshot snapshot;
        int64_t decided_sec = -1, all_sec = -1;

        for (unsigned rule = 0; rule < 32; rule++)
            if (next_random() % 8 == 0)
                snprintf(text + strlen(text), sizeof text - strlen(text),
                         "group g%u { tmout = %us }\n", rule, 100 + rule);
        open_policy(&snapshot, text);
        random_world();
        const enum account_rules rules = decide(&snapshot, &decided_sec);
        by_name += nss.by_name > 0;
        if (rules == ACCOUNT_RESOLVED) {
            /* one number in the way is none where only others matter */
            nss.gid_error = 0;
            nss.bad_gid = (gid_t)-1;
            assert_true(decide_by_all(&snapshot, &all_sec));
            assert_int_equal(decided_sec, all_sec);
            resolved++;
            matched += all_sec != 1800;
        } else {
            assert_int_equal(rules, ACCOUNT_GROUPS_UNKNOWN);
            assert_false(decide_by_all(&snapshot, &all_sec));
        }
        snapshot_close(&snapshot);
    }
    assert_true(by_name > worlds / 4 && resolved > worlds / 2 && matched > worlds / 4);
}

static void a_damaged_snapshot_is_reported(void **state)
{
    struct snapshot snapshot;
    int64_t tmout_sec;

    (void)state;
    nss_reset(50, 30);
    open_policy(&snapshot, two_rules);
    snapshot.rule_count[RULE_GROUP]++;
    assert_int_equal(decide(&snapshot, &tmout_sec), ACCOUNT_POLICY_DAMAGED);
    snapshot_close(&snapshot);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(asks_nothing_without_group_rules),
        cmocka_unit_test(asks_for_the_fewer),
        cmocka_unit_test(an_alias_matches_as_before),
        cmocka_unit_test(asks_nothing_twice),
        cmocka_unit_test(another_policy_has_other_groups),
        cmocka_unit_test(a_failure_is_not_an_answer),
        cmocka_unit_test(decides_as_all_groups_would),
        cmocka_unit_test(a_damaged_snapshot_is_reported),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
