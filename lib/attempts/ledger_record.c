#include "lib/attempts/ledger_record.h"

#include "lib/host/checksum.h"

#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* A reader without a lock may see a bank while it is being written, which takes
 * a microsecond, or as long as the writer does not get the processor. */
enum { READ_TRIES = 20 };

/* In place of a record's number in the checksum. */
enum { INDEX_NUMBER = UINT32_MAX };

/* --- banks ------------------------------------------------------------------------ */

/* Of what lies between a bank's checksum and its trail. */
static uint64_t content_checksum(uid_t uid, uint32_t number, const void *content, size_t size)
{
    const uint32_t place[2] = {(uint32_t)uid, number};
    uint64_t sum = checksum(CHECKSUM_START, LEDGER_MAGIC, sizeof LEDGER_MAGIC - 1);

    sum = checksum(sum, place, sizeof place);
    return checksum_words(sum, content, size);
}

static uint64_t bank_checksum(uid_t uid, uint32_t number, const struct file_bank *bank)
{
    enum { SIZE = offsetof(struct file_bank, trail) - offsetof(struct file_bank, origin) };

    _Static_assert(SIZE % sizeof(uint64_t) == 0, "checksum_words() takes whole words");
    return content_checksum(uid, number, &bank->origin, SIZE);
}

static uint64_t index_checksum(uid_t uid, const struct index_bank *index)
{
    enum { SIZE = offsetof(struct index_bank, trail) - offsetof(struct index_bank, last_success) };

    _Static_assert(SIZE % sizeof(uint64_t) == 0, "checksum_words() takes whole words");
    return content_checksum(uid, INDEX_NUMBER, &index->last_success, SIZE);
}

static void bank_seal(struct file_bank *bank, uint32_t sequence, uid_t uid, uint32_t number)
{
    bank->lead = bank->trail = commit_word(sequence);
    bank->checksum = bank_checksum(uid, number, bank);
}

static void index_seal(struct index_bank *index, uint32_t sequence, uid_t uid)
{
    index->lead = index->trail = commit_word(sequence);
    index->checksum = index_checksum(uid, index);
}

static bool is_word_of(uint64_t word, unsigned which)
{
    return word == commit_word((uint32_t)word) && (word & 1) == which;
}

/*
 * Which of two banks is in force, or -1 if they are damaged. A write that was cut
 * short leaves words of two sequences at the bank's ends. Only the bank in force
 * has to have the right checksum, which is for the caller to check: falling back
 * to the other one would undo a change.
 */
static int choose_bank(const uint64_t lead[2], const uint64_t trail[2])
{
    for (unsigned i = 0; i < 2; i++)
        if (!is_word_of(lead[i], i) || !is_word_of(trail[i], i))
            return -1;
    if (lead[0] != trail[0] && lead[1] != trail[1])
        return -1;
    if (lead[0] != trail[0])
        return 1;
    if (lead[1] != trail[1])
        return 0;
    return (int32_t)((uint32_t)lead[1] - (uint32_t)lead[0]) > 0;
}

/* --- a file's content, in memory -------------------------------------------------- */

void image_put_record(unsigned char *image, uid_t uid, uint32_t number, struct file_bank *bank)
{
    for (unsigned i = 0; i < 2; i++) {
        bank_seal(bank, i, uid, number);
        memcpy(image + ledger_record_offset(number) + i * BANK_SIZE, bank, sizeof *bank);
    }
}

void image_put_index(unsigned char *image, uid_t uid, struct index_bank *index)
{
    for (unsigned i = 0; i < 2; i++) {
        index_seal(index, i, uid);
        memcpy(image + INDEX_OFFSET + i * INDEX_BANK_SIZE, index, sizeof *index);
    }
}

/* Whose attempts a record counts; ORIGIN_NONE for a source's. */
static enum origin_kind record_kind(uint32_t number)
{
    switch (number) {
    case RECORD_LOCAL:
        return ORIGIN_LOCAL;
    case RECORD_NETWORK:
        return ORIGIN_NETWORK;
    case RECORD_OTHER_IPV4:
        return ORIGIN_OTHER_IPV4;
    case RECORD_OTHER_IPV6:
        return ORIGIN_OTHER_IPV6;
    default:
        return ORIGIN_NONE;
    }
}

void image_start(unsigned char *image, uid_t uid, uint32_t record_count,
                 const struct timestamp *now, bool sealed)
{
    const struct ledger_head head = {.magic = LEDGER_HEAD_MAGIC,
                                     .version = LEDGER_VERSION,
                                     .version_inverted = ~(uint32_t)LEDGER_VERSION,
                                     .record_count = record_count,
                                     .record_count_inverted = ~record_count};
    struct index_bank index = {.swept = *now};

    memset(image, 0, (size_t)ledger_file_size(record_count));
    memcpy(image, &head, sizeof head);
    for (uint32_t i = 0; i < record_count; i++) {
        struct file_bank bank = {.origin.kind = record_kind(i)};
        count_start(&bank.count, now);
        if (i == RECORD_HEADER && sealed)
            bank.count.locked_ms = now->boot_ms;
        image_put_record(image, uid, i, &bank);
    }
    if (record_count > RECORDS_WITHOUT_SOURCES)
        image_put_index(image, uid, &index);
}

