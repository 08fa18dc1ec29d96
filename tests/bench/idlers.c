/*
 * Logins with one terminal each, as substitutes for connections of sshd.
 *
 *     idlers stay STATE USER COUNT     nothing runs in their terminals
 *     idlers leave STATE USER COUNT    until someone hangs them up
 *     idlers hidden STATE USER COUNT   the same, and nothing is registered: run it
 *                                      by the name of sshd
 *
 * With a FILE behind COUNT, each session has a process that is caught in execve(2)
 * while it closes FILE, if that is on a file system that lets it wait.
 *
 * USER "each" stands for as many users as logins, each0 and so on, whose uids begin
 * with 100000.
 *
 * Each login is a process that holds the master of its terminal and is
 * registered in STATE-sessions with its limits, as a connection of sshd would be.
 * Prints "ready" when all are.
 *
 * stay: idle until there is a line on standard input; from then on each
 * terminal gets a line of input at random intervals of at most PAUSE_MAX_MS,
 * and the line is read.
 *
 * leave: each has a session on its terminal, and every other session ignores
 * SIGHUP. It gets one line some time in the first SPREAD_MS, and then nothing.
 * When all are gone, prints for each the seconds from its input until the
 * leader of its session was gone.
 *
 * All exit at the end of standard input.
 */
#include "lib/policy/resolve.h"
#include "lib/sessions/registry.h"
#include "lib/sessions/watch_limits.h"
#include "lib/host/failure.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

enum {
    COUNT_MAX = 10000,
    EACH_UID = 100000,
    PAUSE_MAX_MS = 4000,
    SPREAD_MS = 8000 /* the granularity of a terminal's atime: covers all its phases */
};

struct idlers {
    const char *state, *user, *file;
    char sessions[PATH_MAX];
    bool stay, hidden;
    char *title; /* what others see as the command line */
    size_t title_size;
    int ready[2]; /* each login closes its end when it is registered */
    int go[2];    /* the parent closes it for all, as a signal */
    int times[2]; /* the results of leave */
};

struct terminal {
    int master, slave;
};

static void fail(const char *what)
{
    fprintf(stderr, "idlers: %s: %s\n", what, strerror(errno));
    exit(1);
}

static int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_BOOTTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void sleep_up_to(long most_ms)
{
    const long ms = random() % most_ms;
    const struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

    nanosleep(&pause, NULL);
}

/* A pipe that is only ever closed: all readers get end-of-file at once. */
static void wait_for_end(int fd)
{
    char byte;

    while (read(fd, &byte, 1) > 0)
        continue;
    close(fd);
}

/* Without echo, since nobody reads the terminal's output. */
static struct terminal open_terminal(void)
{
    struct terminal terminal = {.master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC)};
    struct termios modes;
    char path[64];

    if (terminal.master < 0 || grantpt(terminal.master) != 0 || unlockpt(terminal.master) != 0 ||
        ptsname_r(terminal.master, path, sizeof path) != 0)
        fail("no terminal");
    terminal.slave = open(path, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (terminal.slave < 0 || tcgetattr(terminal.slave, &modes) != 0)
        fail(path);
    modes.c_lflag &= (tcflag_t)~ECHO;
    tcsetattr(terminal.slave, TCSANOW, &modes);
    return terminal;
}

/* The user of this login; returns the uid. */
static uid_t user_of(const struct idlers *idlers, long number, char *name, size_t size)
{
    const struct passwd *account;

    if (strcmp(idlers->user, "each") == 0) {
        snprintf(name, size, "each%ld", number);
        return (uid_t)(EACH_UID + number);
    }
    snprintf(name, size, "%s", idlers->user);
    account = getpwnam(name);
    if (account == NULL)
        fail(name);
    return account->pw_uid;
}

/* As the module does at a login. The users have no groups of their own here. */
static void find_limits(const struct idlers *idlers, struct session_record *record)
{
    struct failure failure = {""};
    struct resolution resolution;
    struct snapshot snapshot;

    if (snapshot_open(idlers->state, SNAPSHOT_POLICY, geteuid(), &snapshot, &failure) !=
            SNAPSHOT_OK ||
        resolve(&snapshot, record->user, NULL, 0, &resolution) != 0)
        fail("policy");
    user_limits_find(&snapshot, &resolution, true, &record->limits);
    record->policy = snapshot_identity(&snapshot);
    snapshot_close(&snapshot);
}

static void register_login(const struct idlers *idlers, long number,
                           const struct terminal *terminal)
{
    struct session_record record;
    struct process process;
    struct failure failure = {""};

    memset(&record, 0, sizeof record);
    if (process_read(0, &process) != 0 || clock_now(&record.since, &failure) != 0)
        fail("/proc");
    record.pid = process.pid;
    record.start_ticks = process.start_ticks;
    record.is_ssh = true;
    record.audit_session = NO_AUDIT_SESSION;
    record.uid = user_of(idlers, number, record.user, sizeof record.user);
    snprintf(record.service, sizeof record.service, "sshd");
    snprintf(record.address, sizeof record.address, "192.0.2.1");
    find_limits(idlers, &record);
    if (fchown(terminal->slave, record.uid, (gid_t)-1) != 0)
        fail("terminal");
    if (registry_put(idlers->sessions, geteuid(), &record, &failure) != 0) {
        fprintf(stderr, "idlers: %s: %s\n", idlers->sessions, failure.text);
        exit(1);
    }
}

static void type_line(const struct terminal *terminal)
{
    if (write(terminal->master, "\n", 1) != 1)
        fail("typing");
}

