#include "tools/tmoutctl/host/user_directory.h"

#include "lib/host/array.h"
#include "lib/host/group_sources.h"
#include "tools/tmoutctl/host/nss_sources.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int set_account(struct directory_user *user, const struct account *account)
{
    account_free(&user->account);
    user->account = *account;
    user->status = ACCOUNT_FOUND;
    return 0;
}

/* --- users ------------------------------------------------------------------- */

static int compare_uid(const void *uid, const void *user)
{
    const uid_t a = *(const uid_t *)uid, b = ((const struct directory_user *)user)->account.uid;

    return (a > b) - (a < b);
}

/* The first entry with a number is the one that counts. */
static int find_in_passwd(struct user_directory *directory)
{
    FILE *passwd = fopen("/etc/passwd", "re");
    int result = 0;

    if (passwd == NULL)
        return errno == ENOENT ? 0 : -1;
    for (struct passwd *entry; result == 0 && (entry = fgetpwent(passwd)) != NULL;) {
        struct directory_user *user =
            bsearch(&entry->pw_uid, directory->user, directory->count, sizeof *user, compare_uid);
        if (user == NULL || user->status == ACCOUNT_FOUND)
            continue;
        const struct account account = {
            .name = strdup(entry->pw_name), .uid = entry->pw_uid, .gid = entry->pw_gid};
        result = account.name != NULL ? set_account(user, &account) : -1;
    }
    fclose(passwd);
    return result;
}

/* Asks the sources that are selected now for everybody who was not found yet. */
static int find_by_lookup(struct user_directory *directory)
{
    for (size_t i = 0; i < directory->count; i++) {
        struct directory_user *user = &directory->user[i];
        struct account account;
        if (user->status == ACCOUNT_FOUND)
            continue;
        const enum account_status status = account_lookup_uid(user->account.uid, &account);
        if (status == ACCOUNT_FOUND) {
            set_account(user, &account);
        } else if (status == ACCOUNT_ERROR) {
            user->status = ACCOUNT_ERROR;
            user->error = errno;
        }
    }
    return 0;
}

int user_directory_find(const uid_t *uid, size_t count, struct user_directory *directory)
{
    struct nss_sources sources;
    int result = 0;

    *directory =
        (struct user_directory){.user = calloc(count + 1, sizeof *directory->user), .count = count};
    if (directory->user == NULL)
        return -1;
    for (size_t i = 0; i < count; i++)
        directory->user[i] =
            (struct directory_user){.account.uid = uid[i], .status = ACCOUNT_UNKNOWN};
    if (!nss_sources_read("passwd", &sources)) {
        if (nss_file_comes_first(&sources))
            result = find_in_passwd(directory);
        return result == 0 ? find_by_lookup(directory) : -1;
    }
    for (size_t i = 0; result == 0 && i < sources.count; i++) {
        const char *source = sources.source[i].name;
        if (strcmp(source, "files") == 0) {
            result = find_in_passwd(directory);
        } else if (nss_source_installed(source)) {
            nss_sources_select("passwd", source);
            result = find_by_lookup(directory);
        }
    }
    nss_sources_select("passwd", sources.line);
    return result;
}

/* --- groups ------------------------------------------------------------------ */

/* The users who were found, by name. */
struct users_by_name {
    struct directory_user **user;
    size_t count;
};

static int compare_users(const void *left, const void *right)
{
    return strcmp((*(struct directory_user *const *)left)->account.name,
                  (*(struct directory_user *const *)right)->account.name);
}

static int compare_name(const void *name, const void *user)
{
    return strcmp(name, (*(struct directory_user *const *)user)->account.name);
}

static int index_by_name(const struct user_directory *directory, struct users_by_name *users)
{
    *users = (struct users_by_name){.user = calloc(directory->count + 1, sizeof *users->user)};
    if (users->user == NULL)
        return -1;
    for (size_t i = 0; i < directory->count; i++)
        if (directory->user[i].status == ACCOUNT_FOUND)
            users->user[users->count++] = &directory->user[i];
    qsort(users->user, users->count, sizeof *users->user, compare_users);
    return 0;
}

static int add_gid(struct account *account, gid_t gid)
{
    for (size_t i = 0; i < account->gid_count; i++)
        if (account->gids[i] == gid)
            return 0;
    gid_t *grown = array_grow(account->gids, account->gid_count, sizeof *grown);
    if (grown == NULL)
        return -1;
    account->gids = grown;
    account->gids[account->gid_count++] = gid;
    return 0;
}

