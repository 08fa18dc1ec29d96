#include "tools/tmoutd/record_store.h"

#include "lib/host/array.h"
#include "lib/sessions/registry_spare.h"
#include "tools/tmoutd/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

/* How soon after there is room again it is used. */
enum { ROOM_MS = 15 * 1000 };

struct record_store {
    struct loop *loop;
    const char *sessions_dir;
    struct alarm alarm;
    struct session_record *unsaved;
    size_t unsaved_count;
    bool has_spares;     /* all of them */
    bool has_no_room;    /* for spares: logged once */
    bool cannot_be_kept; /* a record: logged once */
};

static void record_store_try_again(void *context, int64_t late_ms);

struct record_store *record_store_new(struct loop *loop, const char *sessions_dir)
{
    struct record_store *store = calloc(1, sizeof *store);

    if (store == NULL)
        return NULL;
    store->loop = loop;
    store->sessions_dir = sessions_dir;
    if (alarm_init(&store->alarm, loop, record_store_try_again, store)) {
        record_store_refill(store);
        return store;
    }
    record_store_free(store);
    return NULL;
}

void record_store_free(struct record_store *store)
{
    if (store == NULL)
        return;
    alarm_free(&store->alarm);
    free(store->unsaved);
    free(store);
}

const char *record_store_directory(const struct record_store *store)
{
    return store->sessions_dir;
}

/* --- spares ---------------------------------------------------------------- */

static void try_again_later(struct record_store *store)
{
    if (store->unsaved_count > 0 || !store->has_spares)
        alarm_set(&store->alarm, store->loop->now.boot_ms + ROOM_MS);
}

void record_store_refill(struct record_store *store)
{
    struct failure failure = {""};

    /* A registry that cannot be made is reported where it is watched. */
    store->has_spares = registry_make(store->sessions_dir) == 0 &&
                        spares_fill(store->sessions_dir, geteuid(), &failure) == 0;
    if (log_begins(&store->has_no_room, !store->has_spares && failure.text[0] != '\0'))
        log_line(LOG_WARNING,
                 "%s; logins that begin now may have to be kept in memory; see tmout-recovery(7)",
                 failure.text);
    try_again_later(store);
}

/* --- records --------------------------------------------------------------- */

static struct session_record *find_unsaved(const struct record_store *store, pid_t pid)
{
    for (size_t i = 0; i < store->unsaved_count; i++)
        if (store->unsaved[i].pid == pid)
            return &store->unsaved[i];
    return NULL;
}

bool record_store_keeps(const struct record_store *store, pid_t pid)
{
    return find_unsaved(store, pid) != NULL;
}

static void forget_unsaved(struct record_store *store, struct session_record *record)
{
    if (record != NULL)
        *record = store->unsaved[--store->unsaved_count];
}

static void keep_in_memory(struct record_store *store, const struct session_record *record)
{
    struct session_record *unsaved = find_unsaved(store, record->pid);

    if (unsaved == NULL) {
        struct session_record *grown =
            array_grow(store->unsaved, store->unsaved_count, sizeof *grown);
        if (grown == NULL) {
            if (log_begins(&store->cannot_be_kept, true))
                log_line(LOG_ERR,
                         "out of memory; a login is not watched after a restart; see "
                         "tmout-recovery(7) user=%s",
                         record->user);
            return;
        }
        store->unsaved = grown;
        unsaved = &grown[store->unsaved_count++];
    }
    *unsaved = *record;
    try_again_later(store);
}

static void report_unsaved(const struct record_store *store, const struct session_record *record,
                           const struct failure *failure)
{
    log_line(LOG_WARNING,
             "%s/%d: %s; the login is watched, and its record is kept in memory until there is "
             "room; see tmout-recovery(7) user=%s",
             store->sessions_dir, (int)record->pid, failure->text, record->user);
}

/* The module has written a record after all, and knows more about the login. An event will
 * tell. */
static bool is_better(const struct session_record *there, const struct session_record *record)
{
    return there->start_ticks == record->start_ticks && there->source == LOGIN_FROM_PAM &&
           record->source != LOGIN_FROM_PAM;
}

void record_store_save(struct record_store *store, const struct session_record *record)
{
    struct session_record *unsaved = find_unsaved(store, record->pid), there;
    struct failure failure = {""};
    const enum registry_status status =
        registry_get(store->sessions_dir, geteuid(), record->pid, &there);

    if (status == REGISTRY_NEWER)
        return;
    if (status == REGISTRY_OK && is_better(&there, record)) {
        forget_unsaved(store, unsaved);
        return;
    }
    if (registry_put(store->sessions_dir, geteuid(), record, &failure) == 0) {
        forget_unsaved(store, unsaved);
        return;
    }
    if (unsaved == NULL)
        report_unsaved(store, record, &failure);
    keep_in_memory(store, record);
}

/* The record of this very login, not of an earlier process with its pid. */
static bool is_registered(const struct record_store *store, const struct session_record *record,
                          struct session_record *there)
{
    return registry_get(store->sessions_dir, geteuid(), record->pid, there) == REGISTRY_OK &&
           there->start_ticks == record->start_ticks;
}

bool record_store_add(struct record_store *store, struct session_record *record)
{
    struct failure failure = {""};
    struct session_record there;

    if (registry_add(store->sessions_dir, geteuid(), record, &failure) == 0)
        return true;
    if (errno != EEXIST) {
        report_unsaved(store, record, &failure);
        keep_in_memory(store, record);
        return true;
    }
    if (!is_registered(store, record, &there)) {
        record_store_save(store, record);
        return true;
    }
    *record = there;
    return false;
}

void record_store_remove(struct record_store *store, pid_t pid)
{
    forget_unsaved(store, find_unsaved(store, pid));
    registry_remove(store->sessions_dir, geteuid(), pid);
}

static void record_store_try_again(void *context, int64_t late_ms)
{
    struct record_store *store = context;

    (void)late_ms;
    for (size_t i = store->unsaved_count; i-- > 0;) {
        struct session_record record = store->unsaved[i];
        record_store_save(store, &record);
    }
    if (!store->has_spares)
        record_store_refill(store);
    try_again_later(store);
}
