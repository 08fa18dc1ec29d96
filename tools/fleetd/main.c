/*
 * tmout-fleetd: asks the store that the hosts of a fleet share whether a password may be
 * checked, for the module, which never talks to the network itself.
 */
#include "lib/fleet/files.h"
#include "lib/host/clock.h"
#include "lib/host/descriptor.h"
#include "lib/host/secure_path.h"
#include "lib/paths.h"
#include "tools/fleetd/announcer.h"
#include "tools/fleetd/clients.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <sysexits.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

struct fleetd {
    struct fleet_conf conf;
    char host[FLEET_HOST_MAX], password[FLEET_PASSWORD_MAX];
    sd_event *event;
    struct store_tls *tls;
    struct store *store;
    struct journal *journal;
    struct clients *clients;
    struct announcer *announcer;
};

static const char usage_text[] =
    "usage: tmout-fleetd [--conf FILE] [--socket PATH]\n"
    "\nAsks the store that the hosts of a fleet share, as tmout-fleet.conf says, whether a\n"
    "password may be checked. systemd starts it with its socket.\n";

#ifdef HAVE_FLEET_TLS
static const char version_text[] = "tmout-fleetd " TMOUT_VERSION "\nwith TLS";
#else
static const char version_text[] = "tmout-fleetd " TMOUT_VERSION "\nwithout TLS";
#endif

/* --- what the parts tell each other -------------------------------------------------- */

static void on_reached(void *context, enum store_memory memory)
{
    struct fleetd *fleetd = context;

    if (memory == STORE_HAS_FORGOTTEN)
        fprintf(stderr,
                SD_WARNING "somebody has emptied the store; it is told again what this host "
                           "knows\n");
    if (memory != STORE_AS_BEFORE)
        clients_hold(fleetd->clients, clock_ms(CLOCK_MONOTONIC) + fleetd->conf.hold_ms);
    journal_tell_all(fleetd->journal);
}

static void on_state(void *context, enum store_state state, const char *why)
{
    struct fleetd *fleetd = context;

    if (state == STORE_AWAY) {
        fprintf(stderr,
                SD_WARNING "the store is away: %s; hosts admit fleet_fallback attempts each; see "
                           "tmout-recovery(7)\n",
                why);
        (void)clients_reported(fleetd->clients);
    } else if (state == STORE_UP) {
        fprintf(stderr, SD_NOTICE "the store is reached; attempts admitted without it: %u\n",
                clients_reported(fleetd->clients));
        announcer_announce(fleetd->announcer);
    }
    clients_store_changed(fleetd->clients);
}

static void on_settlement(void *context)
{
    const struct fleetd *fleetd = context;

    clients_take_turns(fleetd->clients);
}

/* --- start --------------------------------------------------------------------------- */

static int read_password(struct fleetd *fleetd, const char *conf_path)
{
    const char *name = fleetd->conf.password_file;
    struct failure failure = {""};

    if (name[0] == '\0' ||
        fleet_password_read(conf_path, name, geteuid(), fleetd->password, &failure) == 0)
        return 0;
    fprintf(stderr, SD_ERR "%s\n", failure.text);
    return -1;
}

static int set_up_tls(struct fleetd *fleetd, const char *conf_path)
{
    struct failure failure = {""};

    if (!fleetd->conf.tls)
        return 0;
    fleetd->tls = store_tls_new(&fleetd->conf, conf_path, &failure);
    if (fleetd->tls != NULL)
        return 0;
    fprintf(stderr, SD_ERR "%s\n", failure.text);
    return -1;
}

static int read_conf(struct fleetd *fleetd, const char *path)
{
    struct problems problems = {0};
    struct utsname name;
    const int result = fleet_conf_read(path, geteuid(), NULL, &fleetd->conf, &problems);

    for (size_t i = 0; i < problems.count; i++)
        fprintf(stderr, "%s%s:%u: %s\n",
                problems.item[i].severity == PROBLEM_NOTE ? SD_NOTICE : SD_ERR,
                problems.item[i].file, problems.item[i].line, problems.item[i].text);
    if (result == 2)
        fprintf(stderr, SD_ERR "%s is missing; see tmout-fleetd(8)\n", path);
    problems_free(&problems);
    fleet_host_name(&fleetd->conf, uname(&name) == 0 ? name.nodename : "", fleetd->host);
    return result == 0 && read_password(fleetd, path) == 0 ? set_up_tls(fleetd, path) : -1;
}

/* systemd's socket, or one of our own at path. */
static int listen_at_path(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const int fd =
        fd_above_stdio(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));

    if (fd < 0 || strlen(path) >= sizeof address.sun_path)
        return -1;
    memcpy(address.sun_path, path, strlen(path));
    unlink(path);
    const mode_t mask = umask(0177);
    const int result = bind(fd, (const struct sockaddr *)&address, sizeof address);
    umask(mask);
    if (result == 0 && listen(fd, CLIENTS_MAX) == 0)
        return fd;
    close(fd);
    return -1;
}

