#include "lib/sessions/login_traffic.h"

#include "lib/host/pidfd.h"
#include "lib/host/proc_directory.h"
#include "lib/sessions/login_processes.h"

#include <errno.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

/* What a process has read and written; nothing where it has ended. */
static int bytes_of(pid_t pid, uint64_t *bytes)
{
    char text[512];

    *bytes = 0;
    if (process_file(pid, "io", text, sizeof text) < 0)
        return process_has_ended(errno) ? 0 : -1;
    if (proc_text_io(text, bytes))
        return 0;
    errno = EINVAL;
    return -1;
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
    const int copy = pidfd_copy_descriptor(pidfd, (int)strtol(fd, NULL, 10));
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
    char target[64] = "";
    const char *fd;
    bool found = false;
    DIR *directory = proc_directory_open(pid, "fd");

    if (directory == NULL)
        return false;
    while (!found && (fd = proc_directory_next(directory)) != NULL)
        found = proc_descriptor_target(pid, fd, target, sizeof target) == 1 &&
                strcmp(target, wanted) == 0;
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
    char target[64];
    const char *fd;
    uint64_t bytes = 0;
    const int pidfd = pidfd_of(connection);
    DIR *directory;
    bool found = false;

    if (pidfd < 0)
        return 0;
    directory = proc_directory_open(connection, "fd");
    while (directory != NULL && !found && (fd = proc_directory_next(directory)) != NULL)
        found = proc_descriptor_target(connection, fd, target, sizeof target) == 1 &&
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