static int add_member(void *context, const char *name, gid_t gid)
{
    const struct users_by_name *users = context;
    struct directory_user **found =
        bsearch(name, users->user, users->count, sizeof *users->user, compare_name);

    if (found == NULL)
        return 0;
    /* One name may have several numbers. */
    while (found > users->user && compare_name(name, found - 1) == 0)
        found--;
    for (; found < users->user + users->count && compare_name(name, found) == 0; found++)
        if (add_gid(&(*found)->account, gid) != 0)
            return -1;
    return 0;
}

static int find_in_group_file(struct users_by_name *users)
{
    FILE *file = fopen("/etc/group", "re");
    int result = 0;

    if (file == NULL)
        return errno == ENOENT ? 0 : -1;
    for (struct group *entry; result == 0 && (entry = fgetgrent(file)) != NULL;)
        for (char **member = entry->gr_mem; result == 0 && *member != NULL; member++)
            result = add_member(users, *member, entry->gr_gid);
    fclose(file);
    return result;
}

/* Nobody knows then which rules apply to the user. */
static void set_unknown(struct directory_user *user)
{
    user->status = ACCOUNT_ERROR;
    user->error = errno;
}

/* Without asking the sources one by one. */
static void find_groups_by_lookup(const struct users_by_name *users)
{
    for (size_t i = 0; i < users->count; i++) {
        struct account *account = &users->user[i]->account;
        free(account->gids);
        account->gids = NULL;
        account->gid_count = 0;
        if (account_list_groups(account) != 0)
            set_unknown(users->user[i]);
    }
}

/* What this source knows of everybody's groups. */
static int find_groups_in_source(const struct users_by_name *users, const char *source)
{
    struct group_list list = {0};
    int result = 0;

    for (size_t i = 0; result == 0 && i < users->count; i++) {
        struct directory_user *user = users->user[i];
        const struct account *account = &user->account;
        if (group_source_add(source, account->name, account->gid, &list) != GROUPS_LISTED)
            set_unknown(user);
        for (long g = 0; result == 0 && g < list.count; g++)
            result = add_gid(&user->account, list.gid[g]);
        list.count = 0;
    }
    group_list_free(&list);
    return result;
}

/*
 * The same for systemd, which looks into four directories for each question, and names
 * the members of a group: the few groups that matter are asked about, not each user.
 */
static int find_members_in_systemd(struct users_by_name *users, const struct wanted_groups *wanted)
{
    for (size_t i = 0; i < wanted->count; i++) {
        if (group_source_members("systemd", wanted->group[i].name, add_member, users) ==
            GROUPS_LISTED)
            continue;
        if (errno == ENOMEM)
            return -1;
        for (size_t k = 0; k < users->count; k++)
            set_unknown(users->user[k]);
        return 0;
    }
    return 0;
}

/* Returns 0, or -1 without memory. */
static int find_groups_in(struct users_by_name *users, const char *source,
                          const struct wanted_groups *wanted)
{
    if (strcmp(source, "files") == 0)
        return find_in_group_file(users);
    if (strcmp(source, "systemd") == 0)
        return find_members_in_systemd(users, wanted);
    return find_groups_in_source(users, source);
}

/* Their own groups come first, as in getgrouplist(3). */
static int add_primary_groups(const struct users_by_name *users)
{
    for (size_t i = 0; i < users->count; i++)
        if (add_gid(&users->user[i]->account, users->user[i]->account.gid) != 0)
            return -1;
    return 0;
}

int user_directory_find_groups(struct user_directory *directory, const struct wanted_groups *wanted)
{
    char text[NSSWITCH_BYTES_MAX];
    struct nss_sources sources, own;
    struct users_by_name users = {0};
    int result = -1;

    if (index_by_name(directory, &users) != 0 || add_primary_groups(&users) != 0)
        goto out;
    /* With a line of its own for this question, success ends the search. */
    if (nsswitch_read(text) != 0 || nsswitch_parse(text, "initgroups", &own) != 0 ||
        !nss_sources_read("group", &sources)) {
        find_groups_by_lookup(&users);
        result = 0;
        goto out;
    }
    result = 0;
    for (size_t i = 0; result == 0 && i < sources.count; i++)
        result = find_groups_in(&users, sources.source[i].name, wanted);

out:
    free(users.user);
    return result;
}

void user_directory_free(struct user_directory *directory)
{
    for (size_t i = 0; i < directory->count; i++)
        account_free(&directory->user[i].account);
    free(directory->user);
    *directory = (struct user_directory){0};
}
