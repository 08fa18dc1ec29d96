/*
 * Users and groups as NSS returns them. The calls to the C library are answered
 * here, in order to test answers that no test host would give.
 */
#include "tests/unit/check.h"

#include "lib/host/account.h"
#include "lib/host/group_sources.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>

#define EXPORTED __attribute__((visibility("default")))

/* What the fake NSS knows, and how it misbehaves. */
static struct {
    int user_error;         /* returned instead of an answer */
    int user_interrupts;    /* number of EINTR results before the answer */
    size_t user_needs;      /* ERANGE for smaller buffers */
    const char *name;       /* the user's name as NSS spells it, NULL: no such user */
    bool has_no_name;       /* ... who has none, NULL */
    uid_t wrong_uid;        /* answered in the place of 4711 */
    bool lies_about_groups; /* for bad_gid: no name, or another number */
    int group_count;        /* gids 1000, 1001, ... */
    gid_t bad_gid;          /* for this one ... */
    int group_error;        /* ... this is returned, 0: the group has no name */
    int group_interrupts;
    size_t group_needs;
    int list_error; /* errno after a list that succeeds */
    unsigned user_calls, list_calls, group_calls;
} nss;

static void nss_reset(void)
{
    memset(&nss, 0, sizeof nss);
    nss.name = "kim";
    nss.group_count = 3;
    nss.bad_gid = (gid_t)-1;
}

EXPORTED int getpwnam_r(const char *name, struct passwd *entry, char *buffer, size_t size,
                        struct passwd **result)
{
    (void)name;
    nss.user_calls++;
    *result = NULL;
    if (nss.user_interrupts > 0) {
        nss.user_interrupts--;
        return EINTR;
    }
    if (size < nss.user_needs || size < 64)
        return ERANGE;
    memset(buffer, 'x', size);
    if (nss.user_error != 0 || nss.name == NULL)
        return nss.user_error;
    memset(entry, 0, sizeof *entry);
    strcpy(buffer, nss.name);
    entry->pw_name = nss.has_no_name ? NULL : buffer;
    entry->pw_uid = nss.wrong_uid != 0 ? nss.wrong_uid : 4711;
    entry->pw_gid = 1000;
    *result = entry;
    return 0;
}

/* The same user by uid; only 4711 exists. */
EXPORTED int getpwuid_r(uid_t uid, struct passwd *entry, char *buffer, size_t size,
                        struct passwd **result)
{
    if (uid == 4711)
        return getpwnam_r(nss.name, entry, buffer, size, result);
    nss.user_calls++;
    *result = NULL;
    return nss.user_error;
}

EXPORTED int getgrgid_r(gid_t gid, struct group *entry, char *buffer, size_t size,
                        struct group **result)
{
    nss.group_calls++;
    *result = NULL;
    if (nss.group_interrupts > 0) {
        nss.group_interrupts--;
        return EINTR;
    }
    if (size < nss.group_needs || size < 64)
        return ERANGE;
    memset(buffer, 'y', size);
    if (gid == nss.bad_gid && !nss.lies_about_groups)
        return nss.group_error;
    memset(entry, 0, sizeof *entry);
    snprintf(buffer, size, "group %u", (unsigned)gid);
    entry->gr_name = buffer;
    entry->gr_gid = gid;
    if (gid == nss.bad_gid && gid % 2 == 0)
        entry->gr_name = NULL;
    else if (gid == nss.bad_gid)
        entry->gr_gid++;
    *result = entry;
    return 0;
}

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

    nss.list_calls++;
    assert_string_equal(user, nss.name);
    assert_int_equal(primary, 1000);
    for (int i = 0; i < room && i < nss.group_count; i++)
        groups[i] = 1000 + (gid_t)i;
    *count = nss.group_count;
    /* all that glibc shows of a source that failed */
    errno = nss.list_error;
    return nss.group_count > room ? -1 : nss.group_count;
}

