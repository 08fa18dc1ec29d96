/* The daemon that ends idle logins. */
#ifndef TMOUT_TMOUTCTL_HOST_DAEMON_H
#define TMOUT_TMOUTCTL_HOST_DAEMON_H

#include <stdbool.h>

/* Is tmoutd running? Where /proc hides the processes of others, only root can tell. */
bool tmoutd_is_running(void);

#endif
