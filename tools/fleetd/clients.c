#include "tools/fleetd/clients.h"

#include "lib/host/clock.h"
#include "tools/fleetd/queries.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CLIENT_TICK_MS = 100, CLIENT_TICK_SLACK_USEC = 10 * 1000, ACCEPTS_AT_ONCE = 64 };

enum client_state {
    CLIENT_NEW,     /* has said nothing yet */
    CLIENT_WAITING, /* for its turn to ask */
    CLIENT_ASKING,  /* the store has not answered yet */
    CLIENT_ADMITTED,
    CLIENT_GONE /* while it was asking */
};

struct client {
    struct clients *clients;
    int fd;
    sd_event_source *source;
    enum client_state state;
    struct fleet_request request;
    int64_t retry_ms, told_ms; /* when to ask again; when it heard from us */
    int64_t changes;           /* of its count, when it last asked */
    uint32_t moves;
    bool queued; /* it has asked, and waits for others */
    TAILQ_ENTRY(client) link;
};

struct clients {
    sd_event *event;
    const struct fleet_conf *conf;
    const char *host;
    struct store *store;
    struct journal *journal;
    int64_t hold_until_ms;
    sd_event_source *listener, *timer;
    TAILQ_HEAD(client_list, client) all; /* in the order of arrival */
    unsigned count, reported;
    struct clients_counters counters;
};

/* Returns 1 for a request, 0 where the connection has ended or what came is none, -1 where nothing
 * has come. */
static int receive(int fd, struct fleet_request *request)
{
    unsigned char packet[FLEET_REQUEST_SIZE + 1];
    ssize_t size;

    /* Closed with answers that it has not read; what it has told can still be. */
    do
        size = recv(fd, packet, sizeof packet, MSG_DONTWAIT);
    while (size < 0 && (errno == EINTR || errno == ECONNRESET));
    if (size < 0 && errno == EAGAIN)
        return -1;
    return size > 0 && fleet_request_decode(packet, (size_t)size, request);
}

static void note_settlement(struct clients *clients, const struct fleet_request *settlement)
{
    if (settlement->operation == FLEET_REPORT) {
        clients->reported++;
        clients->counters.alone++;
    }
    journal_settle(clients->journal, settlement);
}

/* The module may not have waited for the answer, and have told how the attempt has ended. What it
 * tells from now on is an error there, and comes by another connection. */
static void end_connection(struct client *client)
{
    struct clients *clients = client->clients;
    struct fleet_request request;
    const int fd = client->fd;

    client->fd = -1;
    if (fd < 0)
        return;
    shutdown(fd, SHUT_RD);
    while (receive(fd, &request) > 0)
        if (fleet_is_settlement(&request))
            note_settlement(clients, &request);
    close(fd);
}

static void remove_client(struct client *client)
{
    struct clients *clients = client->clients;

    client->source = sd_event_source_disable_unref(client->source);
    if (client->state == CLIENT_ASKING) {
        client->state = CLIENT_GONE; /* freed by on_admission() */
        end_connection(client);
        return;
    }
    TAILQ_REMOVE(&clients->all, client, link);
    clients->count--;
    end_connection(client);
    free(client);
}

static void settle_client(struct client *client, enum attempt_outcome outcome)
{
    client->request.outcome = outcome;
    journal_settle(client->clients->journal, &client->request);
}

/* Never waits: a user may have stopped the process. Returns false if it could not be sent. */
static bool reply_to(struct client *client, enum fleet_status status,
                     const struct script_answer *answer)
{
    unsigned char packet[FLEET_ANSWER_SIZE];
    struct fleet_answer reply = {.status = status, .moves = client->moves};
    struct clients_counters *counters = &client->clients->counters;

    counters->admitted += status == FLEET_ADMITTED;
    counters->locked += status == FLEET_LOCKED;
    counters->away += status == FLEET_AWAY;

    if (answer != NULL) {
        reply.failures = answer->failures;
        reply.in_flight = answer->in_flight;
        reply.lock_left_ms = answer->lock_left_ms;
    }
    fleet_answer_encode(&reply, packet);
    client->told_ms = clock_ms(CLOCK_MONOTONIC);
    return send(client->fd, packet, sizeof packet, MSG_DONTWAIT | MSG_NOSIGNAL) ==
           (ssize_t)sizeof packet;
}

