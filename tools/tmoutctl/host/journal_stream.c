#include "tools/tmoutctl/host/journal_stream.h"

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

bool is_journal_stream(int fd)
{
    const char *stream = getenv("JOURNAL_STREAM");
    struct stat status;
    char own[64];

    if (stream == NULL || fstat(fd, &status) != 0)
        return false;
    snprintf(own, sizeof own, "%" PRIuMAX ":%" PRIuMAX, (uintmax_t)status.st_dev,
             (uintmax_t)status.st_ino);
    return strcmp(own, stream) == 0;
}
