#include "lib/sessions/login_processes.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* What was read of a login is the login's only if it is still the same. Unlike
 * session_is_live() this keeps the errno of a look that failed. */
static int check_is_live(const struct session_record *login)
{
    struct process now;

    if (process_read(login->pid, &now) != 0)
        return -1;
    if (now.start_ticks == login->start_ticks && !process_is_zombie(&now))
        return 0;
    errno = ESRCH;
    return -1;
}

/* The next one, or NULL with errno 0 at the end. */
static const char *next_entry(DIR *directory)
{
    const struct dirent *entry;

    do {
        errno = 0;
        entry = readdir(directory);
    } while (entry != NULL && entry->d_name[0] == '.');
    return entry != NULL ? entry->d_name : NULL;
}

static void close_directory(DIR *directory)
{
    const int error = errno;

    closedir(directory);
    errno = error;
}

/* What a descriptor of a process is: 1, 0 if it is closed by now, or -1. */
static int descriptor_target(pid_t pid, const char *fd, char *target, size_t size)
{
    char path[64 + NAME_MAX];

    snprintf(path, sizeof path, "/proc/%d/fd/%s", (int)pid, fd);
    const ssize_t n = readlink(path, target, size - 1);
    if (n < 0)
        return process_has_ended(errno) ? 0 : -1;
    target[n] = '\0';
    return 1;
}

/* A descriptor of another process as one of ours. The C library of RHEL 9 has
 * no wrapper for this call. */
static int copy_descriptor(int pidfd, int fd)
{
    return (int)syscall(SYS_pidfd_getfd, pidfd, fd, 0);
}

void terminal_path(const struct session_record *login, unsigned index, char *path, size_t size)
{
    if (login->is_ssh)
        snprintf(path, size, "/dev/pts/%u", index);
    else
        snprintf(path, size, "/dev/%s", login->terminal);
}

/* --- terminals ------------------------------------------------------------- */

/* The number of the terminal whose master this is: 1, 0 if it is none, or -1. */
static int master_index(pid_t pid, const char *fd, unsigned *index)
{
    char name[16 + NAME_MAX], text[1024], target[64];
    const char *line;
    const int found = descriptor_target(pid, fd, target, sizeof target);

    if (found != 1 || (strcmp(target, "/dev/ptmx") != 0 && strcmp(target, "/dev/pts/ptmx") != 0))
        return found == -1 ? -1 : 0;
    snprintf(name, sizeof name, "fdinfo/%s", fd);
    if (process_file(pid, name, text, sizeof text) < 0)
        return process_has_ended(errno) ? 0 : -1;
    line = strstr(text, "tty-index:");
    if (line != NULL && sscanf(line, "tty-index: %u", index) == 1)
        return 1;
    errno = EINVAL;
    return -1;
}

static bool contains(const unsigned *index, int count, unsigned wanted)
{
    for (int i = 0; i < count; i++)
        if (index[i] == wanted)
            return true;
    return false;
}

/* Returns how many, or -1 with errno. */
static int masters_of(pid_t pid, unsigned index[LOGIN_TERMINALS_MAX])
{
    char path[64];
    const char *fd;
    unsigned number;
    int count = 0, found = 0;

    snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
    DIR *directory = opendir(path);
    if (directory == NULL)
        return -1;
    while (found >= 0 && count < LOGIN_TERMINALS_MAX && (fd = next_entry(directory)) != NULL) {
        found = master_index(pid, fd, &number);
        if (found == 1 && !contains(index, count, number))
            index[count++] = number;
    }
    close_directory(directory);
    return found < 0 || (fd == NULL && errno != 0) ? -1 : count;
}

int login_terminals(const struct session_record *login, unsigned index[LOGIN_TERMINALS_MAX])
{
    int count = 0;

    if (login->is_ssh)
        count = masters_of(login->pid, index);
    else if (login->terminal[0] != '\0')
        index[count++] = 0;
    return count < 0 || check_is_live(login) != 0 ? -1 : count;
}

bool login_has_terminal(const struct session_record *login, unsigned index)
{
    unsigned now[LOGIN_TERMINALS_MAX];
    const int count = login_terminals(login, now);

    return count > 0 && contains(now, count, index);
}

/* The descriptor that is this terminal's master, or -1. */
static int find_master(pid_t pid, unsigned index)
{
    char path[64];
    const char *fd;
    unsigned number;
    int found = -1;

    snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
    DIR *directory = opendir(path);
    if (directory == NULL)
        return -1;
    while (found < 0 && (fd = next_entry(directory)) != NULL)
        if (master_index(pid, fd, &number) == 1 && number == index)
            found = (int)strtol(fd, NULL, 10);
    closedir(directory);
    return found;
}

