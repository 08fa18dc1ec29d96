/* Whose process this is. */
#ifndef TMOUT_HOST_CALLER_H
#define TMOUT_HOST_CALLER_H

#include <sys/types.h>
#include <unistd.h>

struct caller {
    uid_t real; /* in a set-uid program, the user who started it */
    uid_t effective;
};

/* In one system call, where getuid(2) and geteuid(2) would be two. */
static inline struct caller caller_now(void)
{
    uid_t real, effective, saved;

    /* It fails for a bad address only. */
    if (getresuid(&real, &effective, &saved) != 0)
        real = effective = (uid_t)-1;
    return (struct caller){.real = real, .effective = effective};
}

#endif
