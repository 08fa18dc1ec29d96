/*
 * The shell files of a system: where they are, and the rc files that may bring
 * our script in.
 */
#ifndef TMOUT_TMOUTCTL_SHELLS_FILES_H
#define TMOUT_TMOUTCTL_SHELLS_FILES_H

#include "tools/tmoutctl/host/text_file.h"

#include <stdbool.h>

/* Built into the shells, whatever SYSCONFDIR is. */
#define PROFILE     "/etc/profile"
#define PROFILE_DIR "/etc/profile.d"
#define PROFILE_SH  PROFILE_DIR "/tmout.sh"
#define PROFILE_CSH PROFILE_DIR "/tmout.csh"

/* The directory of our fragments, which rc files are made to read. */
#ifndef DATADIR
#define DATADIR "/usr/share"
#endif
#define SHELL_FRAGMENTS DATADIR "/tmout/shells"

/* A system rc file, and our fragment for it. */
struct rc_file {
    const char *kind; /* of the shells that read it, as `tmoutctl shells` calls them */
    const char *path;
    const char *fragment; /* a name in SHELL_FRAGMENTS */
    bool create;          /* read where it exists, and often doesn't */
};

extern const struct rc_file rc_files[]; /* ends with path == NULL */

/*
 * The number of the line of an rc file that brings our script in: our own
 * line, or a loop over all of /etc/profile.d as in RHEL's files. 0: none, or
 * our line without the fragment that it would read.
 */
unsigned rc_hook_line(const struct rc_file *rc);

/* Is there a script at path (PROFILE_SH or PROFILE_CSH), and is it ours? */
bool profile_script_is_ours(const char *path);

/* The line's commands, without a comment, as a string that the caller frees; NULL: no memory. */
char *shell_commands_of(const struct text_line *line);

/* The number of the last line whose commands contain what; 0: none does, or it can't be read. */
unsigned last_line_with(const char *path, const char *what);

#endif
