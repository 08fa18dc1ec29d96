/*
 * The way to tmoutd that needs no room in a file system: a login whose record
 * could not be written is sent to tmoutd's socket, REGISTRY.socket beside the
 * registry, with the content that the file would have had.
 *
 * Only root can send there, the kernel says which process did, and a process
 * can only send its own login. Neither side ever waits for the other.
 */
#ifndef TMOUT_SESSIONS_LOGIN_MESSAGE_H
#define TMOUT_SESSIONS_LOGIN_MESSAGE_H

#include "lib/sessions/registry.h"

/* From the process that opened the session. Returns 0, or -1 with errno:
 * ENOENT or ECONNREFUSED if no tmoutd listens, EAGAIN if its queue is full. */
int login_message_send(const char *directory, uid_t owner, const struct session_record *record);

/* tmoutd's end, which replaces one that is there. Returns a descriptor that
 * does not block, or -1 with the reason. */
int login_message_listen(const char *directory, uid_t owner, struct failure *failure);

enum login_message_status {
    LOGIN_MESSAGE_NONE,     /* no more for now */
    LOGIN_MESSAGE_RECORD,   /* *record has it */
    LOGIN_MESSAGE_REJECTED, /* not from root, not about the sender, or not readable */
    LOGIN_MESSAGE_NEWER,    /* a later version sent it: record->pid is the sender's */
    LOGIN_MESSAGE_FAILED    /* errno */
};

/* The next one. Has *record->pid set to the sender's in any case but NONE and
 * FAILED. */
enum login_message_status login_message_receive(int fd, uid_t owner, struct session_record *record);

#endif
