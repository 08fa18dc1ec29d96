#include "tools/fleetd/journal.h"

#include "lib/host/clock.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

/* CALLS_MAX: how many are told at a time. All at once, the last answer would come too late, and end
 * the connection; then they would all be told again. */
enum { JOURNAL_TICK_SLACK_USEC = 100 * 1000, CALLS_MAX = 128 };

struct journal_entry {
    struct journal *journal;
    struct fleet_request request;
    bool unlocks; /* no attempt, but an administrator has unlocked the user */
    bool in_flight;
    bool given_up;           /* it has no lease, and the store gives it none */
    bool told;               /* the store knows how it ended */
    bool made_good;          /* it counts for nobody: see make_good() */
    bool busy;               /* a command about it has not been answered */
    bool gone;               /* to be freed by on_tick(), when it is not busy */
    bool due;                /* in the list of those that are told next */
    bool is_call;            /* one of journal->calls */
    bool again;              /* to be told when what it is busy with has been answered */
    int64_t since_ms, at_ms; /* CLOCK_MONOTONIC: its admission and its end */
    /* Where the store has answered that the user is locked: watched, and when it was asked last; if
     * others had told all that they know, also locked, and since when. request.limits.lock_ms is
     * then how long that lock lasts. */
    bool watched, locked;
    int64_t told_ms, locked_ms;
    TAILQ_ENTRY(journal_entry) link, due_link;
};

struct journal {
    const struct fleet_conf *conf;
    const char *host;
    struct store *store;
    void (*settled)(void *context);
    void *context;
    sd_event_source *timer;
    TAILQ_HEAD(journal_entries, journal_entry) entries; /* the oldest first */
    TAILQ_HEAD(journal_due, journal_entry) due;         /* the next first */
    size_t count, calls;   /* calls: of those that were due, without an answer */
    bool telling, merging; /* in tell_due(); on behalf of journal_tell_all() */
    int64_t merge_ms;      /* when that began last */
};

size_t journal_size(const struct journal *journal)
{
    return journal->count;
}

/* An answer, or that there is none, may come while somebody goes through the entries: so they stay
 * in the list. */
static void drop(struct journal_entry *entry)
{
    if (!entry->gone)
        entry->journal->count--;
    entry->gone = true;
}

static struct script_target target_of(const struct journal_entry *entry)
{
    return (struct script_target){.prefix = entry->journal->conf->prefix,
                                  .host = entry->journal->host,
                                  .lease_ms = entry->journal->conf->lease_ms,
                                  .request = &entry->request};
}

/* --- settlement ----------------------------------------------------------------------- */

/* A withdrawal stays: a store that has lost it takes the attempt for one in flight. */
static bool can_be_forgotten(const struct journal_entry *entry)
{
    return !entry->in_flight && entry->request.outcome != ATTEMPT_WITHDRAWN;
}

static bool same_count(const struct fleet_request *one, const struct fleet_request *other)
{
    return strcmp(one->user, other->user) == 0 &&
           (!one->limits.by_source ||
            memcmp(&one->origin, &other->origin, sizeof one->origin) == 0);
}

/* A replica that lags behind may have its lease, and no more: then that must not become a failure.
 * So it is told for as long as a lease that nobody renews. */
static void make_good(struct journal_entry *entry)
{
    entry->made_good = true;
    entry->watched = entry->locked = false;
}

/* What the user has failed from there before, but for what has locked them. */
static void forget_failures(const struct journal_entry *end)
{
    struct journal_entry *entry;

    TAILQ_FOREACH(entry, &end->journal->entries, link)
    if (entry != end && !entry->unlocks && can_be_forgotten(entry) && entry->told &&
        !entry->watched && entry->at_ms <= end->at_ms && same_count(&end->request, &entry->request))
        make_good(entry);
}

/* What has failed before a lock that is over is forgotten with it, or an administrator has unlocked
 * the user; but where the store still counts it, somebody else's failure was taken back. */
