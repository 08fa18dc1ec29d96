/*
 * The shell files of a system: where they are, and the rc files that may read
 * our scripts.
 */
#ifndef TMOUT_TMOUTCTL_SHELLS_FILES_H
#define TMOUT_TMOUTCTL_SHELLS_FILES_H

#include "tools/tmoutctl/host/host.h"
#include "tools/tmoutctl/host/text_file.h"
#include "tools/tmoutctl/shells/kinds.h"

#include <stdbool.h>

/* Built into the shells, whatever SYSCONFDIR is. */
#define PROFILE     "/etc/profile"
#define PROFILE_DIR "/etc/profile.d"
#define PROFILE_SH  PROFILE_DIR "/tmout.sh"
#define PROFILE_CSH PROFILE_DIR "/tmout.csh"

/* The directory of our fragments, which the line in an rc file reads. */
#ifndef DATADIR
#define DATADIR "/usr/share"
#endif
#define SHELL_FRAGMENTS DATADIR "/tmout/shells"

/* The packaged copies of our scripts, to compare them with. */
#define PACKAGED_SCRIPTS DATADIR "/tmout/profile.d"

/* A system rc file, and our fragment for it. */
struct rc_file {
    enum shell_kind kind; /* of the shells that read it */
    const char *path;
    const char *vendor;   /* what shells read instead, on distributions with a vendor
                             directory, where path does not exist */
    const char *fragment; /* its path */
    bool create;          /* shells read it, but often it does not exist */
};

extern const struct rc_file rc_files[]; /* ends with path == NULL */

/* The host's file at path, as read_text_file(). */
int shell_file_read(const struct host *host, const char *path, int flags, struct text_file *file);

/*
 * Cuts the line's comment and newline off, in the file's text itself, and
 * returns what is left: its commands. next_text_line() goes on as usual after
 * that, but cannot start over: a text can be read only once in this way.
 */
char *shell_line_commands(struct text_file *file, const struct text_line *line);

/* The number of the last line whose commands contain what; 0 if none does, or
 * if the file cannot be read; -1: out of memory. */
int shell_last_line_with(const struct host *host, const char *path, const char *what);

/* The file that shells read: the vendor's, if only that exists. */
const char *shell_rc_read(const struct host *host, const struct rc_file *rc);

/* The number of the line of the /etc/profile that shells read, or of the vendor's,
 * that reads our script; 0 if there is none; -1: out of memory. */
int shell_profile_hook_line(const struct host *host);

/*
 * The number of the line of an rc file that reads our script: our own line, or
 * a loop over all of /etc/profile.d as in RHEL's files. 0 if there is none, or
 * if the fragment that our line would read is missing; -1: out of memory.
 */
int shell_rc_hook_line(const struct host *host, const struct rc_file *rc);

/* The script that shells of this kind take their limit from. */
const char *shell_script(enum shell_kind kind);

/* Is there a script at path (PROFILE_SH or PROFILE_CSH), and is it ours? Returns
 * 1 or 0, or -1: out of memory. */
int shell_script_is_ours(const struct host *host, const char *path);

#endif
