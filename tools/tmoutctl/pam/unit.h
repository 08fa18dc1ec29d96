/* The sandbox that systemd puts a service in, as far as it keeps the module from
 * counting attempts. */
#ifndef TMOUT_TMOUTCTL_PAM_UNIT_H
#define TMOUT_TMOUTCTL_PAM_UNIT_H

#include "tools/tmoutctl/host/host.h"

#include <stdbool.h>

enum { UNIT_PATH_MAX = 512 };

struct unit_sandbox {
    char path[UNIT_PATH_MAX]; /* of the unit's own file */
    bool is_read_only;        /* it cannot write to the directory */
    bool hides_boot_id;       /* ProcSubset=pid: /proc has processes only */
};

/*
 * Reads a unit of the host by its name, "polkit-agent-helper@.service", with its
 * drop-ins, and looks whether the service could write to a directory. Follows
 * systemd.exec(5) for ProtectSystem=strict, ReadOnlyPaths=, InaccessiblePaths=,
 * ReadWritePaths=, StateDirectory= and ProcSubset=. Returns 1, or 0 if there is
 * no such unit.
 */
int unit_sandbox_read(const struct host *host, const char *unit, const char *directory,
                      struct unit_sandbox *sandbox);

#endif