static void dismiss(struct client *client, enum fleet_status status,
                    const struct script_answer *answer)
{
    (void)reply_to(client, status, answer);
    remove_client(client);
}

/* --- asking ---------------------------------------------------------------------------------- */

static bool same_queue(const struct fleet_request *one, const struct fleet_request *other)
{
    return strcmp(one->user, other->user) == 0 &&
           memcmp(&one->origin, &other->origin, sizeof one->origin) == 0;
}

/* Those who wait behind it do not ask themselves, and must not take that for a standstill. */
static void show_move(struct client *client)
{
    struct client *other;

    client->moves++;
    TAILQ_FOREACH(other, &client->clients->all, link)
    if (other != client && other->state == CLIENT_WAITING &&
        same_queue(&other->request, &client->request))
        other->moves++;
}

static void on_busy(struct client *client, const struct script_answer *answer)
{
    const int64_t now_ms = clock_ms(CLOCK_MONOTONIC);

    client->state = CLIENT_WAITING;
    client->clients->counters.waited += !client->queued;
    client->queued = true;
    /* The hosts must not keep in step. */
    client->retry_ms = now_ms + CLIENT_RETRY_MS * (70 + (now_ms + client->fd * 37) % 60) / 100;
    if (answer->changes != client->changes)
        show_move(client);
    client->changes = answer->changes;
    if (client->moves == 1)
        (void)reply_to(client, FLEET_WAITING, answer);
}

static void on_granted(struct client *client, const struct script_answer *answer)
{
    journal_admitted(client->clients->journal, &client->request);
    client->state = CLIENT_ADMITTED;
    if (reply_to(client, FLEET_ADMITTED, answer))
        return;
    settle_client(client, ATTEMPT_WITHDRAWN);
    remove_client(client);
}

static void on_admission(void *context, const struct script_answer *answer)
{
    struct client *client = context;
    struct clients *clients = client->clients;
    const bool gone = client->state == CLIENT_GONE;
    /* Then whoever is next asks. */
    const bool moves_on = client->queued && answer != NULL && answer->status != SCRIPT_BUSY;

    client->state = CLIENT_NEW;
    if (gone) {
        if (answer == NULL || answer->status == SCRIPT_ADMITTED)
            settle_client(client, ATTEMPT_WITHDRAWN);
        remove_client(client);
    } else if (answer == NULL) {
        /* It may have been admitted all the same. */
        settle_client(client, ATTEMPT_WITHDRAWN);
        dismiss(client, FLEET_AWAY, NULL);
    } else if (answer->status == SCRIPT_ADMITTED) {
        on_granted(client, answer);
    } else if (answer->status == SCRIPT_BUSY) {
        on_busy(client, answer);
    } else if (answer->status == SCRIPT_LOCKED) {
        dismiss(client, FLEET_LOCKED, answer);
    } else {
        dismiss(client, FLEET_AWAY, NULL);
    }
    if (moves_on)
        clients_take_turns(clients);
}

static void ask_store(struct client *client)
{
    struct clients *clients = client->clients;
    const struct script_target target = {.prefix = clients->conf->prefix,
                                         .host = clients->host,
                                         .lease_ms = clients->conf->lease_ms,
                                         .request = &client->request};
    const int64_t end_ms = clock_ms(CLOCK_MONOTONIC) + clients->conf->timeout_ms;
    struct script_call call;

    script_call_admit(&call, &target, store_time_ms(clients->store, end_ms));
    client->state = CLIENT_ASKING;
    store_call(clients->store, &call, on_admission, client);
}

/* Does nobody wait in front of it? Those who come at the same time ask at the same time. */
static bool is_first(const struct client *client)
{
    const struct client *other;

    for (other = TAILQ_FIRST(&client->clients->all); other != client;
         other = TAILQ_NEXT(other, link))
        if ((other->state == CLIENT_WAITING || other->state == CLIENT_ASKING) && other->queued &&
            same_queue(&other->request, &client->request))
            return false;
    return true;
}

