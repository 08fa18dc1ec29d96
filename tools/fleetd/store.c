#include "tools/fleetd/store.h"

#include "lib/host/clock.h"
#include "tools/fleetd/fleet_script.h"
#include "tools/fleetd/redirect.h"
#include "tools/fleetd/store_events.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <time.h>

enum {
    RUN_ID_SIZE = 64,
    SHA_SIZE = 64,
    WHY_SIZE = 128,
    ROLE_SIZE = 16,
    REDIRECTIONS_MAX = 4,
    DEADLINE_SLACK_USEC = 1000
};

/* A command that has not been answered. */
struct store_command {
    struct store *store;
    struct script_call call;
    store_callback *callback;
    store_reply_callback *reply_callback; /* instead of callback */
    void *context;
    int64_t sent_us, deadline_ms;
    bool retried;
    TAILQ_ENTRY(store_command) link;
};

struct store {
    sd_event *event;
    const struct fleet_conf *conf;
    const char *password;
    struct store_hooks hooks;
    enum store_state state;
    struct store_tls *tls; /* NULL: not with TLS */
    redisAsyncContext *connection;
    size_t next_endpoint;
    struct fleet_endpoint current; /* what connection is to */
    int64_t setup_deadline_ms;     /* 0: the connection is set up */
    char sha[SHA_SIZE], run_id[RUN_ID_SIZE];
    bool in_cluster;
    unsigned redirections; /* in a row */
    int64_t offset_ms;     /* the store's clock minus CLOCK_MONOTONIC */
    int64_t behind_ms;     /* by so much offset_ms may be too small */
    int64_t began_ms;      /* when it began to keep anything, on its clock; 0: unknown */
    sd_event_source *timer, *probe;
    TAILQ_HEAD(store_commands, store_command) commands;
    char why[WHY_SIZE];
    int64_t start_ms, changed_ms, away_ms; /* away_ms: but for the current time */
    /* The worst of this minute and of the one before. */
    int64_t latency_us, worst_us[2], minute;
    uint64_t connections;
    /* Of the store, for the audit. */
    char eviction[24], replicas[ROLE_SIZE];
    bool overprivileged;
};

static int64_t monotonic_ms(void)
{
    return clock_ms(CLOCK_MONOTONIC);
}

static int64_t monotonic_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

enum store_state store_state(const struct store *store)
{
    return store->state;
}

int64_t store_time_ms(const struct store *store, int64_t at_ms)
{
    const int64_t time_ms = at_ms + store->offset_ms;

    return time_ms > 0 ? time_ms : 0;
}

int64_t store_time_by_ms(const struct store *store, int64_t at_ms)
{
    return store_time_ms(store, at_ms + store->behind_ms);
}

static void set_state(struct store *store, enum store_state state)
{
    const int64_t now_ms = monotonic_ms();

    if (store->state == state)
        return;
    if (store->state == STORE_AWAY)
        store->away_ms += now_ms - store->changed_ms;
    store->changed_ms = now_ms;
    store->connections += state == STORE_MERGING;
    store->state = state;
    store->hooks.changed(store->hooks.context, state, store->why);
}

static void make_printable(char *text)
{
    for (; *text != '\0'; text++)
        if (*text < ' ' || *text >= 0x7f)
            *text = '?';
}

/* --- time limits ------------------------------------------------------------------------ */

