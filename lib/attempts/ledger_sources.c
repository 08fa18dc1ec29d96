#include "lib/attempts/ledger_sources.h"

#include "lib/attempts/ledger_lock.h"

#include <string.h>

enum { NO_SOURCE = SOURCES };

bool sources_count(const struct origin *origin, const struct attempt_limits *limits)
{
    return limits->by_source && (origin->kind == ORIGIN_IPV4 || origin->kind == ORIGIN_IPV6);
}

uint64_t sources_entries(const struct file_bank *bank, const struct origin *origin)
{
    const uint16_t tag = origin_tag(origin);
    uint64_t entries = 0;

    for (unsigned i = 0; i < ATTEMPTS_MAX; i++)
        if (bank->tag[i] == tag)
            entries |= UINT64_C(1) << i;
    return entries;
}

/* Adds to a count the failures that are this origin's, out of a bank that several
 * origins share. */
static void take_failures(struct attempt_count *count, const struct file_bank *shared,
                          const struct origin *origin)
{
    struct attempt_count own = shared->count;

    own.failed &= sources_entries(shared, origin);
    own.locked_ms = NOT_LOCKED;
    count_merge(count, &own);
}

/* --- the index ---------------------------------------------------------------------- */

static bool is_used(const struct source_entry *entry)
{
    return entry->origin.kind != ORIGIN_NONE;
}

/* One that has not logged in, and whose addresses belong to the same family. */
static bool is_stranger(const struct source_entry *entry, const struct origin *origin)
{
    return is_used(entry) && entry->success == 0 &&
           origin_is_ipv6(&entry->origin) == origin_is_ipv6(origin);
}

/* The source with the smallest network that the origin is in, or NO_SOURCE. */
static unsigned find_source(const struct index_bank *index, const struct origin *origin)
{
    unsigned found = NO_SOURCE;

    for (unsigned i = 0; i < SOURCES; i++) {
        const struct source_entry *entry = &index->source[i];
        if (is_used(entry) && origin_covers(&entry->origin, origin) &&
            (found == NO_SOURCE || origin_covers(&index->source[found].origin, &entry->origin)))
            found = i;
    }
    return found;
}

static unsigned find_free(const struct index_bank *index)
{
    for (unsigned i = 0; i < SOURCES; i++)
        if (!is_used(&index->source[i]))
            return i;
    return NO_SOURCE;
}

static unsigned count_strangers(const struct index_bank *index, const struct origin *origin)
{
    unsigned count = 0;

    for (unsigned i = 0; i < SOURCES; i++)
        count += is_stranger(&index->source[i], origin);
    return count;
}

/* How many sources of this IPv6 network are strangers. */
static unsigned weight_in(const struct index_bank *index, const struct origin *network)
{
    unsigned weight = 0;

    for (unsigned i = 0; i < SOURCES; i++) {
        const struct source_entry *entry = &index->source[i];
        if (is_stranger(entry, network) && origin_covers(network, &entry->origin))
            weight += entry->weight;
    }
    return weight;
}

/* The network that an IPv6 source without a record is counted as: its own, or a
 * larger one that has too many sources, or the smallest one that has any where
 * there are too many in all. */
static struct origin choose_network(const struct index_bank *index, const struct origin *origin)
{
    static const unsigned max[] = {NETWORK_56_MAX, NETWORK_48_MAX, NETWORK_32_MAX};
    const bool full = count_strangers(index, origin) >= SOURCES_IPV6_MAX;
    struct origin chosen = *origin;

    for (unsigned i = 0; i < sizeof max / sizeof max[0]; i++) {
        const struct origin network = origin_network(origin, ORIGIN_IPV6_56 + i);
        const unsigned weight = weight_in(index, &network);
        if (weight + 1 >= max[i] || (full && chosen.kind == ORIGIN_IPV6 && weight > 0))
            chosen = network;
    }
    return chosen;
}

/* --- records of sources ------------------------------------------------------------- */