static void note_end_of_lock(struct journal_entry *entry, const struct script_answer *answer)
{
    const bool was_locked = entry->locked;

    entry->watched = entry->locked = false;
    if (!was_locked || answer->status != SCRIPT_UNKNOWN)
        return;
    forget_failures(entry);
    make_good(entry);
}

/* Other hosts may still have to tell of a success or an unlocking: then there is no lock. It is
 * asked about once more, and not told until then. */
static bool may_be_no_lock(const struct journal *journal, int64_t now_ms)
{
    return journal->merge_ms != 0 && now_ms - journal->merge_ms < journal->conf->hold_ms;
}

/* What the store says may be wrong, but none of it is to be an argument that a store rejects. */
static void note_lock(struct journal_entry *entry, const struct script_answer *answer)
{
    const int64_t age_ms =
        answer->since_ms < answer->now_ms ? answer->now_ms - answer->since_ms : 0;
    int64_t *lock_ms = &entry->request.limits.lock_ms;

    entry->watched = true;
    entry->told_ms = clock_ms(CLOCK_MONOTONIC);
    if (!entry->locked && may_be_no_lock(entry->journal, entry->told_ms))
        return;
    entry->locked = true;
    entry->locked_ms = entry->told_ms - age_ms;
    if (answer->lock_left_ms == SETTING_FOREVER)
        *lock_ms = SETTING_FOREVER;
    else if (answer->lock_left_ms < SCRIPT_NOW_MS - age_ms)
        *lock_ms = age_ms + answer->lock_left_ms;
    else
        *lock_ms = SCRIPT_NOW_MS;
}

/* answer: to how the attempt has ended; NULL if there is none. */
static void note_answer(struct journal_entry *entry, const struct script_answer *answer)
{
    if (answer == NULL)
        return;
    entry->told = true;
    if (entry->in_flight || entry->made_good || entry->request.outcome != ATTEMPT_FAILED)
        return;
    if (answer->since_ms != 0 && answer->lock_left_ms != 0)
        note_lock(entry, answer);
    else if (entry->watched)
        note_end_of_lock(entry, answer);
}

static void after_answer(struct journal_entry *entry);
static void tell_too(struct journal_entry *entry);

static void on_settled(void *context, const struct script_answer *answer)
{
    struct journal_entry *entry = context;
    struct journal *journal = entry->journal;

    note_answer(entry, answer);
    after_answer(entry);
    if (answer != NULL && store_state(journal->store) == STORE_UP)
        journal->settled(journal->context);
}

/* at_ms: of the store's clock. */
static void tell_end(struct journal_entry *entry, int64_t at_ms, store_callback *callback)
{
    struct store *store = entry->journal->store;
    const struct script_target target = target_of(entry);
    struct script_end end = {.since_ms = store_time_ms(store, entry->since_ms), .at_ms = at_ms};
    struct script_call call;

    if (entry->locked)
        end.locked_ms = store_time_ms(store, entry->locked_ms);
    script_call_settle(&call, &target, &end);
    entry->busy = true;
    store_call(store, &call, callback, entry);
}

static void tell_past_end(struct journal_entry *entry, store_callback *callback)
{
    tell_end(entry, store_time_ms(entry->journal->store, entry->at_ms), callback);
}

static struct journal_entry *find_entry(struct journal *journal,
                                        const struct fleet_request *request)
{
    struct journal_entry *entry;

    TAILQ_FOREACH(entry, &journal->entries, link)
    if (!entry->gone && !entry->unlocks &&
        memcmp(entry->request.id, request->id, sizeof request->id) == 0)
        return entry;
    return NULL;
}

static struct journal_entry *oldest_ended(struct journal *journal)
{
    struct journal_entry *entry;

    TAILQ_FOREACH(entry, &journal->entries, link)
    if (!entry->in_flight && !entry->busy && !entry->gone)
        return entry;
    return NULL;
}

