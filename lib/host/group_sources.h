/*
 * Which groups a user is in, source by source. getgrouplist(3) does not tell whether
 * a source has failed: where a directory's daemon does not run, the user has fewer
 * groups, and a stricter rule would silently not apply. So each source of
 * nsswitch.conf(5) is asked as getgrouplist() asks it, and its answer is looked at.
 */
#ifndef TMOUT_HOST_GROUP_SOURCES_H
#define TMOUT_HOST_GROUP_SOURCES_H

#include <sys/types.h>

#include "lib/host/nsswitch.h"

/* Start with {0}; end with group_list_free(). */
struct group_list {
    gid_t *gid;  /* the primary one first, each once */
    char **name; /* of gid, where /etc/group decides it, else NULL */
    long count, room;
    char failed[NSS_NAME_MAX]; /* the source that failed */
};

enum group_sources_status {
    GROUPS_LISTED,
    GROUPS_HIDDEN, /* only getgrouplist(3) can ask the sources */
    GROUPS_FAILED  /* errno says why, and failed which source, "" where it was none */
};

/*
 * Lists the user's groups. "Not found" is an answer, and so is ESRCH, by which systemd
 * says where it does not run that it knows nobody. A source whose library is not
 * installed has no groups.
 */
enum group_sources_status group_sources_list(const char *user, gid_t primary,
                                             struct group_list *list);

/* The same for one source, of which it adds what the user has there. */
enum group_sources_status group_source_add(const char *source, const char *user, gid_t primary,
                                           struct group_list *list);

/* Returns 0, or -1 with errno. */
typedef int group_member_function(void *context, const char *user, gid_t gid);

/*
 * Names all members of a group that one source knows, as far as it tells: a directory
 * need not. Returns GROUPS_FAILED with errno for an error of the source or of member().
 */
enum group_sources_status group_source_members(const char *source, const char *group,
                                               group_member_function *member, void *context);

void group_list_free(struct group_list *list);

#endif
