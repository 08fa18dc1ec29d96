/*
 * Ending what runs below a login's connection, whatever the number of processes.
 * It runs in a helper. Ending the connection itself needs none of this, and does
 * not wait for it.
 */
#ifndef TMOUT_TMOUTD_ENDING_H
#define TMOUT_TMOUTD_ENDING_H

#include "lib/sessions/registry.h"
#include "tools/tmoutd/answer.h"

/* A process by something that tells it from a later one with its number: the inode of
 * its pidfd or, before Linux 6.9, its audit session, since when it was started stands
 * in a file that a process can keep from being read. */
struct process_identity {
    pid_t pid;
    uint64_t mark;
};

enum { ENDING_LIST_MAX = 2000 };

struct ending_list {
    uint32_t count;
    int32_t error; /* errno if there may be others, whose parent could not be read; 0 */
    struct process_identity process[ENDING_LIST_MAX];
};

/*
 * SIGHUP to all processes below the connection, and SIGCONT in case they are
 * stopped. input: struct session_record. Answers with a struct ending_list, cut off
 * behind the last process in use, of those that ending_kill() is for. What no list
 * has room for is killed at once. GONE if the login is. No file is read that a process
 * of the user's can keep locked.
 */
void ending_begin(const void *input, int fd, struct answer *answer);

/* SIGKILL to those that are still there. input: struct ending_list. UNKNOWN if one could
 * not be killed. */
void ending_kill(const void *input, int fd, struct answer *answer);

/* How much of a list is in use. */
size_t ending_list_size(const struct ending_list *list);

#endif
