/* Messages with descriptors, between tmoutd's own processes. */
#ifndef TMOUT_TMOUTD_MESSAGE_H
#define TMOUT_TMOUTD_MESSAGE_H

#include "tools/tmoutd/helper_work.h"

#include <sys/uio.h>

enum { MESSAGE_FDS_MAX = 1 + HELPER_JOBS_MAX };

/* What is in it, one part after the other, and its descriptors. */
struct message {
    struct iovec part[2];
    int *fd;
    size_t fd_count; /* up to MESSAGE_FDS_MAX; of one to be received: room, and then how many */
};

/* Sends it whole, with these flags of sendmsg(2), and without SIGPIPE. Returns 0, or -1 with
 * errno. */
int message_send(int socket, struct message *message, int flags);

/*
 * Receives one, with these flags of recvmsg(2). Its descriptors are close-on-exec, and the
 * caller's. Returns its size, 0 at the end of file, or -1 with errno: EMSGSIZE if there was no room
 * for all of it, whose descriptors are closed.
 */
ssize_t message_receive(int socket, struct message *message, int flags);

#endif
