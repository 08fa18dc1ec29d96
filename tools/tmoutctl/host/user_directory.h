/*
 * Many users at once, by number. A name service searches /etc/passwd from its
 * beginning for each user, so that the time for all of them grows with the square
 * of their number. Here each file is read once, and the other sources of
 * nsswitch.conf(5) are asked one by one: it then also shows which of them failed.
 */
#ifndef TMOUT_TMOUTCTL_HOST_USER_DIRECTORY_H
#define TMOUT_TMOUTCTL_HOST_USER_DIRECTORY_H

#include "lib/host/account.h"

struct directory_user {
    struct account account; /* where found; its uid always */
    enum account_status status;
    int error; /* an errno, where status is ACCOUNT_ERROR */
};

/* Start with {0}; end with user_directory_free(). */
struct user_directory {
    struct directory_user *user; /* in the order of the uids asked for */
    size_t count;
};

/*
 * Looks up uid[count], which is sorted and without duplicates. A user is
 * ACCOUNT_UNKNOWN only if every source has said so, unless nsswitch.conf(5) tells it
 * to stop at some answers. Returns 0, or -1 without memory.
 */
int user_directory_find(const uid_t *uid, size_t count, struct user_directory *directory);

/*
 * Adds the numbers of their groups, or of those among them that are wanted, to all
 * users who were found; where that fails, the user becomes an ACCOUNT_ERROR. Returns 0,
 * or -1 without memory.
 */
int user_directory_find_groups(struct user_directory *directory,
                               const struct wanted_groups *wanted);

void user_directory_free(struct user_directory *directory);

#endif
