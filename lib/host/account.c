#include "lib/host/account.h"

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

/* getpwnam_r(3) and getgrgid_r(3) may report "not found" with any of these. */
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

/* Both return 1 and the entry, 0 when there is none, -1 with errno. */
static int find_user(const char *user, struct scratch *scratch, struct passwd *entry)
{
    struct passwd *found = NULL;
    int error;

    do {
        if (!grow(scratch))
            return -1;
        do
            error = getpwnam_r(user, entry, scratch->data, scratch->size, &found);
        while (error == EINTR);
    } while (error == ERANGE);
    if (found != NULL)
        return 1;
    errno = error;
    return means_not_found(error) ? 0 : -1;
}

static int find_group(gid_t gid, struct scratch *scratch, struct group *entry)
{
    struct group *found = NULL;
    int error;

    for (;;) {
        do
            error = getgrgid_r(gid, entry, scratch->data, scratch->size, &found);
        while (error == EINTR);
        if (error != ERANGE)
            break;
        if (!grow(scratch))
            return -1;
    }
    if (found != NULL)
        return 1;
    errno = error;
    return means_not_found(error) ? 0 : -1;
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

/* All group ids of a user, to be freed; NULL with errno. */
static gid_t *list_groups(const char *user, gid_t primary, int *count)
{
    gid_t *gid = NULL;

    for (int room = GROUPS_INITIAL; room <= GROUPS_MAX; room *= 2) {
        gid_t *grown = reallocarray(gid, (size_t)room, sizeof *gid);
        if (grown == NULL)
            break;
        gid = grown;
        *count = room;
        errno = 0;
        if (getgrouplist(user, primary, gid, count) >= 0) {
            if (!means_broken(errno))
                return gid;
            break;
        }
        errno = ERANGE;
    }
    const int error = errno;
    free(gid);
    errno = error;
    return NULL;
}

static int name_groups(struct account *account, const gid_t *gid, int count,
                       struct scratch *scratch)
{
    account->group = calloc((size_t)count + 1, sizeof *account->group);
    if (account->group == NULL)
        return -1;
    for (int i = 0; i < count; i++) {
        struct group entry;
        const int found = find_group(gid[i], scratch, &entry);
        if (found < 0)
            return -1;
        if (found == 0)
            continue;
        char *name = strdup(entry.gr_name);
        if (name == NULL)
            return -1;
        account->group[account->group_count++] = name;
    }
    return 0;
}

static void free_groups(struct account *account)
{
    for (size_t i = 0; i < account->group_count; i++)
        free(account->group[i]);
    free(account->group);
    account->group = NULL;
    account->group_count = 0;
}

int account_find_groups(struct account *account)
{
    struct scratch scratch = {0};
    int count = 0, result = -1, error;
    gid_t *gid = list_groups(account->name, account->gid, &count);

    if (gid != NULL && grow(&scratch))
        result = name_groups(account, gid, count, &scratch);
    error = errno;
    free(gid);
    free(scratch.data);
    if (result != 0)
        free_groups(account);
    errno = error;
    return result;
}

enum account_status account_lookup(const char *user, bool with_groups, struct account *account)
{
    enum account_status status = ACCOUNT_ERROR;
    struct scratch scratch = {0};
    struct passwd entry;
    int error;

    *account = (struct account){0};
    const int found = find_user(user, &scratch, &entry);
    if (found <= 0) {
        status = found == 0 ? ACCOUNT_UNKNOWN : ACCOUNT_ERROR;
        goto out;
    }
    account->uid = entry.pw_uid;
    account->gid = entry.pw_gid;
    account->name = strdup(entry.pw_name);
    if (account->name == NULL || (with_groups && account_find_groups(account) != 0))
        goto out;
    status = ACCOUNT_FOUND;

out:
    error = errno;
    free(scratch.data);
    if (status != ACCOUNT_FOUND)
        account_free(account);
    errno = error;
    return status;
}

char *account_name_of(uid_t uid)
{
    struct scratch scratch = {0};
    struct passwd entry, *found = NULL;
    char *name = NULL;
    int error;

    do {
        if (!grow(&scratch))
            break;
        error = getpwuid_r(uid, &entry, scratch.data, scratch.size, &found);
    } while (error == ERANGE || error == EINTR);
    if (found != NULL)
        name = strdup(entry.pw_name);
    free(scratch.data);
    return name;
}

void account_free(struct account *account)
{
    free(account->name);
    free_groups(account);
    *account = (struct account){0};
}
