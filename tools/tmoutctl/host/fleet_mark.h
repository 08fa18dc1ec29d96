/*
 * Marks by which one host unlocks a user on all hosts of a fleet. They lie in the store, which,
 * like every host's tmout-fleetd, is not trusted to unlock anybody: a mark has a code that only
 * root can make, with a key that all hosts have and the store does not. A mark says until when
 * failures are forgotten. So an old one that is told again forgets nothing that failed later.
 */
#ifndef TMOUT_TMOUTCTL_HOST_FLEET_MARK_H
#define TMOUT_TMOUTCTL_HOST_FLEET_MARK_H

#include "lib/fleet/wire.h"
#include "lib/host/failure.h"
#include "tools/tmoutctl/cli.h"

/* Beside tmout.conf, and not in the directory whose files tmout-fleetd gets. */
#define FLEET_UNLOCK_KEY_NAME "tmout-fleet-unlock.key"

enum { FLEET_UNLOCK_KEY_MAX = 512, FLEET_UNLOCK_KEY_MIN = 32 };

struct fleet_unlock_key {
    char text[FLEET_UNLOCK_KEY_MAX];
    size_t size;
};

/* Reads the key: the first line of its file, which only root may be able to read. Returns 0, and
 * the caller wipes it with fleet_unlock_key_wipe(), or -1 with errno (ENOENT: there is none) and
 * the reason, which names the file. */
int fleet_unlock_key_read(const struct tmoutctl_context *context, struct fleet_unlock_key *key,
                          struct failure *failure);

void fleet_unlock_key_wipe(struct fleet_unlock_key *key);

/* Sets the code of a mark of mark->user at mark->unlocked_ms. Returns 0, or -1 with the
 * reason. */
int fleet_mark_sign(const struct fleet_unlock_key *key, struct fleet_mark *mark,
                    struct failure *failure);

/* Was it made with this key? */
bool fleet_mark_is_genuine(const struct fleet_unlock_key *key, const struct fleet_mark *mark);

#endif
