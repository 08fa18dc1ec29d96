/* Lets sd-event(3) drive a connection of hiredis. hiredis has an adapter of its own only since
 * 1.1; Debian 12 has 0.14. */
#ifndef TMOUT_FLEETD_STORE_EVENTS_H
#define TMOUT_FLEETD_STORE_EVENTS_H

#include "tools/fleetd/client_library.h"

#include <systemd/sd-event.h>

/* Returns 0, or -1: out of memory. hiredis frees it with the connection. */
int store_events_attach(redisAsyncContext *connection, sd_event *event);

#endif
