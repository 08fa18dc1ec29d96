/*
 * The events that tmoutd waits for, handed on to the watch: changes of the
 * registry, of /dev/pts and of the policy (inotify), ends of logins (pidfd),
 * signals, and the time at which the watch has something to do.
 */
#ifndef TMOUT_TMOUTD_DAEMON_H
#define TMOUT_TMOUTD_DAEMON_H

#include "tools/tmoutd/options.h"
#include "tools/tmoutd/watch.h"

/* Directories whose changes are events. */
enum watched { WATCHED_SESSIONS, WATCHED_TERMINALS, WATCHED_POLICY, WATCHED_COUNT };

struct daemon {
    const struct options *options;
    struct watch *watch;
    int epoll_fd, timer_fd, signal_fd, inotify_fd;
    int inotify_errno;               /* if there is no inotify_fd */
    int wd[WATCHED_COUNT];           /* inotify's number, or -1: not watched */
    bool is_reported[WATCHED_COUNT]; /* that it cannot be watched is logged once */
    bool stop;                       /* SIGTERM or SIGINT has come */
    uint64_t watchdog_us;            /* systemd expects a watchdog ping this often; 0: never */
};

/* Blocks SIGTERM, SIGINT and SIGHUP, and watches what can be watched. Returns 0,
 * or -1 after a line in the log. Free in either case. */
int daemon_start(struct daemon *daemon, const struct options *options);

/* Does what is due, waits for the next event, and handles what has come. Returns
 * 0, or -1 after a line in the log. */
int daemon_turn(struct daemon *daemon);

void daemon_free(struct daemon *daemon);

#endif