static void finds_a_user_with_groups(void **state)
{
    struct account account;

    (void)state;
    nss_reset();
    nss.name = "DOM\\Kim";
    assert_int_equal(account_lookup("kim@dom", true, &account), ACCOUNT_FOUND);
    assert_string_equal(account.name, "DOM\\Kim"); /* as NSS spells it */
    assert_int_equal(account.uid, 4711);
    assert_int_equal(account.group_count, 3);
    assert_string_equal(account.group[0], "group 1000");
    assert_string_equal(account.group[2], "group 1002");
    assert_int_equal(nss.list_calls, 1);
    account_free(&account);
    assert_null(account.name);

    nss_reset();
    assert_int_equal(account_lookup("kim", false, &account), ACCOUNT_FOUND);
    assert_int_equal(account.group_count, 0);
    assert_int_equal(nss.list_calls + nss.group_calls, 0); /* groups are the expensive part */
    account_free(&account);
}

/* If a source is down, getgrouplist() returns success and the groups of the
 * other sources: the one with the strict rule may be missing. */
static void fails_if_a_source_is_down(void **state)
{
    static const int broken[] = {ECONNREFUSED, ETIMEDOUT, EMFILE, ENOMEM, EIO, EAGAIN};
    static const int fine[] = {0, ENOENT, ESRCH, ENOTTY};
    struct account account;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(broken); i++) {
        nss_reset();
        nss.list_error = broken[i];
        assert_int_equal(account_lookup("kim", true, &account), ACCOUNT_ERROR);
        assert_int_equal(errno, broken[i]);
    }
    for (size_t i = 0; i < COUNT_OF(fine); i++) {
        nss_reset();
        nss.list_error = fine[i];
        assert_int_equal(account_lookup("kim", true, &account), ACCOUNT_FOUND);
        account_free(&account);
    }
}

static void reports_an_unknown_user(void **state)
{
    /* getpwnam_r(3) lists what systems return for "not found". */
    static const int errors[] = {0, ENOENT, ESRCH, EBADF, EPERM};
    struct account account;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(errors); i++) {
        nss_reset();
        nss.name = NULL;
        nss.user_error = errors[i];
        assert_int_equal(account_lookup("kim", true, &account), ACCOUNT_UNKNOWN);
        assert_null(account.name);
        assert_int_equal(account.group_count, 0);
        account_free(&account);
    }
}

static void fails_if_nss_fails(void **state)
{
    static const int errors[] = {EIO, EMFILE, ENFILE, ENOMEM, EAGAIN, ETIMEDOUT, ECONNREFUSED};
    struct account account;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(errors); i++) {
        nss_reset();
        nss.user_error = errors[i];
        assert_int_equal(account_lookup("kim", true, &account), ACCOUNT_ERROR);
        assert_int_equal(errno, errors[i]);

        /* a group that cannot be looked up may be the one with the strict rule */
        nss_reset();
        nss.bad_gid = 1001;
        nss.group_error = errors[i];
        assert_int_equal(account_lookup("kim", true, &account), ACCOUNT_ERROR);
        assert_int_equal(errno, errors[i]);
        assert_null(account.name);
    }
}

/* A source that lies must not crash a login program, nor give a user the rules of somebody
 * else. */
static void rejects_impossible_answers(void **state)
{
    struct account account;

    (void)state;
    nss_reset();
    nss.has_no_name = true;
    assert_int_equal(account_lookup("kim", true, &account), ACCOUNT_ERROR);
    assert_int_equal(errno, EPROTO);
    assert_null(account.name);
    nss_reset();
    nss.name = "";
    assert_int_equal(account_lookup("kim", true, &account), ACCOUNT_ERROR);
    assert_int_equal(errno, EPROTO);
    nss_reset();
    nss.wrong_uid = (uid_t)-1;
    assert_int_equal(account_lookup("kim", true, &account), ACCOUNT_ERROR);
    nss_reset();
    nss.wrong_uid = 4712;
    assert_int_equal(account_lookup_uid(4711, &account), ACCOUNT_ERROR);
    assert_int_equal(errno, EPROTO);
    assert_string_equal(account_strerror(EPROTO), "the name service gave an impossible answer");
    for (nss_reset(), nss.bad_gid = 1001; nss.bad_gid < 1003; nss.bad_gid++) {
        nss.lies_about_groups = true;
        assert_int_equal(account_lookup("kim", true, &account), ACCOUNT_ERROR);
        assert_int_equal(errno, EPROTO);
    }
}