static int open_listener(const char *path)
{
    if (path != NULL)
        return listen_at_path(path);
    if (sd_listen_fds(1) != 1 ||
        sd_is_socket_unix(SD_LISTEN_FDS_START, SOCK_SEQPACKET, 1, NULL, 0) <= 0) {
        errno = EINVAL;
        return -1;
    }
    /* systemd hands it over as one that blocks, and accept4() would for ever. */
    const int flags = fcntl(SD_LISTEN_FDS_START, F_GETFL);
    return flags >= 0 && fcntl(SD_LISTEN_FDS_START, F_SETFL, flags | O_NONBLOCK) == 0
               ? SD_LISTEN_FDS_START
               : -1;
}

static int start(struct fleetd *fleetd, int listener)
{
    const struct store_hooks hooks = {
        .context = fleetd, .reached = on_reached, .changed = on_state};
    sigset_t ends;

    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGINT);
    sigprocmask(SIG_BLOCK, &ends, NULL);
    signal(SIGPIPE, SIG_IGN);
    if (sd_event_new(&fleetd->event) < 0 ||
        sd_event_add_signal(fleetd->event, NULL, SIGTERM, NULL, NULL) < 0 ||
        sd_event_add_signal(fleetd->event, NULL, SIGINT, NULL, NULL) < 0 ||
        sd_event_set_watchdog(fleetd->event, true) < 0)
        return -1;
    fleetd->journal =
        journal_new(fleetd->event, &fleetd->conf, fleetd->host, on_settlement, fleetd);
    if (fleetd->journal == NULL)
        return -1;
    fleetd->clients =
        clients_new(fleetd->event, listener, &fleetd->conf, fleetd->host, fleetd->journal);
    const struct store_access access = {
        .password = fleetd->password[0] != '\0' ? fleetd->password : NULL, .tls = fleetd->tls};
    fleetd->store = store_new(fleetd->event, &fleetd->conf, &access, &hooks);
    if (fleetd->clients == NULL || fleetd->store == NULL)
        return -1;
    fleetd->announcer = announcer_new(fleetd->event, &fleetd->conf, fleetd->host, fleetd->store);
    if (fleetd->announcer == NULL)
        return -1;
    clients_attach(fleetd->clients, fleetd->store);
    journal_attach(fleetd->journal, fleetd->store);
    return 0;
}

static int serve(const char *conf_path, const char *socket_path, int lease_ms)
{
    static struct fleetd fleetd;
    int status = 1;

    if (read_conf(&fleetd, conf_path) != 0)
        return EX_CONFIG;
    if (lease_ms > 0)
        fleetd.conf.lease_ms = lease_ms;
    const int listener = open_listener(socket_path);
    if (listener < 0) {
        fprintf(stderr, SD_ERR "no socket to listen at: %s\n", strerror(errno));
        return 1;
    }
    if (start(&fleetd, listener) == 0) {
        sd_notify(0, "READY=1");
        status = sd_event_loop(fleetd.event) < 0;
    } else {
        fprintf(stderr, SD_ERR "out of memory\n");
    }
    announcer_free(fleetd.announcer);
    store_free(fleetd.store);
    clients_free(fleetd.clients);
    journal_free(fleetd.journal);
    store_tls_free(fleetd.tls);
    sd_event_unref(fleetd.event);
    close(listener);
    explicit_bzero(fleetd.password, sizeof fleetd.password);
    return status;
}

int main(int argc, char **argv)
{
    static const struct option known[] = {{"conf", required_argument, NULL, 'c'},
                                          {"socket", required_argument, NULL, 's'},
                                          /* For tests: in milliseconds. */
                                          {"lease", required_argument, NULL, 'l'},
                                          {"help", no_argument, NULL, 'h'},
                                          {"version", no_argument, NULL, 'V'},
                                          {NULL, 0, NULL, 0}};
    const char *conf_path = SYSCONFDIR "/security/" FLEET_CONF_NAME, *socket_path = NULL;
    int code, lease_ms = 0;

    fd_fill_stdio();
    while ((code = getopt_long(argc, argv, "hV", known, NULL)) != -1) {
        if (code == 'c')
            conf_path = optarg;
        else if (code == 's')
            socket_path = optarg;
        else if (code == 'l')
            lease_ms = atoi(optarg);
        else if (code == 'h' || code == 'V')
            return puts(code == 'h' ? usage_text : version_text) < 0;
        else
            return 2;
    }
    if (optind < argc) {
        fprintf(stderr, "tmout-fleetd: extra operand '%s'\n", argv[optind]);
        return 2;
    }
    return serve(conf_path, socket_path, lease_ms);
}
