#include "lib/host/account.h"

#include "lib/host/array.h"
#include "lib/host/group_sources.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>

enum {
    ENTRY_BYTES_INITIAL = 4096,
    ENTRY_BYTES_MAX = 64 * 1024 * 1024, /* a group entry lists all its members */
    GROUPS_INITIAL = 64,
    GROUPS_MAX = 65536 /* NGROUPS_MAX */
};

/* getpwnam_r(3) may report "not found" with any of these. */
static bool means_not_found(int error)
{
    return error == 0 || error == ENOENT || error == ESRCH || error == EBADF || error == EPERM;
}

/* A buffer that is reused from one look-up to the next and grows on demand. */
struct scratch {
    char *data;
    size_t size;
};

/* Grows after ERANGE; false with errno if it cannot. */
static bool grow(struct scratch *scratch)
{
    const size_t size = scratch->size == 0 ? ENTRY_BYTES_INITIAL : 2 * scratch->size;

    if (size > ENTRY_BYTES_MAX) {
        errno = ERANGE;
        return false;
    }
    char *data = realloc(scratch->data, size);
    if (data == NULL)
        return false;
    scratch->data = data;
    scratch->size = size;
    return true;
}

/* How to find a user: by name, or where name is NULL by uid. */
struct user_key {
    const char *name;
    uid_t uid;
};

/* An answer without a name, or about another user than the one who was asked about,
 * cannot be right. By name, NSS may answer with another spelling. */
static bool is_user(const struct passwd *entry, const struct user_key *key)
{
    return entry->pw_name != NULL && entry->pw_name[0] != '\0' && entry->pw_uid != (uid_t)-1 &&
           (key->name != NULL || entry->pw_uid == key->uid);
}

/* Returns 1 and the entry, 0 when there is none, -1 with errno. A source that fails
 * without an error leaves errno as it was. */
static int find_user(const struct user_key *key, struct scratch *scratch, struct passwd *entry)
{
    struct passwd *found = NULL;
    int error;

    do {
        if (!grow(scratch))
            return -1;
        do {
            errno = EIO;
            error = key->name != NULL
                        ? getpwnam_r(key->name, entry, scratch->data, scratch->size, &found)
                        : getpwuid_r(key->uid, entry, scratch->data, scratch->size, &found);
        } while (error == EINTR);
    } while (error == ERANGE);
    if (found != NULL && is_user(found, key))
        return 1;
    if (found != NULL)
        error = EPROTO;
    errno = error;
    return error == 0 || (key->name != NULL && means_not_found(error)) ? 0 : -1;
}

/* How to find a group: by name, or where name is NULL by gid. */
struct group_key {
    const char *name;
    gid_t gid;
};

/* As above. A group that is asked for by name may have another one: its number is what
 * counts, and is asked about. */
static bool is_group(const struct group *entry, const struct group_key *key)
{
    return entry->gr_name != NULL && entry->gr_name[0] != '\0' &&
           (key->name != NULL || entry->gr_gid == key->gid);
}

/*
 * "No such group" has no error in glibc and musl. Every error, ENOENT among them,
 * comes from a source that failed, for example when the directory server's daemon
 * does not run: the group may be there. A source that fails without an error
 * leaves errno as it was.
 */
static int find_group(const struct group_key *key, struct scratch *scratch, struct group *entry)
{
    struct group *found = NULL;
    int error;

    for (;;) {
        do {
            errno = EIO;
            error = key->name != NULL
                        ? getgrnam_r(key->name, entry, scratch->data, scratch->size, &found)
                        : getgrgid_r(key->gid, entry, scratch->data, scratch->size, &found);
        } while (error == EINTR);
        if (error != ERANGE)
            break;
        if (!grow(scratch))
            return -1;
    }
    if (found != NULL && is_group(found, key))
        return 1;
    errno = found != NULL ? EPROTO : error;
    return found == NULL && error == 0 ? 0 : -1;
}