static void skips_groups_without_a_name(void **state)
{
    struct account account;

    (void)state;
    for (gid_t gid = 1000; gid <= 1002; gid++) {
        nss_reset();
        nss.bad_gid = gid;
        assert_int_equal(account_lookup("kim", true, &account), ACCOUNT_FOUND);
        assert_int_equal(account.group_count, 2);
        account_free(&account);
    }
}

static void repeats_interrupted_calls(void **state)
{
    struct account account;

    (void)state;
    nss_reset();
    nss.user_interrupts = 3;
    nss.group_interrupts = 3;
    assert_int_equal(account_lookup("kim", true, &account), ACCOUNT_FOUND);
    assert_int_equal(account.group_count, 3);
    account_free(&account);
}

/* A directory server's group entry names all its members. */
static void grows_the_buffer_for_large_entries(void **state)
{
    static const size_t needs[] = {100, 4096, 4097, 100000, 3000000, 50000000};
    struct account account;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(needs) - (is_slow() ? 2 : 0); i++) {
        nss_reset();
        nss.user_needs = nss.group_needs = needs[i];
        assert_int_equal(account_lookup("kim", true, &account), ACCOUNT_FOUND);
        assert_string_equal(account.name, "kim");
        assert_int_equal(account.group_count, 3);
        assert_string_equal(account.group[1], "group 1001");
        account_free(&account);
    }
    /* an entry that never fits is an error, and the lookup ends */
    nss_reset();
    nss.user_needs = SIZE_MAX;
    assert_int_equal(account_lookup("kim", true, &account), ACCOUNT_ERROR);
    assert_int_equal(errno, ERANGE);
    nss_reset();
    nss.group_needs = SIZE_MAX;
    assert_int_equal(account_lookup("kim", true, &account), ACCOUNT_ERROR);
    assert_int_equal(errno, ERANGE);
}

static void finds_many_groups(void **state)
{
    static const int counts[] = {0, 1, 63, 64, 65, 128, 129, 500, 5000, 65536};
    struct account account;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(counts) - (is_slow() ? 1 : 0); i++) {
        nss_reset();
        nss.group_count = counts[i];
        assert_int_equal(account_lookup("kim", true, &account), ACCOUNT_FOUND);
        assert_int_equal(account.group_count, counts[i]);
        /* each is looked up once */
        assert_int_equal(nss.group_calls, counts[i]);
        for (int g = 0; g < counts[i]; g++) {
            unsigned gid;
            assert_int_equal(sscanf(account.group[g], "group %u", &gid), 1);
            assert_int_equal(gid, 1000 + g);
        }
        account_free(&account);
    }
    /* the usual number takes one call */
    nss_reset();
    nss.group_count = 20;
    assert_int_equal(account_lookup("kim", true, &account), ACCOUNT_FOUND);
    assert_int_equal(nss.list_calls, 1);
    account_free(&account);
    nss_reset();
    nss.group_count = 1000000;
    assert_int_equal(account_lookup("kim", true, &account), ACCOUNT_ERROR);
}

