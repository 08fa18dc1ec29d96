/*
 * Fuzzes tmout-fleetd between a module that says anything and a store that answers anything: its
 * parts as main.c puts them together, with real sockets. The first byte of an input says what is
 * asked, and how far the store answers as it should; the second how many of the other bytes are
 * a packet of the module; the rest comes from the store. Where that redirects the daemon, the next
 * node answers as it should, and redirects it no further.
 *
 * Whatever it is: what the daemon answers can be read by the module, nobody who asked is left
 * without an answer once the store has gone, and nothing is leaked.
 */
#include "tests/fuzz/fuzz.h"

#include "lib/host/clock.h"
#include "tools/fleetd/clients.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>

enum { SET_UP = 1, ASKS = 2, WHAT = 4, TURNS_MAX = 200 };

struct daemon {
    struct fleet_conf conf;
    sd_event *event;
    struct store *store;
    struct journal *journal;
    struct clients *clients;
};

static char store_path[64], socket_path[64];

/* In the place of hiredis' own: where a redirection leads, no server of this machine is asked, but
 * the same store. */
redisAsyncContext *redisAsyncConnect(const char *address, int port)
{
    (void)address;
    (void)port;
    return redisAsyncConnectUnix(store_path);
}

static int listen_at(const char *path, int type)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    MUST(fd >= 0 && strlen(path) < sizeof address.sun_path);
    strcpy(address.sun_path, path);
    unlink(path);
    MUST(bind(fd, (struct sockaddr *)&address, sizeof address) == 0 && listen(fd, 16) == 0);
    return fd;
}

static int connect_to(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    strcpy(address.sun_path, path);
    MUST(fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == 0);
    return fd;
}

static void on_reached(void *context, enum store_memory memory)
{
    struct daemon *daemon = context;

    if (memory != STORE_AS_BEFORE)
        clients_hold(daemon->clients, clock_ms(CLOCK_MONOTONIC));
    journal_tell_all(daemon->journal);
}

static void on_state(void *context, enum store_state state, const char *why)
{
    const struct daemon *daemon = context;

    (void)state;
    (void)why;
    clients_store_changed(daemon->clients);
}

static void on_settlement(void *context)
{
    const struct daemon *daemon = context;

    clients_take_turns(daemon->clients);
}

static void start(struct daemon *daemon, int listener)
{
    const struct store_hooks hooks = {
        .context = daemon, .reached = on_reached, .changed = on_state};

    *daemon = (struct daemon){
        .conf = {.endpoints = 1, .prefix = "tmout", .timeout_ms = 60000, .lease_ms = 8000}};
    snprintf(daemon->conf.endpoint[0].address, sizeof daemon->conf.endpoint[0].address, "%s",
             store_path);
    MUST(sd_event_new(&daemon->event) >= 0);
    daemon->journal = journal_new(daemon->event, &daemon->conf, "h", on_settlement, daemon);
    daemon->clients = clients_new(daemon->event, listener, &daemon->conf, "h", daemon->journal);
    daemon->store =
        store_new(daemon->event, &daemon->conf, &(struct store_access){.password = NULL}, &hooks);
    MUST(daemon->journal != NULL && daemon->clients != NULL && daemon->store != NULL);
    clients_attach(daemon->clients, daemon->store);
    journal_attach(daemon->journal, daemon->store);
}

static void stop(struct daemon *daemon)
{
    store_free(daemon->store);
    clients_free(daemon->clients);
    journal_free(daemon->journal);
    sd_event_unref(daemon->event);
}

/* Until nothing is left to do, or the answers make work without an end. */
static void work(const struct daemon *daemon)
{
    for (int i = 0; i < TURNS_MAX && sd_event_run(daemon->event, 0) > 0; i++)
        ;
}

static void drain(int fd)
{
    char bytes[65536];

    while (recv(fd, bytes, sizeof bytes, MSG_DONTWAIT) > 0)
        ;
}

