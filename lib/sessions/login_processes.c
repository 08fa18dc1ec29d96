#include "login_processes.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static ssize_t read_text(const char *path, char *text, size_t size)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

    if (fd < 0)
        return -1;
    const ssize_t n = read(fd, text, size - 1);
    close(fd);
    if (n >= 0)
        text[n] = '\0';
    return n;
}

void terminal_path(const struct session_record *login, unsigned index, char *path, size_t size)
{
    if (login->is_ssh)
        snprintf(path, size, "/dev/pts/%u", index);
    else
        snprintf(path, size, "/dev/%s", login->terminal);
}

/* --- terminals ------------------------------------------------------------- */

static bool is_master(pid_t pid, const char *fd)
{
    char path[320], target[64];

    snprintf(path, sizeof path, "/proc/%d/fd/%s", (int)pid, fd);
    const ssize_t n = readlink(path, target, sizeof target - 1);
    if (n < 0)
        return false;
    target[n] = '\0';
    return strcmp(target, "/dev/ptmx") == 0 || strcmp(target, "/dev/pts/ptmx") == 0;
}

static bool master_index(pid_t pid, const char *fd, unsigned *index)
{
    char path[320], text[1024];
    const char *line;

    snprintf(path, sizeof path, "/proc/%d/fdinfo/%s", (int)pid, fd);
    if (read_text(path, text, sizeof text) < 0)
        return false;
    line = strstr(text, "tty-index:");
    return line != NULL && sscanf(line, "tty-index: %u", index) == 1;
}

static bool contains(const unsigned *index, int count, unsigned wanted)
{
    for (int i = 0; i < count; i++)
        if (index[i] == wanted)
            return true;
    return false;
}

int login_terminals(const struct session_record *login, unsigned index[LOGIN_TERMINALS_MOST])
{
    char path[64];
    struct dirent *entry;
    unsigned number;
    int count = 0;

    if (!login->is_ssh) {
        index[0] = 0;
        if (session_is_live(login))
            return login->terminal[0] != '\0';
        errno = ESRCH;
        return -1;
    }
    snprintf(path, sizeof path, "/proc/%d/fd", (int)login->pid);
    DIR *directory = opendir(path);
    if (directory == NULL)
        return -1;
    while ((entry = readdir(directory)) != NULL && count < LOGIN_TERMINALS_MOST)
        if (is_master(login->pid, entry->d_name) &&
            master_index(login->pid, entry->d_name, &number) && !contains(index, count, number))
            index[count++] = number;
    closedir(directory);
    /* What was read belongs to the login only if it is still the same. */
    if (session_is_live(login))
        return count;
    errno = ESRCH;
    return -1;
}

bool login_has_terminal(const struct session_record *login, unsigned index)
{
    unsigned now[LOGIN_TERMINALS_MOST];
    const int count = login_terminals(login, now);

    return count > 0 && contains(now, count, index);
}

/* The descriptor of the login's process that is this terminal's master, or -1. */
static int find_master(const struct session_record *login, unsigned index)
{
    char path[64];
    struct dirent *entry;
    unsigned number;
    int found = -1;

    snprintf(path, sizeof path, "/proc/%d/fd", (int)login->pid);
    DIR *directory = opendir(path);
    if (directory == NULL)
        return -1;
    errno = ENOENT;
    while (found < 0 && (entry = readdir(directory)) != NULL)
        if (is_master(login->pid, entry->d_name) &&
            master_index(login->pid, entry->d_name, &number) && number == index)
            found = (int)strtol(entry->d_name, NULL, 10);
    closedir(directory);
    return found;
}

pid_t login_terminal_session(const struct session_record *login, unsigned index)
{
    const int master = login->is_ssh ? find_master(login, index) : -1;
    pid_t session = -1;
    int pidfd, fd = -1;

    if (master < 0)
        return -1;
    /* RHEL 9's C library has no wrappers yet. */
    pidfd = (int)syscall(SYS_pidfd_open, login->pid, 0);
    if (pidfd >= 0)
        fd = (int)syscall(SYS_pidfd_getfd, pidfd, master, 0);
    if (fd >= 0 && ioctl(fd, TIOCGSID, &session) != 0)
        session = errno == ENOTTY ? 0 : -1;
    if (fd >= 0)
        close(fd);
    if (pidfd >= 0)
        close(pidfd);
    return session;
}

/* --- processes ------------------------------------------------------------- */

struct pid_list {
    pid_t *pid;
    size_t count, room;
};

static int append(struct pid_list *list, pid_t pid)
{
    if (list->count == list->room) {
        const size_t room = list->room == 0 ? 32 : 2 * list->room;
        pid_t *grown = reallocarray(list->pid, room, sizeof *grown);
        if (grown == NULL)
            return -1;
        list->pid = grown;
        list->room = room;
    }
    list->pid[list->count++] = pid;
    return 0;
}

