/*
 * The one place that asks NSS: who a user is, and his groups, by the names
 * that rules match. The rest of lib gets the answer as an argument.
 */
#ifndef TMOUT_HOST_ACCOUNT_H
#define TMOUT_HOST_ACCOUNT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct account {
    char *name; /* as NSS spells it */
    uid_t uid;
    gid_t gid;
    char **group; /* all of his groups that have a name, the primary one too */
    size_t group_count;
};

enum account_status {
    ACCOUNT_FOUND,
    ACCOUNT_UNKNOWN, /* NSS answered: there is no such user */
    ACCOUNT_ERROR    /* NSS could not answer: errno says why */
};

/*
 * Looks a user up; his groups only if asked to, because that is what costs.
 * On ACCOUNT_FOUND the caller frees with account_free(). A group that NSS
 * fails to look up is an error and not left out: it could be the one whose
 * rule is strict.
 */
enum account_status account_lookup(const char *user, bool with_groups, struct account *account);

/*
 * Adds the groups of an account that was looked up without them. Returns 0,
 * or -1 with errno and the account as it was.
 */
int account_find_groups(struct account *account);

/* The name of the user with this uid, to be freed; NULL if there is none. */
char *account_name_of(uid_t uid);

void account_free(struct account *account);

#endif
