#include "lib/sessions/login_terminals.h"

#include "lib/host/pidfd.h"
#include "lib/host/proc_children.h"
#include "lib/host/proc_directory.h"
#include "lib/sessions/login_processes.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

void terminal_path(const struct session_record *login, unsigned index, char *path, size_t size)
{
    if (login->is_ssh)
        snprintf(path, size, "/dev/pts/%u", index);
    else
        snprintf(path, size, "/dev/%s", login->terminal);
}

/* The number of the terminal whose master this is: 1, 0 if it is not a master,
 * or -1. */
static int master_index(pid_t pid, const char *fd, unsigned *index)
{
    char name[16 + NAME_MAX], text[1024], target[64];
    const int found = proc_descriptor_target(pid, fd, target, sizeof target);

    if (found != 1 || (strcmp(target, "/dev/ptmx") != 0 && strcmp(target, "/dev/pts/ptmx") != 0))
        return found == -1 ? -1 : 0;
    snprintf(name, sizeof name, "fdinfo/%s", fd);
    if (process_file(pid, name, text, sizeof text) < 0)
        return process_has_ended(errno) ? 0 : -1;
    if (proc_text_tty_index(text, index))
        return 1;
    errno = EINVAL;
    return -1;
}

static bool contains_terminal(const unsigned *index, int count, unsigned wanted)
{
    for (int i = 0; i < count; i++)
        if (index[i] == wanted)
            return true;
    return false;
}

/* The numbers of all terminals whose masters a process holds. Returns how many,
 * or -1 with errno. */
static int masters_of(pid_t pid, unsigned index[LOGIN_TERMINALS_MAX])
{
    const char *fd;
    unsigned number;
    int count = 0, found = 0;
    DIR *directory = proc_directory_open(pid, "fd");

    if (directory == NULL)
        return -1;
    while (found >= 0 && count < LOGIN_TERMINALS_MAX &&
           (fd = proc_directory_next(directory)) != NULL) {
        found = master_index(pid, fd, &number);
        if (found == 1 && !contains_terminal(index, count, number))
            index[count++] = number;
    }
    proc_directory_close(directory);
    return found < 0 || (fd == NULL && errno != 0) ? -1 : count;
}

int login_terminals(const struct session_record *login, unsigned index[LOGIN_TERMINALS_MAX])
{
    int count = 0;

    if (login->is_ssh)
        count = masters_of(login->pid, index);
    else if (login->terminal[0] != '\0')
        index[count++] = 0;
    return count < 0 || session_check_live(login) != 0 ? -1 : count;
}

/* Is the terminal with this number the login's? Returns 0; else -1 with errno, ENOENT if
 * it is not. */
static int check_terminal(const struct session_record *login, unsigned index)
{
    unsigned now[LOGIN_TERMINALS_MAX];
    const int count = login_terminals(login, now);

    if (count < 0)
        return -1;
    if (contains_terminal(now, count, index))
        return 0;
    errno = ENOENT;
    return -1;
}

int login_terminal_open(const struct session_record *login, unsigned index)
{
    char path[64];

    terminal_path(login, index, path, sizeof path);
    const int fd = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    int error = errno;
    /* EIO: its master is gone, or something is wrong. */
    if ((fd >= 0 || error == EIO) && check_terminal(login, index) == 0) {
        errno = error;
        return fd;
    }
    if (fd >= 0 || error == EIO)
        error = errno;
    if (fd >= 0)
        close(fd);
    errno = error;
    return -1;
}

/* The descriptor that is this terminal's master, or -1. */
static int find_master(pid_t pid, unsigned index)
{
    const char *fd;
    unsigned number;
    int found = -1;
    DIR *directory = proc_directory_open(pid, "fd");

    if (directory == NULL)
        return -1;
    while (found < 0 && (fd = proc_directory_next(directory)) != NULL)
        if (master_index(pid, fd, &number) == 1 && number == index)
            found = (int)strtol(fd, NULL, 10);
    closedir(directory);
    return found;
}

/* As the kernel answers for the master; -1 if it does not. */
static pid_t session_of_master(pid_t pid, unsigned index)
{
    const int master = find_master(pid, index);
    const int pidfd = master >= 0 ? pidfd_of(pid) : -1;
    const int copy = pidfd >= 0 ? pidfd_copy_descriptor(pidfd, master) : -1;
    pid_t session = -1;

    if (copy >= 0 && ioctl(copy, TIOCGSID, &session) != 0)
        session = errno == ENOTTY ? 0 : -1;
    if (copy >= 0)
        close(copy);
    if (pidfd >= 0)
        close(pidfd);
    return session;
}

/* The sessions of a login are led by children of its connection. */
static pid_t session_of_child(const struct session_record *login, unsigned index)
{
    const pid_t parent = login->is_ssh ? login_connection(login) : login->pid;
    struct process process;
    struct stat terminal;
    pid_t *child = NULL, session = 0;
    char path[64];

    terminal_path(login, index, path, sizeof path);
    if (parent == 0 || stat(path, &terminal) != 0)
        return 0;
    const ssize_t count = process_children(parent, &child);
    for (ssize_t i = 0; i < count && session == 0; i++)
        if (getsid(child[i]) == child[i] && process_read(child[i], &process) == 0 &&
            process.terminal == terminal_in_stat(terminal.st_rdev))
            session = child[i];
    free(child);
    if (session == 0 && !login->is_ssh && getsid(parent) == parent)
        session = parent; /* a login(1) that became the shell */
    return session;
}

pid_t login_terminal_session(const struct session_record *login, unsigned index)
{
    const pid_t session = login->is_ssh ? session_of_master(login->pid, index) : -1;

    return session >= 0 ? session : session_of_child(login, index);
}