static void arm(sd_event_source *source, int64_t at_ms)
{
    sd_event_source_set_time(source, (uint64_t)at_ms * 1000);
    sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

/* Commands are answered in order, so the first one's is the next to pass. */
static void arm_deadline(struct store *store)
{
    const struct store_command *first = TAILQ_FIRST(&store->commands);

    if (store->setup_deadline_ms != 0)
        arm(store->timer, store->setup_deadline_ms);
    else if (first != NULL)
        arm(store->timer, first->deadline_ms);
    else
        sd_event_source_set_enabled(store->timer, SD_EVENT_OFF);
}

static void give_up_commands(struct store *store)
{
    struct store_command *command;

    while ((command = TAILQ_FIRST(&store->commands)) != NULL) {
        TAILQ_REMOVE(&store->commands, command, link);
        if (command->reply_callback != NULL)
            command->reply_callback(command->context, NULL);
        else
            command->callback(command->context, NULL);
        free(command);
    }
}

static void drop_connection(struct store *store)
{
    redisAsyncContext *connection = store->connection;

    store->connection = NULL;
    store->sha[0] = '\0';
    store->setup_deadline_ms = 0;
    sd_event_source_set_enabled(store->timer, SD_EVENT_OFF);
    if (connection == NULL)
        return;
    connection->data = NULL;
    redisAsyncFree(connection);
}

/* Ends the connection, if there is one, and tries again later. */
static void go_away(struct store *store, const char *why)
{
    snprintf(store->why, sizeof store->why, "%s", why);
    make_printable(store->why);
    drop_connection(store);
    arm(store->probe, monotonic_ms() + RECONNECT_MS);
    set_state(store, STORE_AWAY);
    give_up_commands(store);
}

/* Why the connection has ended: TLS's reason, where it has one. */
static void go_away_after(struct store *store, enum tls_end end, const char *otherwise)
{
    char why[WHY_SIZE];

    if (store->setup_deadline_ms == 0 && end != TLS_NOT_CONNECTED)
        end = TLS_WAS_IN_USE;
    if (store->tls == NULL || store->current.port == 0 ||
        !store_tls_explain(store->tls, end, why, sizeof why))
        snprintf(why, sizeof why, "%s", otherwise);
    go_away(store, why);
}

static int on_deadline(sd_event_source *source, uint64_t usec, void *context)
{
    (void)source;
    (void)usec;
    go_away_after(context, TLS_LATE, "it did not answer in time");
    return 0;
}

/* --- commands ------------------------------------------------------------------------------ */

static void on_answer(redisAsyncContext *connection, void *data, void *context);
static void follow(struct store *store, const redisReply *moved);

static int send_call(struct store *store, struct store_command *command)
{
    const char *argv[SCRIPT_WORDS_MAX + 4] = {"EVALSHA", store->sha, "1", command->call.key};
    int argc = 4;

    for (unsigned i = 0; i < command->call.words; i++)
        argv[argc++] = command->call.word[i];
    return redisAsyncCommandArgv(store->connection, on_answer, command, argc, argv, NULL) ==
                   REDIS_OK
               ? 0
               : -1;
}

static bool decode_reply(const redisReply *reply, struct script_answer *answer)
{
    int64_t number[SCRIPT_NUMBERS];

    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != SCRIPT_NUMBERS)
        return false;
    for (size_t i = 0; i < SCRIPT_NUMBERS; i++) {
        if (reply->element[i]->type != REDIS_REPLY_INTEGER)
            return false;
        number[i] = reply->element[i]->integer;
    }
    return script_answer_decode(number, SCRIPT_NUMBERS, answer);
}

static void ignore_answer(redisAsyncContext *connection, void *reply, void *context)
{
    (void)connection;
    (void)reply;
    (void)context;
}

/* The store was restarted behind our back, or somebody has flushed its scripts. */
static bool load_again(struct store *store, struct store_command *command, const redisReply *reply)
{
    if (reply->type != REDIS_REPLY_ERROR || strncmp(reply->str, "NOSCRIPT", 8) != 0 ||
        command->retried)
        return false;
    command->retried = true;
    return redisAsyncCommand(store->connection, ignore_answer, NULL, "SCRIPT LOAD %s",
                             fleet_script) == REDIS_OK &&
           send_call(store, command) == 0;
}

static void note_latency(struct store *store, int64_t latency_us)
{
    const int64_t minute = monotonic_ms() / 60000;

    if (minute != store->minute) {
        store->worst_us[1] = minute == store->minute + 1 ? store->worst_us[0] : 0;
        store->worst_us[0] = 0;
        store->minute = minute;
    }
    store->latency_us = latency_us;
    if (latency_us > store->worst_us[0])
        store->worst_us[0] = latency_us;
}

