/*
 * The one place that asks the name services (NSS): who a user is, and their
 * groups, by the names that rules match. The rest of lib gets the answers as
 * arguments.
 */
#ifndef TMOUT_HOST_ACCOUNT_H
#define TMOUT_HOST_ACCOUNT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/host/failure.h"
#include "lib/host/nsswitch.h"

struct group;

struct account {
    char *name; /* as NSS returns it */
    uid_t uid;
    gid_t gid;
    gid_t *gids; /* of all groups, the primary one too, once they were asked for */
    size_t gid_count;
    char **gid_name; /* of gids, where that was learned with them, else NULL; may be NULL */
    char **group;    /* names, in the order of gids, or of the wanted ones */
    size_t group_count;
    enum {
        GROUPS_UNNAMED,
        GROUPS_WANTED, /* only those among the wanted groups with wanted_id */
        GROUPS_ALL     /* all that have a name */
    } named;
    uint64_t wanted_id;
    char failed_source[NSS_NAME_MAX]; /* of nsswitch.conf(5), which failed to list groups, or "" */
};

/* Groups that matter, by name; their numbers are asked for at most once. */
struct wanted_group {
    char *name;
    gid_t gid;
    enum {
        GROUP_NOT_ASKED,
        GROUP_NAMED,     /* gid is what the name stands for, now check the reverse */
        GROUP_CONFIRMED, /* and name is what gid stands for */
        GROUP_NONE       /* no such group, or the name is an alias of another one */
    } state;
};

/* Start with {0}; end with wanted_groups_free(). */
struct wanted_groups {
    struct wanted_group *group;
    size_t count;
    uint64_t id; /* the caller's; another one for other names */
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

/* Fills in the numbers of the groups only, unless they are there. Returns 0, or -1
 * with errno: where any source of groups failed, since it might have more of them. */
int account_list_groups(struct account *account);

/* Are the names of all listed groups known, so that account_find_groups() asks nothing? */
bool account_knows_groups(const struct account *account);

/*
 * Adds the groups to an account that was looked up without them. Returns 0, or
 * -1 with errno and the names unchanged. What is known is not asked again.
 */
int account_find_groups(struct account *account);

/* Why the account's groups could not be found, with the error that was returned. */
void account_groups_failure(const struct account *account, int error, struct failure *failure);

/*
 * The same, where only some groups matter. The names in account->group are then
 * those of the user's groups that are among the wanted ones, or of all of them
 * where it costs less to ask for these, or where a wanted name cannot be looked up.
 * Both ways find a wanted group under the same condition: the user has its
 * number, and the number's name is the wanted one. Where one name stands for
 * several numbers, the first one counts.
 */
int account_find_wanted_groups(struct account *account, struct wanted_groups *wanted);

/* Adds a copy of name[length]. Returns 0, or -1 without memory. */
int wanted_groups_add(struct wanted_groups *wanted, const char *name, size_t length);

/* Asks for all of them at once, for the sake of many users. What cannot be looked
 * up is asked for again later. */
void wanted_groups_ask(struct wanted_groups *wanted);

void wanted_groups_free(struct wanted_groups *wanted);

/* The same by number, without the groups. Any error is ACCOUNT_ERROR: of a user who
 * is ACCOUNT_UNKNOWN here, no source that was asked last has failed. */
enum account_status account_lookup_uid(uid_t uid, struct account *account);

/* Looks up a group of this name, into *entry, whose strings are in *buffer: to be
 * freed, whatever is returned. */
enum account_status account_lookup_group(const char *name, struct group *entry, char **buffer);

/* The name of the user with this uid, to be freed; NULL if there is none. */
char *account_name_of(uid_t uid);

/* What the errno of these functions means. EPROTO stands for an answer that cannot be
 * right: without a name, or about somebody else. */
const char *account_strerror(int error);

void account_free(struct account *account);

#endif
