#include "lib/sessions/login_traffic.h"

#include "lib/host/checksum.h"
#include "lib/host/pidfd.h"
#include "lib/host/proc_directory.h"
#include "lib/sessions/login_processes.h"

#include <errno.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

/* What a process has read and written, with its children that have ended or without;
 * nothing if it has ended. Without: of its first thread, and sshd has no other. */
static int process_bytes(pid_t pid, bool with_children, struct io_bytes *bytes)
{
    char name[64] = "io", text[512];

    *bytes = (struct io_bytes){0};
    if (!with_children)
        snprintf(name, sizeof name, "task/%d/io", (int)pid);
    if (process_file(pid, name, text, sizeof text) < 0)
        return process_has_ended(errno) ? 0 : -1;
    if (proc_text_io(text, bytes))
        return 0;
    errno = EINVAL;
    return -1;
}

/* What has passed over a TCP connection, each to within a constant. */
struct tcp_bytes {
    uint64_t read;   /* by this side */
    uint64_t acked;  /* written by this side, and acknowledged by the other */
    uint64_t queued; /* written, and not acknowledged yet */
};

/* Fails for a socket that is not a TCP connection. */
static bool bytes_over_tcp(int fd, struct tcp_bytes *bytes)
{
    struct tcp_info info;
    socklen_t size = sizeof info;
    unsigned unread, queued;

    memset(&info, 0, sizeof info);
    if (ioctl(fd, SIOCINQ, &unread) != 0 || ioctl(fd, SIOCOUTQ, &queued) != 0 ||
        getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) != 0)
        return false;
    *bytes = (struct tcp_bytes){.read = info.tcpi_bytes_received - unread,
                                .acked = info.tcpi_bytes_acked,
                                .queued = queued};
    return true;
}

/* The same for a descriptor of another process. */
static bool bytes_over_descriptor(int pidfd, const char *fd, struct tcp_bytes *bytes)
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
 * What sshd has exchanged with the client; nothing if the kernel does not tell.
 * The monitor has the client's connection open as well, but no forwarded one.
 * Without a monitor it is the first connection, since /proc lists descriptors
 * in ascending order and forwarded connections are opened later.
 */
static struct tcp_bytes bytes_with_client(pid_t connection, pid_t monitor)
{
    char target[64];
    const char *fd;
    struct tcp_bytes bytes = {0};
    const int pidfd = pidfd_of(connection);
    DIR *directory;
    bool found = false;

    if (pidfd < 0)
        return bytes;
    directory = proc_directory_open(connection, "fd");
    while (directory != NULL && !found && (fd = proc_directory_next(directory)) != NULL)
        found = proc_descriptor_target(connection, fd, target, sizeof target) == 1 &&
                is_socket(target) && (monitor == 0 || has_descriptor_of(monitor, target)) &&
                bytes_over_descriptor(pidfd, fd, &bytes);
    if (directory != NULL)
        closedir(directory);
    close(pidfd);
    return bytes;
}

/* What passes through sshd. */
struct relay {
    bool with_children;        /* whether what sshd's children did until their end counts */
    struct io_bytes elsewhere; /* between it and neither the client nor the monitor */
    struct tcp_bytes client;
};

/* What sshd relays passes through another descriptor as well. */
static int read_relay(pid_t connection, pid_t monitor, struct relay *relay)
{
    struct io_bytes all, of_monitor = {0};

    if (process_bytes(connection, relay->with_children, &all) != 0 ||
        (monitor != 0 && process_bytes(monitor, relay->with_children, &of_monitor) != 0))
        return -1;
    relay->client = bytes_with_client(connection, monitor);
    relay->elsewhere.read = all.read - of_monitor.written - relay->client.read;
    relay->elsewhere.written =
        all.written - of_monitor.read - relay->client.acked - relay->client.queued;
    return 0;
}

static bool same_bytes(const struct relay *a, const struct relay *b)
{
    return a->elsewhere.read == b->elsewhere.read && a->elsewhere.written == b->elsewhere.written;
}