/* Of an error in the script what the store says, without where in the script that was. */
static void explain_error(const char *error, char *why, size_t size)
{
    const char *place = strstr(error, "user_script:");
    const char *what = place != NULL ? strstr(place, ": ") : NULL;

    what = what != NULL ? what + 2 : error;
    const char *end = what + strlen(what);
    /* The last one: what is said may be "ACL failure in script: ...". */
    for (const char *at = what; (at = strstr(at, " script: ")) != NULL; at++)
        end = at;
    snprintf(why, size, "%.*s", (int)(end - what), what);
}

/* What has to end the connection. */
static void explain(const redisReply *reply, char *why, size_t size)
{
    if (reply->type != REDIS_REPLY_ERROR)
        snprintf(why, size, "its answer has another form");
    /* It has some of them, or gets them just now: nobody has all, until that is done. */
    else if (strncmp(reply->str, "ASK ", 4) == 0)
        snprintf(why, size, "the cluster is moving the keys to another node");
    else
        explain_error(reply->str, why, size);
}

static void on_answer(redisAsyncContext *connection, void *data, void *context)
{
    struct store *store = connection->data;
    struct store_command *command = context;
    const redisReply *reply = data;
    struct script_answer answer;
    char why[WHY_SIZE];

    if (store == NULL || reply == NULL)
        return; /* go_away() tells those who wait */
    if (load_again(store, command, reply))
        return;
    if (redirect_is_moved(reply)) {
        follow(store, reply);
        return;
    }
    note_latency(store, monotonic_us() - command->sent_us);
    if (command->reply_callback != NULL) {
        TAILQ_REMOVE(&store->commands, command, link);
        arm_deadline(store);
        command->reply_callback(command->context, reply);
        free(command);
        return;
    }
    if (!decode_reply(reply, &answer)) {
        explain(reply, why, sizeof why);
        go_away(store, why);
        return;
    }
    store->offset_ms = answer.now_ms - monotonic_ms();
    /* Both clocks are read in whole milliseconds. */
    store->behind_ms = (monotonic_us() - command->sent_us) / 1000 + 2;
    TAILQ_REMOVE(&store->commands, command, link);
    arm_deadline(store);
    command->callback(command->context, &answer);
    free(command);
}

/* A copy of *wanted, sent. Returns false if that is not possible. */
static bool submit(struct store *store, const struct store_command *wanted)
{
    struct store_command *command = calloc(1, sizeof *command);

    if (command == NULL)
        return false;
    *command = *wanted;
    command->store = store;
    command->sent_us = monotonic_us();
    command->deadline_ms = monotonic_ms() + store->conf->timeout_ms;
    TAILQ_INSERT_TAIL(&store->commands, command, link);
    if (send_call(store, command) != 0)
        go_away(store, "the connection was lost");
    else
        arm_deadline(store);
    return true;
}

void store_call(struct store *store, const struct script_call *call, store_callback *callback,
                void *context)
{
    const struct store_command wanted = {.call = *call, .callback = callback, .context = context};

    if (store->state < STORE_MERGING || !submit(store, &wanted))
        callback(context, NULL);
}

void store_ask(struct store *store, const struct script_call *call, store_reply_callback *callback,
               void *context)
{
    const struct store_command wanted = {
        .call = *call, .reply_callback = callback, .context = context};

    if (store->state < STORE_MERGING || !submit(store, &wanted))
        callback(context, NULL);
}

static void describe_endpoint(const struct store *store, struct fleet_state *state)
{
    const struct fleet_endpoint *endpoint =
        store->next_endpoint > 0 ? &store->current : &store->conf->endpoint[0];
    const bool brackets = strchr(endpoint->address, ':') != NULL;

    if (endpoint->port == 0)
        snprintf(state->endpoint, sizeof state->endpoint, "%s", endpoint->address);
    else
        snprintf(state->endpoint, sizeof state->endpoint, brackets ? "[%s]:%u" : "%s:%u",
                 endpoint->address, endpoint->port);
}

