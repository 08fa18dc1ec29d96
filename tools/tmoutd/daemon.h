/*
 * The main loop, and the events in it that are not about one login: changes of the
 * registry, of /dev/pts and of the policy (inotify), programs that are executed (fanotify),
 * signals, and the watchdog.
 *
 * Nothing in the main process waits for what a user controls. It reads no file of
 * another process in /proc, asks no name service, and touches no terminal but by
 * stat(2): helpers do (helpers.h).
 */
#ifndef TMOUT_TMOUTD_DAEMON_H
#define TMOUT_TMOUTD_DAEMON_H

#include "tools/tmoutd/executions.h"
#include "tools/tmoutd/options.h"
#include "tools/tmoutd/watch.h"

/* Directories whose changes are events, and programs whose start is one. Without one
 * of the first three tmoutd polls; the others need not exist. */
enum watched {
    WATCHED_SESSIONS,
    WATCHED_TERMINALS,
    WATCHED_POLICY,
    WATCHED_OPTIONAL,
    WATCHED_LOGIND = WATCHED_OPTIONAL,
    WATCHED_PROGRAMS,
    WATCHED_COUNT = WATCHED_PROGRAMS + 6
};

struct daemon {
    const struct options *options;
    struct loop loop;
    struct watch *watch;
    sd_event *event;
    struct executions executions;
    int inotify_fd;
    int inotify_errno;               /* if there is no inotify_fd */
    int wd[WATCHED_COUNT];           /* inotify's number, or -1: not watched */
    bool is_reported[WATCHED_COUNT]; /* that it cannot be watched is logged once */
    int64_t optional_ms;             /* look for those that need not exist then */
    bool stop;                       /* SIGTERM or SIGINT has come */
};

/* Blocks SIGTERM, SIGINT and SIGHUP, and watches what can be watched. Returns 0,
 * or -1 after a line in the log. Free in either case. */
int daemon_start(struct daemon *daemon, const struct options *options);

/* Waits for the next event, and handles it. Returns 0, or -1 after a line in the
 * log. */
int daemon_turn(struct daemon *daemon);

void daemon_free(struct daemon *daemon);

#endif
