#include "tools/fleetd/queries.h"

#include "lib/host/clock.h"
#include "tools/fleetd/announcer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* More than tmoutctl has reason to ask at a time. */
enum { QUERIES_MAX = 16 };

static unsigned queries;

/* Waits for the store. */
struct query {
    struct query_about about;
    int fd;
    int64_t asked_ms; /* CLOCK_MONOTONIC */
    struct fleet_request request;
};

static bool send_packet(int fd, const void *packet, size_t size)
{
    return send(fd, packet, size, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)size;
}

static void end_query(struct query *query, const struct fleet_answer *answer)
{
    unsigned char packet[FLEET_ANSWER_SIZE];

    fleet_answer_encode(answer, packet);
    (void)send_packet(query->fd, packet, sizeof packet);
    close(query->fd);
    free(query);
    queries--;
}

/* --- the store's answers: whatever they may be --------------------------------------------- */

static bool is_array(const redisReply *reply, size_t least)
{
    return reply != NULL && reply->type == REDIS_REPLY_ARRAY && reply->elements >= least;
}

static bool take_number(const redisReply *reply, int64_t least, int64_t most, int64_t *number)
{
    if (reply->type != REDIS_REPLY_INTEGER || reply->integer < least || reply->integer > most)
        return false;
    *number = reply->integer;
    return true;
}

/* -1 is forever. */
static bool take_time(const redisReply *reply, int64_t *time_ms)
{
    if (!take_number(reply, -1, INT64_MAX, time_ms))
        return false;
    if (*time_ms < 0)
        *time_ms = SETTING_FOREVER;
    return true;
}

static bool take_text(const redisReply *reply, char *text, size_t size)
{
    if (reply->type != REDIS_REPLY_STRING || reply->len == 0 || (size_t)reply->len >= size)
        return false;
    for (size_t i = 0; i < (size_t)reply->len; i++)
        if (reply->str[i] <= ' ' || reply->str[i] >= 0x7f)
            return false;
    memcpy(text, reply->str, (size_t)reply->len);
    text[reply->len] = '\0';
    return true;
}

/* As many hosts as there is room for. */
static void take_hosts(const redisReply *reply, char *hosts, size_t size)
{
    char name[FLEET_HOST_MAX];
    size_t length = 0;

    for (size_t i = 0; reply->type == REDIS_REPLY_ARRAY && i < reply->elements; i++) {
        if (!take_text(reply->element[i], name, sizeof name) || length + strlen(name) + 2 > size)
            continue;
        length += (size_t)sprintf(hosts + length, "%s%s", length > 0 ? " " : "", name);
    }
}

static bool take_count(const redisReply *reply, struct fleet_count *count)
{
    int64_t failures, in_flight;

    *count = (struct fleet_count){.head = fleet_head(FLEET_PACKET_COUNT)};
    if (!is_array(reply, 5) || !take_text(reply->element[0], count->name, sizeof count->name) ||
        !take_number(reply->element[1], 0, ATTEMPTS_MAX, &failures) ||
        !take_number(reply->element[2], 0, ATTEMPTS_MAX, &in_flight) ||
        !take_time(reply->element[3], &count->lock_left_ms))
        return false;
    count->failures = (uint32_t)failures;
    count->in_flight = (uint32_t)in_flight;
    take_hosts(reply->element[4], count->hosts, sizeof count->hosts);
    return true;
}

static void on_looked(void *context, const redisReply *reply)
{
    struct query *query = context;
    struct fleet_answer answer = {.status = FLEET_AWAY};
    struct fleet_count count;

    if (is_array(reply, 2) && take_time(reply->element[1], &answer.lock_left_ms))
        answer.status = FLEET_DONE;
    else
        answer.lock_left_ms = 0;
    for (size_t i = 2; answer.status == FLEET_DONE && i < reply->elements; i++)
        if (!take_count(reply->element[i], &count) || !send_packet(query->fd, &count, sizeof count))
            answer = (struct fleet_answer){.status = FLEET_AWAY};
    end_query(query, &answer);
}

static bool take_host(const redisReply *reply, struct fleet_host *host)
{
    char policy[20], *end;

    *host = (struct fleet_host){.head = fleet_head(FLEET_PACKET_HOST)};
    if (!is_array(reply, 3) || !take_text(reply->element[0], host->name, sizeof host->name) ||
        !take_number(reply->element[1], 0, INT64_MAX, &host->seen_ms) ||
        !take_text(reply->element[2], policy, sizeof policy))
        return false;
    host->policy = strtoull(policy, &end, 16);
    return *end == '\0';
}

static void on_hosts(void *context, const redisReply *reply)
{
    struct query *query = context;
    struct fleet_answer answer = {.status = is_array(reply, 1) ? FLEET_DONE : FLEET_AWAY};
    struct fleet_host host;

    for (size_t i = 1; answer.status == FLEET_DONE && i < reply->elements; i++)
        if (!take_host(reply->element[i], &host) || !send_packet(query->fd, &host, sizeof host))
            answer.status = FLEET_AWAY;
    end_query(query, &answer);
}

