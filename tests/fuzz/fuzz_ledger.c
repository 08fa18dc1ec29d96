/*
 * Fuzzes a user's ledger. The input's first letter says how the rest becomes
 * the file:
 *
 *   p  patches (record, bank, offset in the count, length, bytes) to a valid one,
 *      with checksums corrected so that the checks after them are reached
 *   d  damages (offset, byte) to a valid one whose user is locked
 *   else: the bytes themselves
 *
 * Whatever the file contains, a login gets a result, a damaged ledger is
 * replaced by a sealed one, and unlocking leaves a valid one. After d the user
 * must not get more attempts than before: the lock is still there, or the file
 * is detected as damaged.
 */
#include "tests/fuzz/directory.h"
#include "tests/fuzz/fuzz.h"

#include "lib/attempts/ledger.h"
#include "lib/attempts/ledger_unlock.h"
#include "lib/host/checksum.h"

enum { USER = 4711, MINUTE_MS = 60 * 1000, IMAGE_MAX = 320 * 1024 };

static const struct timestamp now = {.boot_id = {1}, .boot_ms = 100 * MINUTE_MS, .wall_ms = 1};
static const struct attempt_limits by_user = {
    .max_attempts = 3, .window_ms = 15 * MINUTE_MS, .lock_ms = 10 * MINUTE_MS};
static const struct attempt_limits by_source = {
    .max_attempts = 64, .window_ms = MINUTE_MS, .lock_ms = SETTING_FOREVER, .by_source = true};
static const struct origin network = {.kind = ORIGIN_NETWORK};

static char path[128];
static unsigned char valid[IMAGE_MAX], image[IMAGE_MAX];
static size_t valid_size;

static enum admission attempt(const struct origin *origin, const struct attempt_limits *limits,
                              bool success, bool *was_damaged)
{
    struct attempt_report report = {0};
    struct failure failure = {""};
    struct ledger ledger;
    enum ledger_status status;

    *was_damaged = false;
    for (int tries = 0;; tries++) {
        MUST(tries < 4);
        status = ledger_open(fuzz_directory, USER, geteuid(), &now, &ledger, &failure);
        MUST(status == LEDGER_OK || status == LEDGER_DAMAGED);
        *was_damaged = *was_damaged || status == LEDGER_DAMAGED;
        status = ledger_admit(&ledger, origin, limits, &now, &report, &failure);
        *was_damaged = *was_damaged || status == LEDGER_DAMAGED;
        if (status == LEDGER_OK)
            break;
        MUST(status == LEDGER_DAMAGED);
        ledger_close(&ledger);
    }
    MUST(report.failures <= ATTEMPTS_MAX && report.in_flight <= ATTEMPTS_MAX);
    MUST(report.lock_left_ms >= 0);
    const enum admission admission = report.admission;
    if (admission == ADMITTED) {
        MUST(ledger_settle(&ledger, success ? ATTEMPT_SUCCEEDED : ATTEMPT_FAILED, limits, &now,
                           &report, &failure) == LEDGER_OK);
        MUST(report.admission == ADMITTED);
    }
    ledger_close(&ledger);
    return admission;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    const struct origin source = origin_of_address("192.0.2.1");
    bool was_damaged;

    (void)argc;
    (void)argv;
    fuzz_directory_make();
    snprintf(path, sizeof path, "%s/" LEDGER_DIRECTORY "/%d", fuzz_directory, USER);
    MUST(attempt(&source, &by_source, false, &was_damaged) == ADMITTED);
    for (int i = 0; i < 3; i++)
        MUST(attempt(&network, &by_user, false, &was_damaged) == ADMITTED);
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    const ssize_t size = read(fd, valid, sizeof valid);
    MUST(size == (ssize_t)ledger_file_size(RECORDS_WITH_SOURCES));
    valid_size = (size_t)size;
    close(fd);
    return 0;
}

/* --- input ------------------------------------------------------------------- */

struct input {
    const uint8_t *data;
    size_t size;
};

static uint32_t take(struct input *input, size_t bytes)
{
    uint32_t value = 0;

    for (; bytes > 0 && input->size > 0; bytes--, input->size--)
        value = value << 8 | *input->data++;
    return value;
}

/* Record RECORDS_WITH_SOURCES is the index here. */
static unsigned char *bank_of(uint32_t number, unsigned which, size_t *size)
{
    if (number == RECORDS_WITH_SOURCES) {
        *size = sizeof(struct index_bank);
        return image + INDEX_OFFSET + which * INDEX_BANK_SIZE;
    }
    *size = sizeof(struct file_bank);
    return image + ledger_record_offset(number) + which * BANK_SIZE;
}