uint32_t head_record_count(const struct ledger_head *head, uint32_t *version)
{
    *version = 0;
    if (memcmp(head->magic, LEDGER_HEAD_MAGIC, sizeof head->magic) != 0 ||
        head->version != ~head->version_inverted)
        return 0;
    *version = head->version;
    if (head->version != LEDGER_VERSION || head->record_count != ~head->record_count_inverted)
        return 0;
    return head->record_count == RECORDS_WITHOUT_SOURCES ||
                   head->record_count == RECORDS_WITH_SOURCES
               ? head->record_count
               : 0;
}

/* --- reading and writing ------------------------------------------------------------ */

static enum ledger_status read_at(const struct ledger *ledger, int64_t offset, void *data,
                                  size_t size, struct failure *failure)
{
    ssize_t n;

    if (ledger->image != NULL) {
        memcpy(data, ledger->image + offset, size);
        return LEDGER_OK;
    }
    do
        n = pread(ledger->fd, data, size, (off_t)offset);
    while (n < 0 && errno == EINTR);
    if (n == (ssize_t)size)
        return LEDGER_OK;
    if (n < 0) {
        failure_set(failure, "cannot be read: %s", failure_reason(errno));
        return LEDGER_FAILED;
    }
    failure_set(failure, "is damaged: it is too short");
    return LEDGER_DAMAGED;
}

static enum ledger_status write_at(const struct ledger *ledger, int64_t offset, const void *data,
                                   size_t size, struct failure *failure)
{
    ssize_t n;

    do
        n = pwrite(ledger->fd, data, size, (off_t)offset);
    while (n < 0 && errno == EINTR);
    if (n == (ssize_t)size)
        return LEDGER_OK;
    failure_set(failure, "cannot be written: %s", failure_reason(n < 0 ? errno : ENOSPC));
    return LEDGER_FAILED;
}

static void let_writer_run(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 1}, NULL);
}

enum ledger_status records_read(const struct ledger *ledger, uint32_t number, uint32_t count,
                                struct file_record *record, struct failure *failure)
{
    return read_at(ledger, ledger_record_offset(number), record, count * sizeof *record, failure);
}

const struct file_bank *record_in_force(const struct ledger *ledger, uint32_t number,
                                        const struct file_record *record)
{
    const uint64_t lead[2] = {record->bank[0].lead, record->bank[1].lead};
    const uint64_t trail[2] = {record->bank[0].trail, record->bank[1].trail};
    const int which = choose_bank(lead, trail);

    if (which < 0)
        return NULL;
    const struct file_bank *bank = &record->bank[which];
    return bank->checksum == bank_checksum(ledger->uid, number, bank) ? bank : NULL;
}

enum ledger_status record_load(const struct ledger *ledger, uint32_t number, struct file_bank *bank,
                               struct failure *failure)
{
    const struct file_bank *in_force = NULL;
    struct file_record record;

    for (unsigned i = 0; i < READ_TRIES; i++) {
        const enum ledger_status status = records_read(ledger, number, 1, &record, failure);
        if (status != LEDGER_OK)
            return status;
        in_force = record_in_force(ledger, number, &record);
        if (in_force != NULL) {
            *bank = *in_force;
            return LEDGER_OK;
        }
        let_writer_run();
    }
    failure_set(failure, "is damaged (record %u)", (unsigned)number);
    return LEDGER_DAMAGED;
}

enum ledger_status record_store(const struct ledger *ledger, uint32_t number,
                                struct file_bank *bank, struct failure *failure)
{
    const uint32_t sequence = bank_sequence(bank) + 1;

    bank_seal(bank, sequence, ledger->uid, number);
    return write_at(ledger, ledger_record_offset(number) + (sequence & 1) * BANK_SIZE, bank,
                    sizeof *bank, failure);
}

static int index_in_force(const struct ledger *ledger, const struct index_bank bank[2])
{
    const uint64_t lead[2] = {bank[0].lead, bank[1].lead};
    const uint64_t trail[2] = {bank[0].trail, bank[1].trail};
    const int which = choose_bank(lead, trail);

    if (which < 0 || bank[which].checksum != index_checksum(ledger->uid, &bank[which]))
        return -1;
    return which;
}

enum ledger_status index_load(const struct ledger *ledger, struct index_bank *index,
                              struct failure *failure)
{
    struct index_bank bank[2] = {0};

    for (unsigned i = 0; i < READ_TRIES; i++) {
        for (unsigned b = 0; b < 2; b++) {
            const enum ledger_status status = read_at(ledger, INDEX_OFFSET + b * INDEX_BANK_SIZE,
                                                      &bank[b], sizeof bank[b], failure);
            if (status != LEDGER_OK)
                return status;
        }
        const int which = index_in_force(ledger, bank);
        if (which >= 0) {
            *index = bank[which];
            return LEDGER_OK;
        }
        let_writer_run();
    }
    failure_set(failure, "is damaged (index of sources)");
    return LEDGER_DAMAGED;
}

enum ledger_status index_store(const struct ledger *ledger, struct index_bank *index,
                               struct failure *failure)
{
    const uint32_t sequence = (uint32_t)index->lead + 1;

    index_seal(index, sequence, ledger->uid);
    return write_at(ledger, INDEX_OFFSET + (sequence & 1) * INDEX_BANK_SIZE, index, sizeof *index,
                    failure);
}
