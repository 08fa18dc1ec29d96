/* Logins that the module could not write into the registry, and sent to tmoutd
 * instead (login_message.h). */
#ifndef TMOUT_TMOUTD_INBOX_H
#define TMOUT_TMOUTD_INBOX_H

#include "lib/sessions/registry.h"
#include "tools/tmoutd/loop.h"

struct inbox_hooks {
    void *context;
    /* A login was sent. */
    void (*login)(void *context, const struct session_record *record);
    /* This process has sent something that this version cannot read. */
    void (*unreadable)(void *context, pid_t pid);
};

struct inbox;

/* Listens, or logs why that is not possible: then there is nothing to receive. With
 * systemd's descriptor store, the socket outlives a restart, and so does what was
 * sent meanwhile. NULL without memory. */
struct inbox *inbox_new(struct loop *loop, const char *sessions_dir,
                        const struct inbox_hooks *hooks);
void inbox_free(struct inbox *inbox);

/* Receives what has come: called by the event loop, and by tests. */
void inbox_receive(struct inbox *inbox);

#endif
