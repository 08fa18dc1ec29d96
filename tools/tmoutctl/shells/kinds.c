#include "tools/tmoutctl/shells/kinds.h"

#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

const struct shell_traits shell_traits[] = {
    [SHELL_BASH] = {"bash", "bash* rbash", SHELL_TIMEOUT_SECONDS, true, false},
    [SHELL_ZSH] = {"zsh", "zsh* rzsh", SHELL_TIMEOUT_SECONDS, false, false},
    [SHELL_KSH93] = {"ksh93", "ksh ksh93* rksh*", SHELL_TIMEOUT_SECONDS_PLUS_60, true, false},
    [SHELL_MKSH] = {"mksh", "mksh* lksh", SHELL_TIMEOUT_SECONDS, true, true},
    [SHELL_TCSH] = {"tcsh", "tcsh*", SHELL_TIMEOUT_MINUTES, false, false},
    [SHELL_CSH] = {"csh", "csh bsd-csh", SHELL_NO_TIMEOUT, false, false},
    [SHELL_DASH] = {"dash", "dash", SHELL_NO_TIMEOUT, false, false},
    [SHELL_ASH] = {"ash", "ash busybox", SHELL_NO_TIMEOUT, false, false},
    [SHELL_FISH] = {"fish", "fish", SHELL_NO_TIMEOUT, false, false},
    [SHELL_YASH] = {"yash", "yash", SHELL_NO_TIMEOUT, false, false},
    [SHELL_POSH] = {"posh", "posh", SHELL_NO_TIMEOUT, false, false},
    [SHELL_OSH] = {"osh", "osh ysh oil oils-for-unix*", SHELL_NO_TIMEOUT, false, false},
    [SHELL_ELVISH] = {"elvish", "elvish*", SHELL_NO_TIMEOUT, false, false},
    [SHELL_NUSHELL] = {"nushell", "nu nushell", SHELL_NO_TIMEOUT, false, false},
    [SHELL_POWERSHELL] = {"powershell", "pwsh*", SHELL_NO_TIMEOUT, false, false},
    [SHELL_OTHER] = {"other", "*", SHELL_NO_TIMEOUT, false, false},
};

static bool kind_has_program(enum shell_kind kind, const char *program)
{
    char patterns[64], *rest = patterns, *pattern;

    snprintf(patterns, sizeof patterns, "%s", shell_traits[kind].programs);
    while ((pattern = strsep(&rest, " ")) != NULL)
        if (fnmatch(pattern, program, 0) == 0)
            return true;
    return false;
}

enum shell_kind shell_kind_of(const char *program)
{
    enum shell_kind kind = SHELL_BASH;

    while (kind < SHELL_OTHER && !kind_has_program(kind, program))
        kind++;
    return kind;
}