void store_describe(const struct store *store, struct fleet_state *state)
{
    const int64_t now_ms = monotonic_ms();

    state->store = (uint32_t)store->state;
    state->running_ms = now_ms - store->start_ms;
    state->since_ms = now_ms - store->changed_ms;
    state->away_ms = store->away_ms + (store->state == STORE_AWAY ? state->since_ms : 0);
    state->latency_us = store->latency_us;
    state->worst_us =
        store->worst_us[0] > store->worst_us[1] ? store->worst_us[0] : store->worst_us[1];
    if (store->connections > 0)
        state->clock_ahead_ms = store_time_ms(store, now_ms) - clock_ms(CLOCK_REALTIME);
    state->connections = store->connections;
    state->replicas = (uint32_t)strtoul(store->replicas, NULL, 10);
    state->overprivileged = store->overprivileged;
    state->tls = store->tls != NULL && store->current.port != 0;
    snprintf(state->eviction, sizeof state->eviction, "%s", store->eviction);
    describe_endpoint(store, state);
    if (store->state == STORE_AWAY)
        snprintf(state->why, sizeof state->why, "%s", store->why);
    make_printable(state->eviction);
}

/* --- connecting ------------------------------------------------------------------------------ */

static void find_value(const char *info, const char *name, char *value, size_t size)
{
    const char *at = strstr(info, name);

    if (at == NULL)
        return;
    at += strlen(name);
    snprintf(value, size, "%.*s", (int)strcspn(at, "\r\n"), at);
}

static void on_alive(void *context, const struct script_answer *answer)
{
    struct store *store = context;

    if (answer != NULL)
        store->redirections = 0;
}

/* before_ms: what it has told this host last, or 0. A host that has just started cannot know what
 * the store has lost, but whether others may still have to tell. */
static enum store_memory memory_of(const struct store *store, int64_t before_ms,
                                   const struct script_answer *answer)
{
    const int64_t merging_ms = store->conf->hold_ms + 2 * RECONNECT_MS;

    if (before_ms == answer->since_ms)
        return STORE_AS_BEFORE;
    if (before_ms == 0)
        return answer->now_ms - answer->since_ms < merging_ms ? STORE_IS_NEW : STORE_AS_BEFORE;
    return store->state >= STORE_MERGING ? STORE_HAS_FORGOTTEN : STORE_IS_NEW;
}

static void on_began(void *context, const struct script_answer *answer)
{
    struct store *store = context;

    if (answer == NULL)
        return;
    const enum store_memory memory = memory_of(store, store->began_ms, answer);
    store->began_ms = answer->since_ms;
    if (store->state >= STORE_MERGING && memory == STORE_AS_BEFORE)
        return;
    if (store->setup_deadline_ms != 0)
        arm(store->probe, monotonic_ms() + RECONNECT_MS);
    store->setup_deadline_ms = 0;
    arm_deadline(store);
    set_state(store, STORE_MERGING);
    store->hooks.reached(store->hooks.context, memory);
}

static void ask(struct store *store, const struct script_call *call, store_callback *callback)
{
    const struct store_command wanted = {.call = *call, .callback = callback, .context = store};

    if (!submit(store, &wanted))
        go_away(store, "out of memory");
}

/* It has the keys, and can write: it is the one. */
static void on_tried(void *context, const struct script_answer *answer)
{
    struct store *store = context;
    struct script_call call;

    if (answer == NULL)
        return;
    script_call_began(&call, store->conf->prefix, store->run_id);
    ask(store, &call, on_began);
}

static void try_store(struct store *store)
{
    struct script_call call;

    script_call_probe(&call, store->conf->prefix, true);
    ask(store, &call, on_tried);
}

static void probe_store(struct store *store)
{
    struct script_call call;

    arm(store->probe, monotonic_ms() + RECONNECT_MS);
    script_call_probe(&call, store->conf->prefix, false);
    store_call(store, &call, on_alive, store);
    script_call_began(&call, store->conf->prefix, store->run_id);
    store_call(store, &call, on_began, store);
}

