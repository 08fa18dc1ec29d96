/*
 * The offset checks of lib/policy/snapshot_read.c, for all headers, and for all short
 * blocks and records, whatever their checksums say
 */
#include "tests/model/cbmc/nondet.h"

/* In place of lib/host/checksum.h: any damage may go unnoticed. */
#define TMOUT_HOST_CHECKSUM_H
#define CHECKSUM_START             UINT64_C(0)
#define CHECKSUM_OF(start, object) nondet_u64()
#define checksum(sum, data, size)  ((void)(sum), (void)(data), (void)(size), nondet_u64())

/* What is checked is static there. */
#include "lib/policy/snapshot_read.c" /* NOLINT(bugprone-suspicious-include) */

enum { BLOCK_MAX = 96, RECORD_MAX = sizeof(struct file_rule) + 3 * sizeof(struct file_setting) };

struct file_header nondet_header(void);

void prove_header(void)
{
    const struct file_header header = nondet_header();
    const uint64_t size = nondet_u64();
    const struct snapshot snapshot = {.file_size = size};

    assume(size <= INT64_MAX);
    if (!header_is_valid(&header, MAGIC_POLICY, size))
        return;
    claim(sizeof header + header.block_size <= size);
    claim(header.message_size <= header.block_size);
    const uint64_t bucket = nondet_u64();
    if (header.bucket_count == 0)
        return;
    /* As snapshot_find() chooses one. */
    const uint64_t chosen = bucket & (header.bucket_count - 1);
    claim(chosen < header.bucket_count);
    claim(inside(&snapshot, header.bucket_offset + chosen * sizeof(struct file_bucket),
                 sizeof(struct file_bucket)));
}

/* The memory is exactly as large as the numbers say: CBMC reports a byte outside. */
void prove_block(void)
{
    struct snapshot snapshot = {
        .block_size = nondet_byte(), .source_count = nondet_u32(), .message_size = nondet_byte()};
    struct file_source source;
    const char *path;
    size_t at = 0;

    assume(snapshot.block_size <= BLOCK_MAX && snapshot.message_size <= snapshot.block_size);
    assume(snapshot.source_count <= BLOCK_MAX / sizeof source + 1);
    snapshot.block = malloc(snapshot.block_size);
    assume(snapshot.block != NULL);
    if (!block_is_valid(&snapshot))
        return;
    for (uint32_t i = 0; i < snapshot.source_count; i++) {
        claim(next_source(&snapshot, &at, &source, &path));
        if (source.path_size > 0) {
            const volatile char first = path[0], last = path[source.path_size - 1];
            (void)first;
            (void)last;
        }
    }
    claim(at + snapshot.message_size == snapshot.block_size);
}

void prove_record(void)
{
    const size_t size = nondet_byte();
    struct record record;

    assume(size >= sizeof record.head && size <= RECORD_MAX);
    unsigned char *bytes = malloc(size);
    assume(bytes != NULL);
    claim(record_size(bytes) <= RULE_SIZE_MAX);
    if (!parse_record(bytes, size, &record))
        return;
    claim(record.settings + record.head.setting_count * sizeof(struct file_setting) == record.name);
    claim(record.name + record.head.name_size == record.text);
    claim(record.text + record.head.text_size == bytes + size);
}

void prove_offsets(void)
{
    const struct snapshot snapshot = {.file_size = nondet_u64()};
    const uint64_t offset = nondet_u64(), size = nondet_u64();

    if (inside(&snapshot, offset, size)) {
        claim(offset <= snapshot.file_size);
        claim(offset + size >= offset && offset + size <= snapshot.file_size);
    }
}
