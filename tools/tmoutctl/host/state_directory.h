/* The directory with the snapshot and the ledgers. */
#ifndef TMOUT_TMOUTCTL_HOST_STATE_DIRECTORY_H
#define TMOUT_TMOUTCTL_HOST_STATE_DIRECTORY_H

#include "lib/host/failure.h"

/* Opens it, and makes it first where it is missing. Returns a descriptor, which can be
 * synced, or -1 with the reason: others than root could write there, among others. */
int state_directory_open(const char *path, struct failure *failure);

#endif