static void on_loaded(redisAsyncContext *connection, void *data, void *context)
{
    struct store *store = connection->data;
    const redisReply *reply = data;
    char why[WHY_SIZE];

    (void)context;
    if (store == NULL || reply == NULL)
        return;
    if (reply->type != REDIS_REPLY_STRING || reply->len >= SHA_SIZE) {
        snprintf(why, sizeof why, "it does not load the script: %.80s",
                 reply->type == REDIS_REPLY_ERROR ? reply->str : "no answer of this form");
        go_away(store, why);
        return;
    }
    snprintf(store->sha, sizeof store->sha, "%s", reply->str);
    try_store(store);
}

/* From 0 to most, as text. */
static bool read_number(const redisReply *reply, int64_t most, int64_t *number)
{
    char *end;

    if (reply->type != REDIS_REPLY_STRING || reply->str[0] < '0' || reply->str[0] > '9')
        return false;
    errno = 0;
    *number = strtoll(reply->str, &end, 10);
    return errno == 0 && *end == '\0' && *number <= most;
}

static void on_time(redisAsyncContext *connection, void *data, void *context)
{
    struct store *store = connection->data;
    const redisReply *reply = data;
    int64_t seconds, microseconds;

    (void)context;
    if (store == NULL || reply == NULL)
        return;
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2 ||
        !read_number(reply->element[0], SCRIPT_TIME_MAX_MS / 1000, &seconds) ||
        !read_number(reply->element[1], 999999, &microseconds)) {
        go_away(store, "it does not tell its time");
        return;
    }
    store->offset_ms = seconds * 1000 + microseconds / 1000 - monotonic_ms();
}

static void on_info(redisAsyncContext *connection, void *data, void *context)
{
    struct store *store = connection->data;
    const redisReply *reply = data;
    char role[ROLE_SIZE] = "", why[WHY_SIZE] = "it is a replica";

    if (store == NULL || reply == NULL)
        return;
    if (reply->type == REDIS_REPLY_STRING)
        find_value(reply->str,
                   context == NULL ? "run_id:" : "role:", context == NULL ? store->run_id : role,
                   context == NULL ? sizeof store->run_id : sizeof role);
    if (context != NULL && reply->type == REDIS_REPLY_STRING)
        find_value(reply->str, "connected_slaves:", store->replicas, sizeof store->replicas);
    if (context == NULL &&
        reply->type == REDIS_REPLY_STRING) /* redis_mode, or server_mode of valkey */
        store->in_cluster = strstr(reply->str, "_mode:cluster") != NULL;
    /* A replica in a cluster tells where its primary is, when it is asked for a key. */
    if (context == NULL || strcmp(role, "master") == 0 || store->in_cluster)
        return;
    if (reply->type == REDIS_REPLY_ERROR)
        snprintf(why, sizeof why, "it rejects INFO: %.100s", reply->str);
    go_away(store, why);
}

static void on_auth(redisAsyncContext *connection, void *data, void *context)
{
    struct store *store = connection->data;
    const redisReply *reply = data;

    (void)context;
    if (store != NULL && reply != NULL && reply->type == REDIS_REPLY_ERROR)
        go_away(store, "it rejects the ACL user or password");
}

static void on_connected(begun_connection *connection, int status)
{
    struct store *store = connection->data;
    char why[WHY_SIZE];

    if (store == NULL || status == REDIS_OK)
        return;
    /* hiredis frees it after this. */
    snprintf(why, sizeof why, "cannot connect: %.90s", connection->errstr);
    store->connection = NULL;
    go_away_after(store, TLS_NOT_CONNECTED, why);
}

static void on_disconnected(const redisAsyncContext *connection, int status)
{
    struct store *store = connection->data;

    (void)status;
    if (store == NULL)
        return;
    const bool closed = connection->err == REDIS_ERR_EOF || connection->err == REDIS_ERR_IO;
    store->connection = NULL;
    go_away_after(store, TLS_CLOSED,
                  closed ? "it has closed the connection"
                         : "what it sends is no answer, or too large");
}

static void on_memory(redisAsyncContext *connection, void *data, void *context)
{
    struct store *store = connection->data;
    const redisReply *reply = data;

    (void)context;
    if (store != NULL && reply != NULL && reply->type == REDIS_REPLY_STRING)
        find_value(reply->str, "maxmemory_policy:", store->eviction, sizeof store->eviction);
}

