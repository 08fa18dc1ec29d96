/*
 * Sessions of systemd-logind, as pam_systemd creates them.
 *
 *     logind_sessions USER COUNT
 *
 * USER "each" stands for as many users as sessions, each0 and so on, whose uids begin
 * with 100000. Each session has a process with a terminal. Prints "ready" when
 * all are there. For each line on standard input, one more arrives, and "ready" is
 * printed again. All end at the end of standard input.
 */
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

enum { COUNT_MAX = 10000, EACH_UID = 100000 };

static const uint64_t patience_us = 600 * 1000000ULL;

static void fail(const char *what, int error)
{
    fprintf(stderr, "logind_sessions: %s: %s\n", what, strerror(error));
    exit(1);
}

static uid_t user_of(const char *user, long number)
{
    const struct passwd *account;

    if (strcmp(user, "each") == 0)
        return (uid_t)(EACH_UID + number);
    account = getpwnam(user);
    if (account == NULL)
        fail(user, ENOENT);
    return account->pw_uid;
}

/* The leader of a session, on a terminal of its own. */
static pid_t start_leader(char *terminal, size_t size)
{
    const int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    char path[64];

    if (master < 0 || grantpt(master) != 0 || unlockpt(master) != 0 ||
        ptsname_r(master, path, sizeof path) != 0)
        fail("no terminal", errno);
    snprintf(terminal, size, "%s", path + strlen("/dev/"));
    const pid_t pid = fork();
    if (pid < 0)
        fail("fork", errno);
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        /* Nothing of the sessions before it. */
        dup2(master, STDERR_FILENO + 1);
        close_range(STDERR_FILENO + 2, ~0U, 0);
        setsid();
        open(path, O_RDWR);
        for (;;)
            pause();
    }
    close(master);
    return pid;
}

/* The descriptor that logind returns stays open as long as the session lasts. */
static void create_session(sd_bus *bus, uid_t uid)
{
    sd_bus_error error = SD_BUS_ERROR_NULL;
    sd_bus_message *call = NULL, *reply = NULL;
    const char *id, *object, *runtime;
    char terminal[64];
    int fd = -1;
    const pid_t leader = start_leader(terminal, sizeof terminal);
    int result = sd_bus_message_new_method_call(bus, &call, "org.freedesktop.login1",
                                                "/org/freedesktop/login1",
                                                "org.freedesktop.login1.Manager", "CreateSession");

    if (result >= 0)
        result = sd_bus_message_append(call, "uusssssussbss", (uint32_t)uid, (uint32_t)leader,
                                       "sshd", "tty", "user", "", "", (uint32_t)0, terminal, "", 1,
                                       "", "192.0.2.1");
    if (result >= 0)
        result = sd_bus_message_append(call, "a(sv)", 0);
    if (result >= 0)
        result = sd_bus_call(bus, call, patience_us, &error, &reply);
    if (result < 0) {
        fprintf(stderr, "logind_sessions: CreateSession: %s\n",
                error.message != NULL ? error.message : strerror(-result));
        exit(1);
    }
    result =
        sd_bus_message_read(reply, "soshusub", &id, &object, &runtime, &fd, NULL, NULL, NULL, NULL);
    if (result < 0 || fcntl(fd, F_DUPFD_CLOEXEC, 3) < 0)
        fail("CreateSession's answer", result < 0 ? -result : errno);
    sd_bus_message_unref(reply);
    sd_bus_message_unref(call);
}

int main(int argc, char **argv)
{
    const long count = argc == 3 ? strtol(argv[2], NULL, 10) : 0;
    struct rlimit limit;
    sd_bus *bus = NULL;
    char line[16];
    long number = 0;

    setvbuf(stdout, NULL, _IOLBF, 0);
    if (count < 1 || count > COUNT_MAX) {
        fprintf(stderr, "usage: logind_sessions USER COUNT\n");
        return 2;
    }
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    const int result = sd_bus_open_system(&bus);
    if (result < 0)
        fail("no system bus", -result);
    while (number < count)
        create_session(bus, user_of(argv[1], number++));
    puts("ready");
    while (fgets(line, sizeof line, stdin) != NULL) {
        create_session(bus, user_of(argv[1], number++));
        puts("ready");
    }
    sd_bus_unref(bus);
    return 0;
}
