/* The daemon that ends idle logins. */
#ifndef TMOUT_TMOUTCTL_HOST_DAEMON_H
#define TMOUT_TMOUTCTL_HOST_DAEMON_H

#include <stdbool.h>

/* Is tmoutd running? Where /proc hides the processes of others, only root can tell. */
bool tmoutd_is_running(void);

/* Does it end the logins that belong to this state directory? It is asked only where that
 * is the host's own: which directory another one looks after, nobody can tell. */
bool tmoutd_ends_logins_of(const char *state_dir);

#endif
