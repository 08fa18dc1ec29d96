/*
 * Fuzzes a login's record in the registry. The input is the file; after a
 * leading letter c, its length, magic and checksum are corrected, so that the
 * checks after them are reached. Anything but a record must be reported as
 * damaged, and in whatever is accepted as one, every text must be terminated.
 */
#include "tests/fuzz/directory.h"
#include "tests/fuzz/fuzz.h"

#include "lib/host/checksum.h"
#include "lib/sessions/registry.h"

/* As registry.c writes it. */
struct file_session {
    char magic[8];
    uint64_t checksum;
    struct session_record record;
};

enum { PID = 4711 };

static char path[128];

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    fuzz_directory_make();
    snprintf(path, sizeof path, "%s/%d", fuzz_directory, PID);
    return 0;
}

static void put(const uint8_t *data, size_t size)
{
    struct file_session file;

    if (size == 0 || data[0] != 'c') {
        fuzz_write(path, data, size);
        return;
    }
    memset(&file, 0, sizeof file);
    memcpy(&file.record, data + 1, size - 1 < sizeof file.record ? size - 1 : sizeof file.record);
    memcpy(file.magic, "tmoutse1", sizeof file.magic);
    file.checksum = CHECKSUM_OF(CHECKSUM_START, file);
    fuzz_write(path, &file, sizeof file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct session_record record, own;
    pid_t *pids = NULL;

    put(data, size);
    const enum registry_status status = registry_get(fuzz_directory, geteuid(), PID, &record);
    MUST(status == REGISTRY_OK || status == REGISTRY_DAMAGED);
    if (status == REGISTRY_OK) {
        MUST(record.pid == PID);
        MUST(strnlen(record.user, sizeof record.user) < sizeof record.user);
        MUST(strnlen(record.service, sizeof record.service) < sizeof record.service);
        MUST(strnlen(record.address, sizeof record.address) < sizeof record.address);
        MUST(strnlen(record.terminal, sizeof record.terminal) < sizeof record.terminal);
        session_is_live(&record);
    }
    MUST(registry_list(fuzz_directory, &pids) == 1 && pids[0] == PID);
    free(pids);
    const int found = registry_find_own(fuzz_directory, geteuid(), &own);
    MUST(found >= -1 && found <= 1);
    return 0;
}