/* Looked up in two steps, because most users need only the first one. */
static void finds_groups_in_a_second_step(void **state)
{
    struct account account;

    (void)state;
    nss_reset();
    nss.name = "DOM\\Kim";
    assert_int_equal(account_lookup("kim@dom", false, &account), ACCOUNT_FOUND);
    assert_int_equal(nss.list_calls + nss.group_calls, 0);
    assert_int_equal(account_find_groups(&account), 0);
    assert_int_equal(nss.list_calls, 1); /* by the name that NSS returned, see above */
    assert_int_equal(nss.user_calls, 1);
    assert_int_equal(account.group_count, 3);
    assert_string_equal(account.group[0], "group 1000");
    assert_string_equal(account.group[2], "group 1002");
    assert_string_equal(account.name, "DOM\\Kim");
    account_free(&account);
    assert_int_equal(account.group_count, 0);
}

/* The account is unchanged then: the user, without groups; and the lookup may
 * be repeated. */
static void keeps_the_user_if_the_groups_cannot_be_found(void **state)
{
    static const int errors[] = {EIO, EMFILE, ENOMEM, ETIMEDOUT, ECONNREFUSED};
    struct account account;

    (void)state;
    for (size_t i = 0; i < 2 * COUNT_OF(errors); i++) {
        const int error = errors[i / 2];

        nss_reset();
        assert_int_equal(account_lookup("kim", false, &account), ACCOUNT_FOUND);
        if (i % 2 == 0) {
            nss.list_error = error;
        } else {
            nss.bad_gid = 1002; /* after other groups that were found */
            nss.group_error = error;
        }
        assert_int_equal(account_find_groups(&account), -1);
        assert_int_equal(errno, error);
        assert_string_equal(account.name, "kim");
        assert_int_equal(account.uid, 4711);
        assert_int_equal(account.gid, 1000);
        assert_int_equal(account.group_count, 0);
        assert_null(account.group);
        nss.list_error = nss.group_error = 0;
        nss.bad_gid = (gid_t)-1;
        assert_int_equal(account_find_groups(&account), 0);
        assert_int_equal(account.group_count, 3);
        account_free(&account);
    }
    nss_reset();
    assert_int_equal(account_lookup("kim", false, &account), ACCOUNT_FOUND);
    nss.group_count = 1000000;
    assert_int_equal(account_find_groups(&account), -1);
    assert_int_equal(account.group_count, 0);
    account_free(&account);
}

static void finds_the_name_of_a_uid(void **state)
{
    static const int errors[] = {0, ENOENT, ESRCH, EIO, ETIMEDOUT};

    (void)state;
    nss_reset();
    nss.name = "DOM\\Kim";
    char *name = account_name_of(4711);
    assert_string_equal(name, "DOM\\Kim");
    free(name);
    for (size_t i = 0; i < COUNT_OF(errors); i++) {
        nss_reset();
        nss.user_error = errors[i];
        assert_null(account_name_of(4712));
        assert_int_equal(nss.user_calls, 1);
    }
    nss_reset();
    nss.user_interrupts = 3;
    nss.user_needs = 100000;
    name = account_name_of(4711);
    assert_string_equal(name, "kim");
    free(name);
    nss_reset();
    nss.user_needs = SIZE_MAX; /* an entry that never fits */
    assert_null(account_name_of(4711));
}

static void frees_an_empty_account(void **state)
{
    struct account account = {0};

    (void)state;
    account_free(&account);
    account_free(&account);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_a_user_with_groups),
        cmocka_unit_test(fails_if_a_source_is_down),
        cmocka_unit_test(reports_an_unknown_user),
        cmocka_unit_test(fails_if_nss_fails),
        cmocka_unit_test(rejects_impossible_answers),
        cmocka_unit_test(skips_groups_without_a_name),
        cmocka_unit_test(repeats_interrupted_calls),
        cmocka_unit_test(grows_the_buffer_for_large_entries),
        cmocka_unit_test(finds_many_groups),
        cmocka_unit_test(finds_groups_in_a_second_step),
        cmocka_unit_test(keeps_the_user_if_the_groups_cannot_be_found),
        cmocka_unit_test(finds_the_name_of_a_uid),
        cmocka_unit_test(frees_an_empty_account),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
