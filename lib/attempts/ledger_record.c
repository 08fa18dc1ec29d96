#include "lib/attempts/ledger_record.h"

#include "lib/host/checksum.h"

#include <string.h>

_Static_assert(__atomic_always_lock_free(sizeof(uint64_t), 0),
               "a lock of the C library's would not work between processes");

size_t ledger_file_size(uint32_t record_count)
{
    return record_count * sizeof(struct file_record);
}

static uint64_t bank_checksum(uid_t uid, uint32_t number, const struct file_bank *bank)
{
    const uint32_t place[2] = {(uint32_t)uid, number};
    const size_t skipped = offsetof(struct file_bank, sequence);
    uint64_t sum = checksum(CHECKSUM_START, LEDGER_MAGIC, sizeof LEDGER_MAGIC - 1);

    _Static_assert(sizeof *bank % sizeof(uint64_t) == 0, "checksum_words() takes whole words");
    sum = checksum(sum, place, sizeof place);
    return checksum_words(sum, &bank->sequence, sizeof *bank - skipped);
}

void record_start(struct file_record *record, uid_t uid, uint32_t number, uint32_t record_count,
                  const struct timestamp *now, bool sealed)
{
    struct file_bank *bank = &record->bank[0];

    memset(record, 0, sizeof *record);
    record->current = commit_word(0);
    count_start(&bank->count, now);
    if (number == RECORD_HEADER) {
        bank->record_count = record_count;
        if (sealed)
            bank->count.locked_ms = now->boot_ms;
    } else if (number == RECORD_LOCAL) {
        bank->origin.kind = ORIGIN_LOCAL;
    } else if (number == RECORD_NETWORK) {
        bank->origin.kind = ORIGIN_NETWORK;
    }
    bank->checksum = bank_checksum(uid, number, bank);
}

int record_load(const struct ledger *ledger, uint32_t number, struct file_bank *bank)
{
    const struct file_record *record = &ledger->record[number];
    uint64_t current = __atomic_load_n(&record->current, __ATOMIC_ACQUIRE), again;

    for (;;) {
        *bank = record->bank[current & 1];
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
        again = __atomic_load_n(&record->current, __ATOMIC_ACQUIRE);
        if (again == current)
            break;
        current = again; /* changed while we copied, perhaps twice */
    }
    return commit_word(bank->sequence) == current &&
                   bank->checksum == bank_checksum(ledger->uid, number, bank)
               ? 0
               : -1;
}

void record_store(struct ledger *ledger, uint32_t number, struct file_bank *bank)
{
    struct file_record *record = &ledger->record[number];

    bank->sequence = (uint32_t)record->current + 1;
    bank->checksum = bank_checksum(ledger->uid, number, bank);
    record->bank[bank->sequence & 1] = *bank;
    __atomic_store_n(&record->current, commit_word(bank->sequence), __ATOMIC_RELEASE);
    /* The next change writes into the bank that has just been given up: it
     * must not become visible before the store above. */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}