static bool is_empty(const struct attempt_count *count)
{
    return count->failed == 0 && count->in_flight == 0 && count->locked_ms == NOT_LOCKED;
}

static void empty(struct file_bank *bank)
{
    count_reset(&bank->count);
    bank->count.in_flight = 0;
    bank->count.carried = 0;
    memset(bank->tag, 0, sizeof bank->tag);
}

static enum ledger_status load_current(const struct ledger *ledger, uint32_t number,
                                       const struct attempt_limits *limits,
                                       const struct timestamp *now, struct file_bank *bank,
                                       struct failure *failure)
{
    struct count_changes changes = {0};
    const enum ledger_status status = record_load(ledger, number, bank, failure);

    if (status == LEDGER_OK)
        count_bring_up_to_date(&bank->count, ledger_live_attempts(ledger, number, &bank->count),
                               limits, now, &changes);
    return status;
}

/* The record of a source. A process that was killed while it assigned the record
 * may have left another source's content there, which does not count; only that
 * of a network that the source is in does. */
static enum ledger_status load_source(const struct ledger *ledger, const struct index_bank *index,
                                      unsigned source, struct file_bank *bank,
                                      struct failure *failure)
{
    const enum ledger_status status = record_load(ledger, RECORD_SOURCES + source, bank, failure);

    if (status == LEDGER_OK && !origin_covers(&bank->origin, &index->source[source].origin)) {
        empty(bank);
        bank->origin = index->source[source].origin;
    }
    return status;
}

/* Whether nothing is counted any more in the record of a source. */
static enum ledger_status find_whether_empty(const struct ledger *ledger, unsigned source,
                                             const struct attempt_limits *limits,
                                             const struct timestamp *now, bool *has_nothing,
                                             struct failure *failure)
{
    struct file_bank bank;
    const enum ledger_status status =
        load_current(ledger, RECORD_SOURCES + source, limits, now, &bank, failure);

    *has_nothing = status == LEDGER_OK && is_empty(&bank.count);
    return status;
}

/* Frees the records of strangers whose counts have expired, now and then. */
static enum ledger_status sweep(const struct ledger *ledger, const struct attempt_limits *limits,
                                const struct timestamp *now, struct index_bank *index, bool *swept,
                                struct failure *failure)
{
    bool has_nothing;

    if (memcmp(index->swept.boot_id, now->boot_id, sizeof now->boot_id) == 0 &&
        clock_elapsed_ms(index->swept.boot_ms, now->boot_ms) < SWEEP_INTERVAL_MS)
        return LEDGER_OK;
    index->swept = *now;
    *swept = true;
    for (unsigned i = 0; i < SOURCES; i++) {
        if (!is_used(&index->source[i]) || index->source[i].success != 0)
            continue;
        const enum ledger_status status =
            find_whether_empty(ledger, i, limits, now, &has_nothing, failure);
        if (status != LEDGER_OK)
            return status;
        if (has_nothing)
            index->source[i] = (struct source_entry){0};
    }
    return LEDGER_OK;
}

/* What was counted for an origin, while it had no record, in a shared one. */
static enum ledger_status take_from_shared(const struct ledger *ledger, const struct origin *origin,
                                           const struct attempt_limits *limits,
                                           const struct timestamp *now, struct file_bank *bank,
                                           struct failure *failure)
{
    const uint32_t shared[] = {origin_is_ipv6(origin) ? RECORD_OTHER_IPV6 : RECORD_OTHER_IPV4,
                               RECORD_NETWORK};

    for (unsigned i = 0; i < 2; i++) {
        struct file_bank other;
        const enum ledger_status status =
            load_current(ledger, shared[i], limits, now, &other, failure);
        if (status != LEDGER_OK)
            return status;
        take_failures(&bank->count, &other, origin);
    }
    return LEDGER_OK;
}

