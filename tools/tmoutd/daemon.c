#include "tools/tmoutd/daemon.h"

#include "lib/sessions/registry.h"
#include "tools/tmoutd/log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

/* --- events ---------------------------------------------------------------- */

static void watch_directory(struct daemon *daemon, enum watched which)
{
    static const uint32_t events[WATCHED_OPTIONAL] = {
        [WATCHED_SESSIONS] = IN_MOVED_TO | IN_CLOSE_WRITE | IN_DELETE | IN_MOVED_FROM,
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
        log_line(LOG_WARNING, "cannot watch %s: %s; falling back to polling; see tmout-recovery(7)",
                 path, strerror(error));
}

/* How often to look for what is not there: only when something else happens. */
enum { OPTIONAL_PAUSE_MS = 10 * 1000 };

static const char logind_sessions[] = "/run/systemd/sessions";

/* What announces logins that may get no record: logind's sessions, and the programs
 * that are executed for each of them. A package that is upgraded replaces these. Where the
 * kernel does not report which process executes one, inotify reports that one does. */
static void watch_optional(struct daemon *daemon, enum watched which)
{
    static const char *const paths[WATCHED_COUNT - WATCHED_OPTIONAL] = {
        logind_sessions,
        "/usr/sbin/sshd",
        "/usr/lib/openssh/sshd-session",
        "/usr/libexec/openssh/sshd-session",
        "/usr/bin/login",
        "/bin/login",
        "/usr/local/sbin/sshd",
    };
    const char *path = paths[which - WATCHED_OPTIONAL];
    uint32_t events = IN_ATTRIB | IN_DELETE_SELF;

    if (which == WATCHED_LOGIND)
        events = IN_MOVED_TO | IN_ONLYDIR;
    else if (!executions_watch(&daemon->executions, path))
        events |= IN_OPEN;
    daemon->wd[which] = inotify_add_watch(daemon->inotify_fd, path, events);
}

static void on_executed(void *context, pid_t pid)
{
    struct daemon *daemon = context;

    loop_clock(&daemon->loop);
    watch_announced(daemon->watch, LOGIN_FROM_SCAN, pid);
}

/* The process that a session of logind's was opened by; 0 if its file does not say. */
static pid_t logind_leader(const char *session)
{
    char path[sizeof logind_sessions + NAME_MAX + 1], text[4096];
    int leader = 0;

    snprintf(path, sizeof path, "%s/%s", logind_sessions, session);
    const int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return 0;
    const ssize_t size = read(fd, text, sizeof text - 1);
    close(fd);
    text[size > 0 ? size : 0] = '\0';
    const char *line = strstr(text, "\nLEADER=");
    return line != NULL && sscanf(line, "\nLEADER=%d\n", &leader) == 1 && leader > 0 ? leader : 0;
}

static bool on_optional(struct daemon *daemon, const struct inotify_event *event)
{
    enum watched which = WATCHED_OPTIONAL;

    while (which < WATCHED_COUNT && daemon->wd[which] != event->wd)
        which++;
    if (which == WATCHED_COUNT)
        return false;
    if ((event->mask & (IN_ATTRIB | IN_DELETE_SELF)) != 0)
        inotify_rm_watch(daemon->inotify_fd, event->wd); /* IN_IGNORED follows */
    else if (which == WATCHED_LOGIND && event->len > 0)
        watch_announced(daemon->watch, LOGIN_FROM_LOGIND, logind_leader(event->name));
    else
        watch_announced(daemon->watch, LOGIN_FROM_SCAN, 0);
    return true;
}

/* Watches those that are not watched yet, or no longer. */
static void watch_directories(struct daemon *daemon)
{
    bool must_poll = false;

    if (daemon->optional_ms <= daemon->loop.now.boot_ms) {
        daemon->optional_ms = daemon->loop.now.boot_ms + OPTIONAL_PAUSE_MS;
        for (enum watched which = WATCHED_OPTIONAL; which < WATCHED_COUNT; which++)
            if (daemon->wd[which] < 0)
                watch_optional(daemon, which);
    }
    for (enum watched which = 0; which < WATCHED_OPTIONAL; which++) {
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
        if (daemon->wd[which] == wd) {
            daemon->wd[which] = -1;
            daemon->optional_ms = 0;       /* the next one may be there already */
            if (which >= WATCHED_PROGRAMS) /* and may have been executed */
                watch_announced(daemon->watch, LOGIN_FROM_SCAN, 0);
        }
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
    } else if (on_optional(daemon, event) || event->len == 0) {
        return;
    } else if (event->wd == daemon->wd[WATCHED_TERMINALS]) {
        on_terminal(daemon, event);
    } else if (event->wd == daemon->wd[WATCHED_SESSIONS]) {
        if (!daemon_parse_number(event->name, &pid))
            return;
        if ((event->mask & (IN_DELETE | IN_MOVED_FROM)) != 0)
            watch_record_removed(daemon->watch, (pid_t)pid);
        else
            watch_login(daemon->watch, (pid_t)pid);
    } else if (event->wd == daemon->wd[WATCHED_POLICY] && strcmp(event->name, "policy.v1") == 0) {
        watch_policy(daemon->watch);
    }
}

/* One buffer full: a user who causes endless events must not keep the daemon
 * from everything else. */
static int on_inotify(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
    struct daemon *daemon = userdata;
    char buffer[16384] __attribute__((aligned(__alignof__(struct inotify_event))));
    const ssize_t size = read(fd, buffer, sizeof buffer);

    (void)source;
    (void)events;
    loop_clock(&daemon->loop);
    for (char *at = buffer; size > 0 && at < buffer + size;) {
        const struct inotify_event *event = (const struct inotify_event *)at;
        on_change(daemon, event);
        at += sizeof *event + event->len;
    }
    return 0;
}

static int on_signal(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata)
{
    struct daemon *daemon = userdata;

    (void)source;
    loop_clock(&daemon->loop);
    if (info->ssi_signo == SIGHUP)
        watch_everything(daemon->watch);
    else
        daemon->stop = true;
    return 0;
}

/* After every other event: a directory may be there again. */
static int on_other_event(sd_event_source *source, void *userdata)
{
    (void)source;
    watch_directories(userdata);
    return 0;
}

int daemon_turn(struct daemon *daemon)
{
    const int result = sd_event_run(daemon->event, UINT64_MAX);

    if (result >= 0 || result == -EINTR)
        return 0;
    log_line(LOG_ERR, "cannot wait for events: %s; see tmout-recovery(7)", strerror(-result));
    return -1;
}

/* --- start ----------------------------------------------------------------- */

static void check_proc(void)
{
    char path[64];

    snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
    if (access(path, R_OK) != 0)
        log_line(LOG_WARNING,
                 "cannot read %s: %s; the traffic of logins without a terminal cannot be measured "
                 "on this kernel; see tmout-recovery(7)",
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

static int add_signals(struct daemon *daemon)
{
    static const int signals[] = {SIGTERM, SIGINT, SIGHUP};
    sigset_t blocked;
    int result = 0;

    sigemptyset(&blocked);
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++)
        sigaddset(&blocked, signals[i]);
    sigprocmask(SIG_BLOCK, &blocked, NULL);
    signal(SIGPIPE, SIG_IGN);
    for (size_t i = 0; result >= 0 && i < sizeof signals / sizeof signals[0]; i++)
        result = sd_event_add_signal(daemon->event, NULL, signals[i], on_signal, daemon);
    return result;
}

/* Without inotify it polls. */
static void add_inotify(struct daemon *daemon)
{
    daemon->inotify_fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    daemon->inotify_errno = errno;
    if (daemon->inotify_fd < 0)
        return;
    const int result =
        sd_event_add_io(daemon->event, NULL, daemon->inotify_fd, EPOLLIN, on_inotify, daemon);
    if (result >= 0)
        return;
    daemon->inotify_errno = -result;
    close(daemon->inotify_fd);
    daemon->inotify_fd = -1;
}

static int open_sources(struct daemon *daemon)
{
    struct failure failure = {""};
    int result = sd_event_new(&daemon->event);

    if (result >= 0)
        log_attach(daemon->event);
    if (result >= 0)
        result = add_signals(daemon);
    if (result >= 0)
        result = sd_event_add_post(daemon->event, NULL, on_other_event, daemon);
    if (result >= 0)
        result = sd_event_set_watchdog(daemon->event, true);
    if (result < 0) {
        log_line(LOG_ERR, "cannot start: %s; see tmout-recovery(7)", strerror(-result));
        return -1;
    }
    if (loop_init(&daemon->loop, daemon->event, &failure) != 0) {
        log_line(LOG_ERR, "cannot start: %s; see tmout-recovery(7)", failure.text);
        return -1;
    }
    add_inotify(daemon);
    executions_open(&daemon->executions, daemon->event, on_executed, daemon);
    return 0;
}

int daemon_start(struct daemon *daemon, const struct options *options)
{
    *daemon = (struct daemon){.options = options, .inotify_fd = -1, .executions.fd = -1};
    for (enum watched which = 0; which < WATCHED_COUNT; which++)
        daemon->wd[which] = -1;
    umask(022);
    raise_descriptors();
    if (open_sources(daemon) != 0)
        return -1;
    check_proc();
    daemon->watch = watch_new(options->sessions_dir, options->state_dir, &daemon->loop);
    if (daemon->watch == NULL) {
        log_line(LOG_ERR, "out of memory; see tmout-recovery(7)");
        return -1;
    }
    watch_directories(daemon);
    return 0;
}

void daemon_free(struct daemon *daemon)
{
    if (daemon->watch != NULL)
        watch_free(daemon->watch);
    loop_free(&daemon->loop);
    executions_close(&daemon->executions);
    if (daemon->inotify_fd >= 0)
        close(daemon->inotify_fd);
    log_attach(NULL);
    sd_event_unref(daemon->event);
}
