#include "lib/sessions/login_message.h"

#include "lib/host/descriptor.h"
#include "lib/host/secure_path.h"
#include "lib/sessions/registry_format.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* Splits the socket's path: its directory, opened, and its name there. */
static int open_parent(const char *directory, uid_t owner, char *name, size_t size,
                       struct failure *failure)
{
    char above[PATH_MAX];
    const char *slash = strrchr(directory, '/');
    const size_t length = slash != NULL ? (size_t)(slash - directory) : 0;

    if (slash == NULL || length >= sizeof above ||
        snprintf(name, size, "%s.socket", slash + 1) >= (int)size) {
        errno = ENAMETOOLONG;
        failure_set(failure, "path too long");
        return -1;
    }
    memcpy(above, directory, length);
    above[length] = '\0';
    return secure_open_directory(length > 0 ? above : "/", owner, O_RDONLY, failure);
}

/* By the descriptor of its directory: the path itself may be too long for a
 * socket address. */
static int make_address(int parent_fd, const char *name, struct sockaddr_un *address)
{
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    const int length = snprintf(address->sun_path, sizeof address->sun_path, "/proc/self/fd/%d/%s",
                                parent_fd, name);

    if (length >= 0 && (size_t)length < sizeof address->sun_path)
        return 0;
    errno = ENAMETOOLONG;
    return -1;
}

static int open_socket(void)
{
    return fd_above_stdio(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
}

int login_message_send(const char *directory, uid_t owner, const struct session_record *record)
{
    struct stored_record stored;
    struct sockaddr_un address;
    struct failure failure = {""};
    char name[NAME_MAX + 1];
    int result = -1, error;
    const int parent_fd = open_parent(directory, owner, name, sizeof name, &failure);
    const int fd = parent_fd >= 0 ? open_socket() : -1;

    if (fd >= 0 && make_address(parent_fd, name, &address) == 0) {
        record_encode(record, &stored);
        if (sendto(fd, &stored, sizeof stored, MSG_DONTWAIT | MSG_NOSIGNAL,
                   (const struct sockaddr *)&address, sizeof address) == (ssize_t)sizeof stored)
            result = 0;
    }
    error = errno;
    if (fd >= 0)
        close(fd);
    if (parent_fd >= 0)
        close(parent_fd);
    errno = error;
    return result;
}

/* --- the receiving end ----------------------------------------------------- */

/* Under another name first, so that there is a socket at any time. */
static int bind_socket(int fd, int parent_fd, const char *name)
{
    struct sockaddr_un address;
    char temporary[NAME_MAX + 1];
    const int on = 1;

    if (snprintf(temporary, sizeof temporary, "%s.new", name) >= (int)sizeof temporary) {
        errno = ENAMETOOLONG;
        return -1;
    }
    unlinkat(parent_fd, temporary, 0);
    if (make_address(parent_fd, temporary, &address) != 0 ||
        setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof on) != 0)
        return -1;
    const mode_t mask = umask(0177);
    const int result = bind(fd, (const struct sockaddr *)&address, sizeof address);
    umask(mask);
    if (result != 0 || renameat(parent_fd, temporary, parent_fd, name) == 0)
        return result;
    const int error = errno;
    unlinkat(parent_fd, temporary, 0);
    errno = error;
    return -1;
}

int login_message_listen(const char *directory, uid_t owner, struct failure *failure)
{
    char name[NAME_MAX + 1];
    const int parent_fd = open_parent(directory, owner, name, sizeof name, failure);
    int fd;

    if (parent_fd < 0)
        return -1;
    fd = open_socket();
    if (fd < 0 || bind_socket(fd, parent_fd, name) != 0) {
        const int error = errno;
        failure_set(failure, "cannot create socket %s.socket: %s", directory,
                    failure_reason(error));
        if (fd >= 0)
            close(fd);
        fd = -1;
        errno = error;
    }
    close(parent_fd);
    return fd;
}

/* The sender, as the kernel says; false if it does not. Descriptors that were
 * sent along are closed. */
static bool read_control(struct msghdr *message, struct ucred *sender)
{
    bool found = false;

    for (struct cmsghdr *part = CMSG_FIRSTHDR(message); part != NULL;
         part = CMSG_NXTHDR(message, part)) {
        if (part->cmsg_level != SOL_SOCKET)
            continue;
        if (part->cmsg_type == SCM_CREDENTIALS && part->cmsg_len >= CMSG_LEN(sizeof *sender)) {
            memcpy(sender, CMSG_DATA(part), sizeof *sender);
            found = true;
        } else if (part->cmsg_type == SCM_RIGHTS) {
            const size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
            for (size_t i = 0; i < count; i++) {
                int sent;
                memcpy(&sent, CMSG_DATA(part) + i * sizeof sent, sizeof sent);
                close(sent);
            }
        }
    }
    return found;
}

enum login_message_status login_message_receive(int fd, uid_t owner, struct session_record *record)
{
    unsigned char bytes[sizeof(struct stored_record) + 1];
    union {
        char room[CMSG_SPACE(sizeof(struct ucred)) + CMSG_SPACE(8 * sizeof(int))];
        struct cmsghdr align;
    } control;
    struct iovec part = {.iov_base = bytes, .iov_len = sizeof bytes};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control.room,
                             .msg_controllen = sizeof control.room};
    struct ucred sender = {0};
    ssize_t size;

    do
        size = recvmsg(fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    while (size < 0 && errno == EINTR);
    if (size < 0)
        return errno == EAGAIN ? LOGIN_MESSAGE_NONE : LOGIN_MESSAGE_FAILED;
    const bool is_known = read_control(&message, &sender);
    *record = (struct session_record){.pid = sender.pid};
    if (!is_known || (sender.uid != 0 && sender.uid != owner) || sender.pid <= 0)
        return LOGIN_MESSAGE_REJECTED;
    switch (record_decode(bytes, (size_t)size, sender.pid, record)) {
    case REGISTRY_OK:
        record->source = LOGIN_FROM_MESSAGE;
        return LOGIN_MESSAGE_RECORD;
    case REGISTRY_NEWER:
        return LOGIN_MESSAGE_NEWER;
    default:
        return LOGIN_MESSAGE_REJECTED;
    }
}
