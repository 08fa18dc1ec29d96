/* Our scripts in /etc/profile.d, and the packaged copies that they are compared
 * with. */
#ifndef TMOUT_TMOUTCTL_SHELLS_PACKAGED_H
#define TMOUT_TMOUTCTL_SHELLS_PACKAGED_H

#include "tools/tmoutctl/shells/files.h"

/* Where the copies are. */
#define PACKAGED_SCRIPTS DATADIR "/tmout/profile.d"

/*
 * Compares the host's script at path (PROFILE_SH or PROFILE_CSH) with the packaged
 * one; the numbers that `tmoutctl shells --literal` writes may differ. Returns the
 * first line that differs, 0 if none does or there is no such file or copy, or -1: out of
 * memory.
 */
int shell_script_changed_line(const struct host *host, const char *path);

#endif
