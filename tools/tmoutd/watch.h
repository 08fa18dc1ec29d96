/*
 * The logins that are watched, their terminals, and when to look at which.
 *
 * Nothing here waits: the main loop calls watch_run() when the time that it
 * returned has come, and the others when something has happened.
 */
#ifndef TMOUT_TMOUTD_WATCH_H
#define TMOUT_TMOUTD_WATCH_H

#include "lib/sessions/registry.h"

struct watch;

/* epoll_fd gets a descriptor for each login, with its pid as data, that
 * becomes readable when the login ends. NULL without memory. */
struct watch *watch_new(const char *sessions_dir, const char *state_dir, int epoll_fd);
void watch_free(struct watch *watch);

/* Is there something that nobody tells of, and that it has to look for now and
 * then? */
void watch_lacks_events(struct watch *watch, bool lacks_events);

/* What time it is, for the calls that follow. */
void watch_clock(struct watch *watch);

/* Some events were lost: compares everything with what is there, soon. */
void watch_events_lost(struct watch *watch);

/* The same at once, the policy included whether it has changed or not. */
void watch_everything(struct watch *watch);

/* A record has appeared or changed. */
void watch_login(struct watch *watch, pid_t pid);

/* The process of a login has ended. */
void watch_login_ended(struct watch *watch, pid_t pid);

/* A terminal in /dev/pts has appeared, vanished, or had its times or mode
 * changed by somebody. */
void watch_terminal_appeared(struct watch *watch, unsigned index);
void watch_terminal_vanished(struct watch *watch, unsigned index);
void watch_terminal_touched(struct watch *watch, unsigned index);

/* The policy may have changed. */
void watch_policy(struct watch *watch);

/* Does what is due. Returns when to call again, on the boot clock, or
 * NEVER_MS. */
int64_t watch_run(struct watch *watch);

#endif