/*
 * Did a name service fail? getgrouplist() reports success even then, with the
 * groups of the services that answered; only errno tells, which is 0 or some
 * kind of "not found" if none failed.
 */
static bool means_broken(int error)
{
    switch (error) {
    case EAGAIN:
    case EIO:
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case EPIPE:
    case ECONNREFUSED:
    case ECONNRESET:
    case ETIMEDOUT:
    case EHOSTUNREACH:
    case ENETUNREACH:
        return true;
    default:
        return false;
    }
}

/* For a C library whose sources cannot be asked one by one. */
static int list_by_library(struct account *account)
{
    gid_t *gid = NULL;

    for (int room = GROUPS_INITIAL; room <= GROUPS_MAX; room *= 2) {
        gid_t *grown = reallocarray(gid, (size_t)room, sizeof *gid);
        int count = room;
        if (grown == NULL)
            break;
        gid = grown;
        errno = 0;
        if (getgrouplist(account->name, account->gid, gid, &count) >= 0) {
            if (means_broken(errno))
                break;
            account->gids = gid;
            account->gid_count = (size_t)count;
            return 0;
        }
        errno = ERANGE;
    }
    const int error = errno;
    free(gid);
    errno = error;
    return -1;
}

int account_list_groups(struct account *account)
{
    struct group_list list = {0};
    int result = 0;

    if (account->gids != NULL)
        return 0;
    account->failed_source[0] = '\0';
    switch (group_sources_list(account->name, account->gid, &list)) {
    case GROUPS_LISTED:
        account->gids = list.gid;
        account->gid_name = list.name;
        account->gid_count = (size_t)list.count;
        return 0;
    case GROUPS_HIDDEN:
        result = list_by_library(account);
        break;
    case GROUPS_FAILED:
    default:
        memcpy(account->failed_source, list.failed, sizeof account->failed_source);
        result = -1;
    }
    const int error = errno;
    group_list_free(&list);
    errno = error;
    return result;
}

void account_groups_failure(const struct account *account, int error, struct failure *failure)
{
    if (account->failed_source[0] != '\0')
        failure_set(failure, "name service \"%s\" failed: %s", account->failed_source,
                    account_strerror(error));
    else
        failure_set(failure, "%s", account_strerror(error));
}

/* NULL where NSS has to be asked. */
static const char *known_name(const struct account *account, size_t i)
{
    return account->gid_name != NULL ? account->gid_name[i] : NULL;
}

/* Names that are being collected. */
struct names {
    char **item;
    size_t count;
};

static void free_names(struct names *names)
{
    for (size_t i = 0; i < names->count; i++)
        free(names->item[i]);
    free(names->item);
    *names = (struct names){0};
}

static int add_name(struct names *names, const char *name)
{
    char **grown = array_grow(names->item, names->count, sizeof *grown);

    if (grown == NULL)
        return -1;
    names->item = grown;
    names->item[names->count] = strdup(name);
    if (names->item[names->count] == NULL)
        return -1;
    names->count++;
    return 0;
}

static int name_all_groups(const struct account *account, struct scratch *scratch,
                           struct names *names)
{
    for (size_t i = 0; i < account->gid_count; i++) {
        struct group entry;
        if (known_name(account, i) != NULL) {
            if (add_name(names, known_name(account, i)) != 0)
                return -1;
            continue;
        }
        const int found = find_group(&(struct group_key){.gid = account->gids[i]}, scratch, &entry);
        if (found < 0 || (found > 0 && add_name(names, entry.gr_name) != 0))
            return -1;
    }
    return 0;
}

static bool has_gid(const struct account *account, gid_t gid)
{
    for (size_t i = 0; i < account->gid_count; i++)
        if (account->gids[i] == gid)
            return true;
    return false;
}

