/* The sandbox that systemd puts a service in, as far as it keeps the module from
 * counting attempts. */
#ifndef TMOUT_TMOUTCTL_PAM_UNIT_H
#define TMOUT_TMOUTCTL_PAM_UNIT_H

#include "tools/tmoutctl/host/host.h"

#include <stdbool.h>
#include <stddef.h>

enum { UNIT_PATH_MAX = 512 };

struct unit_sandbox {
    char path[UNIT_PATH_MAX]; /* of the unit's own file */
    bool is_read_only;        /* it cannot write to the directory */
    bool hides_boot_id;       /* ProcSubset=pid: /proc has processes only */
};

/* Whether the module, if the unit's service calls it, can count no attempt and
 * therefore rejects everybody. */
bool unit_sandbox_blocks(const struct unit_sandbox *sandbox);

/* Writes the name of one of the units that may run a PAM service, the first for
 * number 0. Returns false if there are no more. The units need not exist. */
bool unit_of_service(const char *service, size_t number, char *unit, size_t size);

/* Whether any unit that runs the PAM service keeps the module from counting; its
 * name is in unit[size] then. */
bool unit_find_blocking(const struct host *host, const char *service, const char *directory,
                        char *unit, size_t size);

/*
 * Reads a unit of the host by its name, "polkit-agent-helper@.service", with its
 * drop-ins, and looks whether the service could write to a directory. Follows
 * systemd.exec(5) for ProtectSystem=strict, ReadOnlyPaths=, InaccessiblePaths=,
 * ReadWritePaths=, StateDirectory= and ProcSubset=. Returns 1, or 0 if there is
 * no such unit, or if it runs cockpit-tls: that only ends TLS, and cockpit-ws, in
 * another unit, checks passwords (cockpit-tls(8)).
 */
int unit_sandbox_read(const struct host *host, const char *unit, const char *directory,
                      struct unit_sandbox *sandbox);

#endif
