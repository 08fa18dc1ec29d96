/*
 * All logins that are watched, and the policy that governs them.
 *
 * Nothing here waits: the main loop calls watch_run() when the time that it
 * returned has come, and the other functions when something has happened.
 */
#ifndef TMOUT_TMOUTD_WATCH_H
#define TMOUT_TMOUTD_WATCH_H

#include "lib/sessions/registry.h"

struct watch;

/* A descriptor is added to epoll_fd for each login, with the login's pid as data,
 * that becomes readable when the login ends. The paths must outlive the watch.
 * NULL without memory. */
struct watch *watch_new(const char *sessions_dir, const char *state_dir, int epoll_fd);
void watch_free(struct watch *watch);

/* Set if inotify is unavailable for some directory: rescan periodically. */
void watch_set_polling(struct watch *watch, bool polling);

/* Reads the clock for the calls that follow. */
void watch_clock(struct watch *watch);

/* Events were lost: rescan everything, soon. */
void watch_events_lost(struct watch *watch);

/* Rescan everything now, and apply the policy even if its file has not changed. */
void watch_everything(struct watch *watch);

/* A record has appeared or changed. */
void watch_login(struct watch *watch, pid_t pid);

/* The process of a login has ended. */
void watch_login_ended(struct watch *watch, pid_t pid);

/* A terminal in /dev/pts has appeared, vanished, or had its times or mode
 * changed. */
void watch_terminal_appeared(struct watch *watch, unsigned index);
void watch_terminal_vanished(struct watch *watch, unsigned index);
void watch_terminal_touched(struct watch *watch, unsigned index);

/* The policy may have changed. */
void watch_policy(struct watch *watch);

/* Does what is due. Returns when to call again, on the boot clock, or
 * NEVER_MS. */
int64_t watch_run(struct watch *watch);

#endif