pid_t login_terminal_session(const struct session_record *login, unsigned index)
{
    const int master = login->is_ssh ? find_master(login->pid, index) : -1;
    const int pidfd = master >= 0 ? (int)syscall(SYS_pidfd_open, login->pid, 0) : -1;
    const int copy = pidfd >= 0 ? copy_descriptor(pidfd, master) : -1;
    pid_t session = -1;

    if (copy >= 0 && ioctl(copy, TIOCGSID, &session) != 0)
        session = errno == ENOTTY ? 0 : -1;
    if (copy >= 0)
        close(copy);
    if (pidfd >= 0)
        close(pidfd);
    return session;
}

/* --- processes ------------------------------------------------------------- */

struct family {
    struct process *process;
    size_t count, room;
};

static int append(struct family *family, const struct process *process)
{
    if (family->count == family->room) {
        const size_t room = family->room == 0 ? 32 : 2 * family->room;
        struct process *grown = reallocarray(family->process, room, sizeof *grown);
        if (grown == NULL)
            return -1;
        family->process = grown;
        family->room = room;
    }
    family->process[family->count++] = *process;
    return 0;
}

/* By now the number may be that of somebody else's process. */
static int append_child(struct family *family, pid_t pid, pid_t parent)
{
    struct process child;

    if (process_read(pid, &child) != 0)
        return process_has_ended(errno) ? 0 : -1;
    return child.parent == parent ? append(family, &child) : 0;
}

/* Adds the children that this task has forked. */
static int append_children_of_task(struct family *family, pid_t parent, const char *task)
{
    char path[64 + NAME_MAX], *text = NULL;
    size_t size = 0;
    int result = 0;

    snprintf(path, sizeof path, "/proc/%d/task/%s/children", (int)parent, task);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return process_has_ended(errno) ? 0 : -1;
    if (getline(&text, &size, file) > 0) {
        char *rest = text, *word;
        while (result == 0 && (word = strsep(&rest, " \n")) != NULL)
            if (word[0] != '\0')
                result = append_child(family, (pid_t)strtol(word, NULL, 10), parent);
    } else if (!feof(file) && !process_has_ended(errno)) {
        result = -1;
    }
    free(text);
    fclose(file);
    return result;
}

/* The parent is given by value, for the family moves as it grows. */
static int append_children(struct family *family, struct process parent)
{
    const size_t before = family->count;
    char path[64];
    const char *task;
    int result = 0;

    snprintf(path, sizeof path, "/proc/%d/task", (int)parent.pid);
    DIR *directory = opendir(path);
    if (directory == NULL)
        return process_has_ended(errno) ? 0 : -1;
    while (result == 0 && (task = next_entry(directory)) != NULL)
        result = append_children_of_task(family, parent.pid, task);
    if (result == 0 && errno != 0 && !process_has_ended(errno))
        result = -1;
    close_directory(directory);
    if (result != 0)
        return -1;
    /* Those of a later process of its number are no family. */
    const int is_same = process_is_same(&parent);
    if (is_same == 0)
        family->count = before;
    return is_same < 0 ? -1 : 0;
}

/* sshd's process that opened the session has a child that speaks with the
 * client; for root it does that itself in OpenSSH 9.2, no more in 10.0. What it
 * calls itself tells. */
static bool has_monitor(pid_t pid)
{
    char text[256];

    return process_file(pid, "cmdline", text, sizeof text) > 0 && strstr(text, "[priv]") != NULL;
}

static int find_connection(const struct session_record *login, struct process *connection)
{
    struct family family = {0};
    int result;

    if (process_read(login->pid, connection) != 0)
        return -1;
    if (connection->start_ticks != login->start_ticks) {
        errno = ESRCH;
        return -1;
    }
    if (!login->is_ssh || !has_monitor(login->pid))
        return 0;
    result = append_children(&family, *connection);
    if (result == 0 && family.count == 0) {
        errno = ESRCH;
        result = -1;
    }
    if (result == 0)
        *connection = family.process[0];
    free(family.process);
    return result;
}

pid_t login_connection(const struct session_record *login)
{
    struct process connection;

    return find_connection(login, &connection) == 0 ? connection.pid : 0;
}

ssize_t login_processes(const struct session_record *login, struct process **processes)
{
    struct family family = {0};
    struct process connection;
    int result;

    *processes = NULL;
    if (find_connection(login, &connection) != 0)
        return -1;
    result = append(&family, &connection);
    /* Level by level. */
    for (size_t next = 0; result == 0 && next < family.count; next++)
        result = append_children(&family, family.process[next]);
    if (result != 0 || check_is_live(login) != 0) {
        free(family.process);
        return -1;
    }
    *processes = family.process;
    return (ssize_t)family.count;
}

/* --- bytes ----------------------------------------------------------------- */

/* What a process has read and written; nothing where it has ended. */
static int bytes_of(pid_t pid, uint64_t *bytes)
{
    char text[512];
    const char *read_line, *write_line;
    uint64_t bytes_read, bytes_written;

    *bytes = 0;
    if (process_file(pid, "io", text, sizeof text) < 0)
        return process_has_ended(errno) ? 0 : -1;
    read_line = strstr(text, "rchar:");
    write_line = strstr(text, "wchar:");
    if (read_line == NULL || sscanf(read_line, "rchar: %" SCNu64, &bytes_read) != 1 ||
        write_line == NULL || sscanf(write_line, "wchar: %" SCNu64, &bytes_written) != 1) {
        errno = EINVAL;
        return -1;
    }
    *bytes = bytes_read + bytes_written;
    return 0;
}

