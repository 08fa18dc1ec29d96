#include "tools/tmoutctl/pam/installed.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

bool host_has(const struct host *host, const char *path)
{
    char full[PATH_MAX];

    return host_path(host, path, full, sizeof full) == 0 && access(full, F_OK) == 0;
}

bool pam_directory_is_known(const struct host *host)
{
    return host_has(host, PAMDIR "/pam_permit.so");
}

bool pam_module_has_isa(const char *module)
{
    return strstr(module, "$ISA") != NULL;
}

bool pam_module_is_installed(const struct host *host, const char *module)
{
    /* Debian's libpam looks in two more places. */
    static const char *const directories[] = {PAMDIR, "/lib/security", "/usr/lib/security"};
    char path[PATH_MAX];

    if (pam_module_has_isa(module))
        return true;
    if (module[0] == '/')
        return host_has(host, module);
    for (size_t i = 0; i < sizeof directories / sizeof *directories; i++) {
        snprintf(path, sizeof path, "%s/%s", directories[i], module);
        if (host_has(host, path))
            return true;
    }
    return false;
}