/* Asks, if it may. */
static void take_turn(struct client *client, int64_t now_ms)
{
    switch (store_state(client->clients->store)) {
    case STORE_UP:
        if (now_ms >= client->clients->hold_until_ms && now_ms >= client->retry_ms &&
            is_first(client))
            ask_store(client);
        break;
    case STORE_AWAY:
        client->state = CLIENT_NEW;
        dismiss(client, FLEET_AWAY, NULL);
        break;
    case STORE_STARTING:
    case STORE_MERGING:
    default:
        break;
    }
}

/* Answers come later or, where the store is away, at once, and then remove any client.
 * Returns whether one was removed: who comes next has to be found again. */
static bool has_removed_one(struct clients *clients, bool at_once, int64_t now_ms)
{
    const unsigned before = clients->count;
    struct client *client;

    for (client = TAILQ_FIRST(&clients->all); client != NULL; client = TAILQ_NEXT(client, link)) {
        if (client->state != CLIENT_WAITING)
            continue;
        if (at_once)
            client->retry_ms = 0;
        take_turn(client, now_ms);
        if (clients->count != before)
            return true;
    }
    return false;
}

static void take_turns(struct clients *clients, bool at_once)
{
    const int64_t now_ms = clock_ms(CLOCK_MONOTONIC);

    while (has_removed_one(clients, at_once, now_ms))
        ;
}

void clients_take_turns(struct clients *clients)
{
    take_turns(clients, true);
}

void clients_store_changed(struct clients *clients)
{
    take_turns(clients, true);
}

void clients_hold(struct clients *clients, int64_t hold_until_ms)
{
    clients->hold_until_ms = hold_until_ms;
}

void clients_describe(const struct clients *clients, struct fleet_state *state)
{
    state->asked = clients->counters.asked;
    state->admitted = clients->counters.admitted;
    state->waited = clients->counters.waited;
    state->locked = clients->counters.locked;
    state->away = clients->counters.away;
    state->alone = clients->counters.alone;
    state->clients = clients->count;
}

unsigned clients_reported(struct clients *clients)
{
    const unsigned reported = clients->reported;

    clients->reported = 0;
    return reported;
}

static int on_client_tick(sd_event_source *source, uint64_t usec, void *context)
{
    struct clients *clients = context;
    struct client *client, *next;
    const int64_t now_ms = clock_ms(CLOCK_MONOTONIC);

    (void)usec;
    take_turns(clients, false);
    for (client = TAILQ_FIRST(&clients->all); client != NULL; client = next) {
        next = TAILQ_NEXT(client, link);
        if ((client->state == CLIENT_WAITING || client->state == CLIENT_ASKING) &&
            now_ms - client->told_ms >= FLEET_HEARTBEAT_MS - CLIENT_TICK_MS)
            (void)reply_to(client, FLEET_WAITING, NULL);
    }
    sd_event_source_set_time(source, (uint64_t)(now_ms + CLIENT_TICK_MS) * 1000);
    sd_event_source_set_enabled(source, clients->count > 0 ? SD_EVENT_ONESHOT : SD_EVENT_OFF);
    return 0;
}

/* --- packets -----------------------------------------------------------------------------------
 */

/* The connection is the query's from here on. */
static void answer_query(struct client *client, const struct fleet_request *request)
{
    struct clients *clients = client->clients;
    const struct query_about about = {.store = clients->store,
                                      .journal = clients->journal,
                                      .conf = clients->conf,
                                      .host = clients->host,
                                      .clients = clients};
    const int fd = client->fd;

    client->source = sd_event_source_disable_unref(client->source);
    client->fd = -1;
    remove_client(client);
    query_answer(&about, fd, request);
}

/* The store has not admitted it: there is nothing to withdraw. */
static bool gives_up_waiting(const struct client *client, const struct fleet_request *request)
{
    return client->state == CLIENT_WAITING && request->outcome == ATTEMPT_WITHDRAWN;
}

