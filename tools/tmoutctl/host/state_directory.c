#include "tools/tmoutctl/host/state_directory.h"

#include "lib/host/secure_path.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

int state_directory_open(const char *path, struct failure *failure)
{
    struct failure why = {""};

    if (mkdir(path, 0755) == 0 && chmod(path, 0755) != 0) {
        failure_set(failure, "%s: %s", path, failure_reason(errno));
        return -1;
    }
    const int fd = secure_open_directory(path, geteuid(), O_RDONLY, &why);
    if (fd < 0)
        failure_set(failure, "cannot use the state directory: %s", why.text);
    return fd;
}
