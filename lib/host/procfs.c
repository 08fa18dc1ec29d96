#include "lib/host/procfs.h"

#include "lib/host/descriptor.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

ssize_t process_file(pid_t pid, const char *name, char *text, size_t size)
{
    char path[64 + NAME_MAX];
    int error;

    if (pid == 0)
        snprintf(path, sizeof path, "/proc/self/%s", name);
    else
        snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
    const int fd = fd_open_at(AT_FDCWD, path, O_RDONLY | O_NOCTTY);
    if (fd < 0)
        return -1;
    const ssize_t n = read(fd, text, size - 1);
    error = errno;
    close(fd);
    if (n < 0) {
        errno = error;
        return -1;
    }
    text[n] = '\0';
    return n;
}

bool process_has_ended(int error)
{
    return error == ENOENT || error == ESRCH;
}

int process_read(pid_t pid, struct process *process)
{
    char text[1024];

    if (process_file(pid, "stat", text, sizeof text) < 0)
        return -1;
    if (proc_text_stat(text, process))
        return 0;
    errno = EINVAL;
    return -1;
}

int process_is_same(const struct process *process)
{
    struct process now;

    if (process_read(process->pid, &now) != 0)
        return process_has_ended(errno) ? 0 : -1;
    return now.start_ticks == process->start_ticks;
}

bool process_is_zombie(const struct process *process)
{
    return process->state == 'Z' || process->state == 'X';
}

bool process_may_be_roots(pid_t pid)
{
    char path[64];
    struct stat st;

    snprintf(path, sizeof path, "/proc/%d", (int)pid);
    if (stat(path, &st) != 0)
        return !process_has_ended(errno);
    return st.st_uid == 0;
}

bool process_is_roots(pid_t pid)
{
    char text[2048];
    uid_t uid[4];

    return process_file(pid, "status", text, sizeof text) > 0 && proc_text_uids(text, uid) &&
           (uid[0] | uid[1] | uid[2] | uid[3]) == 0;
}

bool process_is_runnable(pid_t pid)
{
    char text[2048];

    return process_file(pid, "status", text, sizeof text) > 0 && proc_text_is_runnable(text);
}

bool process_cpu_use(pid_t pid, struct cpu_use *use)
{
    char text[128];

    return process_file(pid, "schedstat", text, sizeof text) > 0 && proc_text_cpu_use(text, use);
}

bool process_name(pid_t pid, char *name, size_t size)
{
    if (process_file(pid, "comm", name, size) <= 0)
        return false;
    name[strcspn(name, "\n")] = '\0';
    return true;
}

static bool read_audit_number(pid_t pid, const char *name, uint32_t *number)
{
    char text[32];

    return process_file(pid, name, text, sizeof text) > 0 && proc_text_audit_number(text, number);
}

uint32_t process_audit_session(pid_t pid)
{
    uint32_t session;

    return read_audit_number(pid, "sessionid", &session) ? session : NO_AUDIT_SESSION;
}

bool process_login_uid(pid_t pid, uid_t *uid)
{
    uint32_t number;

    if (!read_audit_number(pid, "loginuid", &number))
        return false;
    *uid = (uid_t)number;
    return true;
}
