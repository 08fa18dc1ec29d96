#include "lib/attempts/ledger_sources.h"

#include "lib/attempts/ledger_file.h"
#include "lib/attempts/ledger_lock.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* Adds the records of sources, under their lock. They are complete on disk before
 * the header says that they are there. */
static int add_sources(struct ledger *ledger, struct file_bank *header, const struct timestamp *now)
{
    struct file_record record;

    for (uint32_t i = RECORDS_WITHOUT_SOURCES; i < RECORDS_WITH_SOURCES; i++) {
        record_start(&record, ledger->uid, i, 0, now, false);
        if (pwrite(ledger->fd, &record, sizeof record, (off_t)ledger_file_size(i)) !=
            (ssize_t)sizeof record)
            return -1;
    }
    if (fdatasync(ledger->fd) != 0 || ledger_map_more(ledger, RECORDS_WITH_SOURCES) != 0)
        return -1;
    header->record_count = RECORDS_WITH_SOURCES;
    record_store(ledger, RECORD_HEADER, header);
    return 0;
}

int ledger_follow_size(struct ledger *ledger, const struct file_bank *header)
{
    if (header->record_count <= ledger->record_count)
        return 0;
    if (header->record_count != RECORDS_WITH_SOURCES) {
        errno = EINVAL; /* records beyond the end of the file would raise SIGBUS */
        return -1;
    }
    return ledger_map_more(ledger, header->record_count);
}

/* Could another source take it over, because nothing in it counts any more? */
static bool is_reusable(const struct ledger *ledger, uint32_t number, struct attempt_count *count,
                        const struct attempt_limits *limits, const struct timestamp *now)
{
    struct count_changes changes = {0};

    count_bring_up_to_date(count, ledger_live_attempts(ledger, number, count), limits, now,
                           &changes);
    return count->failed == 0 && count->in_flight == 0 && count->locked_ms == NOT_LOCKED;
}

/*
 * A source's record: its own, else a reusable one (*is_its_own is false then),
 * else the one that all the others share.
 */
static int search_source(const struct ledger *ledger, const struct origin *origin,
                         const struct attempt_limits *limits, const struct timestamp *now,
                         uint32_t *number, bool *is_its_own)
{
    struct file_bank bank;
    uint32_t reusable = RECORD_NETWORK;

    *is_its_own = true;
    for (uint32_t i = RECORD_SOURCES; i < ledger->record_count; i++) {
        if (record_load(ledger, i, &bank) != 0)
            return -1;
        if (memcmp(&bank.origin, origin, sizeof *origin) == 0) {
            *number = i;
            return 0;
        }
        if (reusable == RECORD_NETWORK && is_reusable(ledger, i, &bank.count, limits, now))
            reusable = i;
    }
    *number = reusable;
    *is_its_own = reusable == RECORD_NETWORK;
    return 0;
}

static int take_over(struct ledger *ledger, uint32_t number, const struct origin *origin)
{
    struct file_bank bank;

    if (record_load(ledger, number, &bank) != 0)
        return -1;
    bank.origin = *origin;
    count_reset(&bank.count);
    bank.count.in_flight = 0;
    record_store(ledger, number, &bank);
    return 0;
}

static bool has_own_count(const struct origin *origin, const struct attempt_limits *limits)
{
    return limits->by_source && origin->kind != ORIGIN_LOCAL && origin->kind != ORIGIN_NETWORK;
}

int ledger_find_record(struct ledger *ledger, const struct origin *origin,
                       const struct attempt_limits *limits, const struct timestamp *now,
                       struct file_bank *header, uint32_t *number)
{
    bool is_its_own;

    *number = ledger_shared_record(origin);
    if (!has_own_count(origin, limits))
        return 0;
    /* On a full disk all sources share one count: that is no less strict. */
    if (ledger->record_count < RECORDS_WITH_SOURCES && add_sources(ledger, header, now) != 0)
        return 0;
    if (search_source(ledger, origin, limits, now, number, &is_its_own) != 0)
        return -1;
    return is_its_own ? 0 : take_over(ledger, *number, origin);
}

int ledger_look_up_record(const struct ledger *ledger, const struct origin *origin,
                          const struct attempt_limits *limits, const struct timestamp *now,
                          uint32_t *number)
{
    bool is_its_own = true;

    *number = ledger_shared_record(origin);
    if (has_own_count(origin, limits) &&
        search_source(ledger, origin, limits, now, number, &is_its_own) != 0)
        return -1;
    if (!is_its_own)
        *number = RECORD_HEADER;
    return 0;
}
