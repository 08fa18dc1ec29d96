/*
 * The snapshot's layout, shared by writer and reader. All numbers are in the
 * host's byte order: a snapshot never leaves the host that wrote it.
 *
 *   header | sources and message | rules | buckets
 *
 * The rules are sorted by kind and name: a login that needs the names of the
 * groups reads these rules in a row.
 *
 * The buckets are a hash table of fixed-size blocks without overflow: a
 * lookup reads one bucket, and a hit one rule more. A rule is found by the
 * hash of its kind and name.
 */
#ifndef TMOUT_POLICY_SNAPSHOT_FORMAT_H
#define TMOUT_POLICY_SNAPSHOT_FORMAT_H

#include "lib/host/checksum.h"
#include "lib/policy/settings.h"

#include <stddef.h>
#include <stdint.h>

/* The format's number is in the names, so that an old and a new module can work
 * side by side during an upgrade. */
#define SNAPSHOT_POLICY_NAME   "policy.v1"
#define SNAPSHOT_REJECTED_NAME "rejected.v1"

enum snapshot_kind { SNAPSHOT_POLICY, SNAPSHOT_REJECTED };

/* The last byte is the version, outside of all checksums: these two are version 1,
 * and later ones end with a digit, from 2 on. */
#define MAGIC_POLICY   "tmoutpol"
#define MAGIC_REJECTED "tmoutref"

struct file_header {
    char magic[8];
    uint64_t checksum; /* of all that follows in the header */
    uint64_t file_size;
    int64_t created_sec;
    uint64_t body_checksum;  /* of all that follows the header */
    uint64_t block_checksum; /* of the block alone, which every login reads */
    uint32_t block_size;     /* the block follows the header */
    uint32_t source_count;
    uint32_t message_size;
    uint32_t bucket_offset;
    uint32_t bucket_count; /* a power of two, or 0 */
    uint32_t rule_count[3];
};

struct file_source {
    uint64_t inode, size;
    int64_t mtime_ns, ctime_ns;
    uint32_t kind;
    uint32_t path_size; /* the path follows, padded to 8 bytes, without a NUL */
};

enum { BUCKET_SLOTS = 7 };

struct file_slot {
    uint64_t hash;
    uint32_t offset, size;
};

struct file_bucket {
    uint64_t checksum; /* of all that follows, seeded with the bucket's number */
    uint64_t count;
    struct file_slot slot[BUCKET_SLOTS];
};

struct file_rule {
    uint64_t checksum; /* of all that follows */
    uint32_t kind;
    uint32_t name_size;
    uint32_t setting_count; /* as many struct file_setting follow, then the name */
    uint32_t text_size;     /* of the one text a rule may have, after the name */
};

struct file_setting {
    int64_t value;
    uint32_t id, file, line, unused;
};

/* Limits for the sizes in a damaged file. */
enum {
    /* How much of the file is read at once, as it is opened. */
    FRONT_SIZE_MAX = 16 * 1024,
    BLOCK_SIZE_MAX = 1024 * 1024,
    RULE_SETTINGS_MAX = 64,
    RULE_SIZE_MAX = sizeof(struct file_rule) + RULE_SETTINGS_MAX * sizeof(struct file_setting) +
                    256 + SETTING_TEXT_MAX
};

static inline uint64_t rule_hash(uint32_t kind, const char *name, size_t size)
{
    return checksum(checksum(CHECKSUM_START, &kind, sizeof kind), name, size);
}

static inline size_t padded(size_t size)
{
    return (size + 7) & ~(size_t)7;
}

#endif
