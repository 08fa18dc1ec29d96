/*
 * All logins that are watched, and the policy that governs them. They are found by
 * pid, by user and by terminal, so that no event costs more the more logins there
 * are. Nothing here waits.
 */
#ifndef TMOUT_TMOUTD_WATCH_H
#define TMOUT_TMOUTD_WATCH_H

#include "lib/sessions/registry.h"
#include "tools/tmoutd/loop.h"

struct watch;

/* The paths and the loop must outlive the watch. NULL without memory. */
struct watch *watch_new(const char *sessions_dir, const char *state_dir, struct loop *loop);
void watch_free(struct watch *watch);

/* Set if inotify is unavailable for some directory: rescan periodically. */
void watch_set_polling(struct watch *watch, bool polling);

/* Events were lost: rescan everything, soon. */
void watch_events_lost(struct watch *watch);

/* Rescan everything now, and apply the policy even if its file has not changed. */
void watch_everything(struct watch *watch);

/* A record has appeared or changed. */
void watch_login(struct watch *watch, pid_t pid);

/* A record has disappeared. */
void watch_record_removed(struct watch *watch, pid_t pid);

/* Somebody may be logging in, and it is not certain that there will be a record: in this
 * process, or 0 if it is not known. */
void watch_announced(struct watch *watch, enum login_source source, pid_t pid);

/* A terminal in /dev/pts has appeared, vanished, or had its times or mode
 * changed. */
void watch_terminal_appeared(struct watch *watch, unsigned index);
void watch_terminal_vanished(struct watch *watch, unsigned index);
void watch_terminal_touched(struct watch *watch, unsigned index);

/* The policy may have changed. */
void watch_policy(struct watch *watch);

/* How many logins are watched. */
size_t watch_count(const struct watch *watch);

#endif
