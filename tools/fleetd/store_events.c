#include "tools/fleetd/store_events.h"

#include <stdbool.h>
#include <stdlib.h>
#include <sys/epoll.h>

struct store_events {
    redisAsyncContext *connection;
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
    connection->ev.data = events;
    connection->ev.addRead = want_read;
    connection->ev.delRead = want_no_read;
    connection->ev.addWrite = want_write;
    connection->ev.delWrite = want_no_write;
    connection->ev.cleanup = detach;
    return 0;
}
