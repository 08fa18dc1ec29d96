/*
 * Where distributions keep their own files, so that /etc has the site's only: SUSE,
 * and whatever else is built with a vendor directory (docs/FACTS.md). A file in /etc
 * replaces the vendor's of the same name. Only the site's are ever changed.
 */
#ifndef TMOUT_TMOUTCTL_HOST_VENDOR_H
#define TMOUT_TMOUTCTL_HOST_VENDOR_H

#include "tools/tmoutctl/host/host.h"

#include <limits.h>

/* In front of the names of vendor files: they are in /usr/etc. */
#define VENDOR_PREFIX "/usr"
#define VENDOR_ETC    VENDOR_PREFIX "/etc"

/* Where libpam looks for a service, in this order; each ends with a slash, the list
 * with NULL. */
extern const char *const pam_directories[];

struct vendor_path {
    char text[PATH_MAX];
};

/*
 * The file that programs read for path, which is below /etc: path itself or, where the
 * host has no such file, the vendor's, if it has that. Returns path or place->text.
 */
const char *vendor_file(const struct host *host, const char *path, struct vendor_path *place);

/* The file below /etc that stands for the vendor's at path; path itself if it is no
 * vendor's. */
const char *vendor_site_path(const char *path);

#endif
