/* Where things are. The Makefile sets what a distribution may move; the
 * rest is fixed, because people and scanners look there. */
#ifndef TMOUT_PATHS_H
#define TMOUT_PATHS_H

#ifndef SYSCONFDIR
#define SYSCONFDIR "/etc"
#endif
#ifndef BINDIR
#define BINDIR "/usr/bin"
#endif
#ifndef SBINDIR
#define SBINDIR "/usr/sbin"
#endif

#define TMOUT_CONFIG_PATH  SYSCONFDIR "/security/tmout.conf"
#define TMOUT_STATE_DIR    "/var/lib/tmout"
#define TMOUT_SESSIONS_DIR "/run/tmout/sessions"
#define TMOUT_CTL_PATH     BINDIR "/tmoutctl"
#define TMOUT_DAEMON_PATH  SBINDIR "/tmoutd"

#endif