/* The store's answers to what is sent when the daemon connects. */
static const char set_up[] = "$38\r\nrun_id:a\r\nuptime_in_seconds:999\r\nx:y\r\n\r\n"
                             "$33\r\nrole:master\r\nconnected_slaves:0\r\n\r\n"
                             "*2\r\n$4\r\n1700\r\n$1\r\n0\r\n"
                             "$4\r\n0123\r\n-no\r\n-no\r\n$-1\r\n"
                             "*7\r\n:5\r\n:0\r\n:0\r\n:0\r\n:1700000\r\n:0\r\n:0\r\n"
                             "*7\r\n:5\r\n:0\r\n:0\r\n:0\r\n:1700000\r\n:0\r\n:1600000\r\n";

/* What the module, or tmoutctl, gets. Returns whether it was told how its attempt ended. */
static bool read_answers(int fd)
{
    unsigned char packet[4096];
    struct fleet_answer answer;
    struct fleet_count count;
    struct fleet_state state;
    struct fleet_host host;
    bool told = false;
    ssize_t size;

    while ((size = recv(fd, packet, sizeof packet, MSG_DONTWAIT)) > 0) {
        if (fleet_answer_decode(packet, (size_t)size, &answer))
            told = told || answer.status != FLEET_WAITING;
        else
            MUST(fleet_count_decode(packet, (size_t)size, &count) ||
                 fleet_state_decode(packet, (size_t)size, &state) ||
                 fleet_host_decode(packet, (size_t)size, &host));
    }
    return told || size == 0;
}

static void ask(int fd, uint8_t what)
{
    static const enum fleet_operation operation[] = {FLEET_ADMIT,  FLEET_ADMIT,  FLEET_LOOK,
                                                     FLEET_CLEAR,  FLEET_STATUS, FLEET_HOSTS,
                                                     FLEET_SETTLE, FLEET_REPORT};
    const struct fleet_request request = {
        .operation = operation[what % 8],
        .id = {what},
        .origin = {.kind = ORIGIN_NETWORK},
        .limits = {.max_attempts = 3, .window_ms = 1000, .lock_ms = 1000},
        .user = "anna"};
    unsigned char packet[FLEET_REQUEST_SIZE];

    fleet_request_encode(&request, packet);
    MUST(send(fd, packet, sizeof packet, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)sizeof packet);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    snprintf(store_path, sizeof store_path, "/tmp/tmout-fuzz-%d.store", getpid());
    snprintf(socket_path, sizeof socket_path, "/tmp/tmout-fuzz-%d.socket", getpid());
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct daemon daemon;

    if (size < 2)
        return 0;
    const uint8_t flags = data[0];
    const size_t said = data[1] < size - 2 ? data[1] : size - 2;
    const int store_listener = listen_at(store_path, SOCK_STREAM);
    const int listener = listen_at(socket_path, SOCK_SEQPACKET);
    start(&daemon, listener);
    work(&daemon);
    const int store = accept4(store_listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    MUST(store >= 0);
    work(&daemon);
    if ((flags & SET_UP) != 0)
        MUST(write(store, set_up, sizeof set_up - 1) == (ssize_t)sizeof set_up - 1);
    work(&daemon);
    const int asking = connect_to(socket_path), talking = connect_to(socket_path);
    if ((flags & ASKS) != 0)
        ask(asking, (uint8_t)(flags / WHAT));
    if (said > 0)
        (void)!send(talking, data + 2, said, MSG_DONTWAIT | MSG_NOSIGNAL);
    work(&daemon);
    drain(store);
    (void)!send(store, data + 2 + said, size - 2 - said, MSG_DONTWAIT | MSG_NOSIGNAL);
    work(&daemon);
    drain(store);
    const int next = accept4(store_listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (next >= 0)
        (void)!send(next, set_up, sizeof set_up - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
    work(&daemon);
    close(store);
    if (next >= 0)
        close(next);
    close(store_listener);
    work(&daemon);
    /* What was admitted gets no answer after that; whoever waits must have got one. */
    const bool told = read_answers(asking);
    MUST(told || (flags & ASKS) == 0);
    (void)read_answers(talking);
    close(asking);
    close(talking);
    work(&daemon);
    stop(&daemon);
    close(listener);
    unlink(store_path);
    unlink(socket_path);
    return 0;
}