static void obey(struct client *client, const struct fleet_request *request)
{
    struct clients *clients = client->clients;

    if (request->operation >= FLEET_LOOK && client->state == CLIENT_NEW) {
        answer_query(client, request);
        return;
    }
    if (request->operation == FLEET_ADMIT && client->state == CLIENT_NEW) {
        clients->counters.asked++;
        client->request = *request;
        client->state = CLIENT_WAITING;
        client->told_ms = clock_ms(CLOCK_MONOTONIC);
        take_turn(client, client->told_ms);
        return;
    }
    const bool tells = fleet_is_settlement(request) && !gives_up_waiting(client, request);
    /* One attempt, one settlement, one connection. */
    if (client->state == CLIENT_ADMITTED &&
        memcmp(client->request.id, request->id, sizeof request->id) != 0)
        settle_client(client, ATTEMPT_FAILED);
    remove_client(client);
    /* Last, as it may find that the store is away: then all who wait are sent away and removed. */
    if (tells)
        note_settlement(clients, request);
}

static int on_packet(sd_event_source *source, int fd, uint32_t events, void *context)
{
    struct client *client = context;
    struct fleet_request request;
    const int received = receive(fd, &request);

    (void)source;
    (void)events;
    if (received > 0)
        obey(client, &request);
    if (received != 0)
        return 0;
    /* The process has died, or it is none of ours. */
    if (client->state == CLIENT_ADMITTED)
        settle_client(client, ATTEMPT_FAILED);
    remove_client(client);
    return 0;
}

static bool is_root(int fd)
{
    struct ucred peer;
    socklen_t size = sizeof peer;

    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
           (peer.uid == 0 || peer.uid == geteuid());
}

static void add_client(struct clients *clients, int fd)
{
    struct client *client =
        clients->count < CLIENTS_MAX && is_root(fd) ? calloc(1, sizeof *client) : NULL;

    if (client == NULL) {
        close(fd);
        return;
    }
    *client = (struct client){.clients = clients, .fd = fd};
    if (sd_event_add_io(clients->event, &client->source, fd, EPOLLIN, on_packet, client) < 0) {
        close(fd);
        free(client);
        return;
    }
    TAILQ_INSERT_TAIL(&clients->all, client, link);
    if (clients->count++ == 0) {
        sd_event_source_set_time(clients->timer, 0);
        sd_event_source_set_enabled(clients->timer, SD_EVENT_ONESHOT);
    }
}

static int on_connection(sd_event_source *source, int listener, uint32_t events, void *context)
{
    int fd;

    (void)source;
    (void)events;
    for (int i = 0; i < ACCEPTS_AT_ONCE; i++) {
        fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0)
            break;
        add_client(context, fd);
    }
    return 0;
}

struct clients *clients_new(sd_event *event, int listener, const struct fleet_conf *conf,
                            const char *host, struct journal *journal)
{
    struct clients *clients = calloc(1, sizeof *clients);

    if (clients == NULL)
        return NULL;
    *clients = (struct clients){.event = event, .conf = conf, .host = host, .journal = journal};
    TAILQ_INIT(&clients->all);
    if (sd_event_add_io(event, &clients->listener, listener, EPOLLIN, on_connection, clients) < 0 ||
        sd_event_add_time(event, &clients->timer, CLOCK_MONOTONIC, 0, CLIENT_TICK_SLACK_USEC,
                          on_client_tick, clients) < 0) {
        clients_free(clients);
        return NULL;
    }
    sd_event_source_set_enabled(clients->timer, SD_EVENT_OFF);
    return clients;
}

void clients_attach(struct clients *clients, struct store *store)
{
    clients->store = store;
}

void clients_free(struct clients *clients)
{
    struct client *client;

    if (clients == NULL)
        return;
    while ((client = TAILQ_FIRST(&clients->all)) != NULL) {
        TAILQ_REMOVE(&clients->all, client, link);
        sd_event_source_disable_unref(client->source);
        if (client->fd >= 0)
            close(client->fd);
        free(client);
    }
    sd_event_source_disable_unref(clients->listener);
    sd_event_source_disable_unref(clients->timer);
    free(clients);
}
