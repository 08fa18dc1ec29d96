#include "tools/tmoutd/daemon.h"

#include "lib/host/clock.h"
#include "lib/sessions/registry.h"
#include "lib/sessions/schedule.h"
#include "tools/tmoutd/log.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <syslog.h>
#include <systemd/sd-daemon.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS_AT_ONCE = 64 };

/* Apart from the pids of logins, which are positive and smaller. */
enum source { SOURCE_TIMER = 1ULL << 40, SOURCE_SIGNAL, SOURCE_INOTIFY };

/* --- events ---------------------------------------------------------------- */

static int daemon_add_source(const struct daemon *daemon, int fd, uint64_t source)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = source};

    return fd < 0 ? -1 : epoll_ctl(daemon->epoll_fd, EPOLL_CTL_ADD, fd, &event);
}

static void watch_directory(struct daemon *daemon, enum watched which)
{
    static const uint32_t events[] = {
        [WATCHED_SESSIONS] = IN_MOVED_TO | IN_CLOSE_WRITE,
        [WATCHED_TERMINALS] = IN_CREATE | IN_DELETE | IN_ATTRIB,
        [WATCHED_POLICY] = IN_MOVED_TO | IN_CLOSE_WRITE,
    };
    const char *path = which == WATCHED_SESSIONS    ? daemon->options->sessions_dir
                       : which == WATCHED_TERMINALS ? "/dev/pts"
                                                    : daemon->options->state_dir;

    /* Otherwise there would be nothing to watch before the first login. */
    if (which == WATCHED_SESSIONS)
        registry_make(path);
    daemon->wd[which] = inotify_add_watch(daemon->inotify_fd, path, events[which] | IN_ONLYDIR);
    const int error = daemon->inotify_fd < 0 ? daemon->inotify_errno : errno;
    if (log_begins(&daemon->is_reported[which], daemon->wd[which] < 0))
        log_line(LOG_WARNING, "cannot watch %s: %s; falling back to polling", path,
                 strerror(error));
}

/* Watches those that are not watched yet, or no longer. */
static void watch_directories(struct daemon *daemon)
{
    bool must_poll = false;

    for (enum watched which = 0; which < WATCHED_COUNT; which++) {
        if (daemon->wd[which] >= 0)
            continue;
        watch_directory(daemon, which);
        if (daemon->wd[which] < 0)
            must_poll = true;
        else /* what has happened until now was not reported */
            watch_events_lost(daemon->watch);
    }
    watch_set_polling(daemon->watch, must_poll);
}

/* A directory was removed; one of the same name is another directory. */
static void on_removed(struct daemon *daemon, int wd)
{
    for (enum watched which = 0; which < WATCHED_COUNT; which++)
        if (daemon->wd[which] == wd)
            daemon->wd[which] = -1;
}

static bool daemon_parse_number(const char *name, unsigned *number)
{
    char *end = NULL;

    errno = 0;
    const unsigned long value = strtoul(name, &end, 10);
    *number = (unsigned)value;
    return name[0] >= '0' && name[0] <= '9' && *end == '\0' && errno == 0 && value <= INT_MAX;
}

static void on_terminal(struct daemon *daemon, const struct inotify_event *event)
{
    unsigned index;

    if (!daemon_parse_number(event->name, &index))
        return;
    if ((event->mask & IN_CREATE) != 0)
        watch_terminal_appeared(daemon->watch, index);
    else if ((event->mask & IN_DELETE) != 0)
        watch_terminal_vanished(daemon->watch, index);
    else
        watch_terminal_touched(daemon->watch, index);
}

static void on_change(struct daemon *daemon, const struct inotify_event *event)
{
    unsigned pid;

    if ((event->mask & IN_Q_OVERFLOW) != 0) {
        watch_events_lost(daemon->watch);
    } else if ((event->mask & IN_IGNORED) != 0) {
        on_removed(daemon, event->wd);
    } else if (event->len == 0) {
        return;
    } else if (event->wd == daemon->wd[WATCHED_TERMINALS]) {
        on_terminal(daemon, event);
    } else if (event->wd == daemon->wd[WATCHED_SESSIONS]) {
        if (daemon_parse_number(event->name, &pid))
            watch_login(daemon->watch, (pid_t)pid);
    } else if (event->wd == daemon->wd[WATCHED_POLICY] && strcmp(event->name, "policy.v1") == 0) {
        watch_policy(daemon->watch);
    }
}

/* One buffer full: a user who causes endless events must not keep the daemon
 * from everything else. */
static void read_changes(struct daemon *daemon)
{
    char buffer[16384] __attribute__((aligned(__alignof__(struct inotify_event))));
    const ssize_t size = read(daemon->inotify_fd, buffer, sizeof buffer);

    for (char *at = buffer; size > 0 && at < buffer + size;) {
        const struct inotify_event *event = (const struct inotify_event *)at;
        on_change(daemon, event);
        at += sizeof *event + event->len;
    }
}

