#include "tools/tmoutd/message.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

union control {
    struct cmsghdr header;
    char space[CMSG_SPACE(MESSAGE_FDS_MAX * sizeof(int))];
};

int message_send(int socket, struct message *message, int flags)
{
    const size_t fds_size = message->fd_count * sizeof message->fd[0];
    union control control = {{0}};
    struct msghdr header = {.msg_iov = message->part, .msg_iovlen = 2};
    ssize_t sent;

    if (fds_size > 0) {
        /* The lengths are POSIX's type, which musl has; glibc's are wider. */
        header.msg_control = &control;
        header.msg_controllen = (socklen_t)CMSG_SPACE(fds_size);
        control.header = (struct cmsghdr){.cmsg_level = SOL_SOCKET,
                                          .cmsg_type = SCM_RIGHTS,
                                          .cmsg_len = (socklen_t)CMSG_LEN(fds_size)};
        memcpy(CMSG_DATA(&control.header), message->fd, fds_size);
    }
    do
        sent = sendmsg(socket, &header, MSG_NOSIGNAL | flags);
    while (sent < 0 && errno == EINTR);
    return sent >= 0 ? 0 : -1;
}

/* False if there is not room for all of them. */
static bool take_descriptors(const union control *control, size_t size, struct message *message)
{
    const struct cmsghdr *header = &control->header;
    const size_t room = message->fd_count;

    message->fd_count = 0;
    if (size < CMSG_LEN(sizeof(int)) || header->cmsg_type != SCM_RIGHTS)
        return true;
    const size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; i++) {
        int fd;
        memcpy(&fd, CMSG_DATA(header) + i * sizeof fd, sizeof fd);
        if (i < room)
            message->fd[message->fd_count++] = fd;
        else
            close(fd);
    }
    return count <= room;
}

ssize_t message_receive(int socket, struct message *message, int flags)
{
    union control control;
    struct msghdr header = {.msg_iov = message->part,
                            .msg_iovlen = 2,
                            .msg_control = &control,
                            .msg_controllen = sizeof control};
    ssize_t size;

    do
        size = recvmsg(socket, &header, MSG_CMSG_CLOEXEC | flags);
    while (size < 0 && errno == EINTR);
    if (size < 0)
        return -1;
    if (take_descriptors(&control, header.msg_controllen, message) &&
        (header.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) == 0)
        return size;
    while (message->fd_count > 0)
        close(message->fd[--message->fd_count]);
    errno = EMSGSIZE;
    return -1;
}
