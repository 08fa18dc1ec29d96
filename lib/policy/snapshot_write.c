#include "lib/policy/snapshot_write.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A growing buffer. */
struct buffer {
    unsigned char *data;
    size_t size, room;
    bool failed; /* out of memory: all later calls do nothing */
};

static void *append(struct buffer *buffer, size_t size)
{
    if (buffer->failed)
        return NULL;
    if (size > buffer->room - buffer->size) {
        const size_t room = 2 * (buffer->room + size);
        unsigned char *grown = realloc(buffer->data, room);
        if (grown == NULL) {
            buffer->failed = true;
            return NULL;
        }
        buffer->data = grown;
        buffer->room = room;
    }
    void *place = buffer->data + buffer->size;
    memset(place, 0, size);
    buffer->size += size;
    return place;
}

static void append_bytes(struct buffer *buffer, const void *data, size_t size)
{
    void *place = append(buffer, size);

    if (place != NULL && size > 0)
        memcpy(place, data, size);
}

static void append_sources(struct buffer *buffer, const struct source_set *sources)
{
    for (size_t i = 0; i < sources->count; i++) {
        const struct source_identity *identity = &sources->item[i].identity;
        const char *path = sources->item[i].path;
        const struct file_source record = {.inode = identity->inode,
                                           .size = identity->size,
                                           .mtime_ns = identity->mtime_ns,
                                           .ctime_ns = identity->ctime_ns,
                                           .kind = identity->kind,
                                           .path_size = (uint32_t)strlen(path)};
        append_bytes(buffer, &record, sizeof record);
        append_bytes(buffer, path, record.path_size);
        append(buffer, padded(record.path_size) - record.path_size);
    }
}

static void append_rule(struct buffer *buffer, const struct rule *rule)
{
    const size_t start = buffer->size;
    struct file_rule head = {.kind = (uint32_t)rule->kind,
                             .name_size = (uint32_t)strlen(rule->name),
                             .text_size = rule->text != NULL ? (uint32_t)strlen(rule->text) : 0};

    append(buffer, sizeof head);
    for (uint32_t id = 0; id < SETTING_COUNT; id++) {
        const struct rule_setting *setting = &rule->setting[id];
        const struct file_setting entry = {
            .value = setting->value, .id = id, .file = setting->file, .line = setting->line};
        if (!setting->set)
            continue;
        append_bytes(buffer, &entry, sizeof entry);
        head.setting_count++;
    }
    append_bytes(buffer, rule->name, head.name_size);
    append_bytes(buffer, rule->text, head.text_size);
    if (buffer->failed)
        return;
    memcpy(buffer->data + start, &head, sizeof head);
    head.checksum = checksum(CHECKSUM_START, buffer->data + start + sizeof head.checksum,
                             buffer->size - start - sizeof head.checksum);
    memcpy(buffer->data + start, &head, sizeof head);
}

/* Distributes the slots to bucket_count buckets; false if one overflows. */
static bool fill_buckets(struct file_bucket *bucket, size_t bucket_count,
                         const struct file_slot *slot, size_t slot_count)
{
    for (size_t i = 0; i < slot_count; i++) {
        struct file_bucket *into = &bucket[slot[i].hash & (bucket_count - 1)];
        if (into->count == BUCKET_SLOTS)
            return false;
        into->slot[into->count++] = slot[i];
    }
    for (uint64_t i = 0; i < bucket_count; i++)
        bucket[i].checksum = CHECKSUM_OF(CHECKSUM_START ^ i, bucket[i]);
    return true;
}

/* The smallest number of buckets that holds all slots; NULL with errno set. */
static struct file_bucket *make_buckets(const struct file_slot *slot, size_t slot_count,
                                        size_t *bucket_count)
{
    /* Names that overflow this many buckets were chosen to. */
    const size_t bucket_count_max = 64 * (slot_count + 64);

    for (*bucket_count = 1; *bucket_count <= bucket_count_max; *bucket_count *= 2) {
        if (*bucket_count * BUCKET_SLOTS < slot_count)
            continue;
        struct file_bucket *bucket = calloc(*bucket_count, sizeof *bucket);
        if (bucket == NULL)
            return NULL;
        if (fill_buckets(bucket, *bucket_count, slot, slot_count))
            return bucket;
        free(bucket);
    }
    errno = EFBIG;
    return NULL;
}

/* Appends all rules and stores their places in slot[]. */
static void append_rules(struct buffer *buffer, const struct policy *policy, struct file_slot *slot,
                         uint32_t *rule_count)
{
    for (size_t i = 0; i < policy->count; i++) {
        const struct rule *rule = &policy->rule[i];
        const size_t start = buffer->size;

        append_rule(buffer, rule);
        slot[i] = (struct file_slot){
            .hash = rule_hash((uint32_t)rule->kind, rule->name, strlen(rule->name)),
            .offset = (uint32_t)start,
            .size = (uint32_t)(buffer->size - start)};
        rule_count[rule->kind]++;
    }
}

/* The index: rules, and the buckets that lead to them. */
static int append_index(struct buffer *buffer, const struct policy *policy,
                        struct file_header *header)
{
    struct file_bucket *bucket = NULL;
    struct file_slot *slot = calloc(policy->count, sizeof *slot);
    size_t bucket_count;
    int result = -1;

    if (slot == NULL)
        goto out;
    append_rules(buffer, policy, slot, header->rule_count);
    if (buffer->failed || buffer->size > UINT32_MAX / 2) {
        errno = buffer->failed ? ENOMEM : EFBIG;
        goto out;
    }
    bucket = make_buckets(slot, policy->count, &bucket_count);
    if (bucket == NULL)
        goto out;
    append(buffer, padded(buffer->size) - buffer->size);
    header->bucket_offset = (uint32_t)buffer->size;
    header->bucket_count = (uint32_t)bucket_count;
    append_bytes(buffer, bucket, bucket_count * sizeof *bucket);
    result = 0;

out:
    free(bucket);
    free(slot);
    return result;
}

int snapshot_encode(const struct snapshot_content *content, unsigned char **image, size_t *size)
{
    struct file_header header = {.created_sec = content->created_sec,
                                 .source_count = (uint32_t)content->sources->count,
                                 .message_size = (uint32_t)strlen(content->message)};
    struct buffer buffer = {0};

    memcpy(header.magic, content->kind == SNAPSHOT_POLICY ? MAGIC_POLICY : MAGIC_REJECTED,
           sizeof header.magic);
    append(&buffer, sizeof header);
    append_sources(&buffer, content->sources);
    append_bytes(&buffer, content->message, header.message_size);
    if (buffer.failed)
        goto no_memory;
    if (buffer.size - sizeof header > BLOCK_SIZE_MAX) {
        errno = EFBIG;
        goto fail;
    }
    header.block_size = (uint32_t)(buffer.size - sizeof header);
    header.block_checksum =
        checksum(CHECKSUM_START, buffer.data + sizeof header, header.block_size);
    if (content->policy != NULL && content->policy->count > 0 &&
        append_index(&buffer, content->policy, &header) != 0)
        goto fail;
    if (buffer.failed)
        goto no_memory;
    header.file_size = buffer.size;
    header.body_checksum =
        checksum(CHECKSUM_START, buffer.data + sizeof header, buffer.size - sizeof header);
    header.checksum = CHECKSUM_OF(CHECKSUM_START, header);
    memcpy(buffer.data, &header, sizeof header);
    *image = buffer.data;
    *size = buffer.size;
    return 0;

no_memory:
    errno = ENOMEM;
fail:
    free(buffer.data);
    return -1;
}
