/*
 * Processes that have announced a login, or may come to be one: those of root's that have
 * executed sshd or login(1), lead a session of systemd-logind's, or were seen before their user
 * was admitted. They are looked at again until that is settled, and nothing else on the host is.
 */
#ifndef TMOUT_TMOUTD_ANNOUNCED_H
#define TMOUT_TMOUTD_ANNOUNCED_H

#include "lib/sessions/login_search.h"

enum {
    ANNOUNCED_MAX = 1024,
    /* Looks at a process that is none of a login's, before it is taken for none: it may be about
     * to execute the program. */
    ANNOUNCED_LOOKS = 3
};

struct announced_process {
    pid_t pid;
    enum login_source source; /* by what it was announced */
    unsigned looks;           /* in vain */
    bool is_asked;            /* the look in progress is at it, too, */
    bool is_kept;             /* and not the last one */
};

struct announced_list {
    size_t count;
    struct announced_process process[ANNOUNCED_MAX];
};

/* NULL if it is not in the list. */
struct announced_process *announced_find(struct announced_list *list, pid_t pid);

/* Adds a process, or keeps one that is being looked at for another look. False if the list is
 * full. */
bool announced_add(struct announced_list *list, pid_t pid, enum login_source source);

/* A look at all of them begins: their pids, in ascending order. Returns how many. */
size_t announced_ask(struct announced_list *list, pid_t pids[ANNOUNCED_MAX]);

/* The look says this of a process, which is not a login by now. */
void announced_unsettled(struct announced_list *list, const struct unsettled_process *unsettled);

/* The look is over: those that it was at go, but for the kept ones. If it has failed, they stay. */
void announced_end(struct announced_list *list, bool has_failed);

#endif