static void read_signal(struct daemon *daemon)
{
    struct signalfd_siginfo info;

    if (read(daemon->signal_fd, &info, sizeof info) != (ssize_t)sizeof info)
        return;
    if (info.ssi_signo == SIGHUP) {
        watch_everything(daemon->watch);
    } else {
        daemon->stop = true;
    }
}

static void on_event(struct daemon *daemon, const struct epoll_event *event)
{
    uint64_t expirations;

    switch (event->data.u64) {
    case SOURCE_TIMER:
        if (read(daemon->timer_fd, &expirations, sizeof expirations) < 0)
            return;
        break;
    case SOURCE_SIGNAL:
        read_signal(daemon);
        break;
    case SOURCE_INOTIFY:
        read_changes(daemon);
        break;
    default:
        watch_login_ended(daemon->watch, (pid_t)event->data.u64);
    }
}

/* --- the loop -------------------------------------------------------------- */

static void set_timer(const struct daemon *daemon, int64_t next_ms)
{
    struct itimerspec when = {0};

    if (next_ms != NEVER_MS) {
        /* Zero would disarm it. */
        when.it_value.tv_sec = (time_t)(next_ms / 1000);
        when.it_value.tv_nsec = next_ms % 1000 * 1000000 + 1;
    }
    timerfd_settime(daemon->timer_fd, TFD_TIMER_ABSTIME, &when, NULL);
}

int daemon_turn(struct daemon *daemon)
{
    struct epoll_event event[EVENTS_AT_ONCE];
    int64_t next_ms;

    watch_directories(daemon);
    next_ms = watch_run(daemon->watch);
    if (daemon->watchdog_us > 0) {
        sd_notify(0, "WATCHDOG=1");
        next_ms =
            earlier_ms(next_ms, clock_ms(CLOCK_BOOTTIME) + (int64_t)daemon->watchdog_us / 2000);
    }
    set_timer(daemon, next_ms);
    const int count = epoll_wait(daemon->epoll_fd, event, EVENTS_AT_ONCE, -1);
    if (count < 0 && errno != EINTR) {
        log_line(LOG_ERR, "cannot wait for events: %s", strerror(errno));
        return -1;
    }
    watch_clock(daemon->watch);
    for (int i = 0; i < count; i++)
        on_event(daemon, &event[i]);
    return 0;
}

/* --- start ----------------------------------------------------------------- */

static void check_proc(void)
{
    char path[64];

    snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
    if (access(path, R_OK) != 0)
        log_line(LOG_WARNING,
                 "cannot read %s: %s; the traffic of logins without a terminal cannot be measured "
                 "on this kernel",
                 path, strerror(errno));
}

/* Each login takes a descriptor. */
static void raise_descriptors(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

static void block_signals(sigset_t *signals)
{
    sigemptyset(signals);
    sigaddset(signals, SIGTERM);
    sigaddset(signals, SIGINT);
    sigaddset(signals, SIGHUP);
    sigprocmask(SIG_BLOCK, signals, NULL);
    signal(SIGPIPE, SIG_IGN);
}

static int open_sources(struct daemon *daemon, const sigset_t *signals)
{
    daemon->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    daemon->timer_fd = timerfd_create(CLOCK_BOOTTIME, TFD_NONBLOCK | TFD_CLOEXEC);
    daemon->signal_fd = signalfd(-1, signals, SFD_NONBLOCK | SFD_CLOEXEC);
    if (daemon->epoll_fd < 0 || daemon_add_source(daemon, daemon->timer_fd, SOURCE_TIMER) != 0 ||
        daemon_add_source(daemon, daemon->signal_fd, SOURCE_SIGNAL) != 0) {
        log_line(LOG_ERR, "cannot start: %s", strerror(errno));
        return -1;
    }
    daemon->inotify_fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    daemon->inotify_errno = errno;
    daemon_add_source(daemon, daemon->inotify_fd, SOURCE_INOTIFY); /* optional */
    return 0;
}

int daemon_start(struct daemon *daemon, const struct options *options)
{
    sigset_t signals;

    *daemon = (struct daemon){
        .options = options, .epoll_fd = -1, .timer_fd = -1, .signal_fd = -1, .inotify_fd = -1};
    for (enum watched which = 0; which < WATCHED_COUNT; which++)
        daemon->wd[which] = -1;
    block_signals(&signals);
    umask(022);
    raise_descriptors();
    if (open_sources(daemon, &signals) != 0)
        return -1;
    check_proc();
    sd_watchdog_enabled(0, &daemon->watchdog_us);
    daemon->watch = watch_new(options->sessions_dir, options->state_dir, daemon->epoll_fd);
    if (daemon->watch == NULL) {
        log_line(LOG_ERR, "out of memory");
        return -1;
    }
    watch_directories(daemon);
    return 0;
}

void daemon_free(struct daemon *daemon)
{
    const int fds[] = {daemon->inotify_fd, daemon->signal_fd, daemon->timer_fd, daemon->epoll_fd};

    if (daemon->watch != NULL)
        watch_free(daemon->watch);
    for (size_t i = 0; i < sizeof fds / sizeof fds[0]; i++)
        if (fds[i] >= 0)
            close(fds[i]);
}