/* What number a wanted group's name stands for. Returns 0, or -1 with errno. */
static int ask_by_name(struct wanted_group *wanted, struct scratch *scratch)
{
    struct group entry;

    if (wanted->state != GROUP_NOT_ASKED)
        return 0;
    const int found = find_group(&(struct group_key){.name = wanted->name}, scratch, &entry);
    if (found < 0)
        return -1;
    wanted->state = found > 0 ? GROUP_NAMED : GROUP_NONE;
    if (found > 0)
        wanted->gid = entry.gr_gid;
    return 0;
}

/* Whether the number's name is the wanted one. Returns 0, or -1 with errno. */
static int ask_by_gid(struct wanted_group *wanted, struct scratch *scratch)
{
    struct group entry;

    if (wanted->state != GROUP_NAMED)
        return 0;
    const int found = find_group(&(struct group_key){.gid = wanted->gid}, scratch, &entry);
    if (found < 0)
        return -1;
    wanted->state =
        found > 0 && strcmp(entry.gr_name, wanted->name) == 0 ? GROUP_CONFIRMED : GROUP_NONE;
    return 0;
}

/* Is the user in a wanted group? 1, 0, or -1 with errno if NSS cannot say. */
static int is_in_group(const struct account *account, struct wanted_group *wanted,
                       struct scratch *scratch)
{
    if (ask_by_name(wanted, scratch) != 0)
        return -1;
    if (wanted->state == GROUP_NONE || !has_gid(account, wanted->gid))
        return 0;
    return ask_by_gid(wanted, scratch) == 0 ? wanted->state == GROUP_CONFIRMED : -1;
}

static int name_wanted_groups(const struct account *account, struct wanted_groups *wanted,
                              struct scratch *scratch, struct names *names)
{
    for (size_t i = 0; i < wanted->count; i++) {
        const int is_in = is_in_group(account, &wanted->group[i], scratch);
        if (is_in < 0 || (is_in > 0 && add_name(names, wanted->group[i].name) != 0))
            return -1;
    }
    return 0;
}

/* The questions that are still open: each wanted group takes two at most. */
static size_t questions_about(const struct wanted_groups *wanted)
{
    size_t questions = 0;

    for (size_t i = 0; i < wanted->count; i++)
        questions += wanted->group[i].state == GROUP_NOT_ASKED ? 2
                     : wanted->group[i].state == GROUP_NAMED   ? 1
                                                               : 0;
    return questions;
}

static size_t questions_about_all(const struct account *account)
{
    size_t questions = 0;

    for (size_t i = 0; i < account->gid_count; i++)
        questions += known_name(account, i) == NULL;
    return questions;
}

bool account_knows_groups(const struct account *account)
{
    return account->gids != NULL && questions_about_all(account) == 0;
}

static void set_names(struct account *account, const struct names *names)
{
    for (size_t i = 0; i < account->group_count; i++)
        free(account->group[i]);
    free(account->group);
    account->group = names->item;
    account->group_count = names->count;
}

static bool is_named(const struct account *account, const struct wanted_groups *wanted)
{
    return account->named == GROUPS_ALL ||
           (account->named == GROUPS_WANTED && wanted != NULL && account->wanted_id == wanted->id);
}

static int find_names(struct account *account, struct wanted_groups *wanted,
                      struct scratch *scratch, struct names *names)
{
    if (wanted != NULL && questions_about(wanted) < questions_about_all(account)) {
        if (name_wanted_groups(account, wanted, scratch, names) == 0) {
            account->named = GROUPS_WANTED;
            account->wanted_id = wanted->id;
            return 0;
        }
        free_names(names);
    }
    if (name_all_groups(account, scratch, names) != 0)
        return -1;
    account->named = GROUPS_ALL;
    return 0;
}