/* Gives a source's record to the origin of *found: empty, with a new origin. */
static enum ledger_status assign(const struct ledger *ledger, unsigned source,
                                 const struct source_entry *entry, const struct timestamp *now,
                                 struct source_record *found, struct failure *failure)
{
    const enum ledger_status status =
        record_load(ledger, RECORD_SOURCES + source, &found->bank, failure);

    if (status != LEDGER_OK)
        return status;
    empty(&found->bank);
    found->bank.count.written = *now;
    found->bank.origin = entry->origin;
    found->number = RECORD_SOURCES + source;
    found->index.source[source] = *entry;
    found->assigned = true;
    return LEDGER_OK;
}

/* Moves the strangers of a network, but for those with attempts in flight, into one
 * record, which is a free one, or one of theirs. */
static enum ledger_status merge(const struct ledger *ledger, const struct origin *network,
                                const struct attempt_limits *limits, const struct timestamp *now,
                                struct source_record *found, struct failure *failure)
{
    struct source_entry merged = {.origin = *network, .weight = 1};
    struct attempt_count sum;
    unsigned target = find_free(&found->index);
    struct file_bank bank;
    enum ledger_status status;

    count_start(&sum, now);
    for (unsigned i = 0; i < SOURCES; i++) {
        struct source_entry *entry = &found->index.source[i];
        if (!is_stranger(entry, network) || !origin_covers(network, &entry->origin))
            continue;
        status = load_current(ledger, RECORD_SOURCES + i, limits, now, &bank, failure);
        if (status != LEDGER_OK)
            return status;
        if (bank.count.in_flight != 0)
            continue;
        count_merge(&sum, &bank.count);
        merged.weight += entry->weight;
        *entry = (struct source_entry){0};
        found->emptied[i / 64] |= UINT64_C(1) << i % 64;
        target = target == NO_SOURCE ? i : target;
    }
    if (target == NO_SOURCE || count_strangers(&found->index, network) >= SOURCES_IPV6_MAX)
        return LEDGER_ABSENT;
    found->emptied[target / 64] &= ~(UINT64_C(1) << target % 64);
    status = assign(ledger, target, &merged, now, found, failure);
    if (status == LEDGER_OK)
        count_merge(&found->bank.count, &sum);
    return status;
}

/* For an origin without a record. LEDGER_ABSENT: there is none for it. */
static enum ledger_status assign_new(const struct ledger *ledger, const struct origin *origin,
                                     const struct attempt_limits *limits,
                                     const struct timestamp *now, struct source_record *found,
                                     struct failure *failure)
{
    const struct source_entry entry = {.origin = *origin, .weight = 1};

    if (origin_is_ipv6(origin)) {
        const struct origin network = choose_network(&found->index, origin);
        if (network.kind != ORIGIN_IPV6)
            return merge(ledger, &network, limits, now, found, failure);
    }
    const unsigned source = find_free(&found->index);
    if (source == NO_SOURCE || count_strangers(&found->index, origin) >=
                                   (origin_is_ipv6(origin) ? SOURCES_IPV6_MAX : SOURCES_IPV4_MAX))
        return LEDGER_ABSENT;
    return assign(ledger, source, &entry, now, found, failure);
}

enum ledger_status sources_find(const struct ledger *ledger, const struct origin *origin,
                                const struct attempt_limits *limits, const struct timestamp *now,
                                struct source_record *found, struct failure *failure)
{
    struct index_bank before;
    bool swept = false;
    enum ledger_status status = index_load(ledger, &found->index, failure);

    found->assigned = false;
    found->emptied[0] = found->emptied[1] = 0;
    if (status != LEDGER_OK)
        return status;
    const unsigned source = find_source(&found->index, origin);
    if (source != NO_SOURCE) {
        found->number = RECORD_SOURCES + source;
        return load_source(ledger, &found->index, source, &found->bank, failure);
    }
    status = sweep(ledger, limits, now, &found->index, &swept, failure);
    if (status != LEDGER_OK)
        return status;
    before = found->index;
    status = assign_new(ledger, origin, limits, now, found, failure);
    if (status == LEDGER_OK)
        return take_from_shared(ledger, origin, limits, now, &found->bank, failure);
    if (status != LEDGER_ABSENT)
        return status;
    found->index = before;
    found->assigned = swept;
    found->emptied[0] = found->emptied[1] = 0;
    found->number = origin_is_ipv6(origin) ? RECORD_OTHER_IPV6 : RECORD_OTHER_IPV4;
    return record_load(ledger, found->number, &found->bank, failure);
}