/* More than keep-alives that wait for their acknowledgement. */
enum { QUEUE_BYTES = 4096 };

/*
 * What was read from a connection and written to it, to within a constant.
 * Written is here, too, what the other end has still to acknowledge; but where
 * that is a queue, its bytes count, one by one, as the other end takes them. A
 * socket that is no connection over TCP has none of these numbers.
 */
static bool bytes_over_tcp(int fd, uint64_t *bytes)
{
    struct tcp_info info;
    socklen_t size = sizeof info;
    unsigned unread, queued;

    memset(&info, 0, sizeof info);
    if (ioctl(fd, SIOCINQ, &unread) != 0 || ioctl(fd, SIOCOUTQ, &queued) != 0 ||
        getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) != 0)
        return false;
    *bytes = info.tcpi_bytes_received - unread + queued;
    if (queued < QUEUE_BYTES)
        *bytes += info.tcpi_bytes_acked;
    return true;
}

/* The same of somebody else's descriptor. */
static bool bytes_over_descriptor(int pidfd, const char *fd, uint64_t *bytes)
{
    const int copy = copy_descriptor(pidfd, (int)strtol(fd, NULL, 10));
    const bool has_bytes = copy >= 0 && bytes_over_tcp(copy, bytes);

    if (copy >= 0)
        close(copy);
    return has_bytes;
}

static bool is_socket(const char *target)
{
    return strncmp(target, "socket:", 7) == 0;
}

static bool has_descriptor_of(pid_t pid, const char *wanted)
{
    char path[64], target[64] = "";
    const char *fd;
    bool found = false;

    snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
    DIR *directory = opendir(path);
    if (directory == NULL)
        return false;
    while (!found && (fd = next_entry(directory)) != NULL)
        found =
            descriptor_target(pid, fd, target, sizeof target) == 1 && strcmp(target, wanted) == 0;
    closedir(directory);
    return found;
}

/*
 * What sshd has exchanged with the client: 0 where that cannot be asked for.
 * It is the monitor's connection, too, as no forwarded one is. Without a
 * monitor it is the first of the connections, which /proc gives in ascending
 * order: forwarded ones come later.
 */
static uint64_t bytes_with_client(pid_t connection, pid_t monitor)
{
    char path[64], target[64];
    const char *fd;
    uint64_t bytes = 0;
    const int pidfd = (int)syscall(SYS_pidfd_open, connection, 0);
    DIR *directory;
    bool found = false;

    if (pidfd < 0)
        return 0;
    snprintf(path, sizeof path, "/proc/%d/fd", (int)connection);
    directory = opendir(path);
    while (directory != NULL && !found && (fd = next_entry(directory)) != NULL)
        found = descriptor_target(connection, fd, target, sizeof target) == 1 &&
                is_socket(target) && (monitor == 0 || has_descriptor_of(monitor, target)) &&
                bytes_over_descriptor(pidfd, fd, &bytes);
    if (directory != NULL)
        closedir(directory);
    close(pidfd);
    return found ? bytes : 0;
}

/* What sshd has moved, but for what went to and fro between it and the client,
 * or the monitor. What it hands on counts on its other side. */
static int bytes_handed_on(pid_t connection, pid_t monitor, uint64_t *bytes)
{
    uint64_t of_monitor = 0;

    if (bytes_of(connection, bytes) != 0 || (monitor != 0 && bytes_of(monitor, &of_monitor) != 0))
        return -1;
    *bytes -= of_monitor + bytes_with_client(connection, monitor);
    return 0;
}

/* These numbers are read one after the other, and a keep-alive may come in
 * between: such a sum does not come twice. Where data flows none does. */
static int bytes_handed_on_settled(pid_t connection, pid_t monitor, uint64_t *bytes)
{
    enum { TRIES = 4 };
    uint64_t before;
    int result = bytes_handed_on(connection, monitor, bytes);

    for (int i = 0; result == 0 && i < TRIES; i++) {
        before = *bytes;
        result = bytes_handed_on(connection, monitor, bytes);
        if (*bytes == before)
            break;
    }
    return result;
}

int login_bytes_moved(const struct session_record *login, uint64_t *bytes)
{
    struct process *processes;
    const ssize_t count = login_processes(login, &processes);
    uint64_t more;
    int result;

    if (count < 0)
        return -1;
    const pid_t connection = processes[0].pid;
    result = bytes_handed_on_settled(connection, connection == login->pid ? 0 : login->pid, bytes);
    for (ssize_t i = 1; result == 0 && i < count; i++) {
        result = bytes_of(processes[i].pid, &more);
        *bytes += more;
    }
    free(processes);
    return result;
}
