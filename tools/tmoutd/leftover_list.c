#include "tools/tmoutd/leftover_list.h"

#include <stdio.h>
#include <stdlib.h>
#include <syslog.h>
#include <unistd.h>

/* Each look goes through all processes of the host: so much time for each that a
 * user has left behind, whatever that does meanwhile. */
enum { LOOK_PAUSE_MS = 200 };

static int64_t pause_of_user(const struct leftover_list *list, uid_t uid)
{
    const struct leftover *leftover;
    int64_t pause_ms = SETTLE_MS - LOOK_PAUSE_MS;

    for (leftover = LIST_FIRST(&list->head); leftover != NULL; leftover = LIST_NEXT(leftover, link))
        if (leftover->trace.uid == uid)
            pause_ms += LOOK_PAUSE_MS;
    return pause_ms;
}

static int64_t pause_of_leftover(void *context, const struct leftover *leftover)
{
    return pause_of_user(context, leftover->trace.uid);
}

static void drop_leftover(struct leftover *leftover)
{
    LIST_REMOVE(leftover, link);
    leftover_free(leftover);
}

static void on_leftover_gone(void *context, struct leftover *leftover)
{
    const struct leftover_list *list = context;

    registry_remove(list->directory, geteuid(), leftover->record.pid);
    drop_leftover(leftover);
}

static void track_leftover(struct leftover_list *list, const struct session_record *record,
                           const struct login_trace *trace)
{
    struct leftover *leftover = leftover_new(list->loop, list->by_index, record, trace);

    if (leftover == NULL) {
        log_line(
            LOG_ERR,
            "out of memory; what a login left behind is not watched; see tmout-recovery(7) user=%s",
            record->user);
        return;
    }
    leftover->gone = on_leftover_gone;
    leftover->pause_ms = pause_of_leftover;
    leftover->context = list;
    LIST_INSERT_HEAD(&list->head, leftover, link);
}

void leftover_list_open(struct leftover_list *list, struct loop *loop, struct map *by_index,
                        const char *sessions_dir)
{
    struct session_record record;
    pid_t *pids = NULL;
    ssize_t count;

    *list = (struct leftover_list){.loop = loop, .by_index = by_index};
    LIST_INIT(&list->head);
    snprintf(list->directory, sizeof list->directory, "%s/leftovers", sessions_dir);
    count = registry_list(list->directory, geteuid(), &pids);
    for (ssize_t i = 0; i < count; i++) {
        if (registry_get(list->directory, geteuid(), pids[i], &record) != REGISTRY_OK)
            continue;
        const struct login_trace trace = {.audit_session = record.audit_session, .uid = record.uid};
        track_leftover(list, &record, &trace);
    }
    free(pids);
}

void leftover_list_close(struct leftover_list *list)
{
    struct leftover *leftover, *next;

    for (leftover = LIST_FIRST(&list->head); leftover != NULL; leftover = next) {
        next = LIST_NEXT(leftover, link);
        drop_leftover(leftover);
    }
}

void leftover_list_add(struct leftover_list *list, const struct session_record *record,
                       const struct login_trace *trace)
{
    struct session_record ended = *record;
    struct failure failure = {""};

    if (record->limits.leftovers == LEFTOVERS_KEEP || !trace_is_usable(trace))
        return;
    ended.uid = trace->uid;
    ended.audit_session = trace->audit_session;
    if (registry_put(list->directory, geteuid(), &ended, &failure) != 0)
        log_line(LOG_WARNING,
                 "cannot register what a login left behind: %s; a restart of tmoutd forgets it; "
                 "see tmout-recovery(7) user=%s",
                 failure.text, ended.user);
    track_leftover(list, &ended, trace);
}

void leftover_list_look(struct leftover_list *list, uid_t uid)
{
    const int64_t pause_ms = pause_of_user(list, uid);
    struct leftover *leftover;

    for (leftover = LIST_FIRST(&list->head); leftover != NULL; leftover = LIST_NEXT(leftover, link))
        if (leftover->trace.uid == uid)
            leftover_look(leftover, pause_ms);
}
