/*
 * tmoutd: hangs up terminals that stay idle, and ends logins that are too old
 * or move no data, as the policy says for each user.
 *
 * One loop that sleeps until something happens or is due.
 */
#include "tools/tmoutd/log.h"
#include "tools/tmoutd/watch.h"

#include "lib/host/clock.h"
#include "lib/sessions/registry.h"
#include "lib/sessions/schedule.h"
#include "lib/paths.h"

#include <errno.h>
#include <fcntl.h>
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

/* Beside the pids of logins, which are positive. */
enum source { SOURCE_TIMER = 1ULL << 40, SOURCE_SIGNAL, SOURCE_INOTIFY };

struct options {
    bool foreground;
    const char *state_dir;
    char sessions_dir[PATH_MAX];
};

/* Directories whose events tell what happens. */
enum watched { WATCHED_SESSIONS, WATCHED_TERMINALS, WATCHED_POLICY, WATCHED_COUNT };

struct daemon {
    const struct options *options;
    struct watch *watch;
    int epoll_fd, timer_fd, signal_fd, inotify_fd;
    int inotify_errno;
    int wd[WATCHED_COUNT];           /* -1: it cannot be watched, */
    bool is_reported[WATCHED_COUNT]; /* which is worth one line */
    bool stop;
    uint64_t watchdog_us;
};

/* --- events ---------------------------------------------------------------- */

static int add_source(const struct daemon *daemon, int fd, uint64_t source)
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

    /* A reader alone would wait for the first login to make it. */
    if (which == WATCHED_SESSIONS)
        registry_make(path);
    daemon->wd[which] = inotify_add_watch(daemon->inotify_fd, path, events[which] | IN_ONLYDIR);
    if (daemon->wd[which] < 0 && !daemon->is_reported[which])
        log_line(LOG_WARNING, "%s cannot be watched: %s; it is looked at now and then instead",
                 path, strerror(daemon->inotify_fd < 0 ? daemon->inotify_errno : errno));
    daemon->is_reported[which] = daemon->wd[which] < 0;
}

/* Watches those that are not watched yet, or no more. */
static void watch_directories(struct daemon *daemon)
{
    bool lacks_some = false;

    for (enum watched which = 0; which < WATCHED_COUNT; which++) {
        if (daemon->wd[which] >= 0)
            continue;
        watch_directory(daemon, which);
        if (daemon->wd[which] < 0)
            lacks_some = true;
        else /* nobody has told what happened until now */
            watch_events_lost(daemon->watch);
    }
    watch_lacks_events(daemon->watch, lacks_some);
}

/* A directory was removed; what is made in its place is another. */
static void on_removed(struct daemon *daemon, int wd)
{
    for (enum watched which = 0; which < WATCHED_COUNT; which++)
        if (daemon->wd[which] == wd)
            daemon->wd[which] = -1;
}

static bool number_of(const char *name, unsigned *number)
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

    if (!number_of(event->name, &index))
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
        if (number_of(event->name, &pid))
            watch_login(daemon->watch, (pid_t)pid);
    } else if (event->wd == daemon->wd[WATCHED_POLICY] && strcmp(event->name, "policy.v1") == 0) {
        watch_policy(daemon->watch);
    }
}

/* No more than fits: whoever makes events without end must not keep it from
 * all else. */
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
        /* Zero would switch it off. */
        when.it_value.tv_sec = (time_t)(next_ms / 1000);
        when.it_value.tv_nsec = next_ms % 1000 * 1000000 + 1;
    }
    timerfd_settime(daemon->timer_fd, TFD_TIMER_ABSTIME, &when, NULL);
}