/* The index comes last: without it, the records say nothing. */
enum ledger_status sources_store(const struct ledger *ledger, struct source_record *found,
                                 struct failure *failure)
{
    enum ledger_status status = record_store(ledger, found->number, &found->bank, failure);

    if (status == LEDGER_OK && found->assigned)
        status = index_store(ledger, &found->index, failure);
    for (unsigned i = 0; i < SOURCES && status == LEDGER_OK; i++) {
        struct file_bank bank;
        if ((found->emptied[i / 64] >> i % 64 & 1) == 0)
            continue;
        status = record_load(ledger, RECORD_SOURCES + i, &bank, failure);
        if (status != LEDGER_OK)
            return status;
        empty(&bank);
        status = record_store(ledger, RECORD_SOURCES + i, &bank, failure);
    }
    return status;
}

/* --- sources that have logged in ----------------------------------------------------- */

/* Makes room for one more of them: where there are as many as there may be, the one
 * whose login was the longest ago and that has nothing in its count gives up its
 * record. Returns LEDGER_ABSENT if there is none. */
static enum ledger_status make_room(const struct ledger *ledger,
                                    const struct attempt_limits *limits,
                                    const struct timestamp *now, struct index_bank *index,
                                    struct failure *failure)
{
    unsigned succeeded = 0, oldest = NO_SOURCE;
    bool has_nothing;

    for (unsigned i = 0; i < SOURCES; i++)
        succeeded += index->source[i].success != 0;
    if (succeeded < SOURCES_SUCCEEDED_MAX)
        return LEDGER_OK;
    for (unsigned i = 0; i < SOURCES; i++) {
        const uint32_t success = index->source[i].success;
        if (success == 0 || (oldest != NO_SOURCE && success > index->source[oldest].success))
            continue;
        const enum ledger_status status =
            find_whether_empty(ledger, i, limits, now, &has_nothing, failure);
        if (status != LEDGER_OK)
            return status;
        if (has_nothing)
            oldest = i;
    }
    if (oldest == NO_SOURCE)
        return LEDGER_ABSENT;
    index->source[oldest] = (struct source_entry){0};
    return LEDGER_OK;
}

enum ledger_status sources_succeeded(const struct ledger *ledger, const struct origin *origin,
                                     const struct attempt_limits *limits,
                                     const struct timestamp *now, struct failure *failure)
{
    struct source_record new = {0};
    struct index_bank *index = &new.index;
    struct source_entry entry = {.origin = *origin, .weight = 1};
    enum ledger_status status = index_load(ledger, index, failure);

    if (status != LEDGER_OK)
        return status;
    const unsigned own = find_source(index, origin);
    const bool has_own =
        own != NO_SOURCE && memcmp(&index->source[own].origin, origin, sizeof *origin) == 0;
    if (has_own && index->source[own].success == index->last_success && index->last_success != 0)
        return LEDGER_OK;
    entry.success = ++index->last_success;
    if (!has_own || index->source[own].success == 0)
        status = make_room(ledger, limits, now, index, failure);
    if (status != LEDGER_OK)
        return status == LEDGER_ABSENT ? LEDGER_OK : status;
    if (has_own) {
        index->source[own].success = entry.success;
        return index_store(ledger, index, failure);
    }
    const unsigned place = find_free(index);
    if (place == NO_SOURCE)
        return LEDGER_OK;
    status = assign(ledger, place, &entry, now, &new, failure);
    return status == LEDGER_OK ? sources_store(ledger, &new, failure) : status;
}
