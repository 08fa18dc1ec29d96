/*
 * Files that tmoutd creates beforehand, in REGISTRY.spare beside the registry,
 * so that a login finds room for its record when an ordinary user has filled
 * /run: renaming one and writing over it takes neither a block nor an inode.
 *
 * They are called 0, 1, 2 ...; whoever renames one owns it, so processes that
 * come at once get different ones. A spare that is left under a temporary name
 * because its process was killed is returned by registry_list().
 */
#ifndef TMOUT_SESSIONS_REGISTRY_SPARE_H
#define TMOUT_SESSIONS_REGISTRY_SPARE_H

#include "lib/host/failure.h"

#include <stdbool.h>
#include <sys/types.h>

/* As many logins can begin while the file system is full. They stay at that
 * number as logins end, because their files become spares again. */
enum { REGISTRY_SPARES = 128 };

/*
 * Creates those that are missing, and their directory, but not the one above it. Returns 0 if all
 * are there now, or -1 with errno and the reason: ENOSPC while there is no room for more.
 */
int spares_fill(const char *registry, uid_t owner, struct failure *failure);

/* Moves one to this name in the open registry, where no other thread uses that
 * name. Returns a descriptor to write to, or -1 with errno: ENOENT if there is
 * none. */
int spare_take(const char *registry, uid_t owner, int registry_fd, const char *name);

/* Makes a file of the registry a spare again. False if it is none, or if no
 * place is free; it is still there then. */
bool spare_return(const char *registry, uid_t owner, int registry_fd, const char *name);

#endif