/* Bytes in hexadecimal digits. Returns how many, or 0 if it is not so, or more than size. */
static size_t take_bytes(const redisReply *reply, unsigned char *bytes, size_t size)
{
    char digits[2 * FLEET_USER_MAX];

    if (!take_text(reply, digits, sizeof digits))
        return 0;
    const size_t length = strlen(digits) / 2;
    if (length > size || strlen(digits) != 2 * length ||
        strspn(digits, "0123456789abcdef") != 2 * length)
        return 0;
    for (size_t i = 0; i < length; i++)
        if (sscanf(digits + 2 * i, "%2hhx", &bytes[i]) != 1)
            return 0;
    return length;
}

static bool take_mark(const redisReply *reply, struct fleet_mark *mark)
{
    *mark = (struct fleet_mark){.head = fleet_head(FLEET_PACKET_MARK)};
    if (!is_array(reply, 3) ||
        take_bytes(reply->element[0], (unsigned char *)mark->user, sizeof mark->user - 1) == 0 ||
        !take_number(reply->element[1], 1, INT64_MAX, &mark->unlocked_ms) ||
        take_bytes(reply->element[2], mark->code, sizeof mark->code) != sizeof mark->code)
        return false;
    return true;
}

static void on_marks(void *context, const redisReply *reply)
{
    struct query *query = context;
    struct fleet_answer answer = {.status = is_array(reply, 1) ? FLEET_DONE : FLEET_AWAY};
    struct fleet_mark mark;

    /* One that is no mark proves nothing: the others may. */
    for (size_t i = 1; answer.status == FLEET_DONE && i < reply->elements && i <= FLEET_MARKS_MAX;
         i++)
        if (take_mark(reply->element[i], &mark) && !send_packet(query->fd, &mark, sizeof mark))
            answer.status = FLEET_AWAY;
    end_query(query, &answer);
}

static void on_marked(void *context, const redisReply *reply)
{
    struct fleet_answer answer = {.status = FLEET_AWAY};
    int64_t is_there;

    if (is_array(reply, 2) && take_number(reply->element[1], 0, 1, &is_there))
        answer.status = is_there == 1 ? FLEET_DONE : FLEET_WAITING;
    end_query(context, &answer);
}

static void on_cleared(void *context, const redisReply *reply)
{
    struct query *query = context;
    struct fleet_answer answer = {.status = FLEET_AWAY};
    int64_t failures, was_locked;

    if (is_array(reply, 3) && take_number(reply->element[1], 0, INT32_MAX, &failures) &&
        take_number(reply->element[2], 0, 1, &was_locked)) {
        answer.status = FLEET_DONE;
        answer.failures = (uint32_t)(failures < ATTEMPTS_MAX ? failures : ATTEMPTS_MAX);
        answer.in_flight = (uint32_t)was_locked;
        journal_unlocked(query->about.journal, &query->request, query->asked_ms);
    }
    end_query(query, &answer);
}

static void answer_status(struct query *query)
{
    const struct query_about *about = &query->about;
    struct fleet_state state = {.head = fleet_head(FLEET_PACKET_STATE),
                                .journal = (uint32_t)journal_size(about->journal)};

    store_describe(about->store, &state);
    clients_describe(about->clients, &state);
    snprintf(state.host, sizeof state.host, "%s", about->host);
    (void)send_packet(query->fd, &state, sizeof state);
    end_query(query, &(struct fleet_answer){.status = FLEET_DONE});
}

void query_answer(const struct query_about *about, int fd, const struct fleet_request *request)
{
    struct query *query = queries < QUERIES_MAX ? malloc(sizeof *query) : NULL;
    struct script_call call;

    if (query == NULL) {
        close(fd);
        return;
    }
    queries++;
    *query = (struct query){
        .about = *about, .fd = fd, .asked_ms = clock_ms(CLOCK_MONOTONIC), .request = *request};
    const struct script_target target = {.prefix = about->conf->prefix,
                                         .host = about->host,
                                         .lease_ms = about->conf->lease_ms,
                                         .request = &query->request};
    if (request->operation == FLEET_STATUS) {
        answer_status(query);
    } else if (request->operation == FLEET_HOSTS) {
        script_call_announce(&call, &target, announced_policy());
        store_ask(about->store, &call, on_hosts, query);
    } else if (request->operation == FLEET_MARK) {
        script_call_mark(&call, &target);
        store_ask(about->store, &call, on_marked, query);
    } else if (request->operation == FLEET_MARKS) {
        script_call_marks(&call, &target);
        store_ask(about->store, &call, on_marks, query);
    } else if (request->operation == FLEET_LOOK) {
        script_call_look(&call, &target);
        store_ask(about->store, &call, on_looked, query);
    } else {
        script_call_forget(&call, &target, SCRIPT_NOW_MS);
        store_ask(about->store, &call, on_cleared, query);
    }
}