static void stay(const struct idlers *idlers, const struct terminal *terminal)
{
    char line[16];

    wait_for_end(idlers->go[0]);
    for (;;) {
        sleep_up_to(PAUSE_MAX_MS);
        type_line(terminal);
        if (read(terminal->slave, line, sizeof line) < 0)
            fail("reading what was typed");
    }
}

/* As sshd calls itself. */
static void set_title(const struct idlers *idlers, const char *user, const char *what)
{
    memset(idlers->title, 0, idlers->title_size);
    snprintf(idlers->title, idlers->title_size, "sshd: %s%s", user, what);
}

static void be_caught(const char *file)
{
    if (fork() != 0)
        return;
    if (open(file, O_RDONLY | O_CLOEXEC) < 0)
        fail(file);
    execl("/bin/sleep", "sleep", "100000", (char *)NULL);
    fail("sleep");
}

/* The session in a terminal that is to be hung up. */
static void run_session(const struct idlers *idlers, long number, const struct terminal *terminal,
                        bool is_deaf)
{
    char line[16], name[64];
    const uid_t uid = user_of(idlers, number, name, sizeof name);

    close(terminal->master);
    if (setresuid(uid, uid, uid) != 0)
        fail(name);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (idlers->hidden)
        set_title(idlers, name, "@pts");
    if (setsid() < 0 || ioctl(terminal->slave, TIOCSCTTY, 0) != 0)
        fail("no controlling terminal");
    for (int fd = 0; fd <= 2; fd++)
        dup2(terminal->slave, fd);
    if (idlers->file != NULL)
        be_caught(idlers->file);
    if (is_deaf)
        signal(SIGHUP, SIG_IGN);
    while (read(terminal->slave, line, sizeof line) > 0)
        continue;
    while (is_deaf)
        pause();
    _exit(0);
}

static void leave(const struct idlers *idlers, long number, struct terminal *terminal)
{
    const bool is_deaf = number % 2 == 1;
    const pid_t session = fork();
    double idle_sec;

    if (session < 0)
        fail("fork");
    if (session == 0)
        run_session(idlers, number, terminal, is_deaf);
    close(terminal->slave);
    sleep_up_to(SPREAD_MS);
    type_line(terminal);
    const int64_t typed_ms = now_ms();
    waitpid(session, NULL, 0);
    idle_sec = (double)(now_ms() - typed_ms) / 1000;
    if (!idlers->hidden)
        registry_remove(idlers->sessions, geteuid(), getpid());
    if (write(idlers->times[1], &idle_sec, sizeof idle_sec) != (ssize_t)sizeof idle_sec)
        fail("times");
}

static void hide_login(const struct idlers *idlers, long number, const struct terminal *terminal)
{
    char name[64];
    const uid_t uid = user_of(idlers, number, name, sizeof name);

    set_title(idlers, name, " [priv]");
    if (fchown(terminal->slave, uid, (gid_t)-1) != 0)
        fail("terminal");
}

static void log_in(const struct idlers *idlers, long number)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    close(idlers->ready[0]);
    close(idlers->go[1]);
    close(idlers->times[0]);
    srandom((unsigned)getpid());
    struct terminal terminal = open_terminal();
    if (idlers->hidden)
        hide_login(idlers, number, &terminal);
    else
        register_login(idlers, number, &terminal);
    close(idlers->ready[1]);
    if (idlers->stay)
        stay(idlers, &terminal);
    leave(idlers, number, &terminal);
    _exit(0);
}

static void start(const struct idlers *idlers, long count)
{
    for (long number = 0; number < count; number++) {
        const pid_t child = fork();
        if (child < 0)
            fail("fork");
        if (child == 0)
            log_in(idlers, number);
    }
    close(idlers->ready[1]);
    close(idlers->go[0]);
    close(idlers->times[1]);
    wait_for_end(idlers->ready[0]);
    puts("ready");
}

static void report_times(int fd)
{
    double idle_sec;

    while (read(fd, &idle_sec, sizeof idle_sec) == (ssize_t)sizeof idle_sec)
        printf("%.2f\n", idle_sec);
}

int main(int argc, char **argv)
{
    const long count = argc >= 5 ? strtol(argv[4], NULL, 10) : 0;
    const char *how = argc >= 5 ? argv[1] : "";
    struct idlers idlers = {.stay = strcmp(how, "stay") == 0, .hidden = strcmp(how, "hidden") == 0};
    char line[16];

    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc > 6 || count < 1 || count > COUNT_MAX ||
        (!idlers.stay && !idlers.hidden && strcmp(how, "leave") != 0)) {
        fprintf(stderr, "usage: idlers stay|leave|hidden STATE USER COUNT [FILE]\n");
        return 2;
    }
    idlers.title_size = (size_t)(argv[argc - 1] + strlen(argv[argc - 1]) - argv[0]);
    idlers.title = argv[0];
    idlers.state = strdup(argv[2]);
    idlers.user = strdup(argv[3]);
    idlers.file = argc == 6 ? strdup(argv[5]) : NULL;
    if (idlers.state == NULL || idlers.user == NULL)
        fail("memory");
    snprintf(idlers.sessions, sizeof idlers.sessions, "%s-sessions", idlers.state);
    if (pipe(idlers.ready) != 0 || pipe(idlers.go) != 0 || pipe(idlers.times) != 0)
        fail("pipe");
    start(&idlers, count);
    if (idlers.stay && fgets(line, sizeof line, stdin) != NULL)
        close(idlers.go[1]);
    else if (!idlers.stay)
        report_times(idlers.times[0]);
    while (fgets(line, sizeof line, stdin) != NULL)
        continue;
    return 0;
}
