/* Where libpam looks for modules, and which of them the host has. */
#ifndef TMOUT_TMOUTCTL_PAM_INSTALLED_H
#define TMOUT_TMOUTCTL_PAM_INSTALLED_H

#include "tools/tmoutctl/host/host.h"

#include <stdbool.h>
#include <stddef.h>

/* libpam's own directory for modules. */
#ifndef PAMDIR
#define PAMDIR "/usr/lib/security"
#endif

/* Is there something at path on the host? */
bool host_has(const struct host *host, const char *path);

/* Are libpam's own modules in PAMDIR? Otherwise it is not known where it looks. */
bool pam_directory_is_known(const struct host *host);

/* Does the module's path contain $ISA? What libpam puts in its place depends on how it
 * was built. */
bool pam_module_has_isa(const char *module);

/* Is a module, a name or a path as a PAM line has it, where libpam looks? True, too,
 * where that is not known. */
bool pam_module_is_installed(const struct host *host, const char *module);

#endif
