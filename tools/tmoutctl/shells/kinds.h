/* What differs from shell to shell: whether and how it takes a limit, and
 * which system files it reads. One table. */
#ifndef TMOUT_TMOUTCTL_SHELLS_KINDS_H
#define TMOUT_TMOUTCTL_SHELLS_KINDS_H

#include <stdbool.h>

enum shell_kind {
    SHELL_BASH,
    SHELL_ZSH,
    SHELL_KSH93,
    SHELL_MKSH,
    SHELL_TCSH,
    SHELL_CSH,
    SHELL_DASH,
    SHELL_ASH,
    SHELL_FISH,
    SHELL_YASH,
    SHELL_POSH,
    SHELL_OSH,
    SHELL_ELVISH,
    SHELL_NUSHELL,
    SHELL_POWERSHELL,
    SHELL_OTHER,
    SHELL_KINDS
};

/* How a shell takes a limit. */
enum shell_timeout {
    SHELL_NO_TIMEOUT,
    SHELL_TIMEOUT_SECONDS,
    SHELL_TIMEOUT_SECONDS_PLUS_60, /* ksh93 warns, and exits a minute later */
    SHELL_TIMEOUT_MINUTES
};

struct shell_traits {
    const char *name;
    const char *programs; /* patterns of program names, separated by blanks */
    enum shell_timeout timeout;
    bool reads_profile;   /* its login shells read /etc/profile */
    bool rc_is_the_users; /* its system rc file is read only if the user's own rc file reads it */
};

/* By enum shell_kind. */
extern const struct shell_traits shell_traits[];

/* The kind of the shell whose program has this name, without directories. */
enum shell_kind shell_kind_of(const char *program);

#endif