/* NULL: out of memory, or so many attempts are in flight. */
static struct journal_entry *add_entry(struct journal *journal, const struct fleet_request *request)
{
    struct journal_entry *oldest = journal->count >= JOURNAL_MAX ? oldest_ended(journal) : NULL;

    if (oldest != NULL)
        drop(oldest);
    struct journal_entry *entry = journal->count < JOURNAL_MAX ? calloc(1, sizeof *entry) : NULL;
    if (entry == NULL)
        return NULL;
    entry->journal = journal;
    entry->request = *request;
    entry->since_ms = entry->at_ms = clock_ms(CLOCK_MONOTONIC);
    TAILQ_INSERT_TAIL(&journal->entries, entry, link);
    journal->count++;
    return entry;
}

void journal_admitted(struct journal *journal, const struct fleet_request *request)
{
    struct journal_entry *entry = add_entry(journal, request);

    if (entry != NULL)
        entry->in_flight = true; /* else nobody renews its lease, and it has failed */
}

/* The first end that is known counts, but for a withdrawal: the host may have admitted the attempt
 * alone after that. Returns NULL if this is no news, or for want of memory. */
static struct journal_entry *entry_to_settle(struct journal *journal,
                                             const struct fleet_request *request)
{
    struct journal_entry *entry = find_entry(journal, request);

    if (entry == NULL)
        return add_entry(journal, request);
    if (entry->in_flight)
        return entry;
    if (entry->request.outcome != ATTEMPT_WITHDRAWN || request->outcome == ATTEMPT_WITHDRAWN)
        return NULL;
    entry->told = false;
    if (!entry->busy)
        return entry;
    drop(entry); /* with the answer that it waits for */
    return add_entry(journal, request);
}

/* Settlements may come late, from before this process was stopped. */
static int64_t end_of(const struct fleet_request *settlement)
{
    const int64_t now_ms = clock_ms(CLOCK_MONOTONIC), age_ms = now_ms - settlement->ended_ms;

    return settlement->ended_ms > 0 && age_ms >= 0 && age_ms < ATTEMPT_AGE_MAX_MS
               ? settlement->ended_ms
               : now_ms;
}

void journal_settle(struct journal *journal, const struct fleet_request *request)
{
    struct journal_entry *entry = entry_to_settle(journal, request);

    if (entry == NULL)
        return;
    entry->request.outcome = request->outcome;
    entry->in_flight = false;
    entry->at_ms = end_of(request);
    if (request->outcome == ATTEMPT_SUCCEEDED)
        forget_failures(entry);
    /* While the store is away, this is told when it is reached; else, if something has been told of
     * it, after the answer. */
    if (entry->busy)
        return;
    if (store_state(journal->store) == STORE_UP)
        tell_end(entry, store_time_by_ms(journal->store, entry->at_ms), on_settled);
    else if (store_state(journal->store) == STORE_MERGING)
        tell_too(entry);
}

void journal_unlocked(struct journal *journal, const struct fleet_request *request, int64_t at_ms)
{
    struct journal_entry *entry;

    TAILQ_FOREACH(entry, &journal->entries, link)
    if (can_be_forgotten(entry) && entry->told && entry->at_ms <= at_ms &&
        strcmp(entry->request.user, request->user) == 0)
        make_good(entry);
    entry = add_entry(journal, request);
    if (entry == NULL)
        return; /* only a store that loses everything would have to hear of it */
    entry->unlocks = entry->told = true;
    entry->at_ms = at_ms;
}

/* --- telling everything --------------------------------------------------------------------- */

static void on_lease_told(void *context, const struct script_answer *answer)
{
    struct journal_entry *entry = context;

    if (answer != NULL)
        entry->given_up = answer->status == SCRIPT_GIVEN_UP;
    if (answer != NULL && !entry->in_flight && !entry->gone)
        tell_past_end(entry, on_settled); /* it has ended meanwhile */
    else
        after_answer(entry);
}

