/* Our scripts in /etc/profile.d, and the packaged copies that they are compared
 * with. */
#ifndef TMOUT_TMOUTCTL_SHELLS_PACKAGED_H
#define TMOUT_TMOUTCTL_SHELLS_PACKAGED_H

#include "tools/tmoutctl/shells/files.h"
#include "tools/tmoutctl/shells/findings.h"

/*
 * Compares the host's script at path (PROFILE_SH or PROFILE_CSH) with the packaged
 * one; the numbers that `tmoutctl shells --literal` writes may differ. Returns the
 * first line that differs, 0 if none does or there is no such file or copy, or -1: out of
 * memory.
 */
int shell_script_changed_line(const struct host *host, const char *path);

/* Adds the first line of each of our scripts that is not as packaged. Returns 0, or
 * -1: out of memory. */
int shell_changes_find(const struct host *host, struct shell_findings *findings);

#endif
