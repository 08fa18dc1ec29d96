#include "tools/fleetd/store_events.h"

#include <stdbool.h>
#include <stdlib.h>
#include <sys/epoll.h>

enum {
    /* The largest answer is that to `look`: 131 counts, each with the hosts that have contributed
     * to it. */
    ANSWER_OBJECTS_MAX = 32 * 1024,
    ANSWER_BYTES_MAX = 1024 * 1024
};

struct store_events {
    redisAsyncContext *connection;
    redisReplyObjectFunctions make; /* hiredis' own, with limits */
    unsigned objects;               /* of the answer that is being read */
    sd_event_source *source;
    uint32_t wanted;
    /* hiredis may free the connection within its handlers: then only they may be left. */
    bool handling, freed;
};

static void want(struct store_events *events, uint32_t wanted)
{
    events->wanted = wanted;
    sd_event_source_set_io_events(events->source, wanted);
}

static void want_read(void *data)
{
    struct store_events *events = data;

    want(events, events->wanted | EPOLLIN);
}

static void want_no_read(void *data)
{
    struct store_events *events = data;

    want(events, events->wanted & ~(uint32_t)EPOLLIN);
}

static void want_write(void *data)
{
    struct store_events *events = data;

    want(events, events->wanted | EPOLLOUT);
}

static void want_no_write(void *data)
{
    struct store_events *events = data;

    want(events, events->wanted & ~(uint32_t)EPOLLOUT);
}

static void detach(void *data)
{
    struct store_events *events = data;

    events->source = sd_event_source_disable_unref(events->source);
    events->freed = true;
    if (!events->handling)
        free(events);
}

/* --- what a hostile store may send --------------------------------------------------------- */

/*
 * hiredis takes an answer of any size, spends minutes on an array of 2^31 elements that do not
 * come, and aborts where nobody has asked for an answer. NULL from one of its functions ends the
 * connection instead.
 */
static bool may_make(const redisReadTask *task, size_t objects)
{
    struct store_events *events = task->privdata;
    const redisAsyncContext *connection = events->connection;

    if (task->parent == NULL) {
        events->objects = 0;
        /* A server that has too many clients says so to whoever connects. */
        if (connection->replies.head == NULL && task->type != REDIS_REPLY_ERROR)
            return false;
    }
    if (objects > ANSWER_OBJECTS_MAX - events->objects)
        return false;
    events->objects += (unsigned)objects;
    return true;
}

static redisReplyObjectFunctions *made_by_client;

static void *make_string(const redisReadTask *task, char *text, size_t size)
{
    return may_make(task, 1) ? made_by_client->createString(task, text, size) : NULL;
}

#if CLIENT_HAS_RESP3
static void *make_array(const redisReadTask *task, size_t elements)
{
    return may_make(task, elements) ? made_by_client->createArray(task, elements) : NULL;
}
#else
static void *make_array(const redisReadTask *task, int elements)
{
    return elements >= 0 && may_make(task, (size_t)elements)
               ? made_by_client->createArray(task, elements)
               : NULL;
}
#endif

static void *make_integer(const redisReadTask *task, long long number)
{
    return may_make(task, 1) ? made_by_client->createInteger(task, number) : NULL;
}

static void *make_nil(const redisReadTask *task)
{
    return may_make(task, 1) ? made_by_client->createNil(task) : NULL;
}

#if CLIENT_HAS_RESP3
/* RESP3, which nobody has asked for. Without a function, hiredis would hand on the number of the
 * type as if it were an answer's address. */
static void *refuse_double(const redisReadTask *task, double number, char *text, size_t size)
{
    (void)task;
    (void)number;
    (void)text;
    (void)size;
    return NULL;
}

static void *refuse_bool(const redisReadTask *task, int value)
{
    (void)task;
    (void)value;
    return NULL;
}
#endif

static void limit_answers(struct store_events *events)
{
    redisReader *reader = events->connection->c.reader;

    made_by_client = reader->fn;
    events->make = *reader->fn;
    events->make.createString = make_string;
    events->make.createArray = make_array;
    events->make.createInteger = make_integer;
    events->make.createNil = make_nil;
#if CLIENT_HAS_RESP3
    events->make.createDouble = refuse_double;
    events->make.createBool = refuse_bool;
#endif
    reader->fn = &events->make;
    reader->privdata = events;
}

static int on_ready(sd_event_source *source, int fd, uint32_t ready, void *data)
{
    struct store_events *events = data;

    (void)source;
    (void)fd;
    events->handling = true;
    if ((ready & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0 && (events->wanted & EPOLLOUT) != 0)
        redisAsyncHandleWrite(events->connection);
    if (!events->freed && (ready & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0)
        redisAsyncHandleRead(events->connection);
    if (!events->freed && events->connection->c.reader->len > ANSWER_BYTES_MAX)
        redisAsyncFree(events->connection); /* the store hears that it was disconnected */
    events->handling = false;
    if (events->freed)
        free(events);
    return 0;
}

int store_events_attach(redisAsyncContext *connection, sd_event *event)
{
    struct store_events *events = calloc(1, sizeof *events);

    if (events == NULL)
        return -1;
    events->connection = connection;
    events->wanted = EPOLLIN | EPOLLOUT;
    if (sd_event_add_io(event, &events->source, connection->c.fd, events->wanted, on_ready,
                        events) < 0) {
        free(events);
        return -1;
    }
    limit_answers(events);
    connection->ev.data = events;
    connection->ev.addRead = want_read;
    connection->ev.delRead = want_no_read;
    connection->ev.addWrite = want_write;
    connection->ev.delWrite = want_no_write;
    connection->ev.cleanup = detach;
    return 0;
}