/* The counters are read one after the other, and a keep-alive may come in
 * between. Read until two readings agree; if data flows, none do. */
static int read_relay_settled(pid_t connection, pid_t monitor, struct relay *relay)
{
    enum { TRIES = 4 };
    struct relay before;
    int result = read_relay(connection, monitor, relay);

    for (int i = 0; result == 0 && i < TRIES; i++) {
        before = *relay;
        result = read_relay(connection, monitor, relay);
        if (same_bytes(&before, relay))
            break;
    }
    return result;
}

/* More than a few keep-alives that wait for their acknowledgement. */
enum { QUEUE_BYTES = 4096 };

/* A queue of bytes that the client has yet to take counts as it gets shorter. */
static uint64_t bytes_relayed(const struct relay *relay)
{
    const bool is_queue = relay->client.queued >= QUEUE_BYTES;

    return relay->elsewhere.read + relay->elsewhere.written + (is_queue ? relay->client.acked : 0);
}

int login_bytes_moved(const struct session_record *login, uint64_t *bytes)
{
    struct process *processes;
    const ssize_t count = login_processes(login, &processes);
    struct io_bytes more;
    struct relay relay = {.with_children = true};
    int result;

    if (count < 0)
        return -1;
    const pid_t connection = processes[0].pid;
    result = read_relay_settled(connection, connection == login->pid ? 0 : login->pid, &relay);
    *bytes = result == 0 ? bytes_relayed(&relay) : 0;
    for (ssize_t i = 1; result == 0 && i < count; i++) {
        result = process_bytes(processes[i].pid, true, &more);
        *bytes += more.read + more.written;
    }
    free(processes);
    return result;
}

/* A number for several: different ones hardly ever have the same. */
static uint64_t mix(uint64_t mixed, uint64_t number)
{
    /* Any odd number with its bits all over. */
    return mixed * UINT64_C(0x9e3779b97f4a7c15) ^ number;
}

/* The children that sshd has and has had: a checksum of the pids of those, and of what
 * these have read and written. */
static int sessions_mark(pid_t connection, uint64_t *mark)
{
    char name[64], text[4096] = "";
    struct io_bytes all, own;

    snprintf(name, sizeof name, "task/%d/children", (int)connection);
    const ssize_t size = process_file(connection, name, text, sizeof text);
    if (size < 0)
        return -1;
    if (process_bytes(connection, true, &all) != 0 || process_bytes(connection, false, &own) != 0)
        return -1;
    *mark = mix(mix(checksum(CHECKSUM_START, text, (size_t)size), all.read - own.read),
                all.written - own.written);
    return 0;
}

int login_client_evidence(const struct session_record *login, struct client_evidence *evidence)
{
    const pid_t connection = login_connection(login);
    struct relay relay = {.with_children = false};
    struct process process;

    if (connection == 0 ||
        read_relay_settled(connection, connection == login->pid ? 0 : login->pid, &relay) != 0 ||
        sessions_mark(connection, &evidence->sessions) != 0 ||
        process_read(connection, &process) != 0)
        return -1;
    evidence->minor_faults = process.minor_faults;
    evidence->written = relay.elsewhere.written;
    evidence->read = relay.elsewhere.read;
    return session_check_live(login);
}

void client_evidence_follow(const struct client_evidence *before, struct client_evidence *now)
{
    if (now->minor_faults == before->minor_faults)
        now->sessions = before->sessions;
}

uint64_t client_evidence_mark(const struct client_evidence *evidence)
{
    return mix(mix(evidence->written, evidence->read / WINDOW_BYTES), evidence->sessions);
}

int login_traffic_mark(const struct session_record *login, bool only_client,
                       struct client_evidence *evidence, uint64_t *mark)
{
    struct client_evidence now = {0};

    if (!only_client)
        return login_bytes_moved(login, mark);
    if (login_client_evidence(login, &now) != 0)
        return -1;
    client_evidence_follow(evidence, &now);
    *mark = client_evidence_mark(&now);
    *evidence = now;
    return 0;
}
