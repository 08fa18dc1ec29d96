#include "tools/tmoutctl/host/users_open.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

enum { NOBODY = 65534, REFUSED = 1 };

/* fapolicyd looks at the real uid and, since 1.3.7, also at the effective one; and remembers a
 * process as it was when it first opened something. So nothing is opened before. */
static void __attribute__((noreturn)) open_as_users_program(const char *path)
{
    if (setreuid(NOBODY, (uid_t)-1) != 0)
        _exit(0);
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    _exit(fd < 0 && errno == EPERM ? REFUSED : 0);
}

bool users_open_is_refused(const char *path)
{
    int status = 0;
    const pid_t child = fork();

    if (child == 0)
        open_as_users_program(path);
    if (child < 0)
        return false;
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR)
            return false;
    return WIFEXITED(status) && WEXITSTATUS(status) == REFUSED;
}
