#include "tools/tmoutctl/host/host.h"

#include <errno.h>
#include <stdio.h>

int host_path(const struct host *host, const char *path, char *full, size_t size)
{
    const int length = snprintf(full, size, "%s%s", host->root, path);

    if (length >= 0 && (size_t)length < size)
        return 0;
    full[0] = '\0';
    errno = ENAMETOOLONG;
    return -1;
}
