#include "tools/tmoutctl/host/groups.h"

#include "lib/host/array.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>

/* --- users ---------------------------------------------------------------- */

static int listed_users_add(struct listed_users *users, const struct passwd *entry)
{
    char *name = strdup(entry->pw_name);
    struct listed_user *grown =
        name != NULL ? array_grow(users->item, users->count, sizeof *grown) : NULL;

    if (grown == NULL) {
        free(name);
        return -1;
    }
    users->item = grown;
    struct listed_user *user = &users->item[users->count++];
    user->name = name;
    user->gid = entry->pw_gid;
    return 0;
}

int listed_users_find(struct listed_users *users, struct failure *failure)
{
    const struct passwd *entry = NULL;
    int result = 0, error = 0;

    if (users->asked)
        return 0;
    setpwent();
    do {
        errno = 0;
        entry = getpwent();
        error = errno;
        if (entry != NULL)
            result = listed_users_add(users, entry);
    } while (result == 0 && entry != NULL);
    endpwent();
    /* At the end of the list some sources leave ENOENT. */
    if (result != 0)
        failure_set(failure, "out of memory");
    else if (error != 0 && error != ENOENT && error != ESRCH)
        failure_set(failure, "the name service could not list the users: %s", strerror(error));
    else
        users->asked = true;
    return users->asked ? 0 : -1;
}

void listed_users_free(struct listed_users *users)
{
    for (size_t i = 0; i < users->count; i++)
        free(users->item[i].name);
    free(users->item);
    *users = (struct listed_users){0};
}

/* --- groups --------------------------------------------------------------- */

enum account_status group_lookup(const char *name)
{
    struct group group;
    char *buffer;
    const enum account_status status = account_lookup_group(name, &group, &buffer);
    const int error = errno;

    free(buffer);
    errno = error;
    return status;
}

int group_members(const char *group, struct listed_users *users, group_member_taker *take,
                  void *context, struct failure *failure)
{
    struct group entry = {0};
    char *buffer;
    const enum account_status status = account_lookup_group(group, &entry, &buffer);
    int result = 0;

    if (status == ACCOUNT_ERROR) {
        failure_set(failure, "the name service could not be asked about group %s: %s", group,
                    strerror(errno));
        result = -1;
    } else if (status == ACCOUNT_FOUND) {
        for (char **member = entry.gr_mem; result == 0 && *member != NULL; member++)
            result = take(context, *member);
        if (result == 0)
            result = listed_users_find(users, failure);
        for (size_t i = 0; result == 0 && i < users->count; i++)
            if (users->item[i].gid == entry.gr_gid)
                result = take(context, users->item[i].name);
    }
    free(buffer);
    return result;
}