static void on_unlocking_told(void *context, const redisReply *reply)
{
    (void)reply; /* if there is none, it is told to the next store */
    after_answer(context);
}

static void tell_unlocking(struct journal_entry *entry)
{
    struct store *store = entry->journal->store;
    const struct script_target target = target_of(entry);
    struct script_call call;

    /* What had failed by then has been told as not later than it was. */
    script_call_forget(&call, &target, store_time_by_ms(store, entry->at_ms));
    entry->busy = true;
    store_ask(store, &call, on_unlocking_told, entry);
}

static void tell_again(struct journal_entry *entry)
{
    struct store *store = entry->journal->store;
    const struct script_target target = target_of(entry);
    struct script_call call;

    if (entry->unlocks) {
        tell_unlocking(entry);
        return;
    }
    if (!entry->in_flight) {
        tell_past_end(entry, on_settled);
        return;
    }
    script_call_merge(&call, &target, store_time_ms(store, entry->since_ms));
    entry->busy = true;
    store_call(store, &call, on_lease_told, entry);
}

static void begin_call(struct journal_entry *entry)
{
    entry->is_call = true;
    entry->journal->calls++;
}

static void end_call(struct journal_entry *entry)
{
    if (entry->is_call)
        entry->journal->calls--;
    entry->is_call = entry->again = false;
}

/* Nobody is told while the store is away: when it is reached, everybody is. */
static struct journal_entry *next_due(struct journal *journal)
{
    struct journal_entry *entry;

    while ((entry = TAILQ_FIRST(&journal->due)) != NULL &&
           (journal->calls < CALLS_MAX || store_state(journal->store) < STORE_MERGING)) {
        TAILQ_REMOVE(&journal->due, entry, due_link);
        entry->due = false;
        if (!entry->gone && store_state(journal->store) >= STORE_MERGING)
            return entry;
    }
    return NULL;
}

static void tell_due(struct journal *journal)
{
    struct journal_entry *entry;

    if (journal->telling)
        return; /* an answer has come at once: that there is none */
    journal->telling = true;
    while ((entry = next_due(journal)) != NULL) {
        begin_call(entry);
        if (entry->busy)
            entry->again = true;
        else
            tell_again(entry);
    }
    journal->telling = false;
    if (journal->merging && journal->calls == 0) {
        journal->merging = false;
        store_merged(journal->store);
    }
}

static void after_answer(struct journal_entry *entry)
{
    const bool again =
        entry->again && !entry->gone && store_state(entry->journal->store) >= STORE_MERGING;

    entry->busy = entry->again = false;
    if (again) {
        tell_again(entry);
        return;
    }
    end_call(entry);
    tell_due(entry->journal);
}

static void be_told(struct journal_entry *entry)
{
    if (entry->gone || entry->due || entry->again)
        return;
    if (entry->is_call) {
        entry->again = true;
        return;
    }
    entry->due = true;
    TAILQ_INSERT_TAIL(&entry->journal->due, entry, due_link);
}

static void tell_too(struct journal_entry *entry)
{
    be_told(entry);
    tell_due(entry->journal);
}

void journal_tell_all(struct journal *journal)
{
    struct journal_entry *entry;

    journal->merging = true;
    journal->merge_ms = clock_ms(CLOCK_MONOTONIC);
    for (entry = TAILQ_FIRST(&journal->entries); entry != NULL; entry = TAILQ_NEXT(entry, link))
        be_told(entry);
    tell_due(journal);
}

/* --- as time goes by ----------------------------------------------------------------------------
 */

static void on_renewed(void *context, const struct script_answer *answer)
{
    struct journal_entry *entry = context;
    const bool is_lost = entry->in_flight && answer != NULL && answer->status == SCRIPT_UNKNOWN;
    const bool all_are_told = entry->journal->merging;
    const bool has_ended = !entry->in_flight && !entry->told;

    if (has_ended || (is_lost && all_are_told))
        be_told(entry);
    after_answer(entry);
    if (is_lost && !all_are_told)
        journal_tell_all(entry->journal);
}