/* Adds the children that this task has forked. */
static int append_children_of_task(struct pid_list *list, pid_t pid, const char *task)
{
    char path[320], *text = NULL;
    size_t size = 0;
    int result = 0;

    snprintf(path, sizeof path, "/proc/%d/task/%s/children", (int)pid, task);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return 0; /* it has ended meanwhile */
    if (getline(&text, &size, file) > 0) {
        char *rest = text, *word;
        while (result == 0 && (word = strsep(&rest, " \n")) != NULL)
            if (word[0] != '\0')
                result = append(list, (pid_t)strtol(word, NULL, 10));
    }
    free(text);
    fclose(file);
    return result;
}

static int append_children(struct pid_list *list, pid_t pid)
{
    char path[64];
    struct dirent *entry;
    int result = 0;

    snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
    DIR *directory = opendir(path);
    if (directory == NULL)
        return 0;
    while (result == 0 && (entry = readdir(directory)) != NULL)
        if (entry->d_name[0] != '.')
            result = append_children_of_task(list, pid, entry->d_name);
    closedir(directory);
    return result;
}

/* sshd's process for a user other than root has a child that speaks with the
 * client; root's does that itself. What it calls itself tells. */
static bool has_monitor(pid_t pid)
{
    char path[64], text[256];

    snprintf(path, sizeof path, "/proc/%d/cmdline", (int)pid);
    return read_text(path, text, sizeof text) > 0 && strstr(text, "[priv]") != NULL;
}

pid_t login_connection(const struct session_record *login)
{
    struct pid_list list = {0};
    pid_t connection = login->pid;

    if (login->is_ssh && has_monitor(login->pid)) {
        connection = append_children(&list, login->pid) == 0 && list.count > 0 ? list.pid[0] : 0;
        free(list.pid);
    }
    return connection;
}

/* All below pid, level by level. */
static int append_descendants(struct pid_list *list, pid_t pid)
{
    size_t next = list->count;

    if (append_children(list, pid) != 0)
        return -1;
    for (; next < list->count; next++)
        if (append_children(list, list->pid[next]) != 0)
            return -1;
    return 0;
}

ssize_t login_processes(const struct session_record *login, pid_t **pids)
{
    struct pid_list list = {0};
    const pid_t connection = login_connection(login);

    *pids = NULL;
    if (connection == 0) {
        errno = ESRCH;
        return -1;
    }
    if (append(&list, connection) != 0 || append_descendants(&list, connection) != 0) {
        free(list.pid);
        return -1;
    }
    if (!session_is_live(login)) {
        free(list.pid);
        errno = ESRCH;
        return -1;
    }
    *pids = list.pid;
    return (ssize_t)list.count;
}

/* --- bytes ----------------------------------------------------------------- */

static uint64_t bytes_of(pid_t pid)
{
    char path[64], text[512];
    const char *read_line, *write_line;
    uint64_t bytes_read = 0, bytes_written = 0;

    snprintf(path, sizeof path, "/proc/%d/io", (int)pid);
    if (read_text(path, text, sizeof text) <= 0)
        return 0;
    read_line = strstr(text, "rchar:");
    write_line = strstr(text, "wchar:");
    if (read_line != NULL)
        sscanf(read_line, "rchar: %" SCNu64, &bytes_read);
    if (write_line != NULL)
        sscanf(write_line, "wchar: %" SCNu64, &bytes_written);
    return bytes_read + bytes_written;
}

/* Sockets besides those to the client and to the monitor: forwarded connections. */
enum { CONNECTION_SOCKETS = 2 };

static bool forwards(pid_t connection)
{
    char path[320], target[64];
    struct dirent *entry;
    unsigned sockets = 0;

    snprintf(path, sizeof path, "/proc/%d/fd", (int)connection);
    DIR *directory = opendir(path);
    if (directory == NULL)
        return false;
    while ((entry = readdir(directory)) != NULL) {
        snprintf(path, sizeof path, "/proc/%d/fd/%s", (int)connection, entry->d_name);
        const ssize_t n = readlink(path, target, sizeof target - 1);
        if (n < 0)
            continue;
        target[n] = '\0';
        sockets += strncmp(target, "socket:", 7) == 0;
    }
    closedir(directory);
    return sockets > CONNECTION_SOCKETS;
}

int login_bytes_moved(const struct session_record *login, uint64_t *bytes)
{
    pid_t *pids;
    const ssize_t count = login_processes(login, &pids);

    *bytes = 0;
    if (count < 0)
        return -1;
    for (ssize_t i = 1; i < count; i++)
        *bytes += bytes_of(pids[i]);
    if (count > 0 && forwards(pids[0]))
        *bytes += bytes_of(pids[0]);
    free(pids);
    return 0;
}