/* To what the ACL of a host must not allow. */
static void on_forbidden(redisAsyncContext *connection, void *data, void *context)
{
    struct store *store = connection->data;
    const redisReply *reply = data;

    (void)context;
    if (store != NULL && reply != NULL && reply->type != REDIS_REPLY_ERROR)
        store->overprivileged = true;
}

/* For tmoutctl audit; nothing depends on the answers. */
static bool ask_for_audit(struct store *store)
{
    redisAsyncContext *c = store->connection;

    store->eviction[0] = store->replicas[0] = '\0';
    store->overprivileged = false;
    return redisAsyncCommand(c, on_forbidden, NULL, "CONFIG GET maxmemory-policy") == REDIS_OK &&
           redisAsyncCommand(c, on_forbidden, NULL, "HGET %s-other:{%s} x", store->conf->prefix,
                             store->conf->prefix) == REDIS_OK &&
           redisAsyncCommand(c, on_memory, NULL, "INFO memory") == REDIS_OK;
}

static const char *acl_user(const struct store *store)
{
    return store->conf->acl_user[0] != '\0' ? store->conf->acl_user : "default";
}

/* All at once; they are answered in this order. */
static int send_setup(struct store *store)
{
    redisAsyncContext *c = store->connection;

    if (store->password != NULL && redisAsyncCommand(c, on_auth, NULL, "AUTH %s %s",
                                                     acl_user(store), store->password) != REDIS_OK)
        return -1;
    return redisAsyncCommand(c, on_info, NULL, "INFO server") == REDIS_OK &&
                   redisAsyncCommand(c, on_info, store, "INFO replication") == REDIS_OK &&
                   redisAsyncCommand(c, on_time, NULL, "TIME") == REDIS_OK &&
                   redisAsyncCommand(c, on_loaded, NULL, "SCRIPT LOAD %s", fleet_script) ==
                       REDIS_OK &&
                   ask_for_audit(store)
               ? 0
               : -1;
}

static void connect_to(struct store *store, const struct fleet_endpoint *endpoint,
                       int (*send_first)(struct store *));

/* The endpoints are Sentinels, and this one has answered. The primary may be anywhere. */
static void on_primary(redisAsyncContext *connection, void *data, void *context)
{
    struct store *store = connection->data;
    struct fleet_endpoint primary;
    char why[WHY_SIZE];

    (void)context;
    if (store == NULL || data == NULL)
        return;
    if (redirect_by_sentinel(data, store->conf, &primary, why, sizeof why) != 0) {
        go_away(store, why);
        return;
    }
    drop_connection(store);
    connect_to(store, &primary, send_setup);
}

/* A node of a cluster has not got the keys, or no more. Whoever waits for an answer gets none. */
static void follow(struct store *store, const redisReply *moved)
{
    struct fleet_endpoint node;
    char why[WHY_SIZE];

    if (redirect_by_node(moved, store->conf, &node, why, sizeof why) != 0) {
        go_away(store, why);
        return;
    }
    if (store->redirections++ == REDIRECTIONS_MAX) {
        snprintf(why, sizeof why, "each node of the cluster names another one, the last one %.45s",
                 node.address);
        go_away(store, why);
        return;
    }
    if (store->state >= STORE_MERGING) {
        snprintf(why, sizeof why, "the cluster has moved the keys to %.45s, port %u", node.address,
                 node.port);
        go_away(store, why);
    } else {
        drop_connection(store);
        give_up_commands(store);
    }
    connect_to(store, &node, send_setup);
}

/* A Sentinel that wants no password rejects one; then the question is answered anyway. */
static int send_question(struct store *store)
{
    redisAsyncContext *c = store->connection;

    if (store->password != NULL && redisAsyncCommand(c, ignore_answer, NULL, "AUTH %s %s",
                                                     acl_user(store), store->password) != REDIS_OK)
        return -1;
    return redisAsyncCommand(c, on_primary, NULL, "SENTINEL GET-MASTER-ADDR-BY-NAME %s",
                             store->conf->sentinel) == REDIS_OK
               ? 0
               : -1;
}

