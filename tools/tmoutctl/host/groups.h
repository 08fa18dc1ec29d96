/*
 * Groups and their members, as the host's name service (NSS) lists them. A source
 * that fails is an error, not an empty group: who is in it cannot be known then.
 */
#ifndef TMOUT_TMOUTCTL_HOST_GROUPS_H
#define TMOUT_TMOUTCTL_HOST_GROUPS_H

#include "lib/host/account.h"
#include "lib/host/failure.h"

#include <stdbool.h>

/* All users that NSS lists, asked for once. Start with {0}; end with
 * listed_users_free(). */
struct listed_users {
    struct listed_user {
        char *name;
        gid_t gid; /* their primary group */
    } * item;
    size_t count;
    bool asked;
};

/* Asks, unless that has been done. Returns 0, or -1 with the reason. */
int listed_users_find(struct listed_users *users, struct failure *failure);

void listed_users_free(struct listed_users *users);

/* Does a group of this name exist? errno says why for ACCOUNT_ERROR. */
enum account_status group_lookup(const char *name);

/* Is called for each user; returns 0, or else what group_members() is to return. */
typedef int group_member_taker(void *context, const char *user);

/* Calls take() for the members that a group lists, and for those whose primary group
 * it is; not for a group that does not exist. A user may come twice. Returns 0, what
 * take() has returned, or -1 with the reason. */
int group_members(const char *group, struct listed_users *users, group_member_taker *take,
                  void *context, struct failure *failure);

#endif