/* An unlocking, as long as others may tell of failures and locks from before. */
static int64_t counts_for_ms(const struct journal_entry *entry)
{
    const struct attempt_limits *limits = &entry->request.limits;

    if (entry->made_good)
        return 2 * (int64_t)entry->journal->conf->lease_ms;
    return entry->unlocks && limits->lock_ms > limits->window_ms ? limits->lock_ms
                                                                 : limits->window_ms;
}

static bool has_expired(const struct journal_entry *entry, int64_t now_ms)
{
    if (entry->in_flight)
        return now_ms - entry->since_ms >= ATTEMPT_AGE_MAX_MS;
    return entry->told && !entry->watched && now_ms - entry->at_ms >= counts_for_ms(entry);
}

static bool is_to_be_told(const struct journal_entry *entry, int64_t now_ms)
{
    const struct fleet_conf *conf = entry->journal->conf;
    const int64_t pause_ms =
        entry->locked ? (int64_t)JOURNAL_LOCKED_LEASES * conf->lease_ms : conf->hold_ms;

    if (entry->in_flight)
        return false;
    return !entry->told || (entry->watched && now_ms - entry->told_ms >= pause_ms);
}

static void look_after(struct journal_entry *entry, int64_t now_ms)
{
    struct store *store = entry->journal->store;
    const struct script_target target = target_of(entry);
    struct script_call call;

    if (entry->busy || entry->gone)
        return;
    if (has_expired(entry, now_ms)) {
        drop(entry);
    } else if (entry->in_flight && !entry->given_up && store_state(store) == STORE_UP) {
        script_call_renew(&call, &target);
        entry->busy = true;
        store_call(store, &call, on_renewed, entry);
    } else if (is_to_be_told(entry, now_ms) && store_state(store) == STORE_UP) {
        be_told(entry);
    }
}

static int on_tick(sd_event_source *source, uint64_t usec, void *context)
{
    struct journal *journal = context;
    struct journal_entry *entry, *next;
    const int64_t now_ms = clock_ms(CLOCK_MONOTONIC);

    (void)usec;
    for (entry = TAILQ_FIRST(&journal->entries); entry != NULL; entry = next) {
        look_after(entry, now_ms);
        next = TAILQ_NEXT(entry, link);
        if (!entry->gone || entry->busy)
            continue;
        if (entry->due)
            TAILQ_REMOVE(&journal->due, entry, due_link);
        TAILQ_REMOVE(&journal->entries, entry, link);
        free(entry);
    }
    tell_due(journal);
    sd_event_source_set_time(source, (uint64_t)(now_ms + JOURNAL_RENEW_MS) * 1000);
    sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
    return 0;
}

struct journal *journal_new(sd_event *event, const struct fleet_conf *conf, const char *host,
                            void (*settled)(void *context), void *context)
{
    struct journal *journal = calloc(1, sizeof *journal);

    if (journal == NULL)
        return NULL;
    *journal = (struct journal){.conf = conf, .host = host, .settled = settled, .context = context};
    TAILQ_INIT(&journal->entries);
    TAILQ_INIT(&journal->due);
    if (sd_event_add_time(event, &journal->timer, CLOCK_MONOTONIC, 0, JOURNAL_TICK_SLACK_USEC,
                          on_tick, journal) < 0) {
        free(journal);
        return NULL;
    }
    return journal;
}

void journal_attach(struct journal *journal, struct store *store)
{
    journal->store = store;
}

/* After the store: no answer comes any more. */
void journal_free(struct journal *journal)
{
    struct journal_entry *entry;

    if (journal == NULL)
        return;
    while ((entry = TAILQ_FIRST(&journal->entries)) != NULL) {
        TAILQ_REMOVE(&journal->entries, entry, link);
        free(entry);
    }
    sd_event_source_disable_unref(journal->timer);
    free(journal);
}