static redisAsyncContext *begin_connection(struct store *store)
{
    const struct fleet_endpoint *endpoint = &store->current;
    redisAsyncContext *connection = endpoint->port == 0
                                        ? redisAsyncConnectUnix(endpoint->address)
                                        : redisAsyncConnect(endpoint->address, endpoint->port);

    if (connection != NULL && connection->err == 0 && endpoint->port != 0 && store->tls != NULL)
        store_tls_begin(store->tls, connection, endpoint);
    return connection;
}

static void connect_to(struct store *store, const struct fleet_endpoint *endpoint,
                       int (*send_first)(struct store *))
{
    char why[WHY_SIZE];

    store->current = *endpoint;
    store->in_cluster = false;
    sd_event_source_set_enabled(store->probe, SD_EVENT_OFF);
    redisAsyncContext *connection = begin_connection(store);
    if (connection == NULL || connection->err != 0) {
        snprintf(why, sizeof why, "cannot connect: %.90s",
                 connection != NULL ? connection->errstr : "out of memory");
        if (connection != NULL)
            redisAsyncFree(connection);
        go_away_after(store, TLS_NOT_CONNECTED, why);
        return;
    }
    store->connection = connection;
    store->setup_deadline_ms = monotonic_ms() + store->conf->timeout_ms;
    connection->data = store;
    if (store_events_attach(connection, store->event) != 0 ||
        redisAsyncSetConnectCallback(connection, on_connected) != REDIS_OK ||
        redisAsyncSetDisconnectCallback(connection, on_disconnected) != REDIS_OK ||
        send_first(store) != 0)
        go_away(store, "out of memory");
    else
        arm_deadline(store);
}

/* The next endpoint; one after the other has its turn. */
static void connect_to_store(struct store *store)
{
    const struct fleet_endpoint *endpoint =
        &store->conf->endpoint[store->next_endpoint++ % store->conf->endpoints];

    store->redirections = 0;
    connect_to(store, endpoint, store->conf->sentinel[0] != '\0' ? send_question : send_setup);
}

/* Asks an idle store, too: while this host does not notice that it is gone, it does not tell the
 * next one what it knows, and that admits others after conf->hold_ms. */
static int on_probe(sd_event_source *source, uint64_t usec, void *context)
{
    struct store *store = context;

    (void)source;
    (void)usec;
    if (store->connection == NULL)
        connect_to_store(store);
    else
        probe_store(store);
    return 0;
}

void store_merged(struct store *store)
{
    if (store->state == STORE_MERGING)
        set_state(store, STORE_UP);
}

struct store *store_new(sd_event *event, const struct fleet_conf *conf,
                        const struct store_access *access, const struct store_hooks *hooks)
{
    struct store *store = calloc(1, sizeof *store);

    if (store == NULL)
        return NULL;
    *store = (struct store){.event = event,
                            .conf = conf,
                            .password = access->password,
                            .tls = access->tls,
                            .hooks = *hooks};
    store->start_ms = store->changed_ms = monotonic_ms();
    TAILQ_INIT(&store->commands);
    if (sd_event_add_time(event, &store->timer, CLOCK_MONOTONIC, 0, DEADLINE_SLACK_USEC,
                          on_deadline, store) < 0 ||
        sd_event_add_time(event, &store->probe, CLOCK_MONOTONIC, 0, DEADLINE_SLACK_USEC, on_probe,
                          store) < 0) {
        store_free(store);
        return NULL;
    }
    sd_event_source_set_enabled(store->timer, SD_EVENT_OFF);
    return store;
}

void store_free(struct store *store)
{
    if (store == NULL)
        return;
    store->state = STORE_AWAY;
    if (store->connection != NULL) {
        store->connection->data = NULL;
        redisAsyncFree(store->connection);
    }
    give_up_commands(store);
    sd_event_source_disable_unref(store->timer);
    sd_event_source_disable_unref(store->probe);
    free(store);
}
