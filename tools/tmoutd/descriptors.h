/*
 * Which descriptors may be kept for as long as a login lasts. The kernel gives out
 * the lowest free number, so whoever gets one of the last knows that nearly all
 * are in use: those are left to what is short-lived.
 */
#ifndef TMOUT_TMOUTD_DESCRIPTORS_H
#define TMOUT_TMOUTD_DESCRIPTORS_H

#include "tools/tmoutd/loop.h"

enum {
    /* A socket and a pidfd for each of the helpers that may run (helpers.h), those
     * that were given up, the log, and what the C library opens. */
    DESCRIPTORS_FOR_HELPERS = 256,
    /* Two for each login that is being ended: 64 of them at a time, at the least. */
    DESCRIPTORS_FOR_ENDS = 128
};

/* Returns fd, or -1 with EMFILE after it has closed it: its number is one of the
 * last. fd may be -1, with errno, which then stays as it is. The first for logins
 * leaves both reserves alone and logs that there are too few, now and then; the
 * second leaves the helpers' alone. */
int descriptor_for_login(struct loop *loop, int fd);
int descriptor_for_end(int fd);

/* Is it one of those that are left to helpers? */
bool descriptor_is_among_last(int fd);

#endif