/* wanted is NULL where all groups are. */
static int find_groups_among(struct account *account, struct wanted_groups *wanted)
{
    struct scratch scratch = {0};
    struct names names = {0};
    int result = -1;

    if (is_named(account, wanted))
        return 0;
    if (account_list_groups(account) == 0 && grow(&scratch))
        result = find_names(account, wanted, &scratch, &names);
    const int error = errno;
    free(scratch.data);
    if (result == 0)
        set_names(account, &names);
    else
        free_names(&names);
    errno = error;
    return result;
}

int account_find_groups(struct account *account)
{
    return find_groups_among(account, NULL);
}

int account_find_wanted_groups(struct account *account, struct wanted_groups *wanted)
{
    return find_groups_among(account, wanted);
}

int wanted_groups_add(struct wanted_groups *wanted, const char *name, size_t length)
{
    struct wanted_group *grown = array_grow(wanted->group, wanted->count, sizeof *grown);

    if (grown == NULL)
        return -1;
    wanted->group = grown;
    wanted->group[wanted->count] = (struct wanted_group){.name = strndup(name, length)};
    if (wanted->group[wanted->count].name == NULL)
        return -1;
    wanted->count++;
    return 0;
}

void wanted_groups_ask(struct wanted_groups *wanted)
{
    struct scratch scratch = {0};

    if (grow(&scratch))
        for (size_t i = 0; i < wanted->count; i++)
            if (ask_by_name(&wanted->group[i], &scratch) == 0)
                ask_by_gid(&wanted->group[i], &scratch);
    free(scratch.data);
}

void wanted_groups_free(struct wanted_groups *wanted)
{
    for (size_t i = 0; i < wanted->count; i++)
        free(wanted->group[i].name);
    free(wanted->group);
    *wanted = (struct wanted_groups){0};
}

static enum account_status look_up(const struct user_key *key, struct account *account)
{
    enum account_status status = ACCOUNT_ERROR;
    struct scratch scratch = {0};
    struct passwd entry;
    int error;

    *account = (struct account){0};
    const int found = find_user(key, &scratch, &entry);
    if (found > 0) {
        account->uid = entry.pw_uid;
        account->gid = entry.pw_gid;
        account->name = strdup(entry.pw_name);
    }
    if (found == 0)
        status = ACCOUNT_UNKNOWN;
    else if (account->name != NULL)
        status = ACCOUNT_FOUND;
    error = errno;
    free(scratch.data);
    errno = error;
    return status;
}

enum account_status account_lookup(const char *user, bool with_groups, struct account *account)
{
    const enum account_status status = look_up(&(struct user_key){.name = user}, account);

    if (status != ACCOUNT_FOUND || !with_groups || account_find_groups(account) == 0)
        return status;
    const int error = errno;
    account_free(account);
    errno = error;
    return ACCOUNT_ERROR;
}

enum account_status account_lookup_uid(uid_t uid, struct account *account)
{
    return look_up(&(struct user_key){.uid = uid}, account);
}

enum account_status account_lookup_group(const char *name, struct group *entry, char **buffer)
{
    struct scratch scratch = {0};
    const int found =
        grow(&scratch) ? find_group(&(struct group_key){.name = name}, &scratch, entry) : -1;

    *buffer = scratch.data;
    if (found < 0)
        return ACCOUNT_ERROR;
    return found > 0 ? ACCOUNT_FOUND : ACCOUNT_UNKNOWN;
}

char *account_name_of(uid_t uid)
{
    struct account account;

    return account_lookup_uid(uid, &account) == ACCOUNT_FOUND ? account.name : NULL;
}

const char *account_strerror(int error)
{
    return error == EPROTO ? "the name service gave an impossible answer" : strerror(error);
}

void account_free(struct account *account)
{
    free(account->name);
    for (size_t i = 0; i < account->gid_count; i++)
        if (account->gid_name != NULL)
            free(account->gid_name[i]);
    free(account->gid_name);
    free(account->gids);
    set_names(account, &(struct names){0});
    *account = (struct account){0};
}
