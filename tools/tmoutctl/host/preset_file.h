/*
 * The presets: policies that compliance baselines ask for, one NAME.conf each
 * in PRESET_DIR. The one place that knows where they are and which there are;
 * `tmoutctl preset` prints them and `tmoutctl audit --baseline` compares with
 * them. A name given by a user is looked up in the list of files and never
 * becomes part of a path by itself.
 */
#ifndef TMOUT_TMOUTCTL_HOST_PRESET_FILE_H
#define TMOUT_TMOUTCTL_HOST_PRESET_FILE_H

#include "lib/host/failure.h"

#include <stddef.h>

#ifndef DATADIR
#define DATADIR "/usr/share"
#endif
#define PRESET_DIR DATADIR "/tmout/presets"

/* Start with {0}; end with preset_list_free(). */
struct preset_list {
    char **name; /* sorted, without ".conf" */
    size_t count;
};

/*
 * Lists the presets in directory (PRESET_DIR, or a test's own). Returns 0, or
 * -1 with a failure that names the directory; the list is then empty.
 */
int preset_list_read(const char *directory, struct preset_list *list, struct failure *failure);

void preset_list_free(struct preset_list *list);

/*
 * The path of the preset called name, as a string that the caller frees.
 * NULL with a failure: "unknown preset ...", with the nearest name and the
 * list of those there are, or that the list cannot be read.
 */
char *preset_path(const char *directory, const char *name, struct failure *failure);

/*
 * The text of the preset called name, as a string that the caller frees. NULL
 * with a failure: as preset_path(), or that the file cannot be read. A
 * symbolic link is not followed.
 */
char *preset_read(const char *directory, const char *name, struct failure *failure);

#endif
