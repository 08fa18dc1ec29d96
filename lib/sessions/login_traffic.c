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

/* What a process has read and written; 0 if it has ended. */
static int process_bytes(pid_t pid, uint64_t *bytes)
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

/* More than a few keep-alives that wait for their acknowledgement. */
enum { QUEUE_BYTES = 4096 };

/*
 * What was read from a connection and written to it, to within a constant.
 * Bytes that the peer has yet to acknowledge count as written, unless there is
 * a queue of them: then each counts when the peer takes it. Fails for a socket
 * that is not a TCP connection.
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

/* The same for a descriptor of another process. */
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
 * What sshd has exchanged with the client; 0 if the kernel does not tell. The
 * monitor has the client's connection open as well, but no forwarded one.
 * Without a monitor it is the first connection, since /proc lists descriptors
 * in ascending order and forwarded connections are opened later.
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

/* Bytes relayed by sshd, excluding its traffic with the client and with the
 * monitor: what it relays passes through another descriptor as well. */
static int bytes_relayed(pid_t connection, pid_t monitor, uint64_t *bytes)
{
    uint64_t of_monitor = 0;

    if (process_bytes(connection, bytes) != 0 ||
        (monitor != 0 && process_bytes(monitor, &of_monitor) != 0))
        return -1;
    *bytes -= of_monitor + bytes_with_client(connection, monitor);
    return 0;
}

/* The counters are read one after the other, and a keep-alive may come in
 * between. Read until two sums agree; if data flows, none do. */
static int bytes_relayed_settled(pid_t connection, pid_t monitor, uint64_t *bytes)
{
    enum { TRIES = 4 };
    uint64_t before;
    int result = bytes_relayed(connection, monitor, bytes);

    for (int i = 0; result == 0 && i < TRIES; i++) {
        before = *bytes;
        result = bytes_relayed(connection, monitor, bytes);
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
    result = bytes_relayed_settled(connection, connection == login->pid ? 0 : login->pid, bytes);
    for (ssize_t i = 1; result == 0 && i < count; i++) {
        result = process_bytes(processes[i].pid, &more);
        *bytes += more;
    }
    free(processes);
    return result;
}
