/* Which file "tmoutctl edit NAME" is about. */
#ifndef TMOUT_TMOUTCTL_EDITING_TARGET_H
#define TMOUT_TMOUTCTL_EDITING_TARGET_H

#include "lib/host/failure.h"

#include <limits.h>
#include <stdbool.h>

struct edit_file {
    char path[PATH_MAX];
    char directory[PATH_MAX]; /* that it is in */
    const char *name;         /* its last part, in path */
    bool is_drop_in;
    bool is_fleet; /* tmout-fleet.conf */
};

/*
 * Finds the file of a name: of a drop-in with or without ".conf", or the whole path of
 * one; NULL, or config_path, for the main file; tmout-fleet.conf for what is beside it. Returns 0,
 * or -1 with the reason why no policy file can have that name.
 */
int edit_file_find(const char *config_path, const char *name, struct edit_file *file,
                   struct failure *failure);

#endif
