#include "tools/tmoutctl/host/vendor.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

const char *const pam_directories[] = {"/etc/pam.d/", "/usr/lib/pam.d/", VENDOR_ETC "/pam.d/",
                                       NULL};

static bool vendor_has(const struct host *host, const char *path)
{
    char full[PATH_MAX];
    struct stat status;

    return host_path(host, path, full, sizeof full) == 0 && stat(full, &status) == 0;
}

const char *vendor_file(const struct host *host, const char *path, struct vendor_path *place)
{
    if (vendor_has(host, path))
        return path;
    const int length = snprintf(place->text, sizeof place->text, VENDOR_PREFIX "%s", path);
    if (length < 0 || (size_t)length >= sizeof place->text)
        return path;
    return vendor_has(host, place->text) ? place->text : path;
}

const char *vendor_site_path(const char *path)
{
    static const char vendor[] = VENDOR_ETC "/";

    return strncmp(path, vendor, strlen(vendor)) == 0 ? path + strlen(VENDOR_PREFIX) : path;
}