static int run(struct daemon *daemon)
{
    struct epoll_event event[EVENTS_AT_ONCE];

    while (!daemon->stop) {
        watch_directories(daemon);
        int64_t next_ms = watch_run(daemon->watch);
        if (daemon->watchdog_us > 0) {
            sd_notify(0, "WATCHDOG=1");
            if (next_ms > clock_ms(CLOCK_BOOTTIME) + (int64_t)daemon->watchdog_us / 2000)
                next_ms = clock_ms(CLOCK_BOOTTIME) + (int64_t)daemon->watchdog_us / 2000;
        }
        set_timer(daemon, next_ms);
        const int count = epoll_wait(daemon->epoll_fd, event, EVENTS_AT_ONCE, -1);
        if (count < 0 && errno != EINTR) {
            log_line(LOG_ERR, "cannot wait for events: %s", strerror(errno));
            return 1;
        }
        watch_clock(daemon->watch);
        for (int i = 0; i < count; i++)
            on_event(daemon, &event[i]);
    }
    return 0;
}

/* --- start ----------------------------------------------------------------- */

static void check_proc(void)
{
    char path[64];

    snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
    if (access(path, R_OK) != 0)
        log_line(LOG_WARNING,
                 "%s: %s; logins without a terminal cannot be watched for data on this kernel",
                 path, strerror(errno));
}

/* A descriptor for each login. */
static void raise_descriptors(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

static int start(struct daemon *daemon)
{
    sigset_t signals;

    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    signal(SIGPIPE, SIG_IGN);
    umask(022);
    raise_descriptors();
    daemon->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    daemon->timer_fd = timerfd_create(CLOCK_BOOTTIME, TFD_NONBLOCK | TFD_CLOEXEC);
    daemon->signal_fd = signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC);
    daemon->inotify_fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    daemon->inotify_errno = errno; /* where there is none */
    if (daemon->epoll_fd < 0 || add_source(daemon, daemon->timer_fd, SOURCE_TIMER) != 0 ||
        add_source(daemon, daemon->signal_fd, SOURCE_SIGNAL) != 0) {
        log_line(LOG_ERR, "cannot start: %s", strerror(errno));
        return -1;
    }
    add_source(daemon, daemon->inotify_fd, SOURCE_INOTIFY);
    for (enum watched which = 0; which < WATCHED_COUNT; which++)
        daemon->wd[which] = -1;
    check_proc();
    sd_watchdog_enabled(0, &daemon->watchdog_us);
    daemon->watch =
        watch_new(daemon->options->sessions_dir, daemon->options->state_dir, daemon->epoll_fd);
    if (daemon->watch == NULL) {
        log_line(LOG_ERR, "out of memory");
        return -1;
    }
    return 0;
}

static int usage(FILE *to)
{
    fputs("usage: tmoutd [--foreground] [--state DIR]\n", to);
    return to == stdout ? 0 : 2;
}

/* Returns -1 to go on, else an exit status. */
static int take_options(int argc, char **argv, struct options *options)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--foreground") == 0) {
            options->foreground = true;
        } else if (strcmp(argv[i], "--state") == 0 && i + 1 < argc && argv[i + 1][0] == '/') {
            options->state_dir = argv[++i];
            if (!registry_directory(options->state_dir, options->sessions_dir,
                                    sizeof options->sessions_dir))
                return usage(stderr);
        } else if (strcmp(argv[i], "--help") == 0) {
            return usage(stdout);
        } else if (strcmp(argv[i], "--version") == 0) {
            puts("tmoutd " TMOUT_VERSION);
            return 0;
        } else {
            return usage(stderr);
        }
    }
    return -1;
}

int main(int argc, char **argv)
{
    struct options options = {.state_dir = TMOUT_STATE_DIR, .sessions_dir = TMOUT_SESSIONS_DIR};
    struct daemon daemon = {.options = &options};
    int status = take_options(argc, argv, &options);

    if (status >= 0)
        return status;
    log_open(options.foreground);
    if (start(&daemon) != 0)
        return 1;
    sd_notify(0, "READY=1");
    log_line(LOG_INFO, "watching");
    status = run(&daemon);
    watch_free(daemon.watch);
    return status;
}
