/*
 * Fuzzes a login's record in the registry. The input is the file; after a
 * leading letter c, or 1 for the first version, its length, magic and checksum
 * are corrected, so that the checks after them are reached. Anything but a record
 * must be reported as damaged or as a newer version's, and in whatever is accepted
 * as one, every text must be terminated.
 */
#include "tests/fuzz/directory.h"
#include "tests/fuzz/fuzz.h"

#include "lib/host/checksum.h"
#include "lib/sessions/registry_format.h"

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

/* A record with this content behind its checksum. */
#define PUT_CORRECTED(type, magic_text, sum_of, data, size, set_version)                           \
    do {                                                                                           \
        type file;                                                                                 \
        const size_t offset = offsetof(type, session);                                             \
        memset(&file, 0, sizeof file);                                                             \
        memcpy((char *)&file + offset, (data),                                                     \
               (size) < sizeof file - offset ? (size) : sizeof file - offset);                     \
        memcpy(file.magic, magic_text, sizeof file.magic);                                         \
        set_version;                                                                               \
        file.checksum = sum_of(CHECKSUM_START, file);                                              \
        fuzz_write(path, &file, sizeof file);                                                      \
    } while (0)

static void put(const uint8_t *data, size_t size)
{
    if (size > 0 && data[0] == 'c')
        PUT_CORRECTED(struct stored_record, RECORD_MAGIC, CHECKSUM_WORDS_OF, data + 1, size - 1,
                      (file.version = RECORD_VERSION, file.size = sizeof file));
    else if (size > 0 && data[0] == '1')
        PUT_CORRECTED(struct stored_record_1, RECORD_MAGIC_1, CHECKSUM_OF, data + 1, size - 1,
                      (void)0);
    else
        fuzz_write(path, data, size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct session_record record, own;
    pid_t *pids = NULL;

    put(data, size);
    const enum registry_status status = registry_get(fuzz_directory, geteuid(), PID, &record);
    MUST(status == REGISTRY_OK || status == REGISTRY_DAMAGED || status == REGISTRY_NEWER);
    if (status == REGISTRY_OK) {
        MUST(record.pid == PID);
        MUST(strnlen(record.user, sizeof record.user) < sizeof record.user);
        MUST(strnlen(record.service, sizeof record.service) < sizeof record.service);
        MUST(strnlen(record.address, sizeof record.address) < sizeof record.address);
        MUST(strnlen(record.terminal, sizeof record.terminal) < sizeof record.terminal);
        for (size_t i = 0; i < sizeof record.limits.rule / sizeof record.limits.rule[0]; i++)
            MUST(strnlen(record.limits.rule[i], sizeof record.limits.rule[i]) <
                 sizeof record.limits.rule[i]);
        MUST(login_source_name(record.source) != NULL);
        session_check_live(&record);
    }
    MUST(registry_list(fuzz_directory, geteuid(), &pids) == 1 && pids[0] == PID);
    free(pids);
    const int found = registry_find_own(fuzz_directory, geteuid(), &own);
    MUST(found >= -1 && found <= 1);
    return 0;
}
