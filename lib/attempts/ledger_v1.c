#include "lib/attempts/ledger_v1.h"

#include "lib/host/checksum.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define V1_MAGIC "tmoutat1"

enum {
    V1_RECORD_NETWORK = 2,
    V1_RECORD_SOURCES = 3,
    V1_WITHOUT_SOURCES = V1_RECORD_SOURCES,
    V1_WITH_SOURCES = V1_RECORD_SOURCES + SOURCES
};

struct v1_count {
    uint64_t failed, in_flight;
    int64_t locked_ms;
    int64_t at_ms[ATTEMPTS_MAX];
    uint32_t generation[ATTEMPTS_MAX];
    uint32_t last_generation;
    uint32_t unused;
    struct timestamp written;
};

struct v1_bank {
    uint64_t checksum; /* of everything below */
    uint32_t sequence;
    uint32_t record_count; /* in RECORD_HEADER only */
    struct origin origin;
    uint32_t unused;
    struct v1_count count;
};

struct v1_record {
    uint64_t current; /* commit_word() of the sequence in force */
    uint32_t settled, unused;
    struct v1_bank bank[2];
};

_Static_assert(sizeof(struct v1_record) == 1760, "as version 1 wrote it");

static int64_t v1_offset(uint32_t number)
{
    return (int64_t)number * (int64_t)sizeof(struct v1_record);
}

int64_t v1_file_size(uint32_t record_count)
{
    return v1_offset(record_count == RECORDS_WITH_SOURCES ? V1_WITH_SOURCES : V1_WITHOUT_SOURCES);
}

static enum ledger_status load(int fd, uid_t uid, uint32_t number, struct v1_bank *bank,
                               struct failure *failure)
{
    const uint32_t place[2] = {(uint32_t)uid, number};
    struct v1_record record;
    uint64_t sum = checksum(CHECKSUM_START, V1_MAGIC, sizeof V1_MAGIC - 1);
    const ssize_t n = pread(fd, &record, sizeof record, (off_t)v1_offset(number));

    if (n < 0) {
        failure_set(failure, "cannot be read: %s", failure_reason(errno));
        return LEDGER_FAILED;
    }
    failure_set(failure, "is damaged (record %u)", (unsigned)number);
    if (n != (ssize_t)sizeof record)
        return LEDGER_DAMAGED;
    *bank = record.bank[record.current & 1];
    sum = checksum(sum, place, sizeof place);
    sum = checksum_words(sum, &bank->sequence, sizeof *bank - offsetof(struct v1_bank, sequence));
    return commit_word(bank->sequence) == record.current && bank->checksum == sum ? LEDGER_OK
                                                                                  : LEDGER_DAMAGED;
}

uint32_t v1_record_count(int fd, uid_t uid)
{
    struct failure failure = {""};
    struct v1_bank header;

    if (load(fd, uid, RECORD_HEADER, &header, &failure) != LEDGER_OK)
        return 0;
    if (header.record_count == V1_WITHOUT_SOURCES)
        return RECORDS_WITHOUT_SOURCES;
    return header.record_count == V1_WITH_SOURCES ? RECORDS_WITH_SOURCES : 0;
}

bool v1_is_fresh_seal(int fd, uid_t uid)
{
    struct failure failure = {""};
    struct v1_bank bank;

    if (v1_record_count(fd, uid) != RECORDS_WITHOUT_SOURCES ||
        load(fd, uid, RECORD_HEADER, &bank, &failure) != LEDGER_OK ||
        bank.count.locked_ms == NOT_LOCKED)
        return false;
    for (uint32_t i = RECORD_HEADER; i <= V1_RECORD_NETWORK; i++)
        if (load(fd, uid, i, &bank, &failure) != LEDGER_OK || bank.sequence != 0)
            return false;
    return true;
}

static void convert_count(const struct v1_count *from, struct attempt_count *to)
{
    to->failed = from->failed;
    to->in_flight = from->in_flight;
    to->locked_ms = from->locked_ms;
    memcpy(to->at_ms, from->at_ms, sizeof to->at_ms);
    memcpy(to->generation, from->generation, sizeof to->generation);
    to->last_generation = from->last_generation;
    to->written = from->written;
    count_carry(to);
}

/* Converts one record; *bank is what became of it. */
static enum ledger_status convert(int fd, uid_t uid, uint32_t from, unsigned char *image,
                                  struct file_bank *bank, struct failure *failure)
{
    const uint32_t to = from < V1_RECORD_SOURCES ? from : from - V1_RECORD_SOURCES + RECORD_SOURCES;
    struct v1_bank old;
    const enum ledger_status status = load(fd, uid, from, &old, failure);

    if (status != LEDGER_OK)
        return status;
    *bank = (struct file_bank){.origin = old.origin};
    convert_count(&old.count, &bank->count);
    image_put_record(image, uid, to, bank);
    return LEDGER_OK;
}

static enum ledger_status convert_sources(int fd, uid_t uid, const struct timestamp *now,
                                          unsigned char *image, struct failure *failure)
{
    struct index_bank index = {.swept = *now};

    for (uint32_t i = 0; i < SOURCES; i++) {
        struct file_bank bank;
        const enum ledger_status status =
            convert(fd, uid, V1_RECORD_SOURCES + i, image, &bank, failure);
        if (status != LEDGER_OK)
            return status;
        if (bank.origin.kind != ORIGIN_NONE)
            index.source[i] = (struct source_entry){.origin = bank.origin, .weight = 1};
    }
    image_put_index(image, uid, &index);
    return LEDGER_OK;
}

enum ledger_status v1_read(int fd, uid_t uid, const struct timestamp *now, unsigned char *image,
                           uint32_t record_count, struct failure *failure)
{
    const uint32_t old_count = v1_record_count(fd, uid);
    struct file_bank bank;

    image_start(image, uid, record_count, now, false);
    for (uint32_t i = 0; i <= V1_RECORD_NETWORK; i++) {
        const enum ledger_status status = convert(fd, uid, i, image, &bank, failure);
        if (status != LEDGER_OK)
            return status;
    }
    if (old_count == RECORDS_WITH_SOURCES)
        return convert_sources(fd, uid, now, image, failure);
    return LEDGER_OK;
}
