/*
 * The one place that asks the name services (NSS): who a user is, and their
 * groups, by the names that rules match. The rest of lib gets the answers as
 * arguments.
 */
#ifndef TMOUT_HOST_ACCOUNT_H
#define TMOUT_HOST_ACCOUNT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct account {
    char *name; /* as NSS returns it */
    uid_t uid;
    gid_t gid;
    char **group; /* all of the user's groups that have a name, the primary one too */
    size_t group_count;
};

enum account_status {
    ACCOUNT_FOUND,
    ACCOUNT_UNKNOWN, /* NSS answered: there is no such user */
    ACCOUNT_ERROR    /* NSS could not answer: errno says why */
};

/*
 * Looks up a user, with the groups only on request, because they are expensive.
 * On ACCOUNT_FOUND the caller frees with account_free(). A group that NSS fails
 * to look up is an error and is not left out: its rule could be the strict one.
 */
enum account_status account_lookup(const char *user, bool with_groups, struct account *account);

/*
 * Adds the groups to an account that was looked up without them. Returns 0, or
 * -1 with errno and the account unchanged.
 */
int account_find_groups(struct account *account);

/* The name of the user with this uid, to be freed; NULL if there is none. */
char *account_name_of(uid_t uid);

void account_free(struct account *account);

#endif
