/*
 * The number that our scripts in /etc/profile.d have as text. It is the limit of
 * a login that the policy did not reach, and all that compliance scanners see,
 * since they read text and run no shell. It is installed as ten minutes, the
 * strictest that the usual baselines require; where a policy's default is
 * stricter still, an administrator's command makes the number follow it.
 */
#ifndef TMOUT_TMOUTCTL_SHELLS_LITERAL_H
#define TMOUT_TMOUTCTL_SHELLS_LITERAL_H

#include "lib/host/failure.h"
#include "tools/tmoutctl/host/host.h"
#include "tools/tmoutctl/shells/findings.h"

#include <stdint.h>

/* tmout.sh and tmout.csh. */
enum { SHELL_SCRIPTS = 2 };

enum shell_literal_result {
    SHELL_LITERAL_SKIPPED, /* there is no such script, or nothing could be changed at all */
    SHELL_LITERAL_UNCHANGED,
    SHELL_LITERAL_CHANGED,
    SHELL_LITERAL_FAILED
};

/* What became of one script. */
struct shell_literal {
    const char *path;
    enum shell_literal_result result;
    int64_t limit_sec;      /* what its number means, unless it was skipped */
    struct failure failure; /* "" where nothing failed */
};

/*
 * Writes the policy's default limit, SETTING_NONE for none, into the scripts if
 * it is below ten minutes, else ten minutes. If one of the scripts is not as we
 * know it, none is changed. Returns 0, or -1 with the reasons in literals.
 */
int shell_literals_write(const struct host *host, int64_t default_sec,
                         struct shell_literal literals[SHELL_SCRIPTS]);

/* Adds the scripts whose number is larger than that. Those that are not as we
 * know them are left out. Returns 0, or -1: out of memory. */
int shell_literals_find(const struct host *host, int64_t default_sec,
                        struct shell_findings *findings);

#endif