/* Both kinds of banks have a lead and a checksum before their content, and a trail
 * behind it. */
enum { CONTENT = 2 * sizeof(uint64_t) };

static void fix_bank(uint32_t number, unsigned which)
{
    const uint32_t place[2] = {USER, number == RECORDS_WITH_SOURCES ? UINT32_MAX : number};
    size_t size;
    unsigned char *bank = bank_of(number, which, &size);
    uint64_t sum = checksum(CHECKSUM_START, LEDGER_MAGIC, sizeof LEDGER_MAGIC - 1);

    sum = checksum(sum, place, sizeof place);
    sum = checksum_words(sum, bank + CONTENT, size - CONTENT - sizeof(uint64_t));
    memcpy(bank + sizeof(uint64_t), &sum, sizeof sum);
}

static void patch(struct input *input)
{
    const uint32_t number = take(input, 1) % (RECORDS_WITH_SOURCES + 1);
    const unsigned which = take(input, 1) & 1;
    size_t size;
    unsigned char *bank = bank_of(number, which, &size);
    const size_t end = size - sizeof(uint64_t);
    size_t at = CONTENT + take(input, 2) % (end - CONTENT);

    for (size_t length = take(input, 1) % 17; length > 0; length--)
        if (at < end)
            bank[at++] = (unsigned char)take(input, 1);
    fix_bank(number, which);
}

/* Is it a ledger of a later version? That is neither good nor damaged. */
static bool is_newer(const void *data, size_t size)
{
    struct ledger_head head;
    uint32_t version = 0;

    if (size >= sizeof head) {
        memcpy(&head, data, sizeof head);
        head_record_count(&head, &version);
    }
    return version > LEDGER_VERSION;
}

static void put_file(const void *data, size_t size)
{
    char aside[160];

    snprintf(aside, sizeof aside, "%s.damaged", path);
    unlink(aside);
    unlink(path);
    fuzz_write(path, data, size);
}

/* --- queries ----------------------------------------------------- */

/* Returns false if it is damaged. */
static bool look(struct attempt_state *state)
{
    struct failure failure = {""};
    struct ledger view;
    const enum ledger_status status =
        ledger_open_view(fuzz_directory, USER, geteuid(), &view, &failure);

    MUST(status == LEDGER_OK || status == LEDGER_DAMAGED);
    if (status != LEDGER_OK)
        return false;
    for (uint32_t i = 1; i < view.record_count; i++) {
        struct attempt_state one;
        const int used = ledger_look(&view, i, &by_source, &now, &one);
        MUST(used == 0 || used == 1);
        MUST(one.failures <= ATTEMPTS_MAX && one.in_flight <= ATTEMPTS_MAX);
        MUST(one.lock_left_ms >= 0);
    }
    MUST(ledger_look_at(&view, &network, &by_user, &now, state) == 0);
    ledger_close(&view);
    return true;
}

static void unlock(void)
{
    const struct ledger_unlocking unlocking = {.state_dir = fuzz_directory,
                                               .uid = USER,
                                               .owner = geteuid(),
                                               .now = now,
                                               .until_ms = UNLOCK_ALL};
    struct ledger_unlocked unlocked;
    struct failure failure = {""};
    struct attempt_state state;

    MUST(ledger_unlock(&unlocking, &unlocked, &failure) == LEDGER_OK);
    MUST(look(&state));
    MUST(state.failures == 0 && state.lock_left_ms == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data, size};
    const char way = (char)take(&input, 1);
    struct attempt_state state;
    bool was_damaged;

    memcpy(image, valid, valid_size);
    if (way == 'p')
        while (input.size > 0)
            patch(&input);
    else if (way == 'd')
        while (input.size > 0) {
            const size_t at = take(&input, 3) % valid_size;
            image[at] = (unsigned char)take(&input, 1);
        }
    const bool patched = way == 'p' || way == 'd';
    if (is_newer(patched ? image : data, patched ? valid_size : size))
        return 0;
    if (patched)
        put_file(image, valid_size);
    else
        put_file(data, size);

    /* Damage to a source's record affects only that source and those who look. */
    if (look(&state) && way == 'd')
        MUST(state.lock_left_ms > 0);
    const enum admission admission = attempt(&network, &by_user, true, &was_damaged);
    if (was_damaged || way == 'd')
        MUST(admission == REJECTED_LOCKED);
    const struct origin source = origin_of_address("2001:db8::1");
    attempt(&source, &by_source, false, &was_damaged);
    unlock();
    return 0;
}
