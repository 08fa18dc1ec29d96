#include "tools/tmoutctl/host/daemon.h"

#include "lib/host/procfs.h"
#include "lib/paths.h"

#include <dirent.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* A process of another user can have its name, too. */
bool tmoutd_is_running(void)
{
    DIR *directory = opendir("/proc");
    bool found = false;

    if (directory == NULL)
        return false;
    for (struct dirent *entry; !found && (entry = readdir(directory)) != NULL;) {
        char name[64];
        struct process process;
        /* Other names in /proc come out as 0. */
        const pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);
        found = pid > 0 && process_name(pid, name, sizeof name) && strcmp(name, "tmoutd") == 0 &&
                process_is_roots(pid) && process_read(pid, &process) == 0 &&
                !process_is_zombie(&process);
    }
    closedir(directory);
    return found;
}

bool tmoutd_ends_logins_of(const char *state_dir)
{
    return strcmp(state_dir, TMOUT_STATE_DIR) != 0 || tmoutd_is_running();
}
